"""Does a score tell queries that have an answer from those that have none? AUROC, and risk over coverage.

A score is one number a query, such as the logit of its first hit; -inf where nothing was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evaluation.arrays import Booleans, Floats, Integers
from evaluation.figures import Estimate
from evaluation.intervals import DRAWS, LEVEL, SEED, chunks, drawn, groups_of
from evaluation.runs import Run
from naru.beir import Split


def auroc(scores: Floats, positive: Booleans) -> float:
    """The share of pairs (one positive, one not) whose positive scores higher, ties half; NaN without both.

    Area under the ROC curve as Mann-Whitney's U: Hanley & McNeil 1982.
    """
    if positive.all() or not positive.any():
        return float("nan")
    return float(
        _areas(scores, positive, np.ones((1, int(positive.sum()))), np.ones((1, int((~positive).sum()))))[0]
    )


@dataclass(frozen=True, slots=True)
class Gained:
    """What one score's AUROC has over another's on the same queries, its interval, and the two-sided p-value."""

    difference: float
    low: float
    high: float
    p: float


def auroc_interval(
    scores: Floats,
    positive: Booleans,
    groups: Integers | None = None,
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = SEED,
) -> tuple[float, float]:
    """The percentile bootstrap interval; queries with and without an answer are drawn apart, or `groups` [q] whole, numbered
    from 0. NaN without both."""
    if positive.all() or not positive.any():
        return float("nan"), float("nan")
    areas = _drawn([scores], positive, groups, draws, seed)[0]
    low, high = np.quantile(areas, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def auroc_gain(
    scores: Floats,
    others: Floats,
    positive: Booleans,
    groups: Integers | None = None,
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = SEED,
) -> Gained:
    """`scores` against `others` by a paired bootstrap: both see the same draws, as `auroc_interval` makes them. All
    [queries]."""
    ours, theirs = _drawn([scores, others], positive, groups, draws, seed)
    gains = ours - theirs
    low, high = np.quantile(gains, [(1 - level) / 2, (1 + level) / 2])
    tail = min((gains <= 0).sum(), (gains >= 0).sum())
    return Gained(
        auroc(scores, positive) - auroc(others, positive),
        float(low),
        float(high),
        float(min(1.0, 2 * (1 + tail) / (1 + len(gains)))),
    )


@dataclass(frozen=True)
class RiskCoverage:
    """Queries answered from the surest on: share answered, share of those that is wrong [q], and the area.

    The area is the mean risk over all coverages (Geifman & El-Yaniv 2017); 0 is perfect. Queries that tie are
    taken in random order, in expectation.
    """

    coverage: Floats
    risk: Floats

    @property
    def area(self) -> float:
        return float(self.risk.mean()) if len(self.risk) else float("nan")


def risk_coverage(sure: Floats, right: Booleans) -> RiskCoverage:
    """From how sure each query's answer is and whether it is right, both [q]. An answer where there is none is wrong."""
    _, block, sizes = np.unique(-sure, return_inverse=True, return_counts=True)
    share = np.bincount(block, weights=~right, minlength=len(sizes)) / sizes
    answered = np.arange(1, len(sure) + 1)
    return RiskCoverage(answered / max(1, len(sure)), np.cumsum(np.repeat(share, sizes)) / answered)


@dataclass(frozen=True, slots=True)
class Rejection:
    """How well a system tells whether a query has an answer: by the probability it says of that, else by the score of its
    first hit.

    `area` is that of risk over coverage over all queries, where an answer is right when its first hit is relevant.
    """

    auroc: Estimate
    area: float


def rejection(
    run: Run,
    judged: Split,
    sure: Mapping[str, float] | None = None,
    groups: Mapping[str, str] | None = None,
) -> Rejection | None:
    """Of one run over all judged queries, by how `sure` it is of an answer where it says that; None where all queries
    have an answer, or none has. `groups` of queries are drawn whole."""
    answerable = judged.answerable
    if not judged.no_answer or not answerable:
        return None
    firsts = [next(iter(run.get(query, ())), None) for query in judged.qrels]
    scores = np.array([-np.inf if first is None else first[1] for first in firsts])
    if sure is not None:
        scores = np.array([sure[query] for query in judged.qrels])
    right = np.array(
        [
            first is not None and grades.get(first[0], 0) > 0
            for first, grades in zip(firsts, judged.qrels.values(), strict=True)
        ]
    )
    positive = np.array([query in answerable for query in judged.qrels])
    value = auroc(scores, positive)
    interval = auroc_interval(scores, positive, groups_of(list(judged.qrels), groups))
    return Rejection(Estimate(value, *interval), risk_coverage(scores, right).area)


def _drawn(
    scores: list[Floats], positive: Booleans, groups: Integers | None, draws: int, seed: int
) -> list[Floats]:
    """The AUROC of each score in each draw; the draws are the same for all. Of groups, draws without a query of both kinds
    say nothing and are left out."""
    rng = np.random.default_rng(seed)
    areas: list[list[Floats]] = [[] for _ in scores]
    for rows in chunks(draws, len(positive)):
        if groups is None:
            with_answer, without = (drawn(rng, rows, int(kind.sum())) for kind in (positive, ~positive))
        else:
            counts = drawn(rng, rows, int(groups.max()) + 1)[:, groups]
            counts = counts[counts[:, positive].any(axis=1) & counts[:, ~positive].any(axis=1)]
            with_answer, without = counts[:, positive], counts[:, ~positive]
        for one, found in zip(scores, areas, strict=True):
            found.append(_areas(one, positive, with_answer, without))
    return [np.concatenate(found) for found in areas]


def _areas(scores: Floats, positive: Booleans, with_answer: Floats, without: Floats) -> Floats:
    """[draws] AUROC where positives and others count as often as they were drawn."""
    others = scores[~positive]
    order = np.argsort(others, kind="stable")
    below = np.pad(np.cumsum(without[:, order], axis=1), ((0, 0), (1, 0)))
    lower, upper = (np.searchsorted(others[order], scores[positive], side) for side in ("left", "right"))
    won = (with_answer * (below[:, lower] + below[:, upper])).sum(axis=1) / 2
    found: Floats = won / (with_answer.sum(axis=1) * without.sum(axis=1))
    return found
