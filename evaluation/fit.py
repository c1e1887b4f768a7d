"""Fit one mode's relevance to judged candidates: what ranks, how sure to be, and the map where one is needed.

    1. The direction of the hybrid formula, lexical over semantic weight, is the one that ranks best
       (evaluation/directions.py).
    2. Bias, scale and rivalry (naru/relevance.py) maximise the likelihood of the judgements of each query's first
       SHOWN hits, as ranked by 1, with weak normal priors: what is fitted is what competes for being shown. All of
       the engine's candidates are in the ranking and no negatives are sampled, so there is no sampling to correct.
    3. A map (beta or isotonic) is fitted to the same hits' logits, and kept where `evaluation.calibrate` finds that
       it predicts unseen queries better.

What nobody judged counts as not relevant, so where judgements are few the probabilities are of being judged relevant,
which is at most that of being relevant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from evaluation.arrays import Booleans, Floats, Integers
from evaluation.candidates import Candidates
from evaluation.directions import Directions
from naru.maps import Beta, Knots, Map
from naru.relevance import RIVALS, Fit, Scores

SHOWN = 3
"""Hits of each query whose judgements count. More, and the easy ones below decide (benchmarks/calibration.py)."""

Kind = Literal["none", "beta", "isotonic"]
KINDS: tuple[Kind, ...] = ("none", "beta", "isotonic")

# Normal priors of: logit of the middle first hit, ln(scale over the prior's weights), rivalry.
_MEANS = np.array([2.0, 0.0, 1.0])
_DEVIATIONS = np.array([4.0, 1.5, 0.25])


@dataclass(frozen=True, eq=False)
class Page:
    """The first RIVALS hits of each query [q, RIVALS], best first: scores (-inf where there is no hit), judgements."""

    scores: Floats
    right: Booleans

    @classmethod
    def of(cls, candidates: Candidates, scores: Floats) -> Page:
        places = candidates.ranks(scores)
        first = places < RIVALS
        shape = (len(candidates.queries), RIVALS)
        page = cls(np.full(shape, -np.inf), np.zeros(shape, np.bool_))
        page.scores[candidates.query[first], places[first]] = scores[first]
        page.right[candidates.query[first], places[first]] = candidates.right[first]
        return page

    def select(self, queries: Booleans) -> Page:
        return Page(self.scores[queries], self.right[queries])

    @property
    def shown(self) -> Booleans:
        """[q, RIVALS] the first SHOWN hits."""
        there: Booleans = np.isfinite(self.scores) & (np.arange(RIVALS) < SHOWN)
        return there


def fit(candidates: Candidates, prior: Scores, directions: Directions, among: Booleans) -> Fit:
    """Fit a mode's candidates (of `evaluation.candidates.of_mode`) by the judgements of some queries [q]; no map yet.

    `prior` are the mode's prior weights; `directions` are those of the candidates of both channels.
    """
    semantic, lexical = prior.semantic, prior.lexical
    if semantic is not None and lexical is not None:
        lexical = semantic * directions.best(among)
    page = Page.of(candidates, _scores(candidates, semantic, lexical)).select(among)
    bias, scale, rivalry = likeliest(page)
    return Fit(
        Scores(
            bias, None if semantic is None else scale * semantic, None if lexical is None else scale * lexical
        ),
        rivalry,
    )


def likeliest(page: Page) -> tuple[float, float, float]:
    """Bias, scale of the scores, and rivalry, of greatest posterior density (2 of the docstring above)."""
    from scipy.optimize import minimize

    live = np.isfinite(page.scores)
    scores = np.where(live, page.scores, 0.0)
    first = page.scores[live[:, 0], 0]
    middle = float(np.median(first)) if len(first) else 0.0
    shown, right = page.shown, page.right

    def logits(at: Floats) -> tuple[Floats, Floats, Floats]:
        centred = scores - middle
        plain = np.where(live, at[0] + np.exp(at[1]) * centred, -np.inf)
        weights = np.exp(np.clip(plain, None, 500.0))
        others = np.maximum(1 + weights.sum(axis=1, keepdims=True) - weights, 1.0)
        return plain, weights, others

    def loss(at: Floats) -> tuple[float, Floats]:
        plain, weights, others = logits(at)
        said = np.where(shown, plain, 0.0) - at[2] * np.log(others)
        lost = np.logaddexp(0.0, np.where(right, -said, said))[shown].sum()
        slope = np.where(shown, 1 / (1 + np.exp(-np.clip(said, -500, 500))) - right, 0.0)  # d lost / d said
        steep = np.where(live, np.exp(at[1]) * (scores - middle), 0.0)  # d plain / d at[1]
        crowd = (weights.sum(axis=1, keepdims=True) - weights) / others
        pushed = ((weights * steep).sum(axis=1, keepdims=True) - weights * steep) / others
        gradient = np.array(
            [
                (slope * (1 - at[2] * crowd)).sum(),
                (slope * (steep - at[2] * pushed)).sum(),
                -(slope * np.log(others)).sum(),
            ]
        )
        off = (at - _MEANS) / _DEVIATIONS
        return float(lost + 0.5 * (off**2).sum()), gradient + off / _DEVIATIONS

    found = minimize(
        loss,
        _MEANS,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-30.0, 30.0), (-6.0, 6.0), (0.0, 2.0)],
        options={"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-7},
    )
    scale = float(np.exp(found.x[1]))
    return float(found.x[0] - scale * middle), scale, float(found.x[2])


def ranking(candidates: Candidates, scores: Scores) -> Floats:
    """[n] the logit that the engine ranks by."""
    return scores.bias + _scores(candidates, scores.semantic, scores.lexical)


def logits(candidates: Candidates, fitted: Fit) -> Floats:
    """[n] the logit of each row's probability: what serving says of it."""
    plain = ranking(candidates, fitted.scores)
    order = np.lexsort((candidates.alphabetical, -plain, candidates.query))
    ends = np.searchsorted(candidates.query[order], np.arange(len(candidates.queries) + 1))
    said = np.empty(len(plain))
    for start, end in pairwise(ends.tolist()):
        rows = order[start:end]
        said[rows] = fitted.logits(plain[rows].tolist())
    return said


def fit_map(kind: Kind, said: Floats, right: Booleans) -> Map | None:
    """The map of a kind from logits [m] to judgements [m]; None for none, or where there is nothing to tell apart."""
    if kind == "none" or right.all() or not right.any():
        return None
    return _beta(said, right) if kind == "beta" else _isotonic(said, right)


def _beta(said: Floats, right: Booleans) -> Beta:
    from scipy.optimize import minimize

    features = np.stack([-np.logaddexp(0, -said), np.logaddexp(0, said), np.ones(len(said))], axis=1)

    def loss(at: Floats) -> tuple[float, Floats]:
        found = features @ at
        slope = 1 / (1 + np.exp(-np.clip(found, -500, 500))) - right
        return float(np.logaddexp(0, np.where(right, -found, found)).sum()), features.T @ slope

    best = minimize(
        loss,
        np.array([1.0, 1.0, 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.01, 100.0), (0.01, 100.0), (-100.0, 100.0)],
        options={"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-8},
    )
    return Beta(*map(float, best.x))


def _isotonic(said: Floats, right: Booleans) -> Knots:
    """Knots in the middle of the blocks that isotonic regression makes; a block's share is (hits + 1/2) / (n + 1),
    so that no block says never or always."""
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(said, kind="stable")
    ranked, hit = said[order], right[order]
    level = IsotonicRegression(increasing=True).fit_transform(ranked, hit)
    edges = np.flatnonzero(np.append(True, level[1:] != level[:-1]))
    blocks: list[_Block] = []
    for start, end in zip(edges, [*edges[1:], len(level)], strict=True):
        block = _Block(end - start, float(ranked[start:end].sum()), float(hit[start:end].sum()))
        while blocks and (block.value <= blocks[-1].value or block.middle <= blocks[-1].middle):
            block = blocks.pop() + block  # the half a hit has put them out of order
        blocks.append(block)
    return Knots(tuple(block.middle for block in blocks), tuple(block.value for block in blocks))


@dataclass(frozen=True, slots=True)
class _Block:
    """Neighbouring rows that get one probability: how many, the sum of their logits, how many are right."""

    rows: int
    said: float
    hits: float

    def __add__(self, other: _Block) -> _Block:
        return _Block(self.rows + other.rows, self.said + other.said, self.hits + other.hits)

    @property
    def middle(self) -> float:
        return self.said / self.rows

    @property
    def value(self) -> float:
        share = (self.hits + 0.5) / (self.rows + 1)
        return math.log(share) - math.log1p(-share)


def _scores(candidates: Candidates, semantic: float | None, lexical: float | None) -> Floats:
    found = np.zeros(len(candidates.query))
    if semantic is not None:
        found = found + semantic * candidates.semantic
    if lexical is not None:
        found = found + lexical * candidates.lexical
    return found


def folds(units: Integers, number: int = 5, seed: int = 5) -> Integers:
    """[q] the fold of each query; queries of one unit share theirs, and folds hold about as many units each."""
    names = np.unique(units)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    chosen: Integers = (shuffled % number)[np.searchsorted(names, units)]
    return chosen
