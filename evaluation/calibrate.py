"""Calibrate a collection: from judged queries to probabilities that can be trusted, and cut-offs with promises.

Every figure and cut-off is taken from cross-fitted logits: five folds by unit of independence, each scored by a fit
that saw none of its queries. A map is kept where it predicts those better, by log loss over the first hits, than no
map does by more than a standard error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from evaluation import answerable as answering
from evaluation import fit as fitting
from evaluation.arrays import Floats, renumbered
from evaluation.candidates import Candidates, collect, of_mode
from evaluation.cutoffs import Offered, levels, promised
from evaluation.directions import Directions
from evaluation.figures import Estimate
from evaluation.fit import KINDS, SHOWN, Kind, fit_map, folds
from evaluation.needed import needed
from evaluation.reliability import losses, reliability
from naru.answering import Answering
from naru.basis import ASKED, Basis
from naru.beir import Split
from naru.cutoffs import read_promise
from naru.errors import NaruError
from naru.maps import Map
from naru.relevance import Fit, Relevance, Scores
from naru.sketch import sketched
from search import Searcher
from search.searcher import PREFETCH

LEAST = 50
"""Queries with an answer below which no fit is made; benchmarks/calibration.py shows what few are worth."""

LEAST_UNITS = 5
"""Passages (or groups) that the queries with an answer are about, at least: one for each fold."""

LEAST_OF_EACH = 10
"""First hits that are right, and that are wrong, below which no map is learnt: it would say always or never."""

FUSED = 60
"""The constant of reciprocal rank fusion, as its authors chose it (Cormack, Clarke and Buettcher, 2009)."""


@dataclass(frozen=True, eq=False)
class Crossed:
    """One mode: its candidates, the fit on all queries, and the cross-fitted logit [n] of each candidate.

    `gains` are log losses of the first hits saved by each map over none, with their standard error.
    """

    candidates: Candidates
    fit: Fit
    logits: Floats
    gains: Mapping[Kind, tuple[float, float]]

    @property
    def first(self) -> dict[str, Estimate]:
        """Reliability of the first hit of each query."""
        return self._reliability(self.candidates.ranks(self.logits) == 0)

    def shown(self, logit: float) -> dict[str, Estimate]:
        """Reliability of the hits that a cut-off shows."""
        return self._reliability(self.logits >= logit)

    def _reliability(self, rows: Any) -> dict[str, Estimate]:
        units = self.candidates.clusters[self.candidates.query[rows]]
        return reliability(sigmoid(self.logits[rows]), self.candidates.right[rows], units)


@dataclass(frozen=True, eq=False)
class Calibration:
    """What was fitted, and how it does on queries that the fit did not see."""

    relevance: Relevance
    modes: Mapping[str, Crossed]

    def rows(self) -> Iterator[tuple[str, str, dict[str, Estimate]]]:
        """(mode, hits, reliability): of each mode's first hits and of those that `balanced` shows; then of the first hits
        of raw cosine and of rank fusion, their scores taken for probabilities."""
        for mode, crossed in self.modes.items():
            yield mode, "first", crossed.first
            cutoff = crossed.fit.level("balanced").logit
            if cutoff is not None:
                yield mode, "shown", crossed.shown(cutoff)
        whole = self.modes["hybrid"].candidates
        for name, said in (("raw cosine", by_cosine(whole)), ("rank fusion", by_fusion(whole))):
            first = whole.ranks(said) == 0
            clusters = whole.clusters[whole.query[first]]
            yield name, "first", reliability(said[first], whole.right[first], clusters)


def calibrate(
    searcher: Searcher,
    split: Split,
    *,
    group: str | None = None,
    promises: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Ask a split's queries of a collection and fit every mode to the judgements. Nothing is kept.

    Queries of one `group` (see `evaluation.candidates.collect`) share a fold. `promises` are cut-offs beside the three
    levels, as `evaluation.cutoffs.promised` reads them. NaruError: the split judges passages
    that the collection lacks, or too few queries with an answer.
    """
    needed("scipy", "sklearn")
    for asked in promises:
        read_promise(asked)
    if len(split.answerable) < LEAST:
        raise NaruError(
            f"The split {split.name!r} has {len(split.answerable)} queries with an answer; a calibration needs {LEAST} "
            f"at least, and is good from a few hundred on. Judge {LEAST - len(split.answerable)} more."
        )
    candidates = collect(searcher, split, group=group, progress=progress)
    units = len(np.unique(candidates.clusters[candidates.relevant > 0]))
    if units < LEAST_UNITS:
        raise NaruError(
            f"The queries with an answer of the split {split.name!r} are about {units} different passages (or groups); a "
            f"calibration needs {LEAST_UNITS} at least, or nothing tells how it does on others. Judge queries about more."
        )
    prior = Relevance.prior(searcher.provenance.background)
    modes = {
        mode: replace(
            one,
            fit=replace(one.fit, answering=_answering(searcher, split, one.candidates, one.fit.scores, mode)),
        )
        for mode, one in cross_fit(
            candidates, {mode: prior.scores(mode) for mode in prior.modes}, promises
        ).items()
    }
    made = searcher.provenance
    basis = Basis(
        collection=made.collection,
        created=made.created,
        passages=made.passages,
        sketch=made.sketch,
        encoder=made.encoder_fingerprint,
        analyzer=made.analyzer_fingerprint,
        prefetch=PREFETCH,
        split=split.name,
        judgements=judgements_hash(split),
        queries=len(split.queries),
        answerable=len(split.answerable),
        fitted=datetime.now(UTC).date().isoformat(),
        asked=sketched((("", text) for text in split.queries.values()), ASKED),
    )
    return Calibration(Relevance({mode: one.fit for mode, one in modes.items()}, basis), modes)


def cross_fit(
    candidates: Candidates, priors: Mapping[str, Scores], promises: Sequence[str] = ()
) -> dict[str, Crossed]:
    """Fit each mode (mode -> its prior weights) to candidates of both channels."""
    directions = Directions.of(candidates, priors["hybrid"])
    return {
        mode: _cross_fit(of_mode(candidates, mode), prior, directions, promises)
        for mode, prior in priors.items()
    }


def _cross_fit(
    candidates: Candidates, prior: Scores, directions: Directions, promises: Sequence[str]
) -> Crossed:
    units = candidates.clusters
    fold = folds(units)
    kinds = KINDS if told_apart(candidates, prior) else KINDS[:1]
    logits = {kind: np.empty(len(candidates.query)) for kind in kinds}
    shown = np.zeros(len(candidates.query), np.bool_)
    for held in np.unique(fold):
        rows = fold[candidates.query] == held
        fitted = fitting.fit(candidates, prior, directions, fold != held)
        said = fitting.logits(candidates, fitted)
        first = candidates.ranks(said) < SHOWN
        shown |= rows & first
        for kind in kinds:
            learnt = ~rows & first
            logits[kind][rows] = _mapped(fit_map(kind, said[learnt], candidates.right[learnt]), said[rows])
    lost = {kind: losses(sigmoid(logits[kind][shown]), candidates.right[shown]) for kind in kinds}
    gains = {kind: _gain(lost["none"] - lost[kind], units[candidates.query[shown]]) for kind in kinds}
    kind = max(kinds, key=lambda kind: gains[kind][0] - gains[kind][1])
    whole = fitting.fit(candidates, prior, directions, np.ones(len(units), np.bool_))
    said = fitting.logits(candidates, whole)
    first = candidates.ranks(said) < SHOWN
    curve = fit_map(kind, said[first], candidates.right[first])
    offered = Offered(candidates, logits[kind])
    cutoffs = (*levels(offered), *(promised(offered, asked) for asked in dict.fromkeys(promises)))
    whole = replace(whole, map=curve, cutoffs=cutoffs)
    return Crossed(candidates, whole, logits[kind], gains)


def told_apart(candidates: Candidates, prior: Scores) -> bool:
    """Whether a map can be learnt: of the first hits by the prior's weights some are right and some wrong."""
    first = candidates.ranks(fitting.ranking(candidates, prior)) == 0
    right = int(candidates.right[first].sum())
    return min(right, int(first.sum()) - right) >= LEAST_OF_EACH


def _answering(
    searcher: Searcher, split: Split, candidates: Candidates, scores: Scores, mode: str
) -> Answering | None:
    """The mode's no-answer model; None where too few queries of either kind were judged."""
    found = candidates.select(np.bincount(candidates.query, minlength=len(candidates.queries)) > 0)
    answerable = int((found.relevant > 0).sum())
    if min(answerable, len(found.queries) - answerable) < answering.LEAST:
        return None
    ranking = fitting.ranking(found, scores)
    held = answering.matches(searcher, found, ranking, split.queries)
    return answering.fit(answering.queries(found, ranking, held, mode))


def by_cosine(candidates: Candidates) -> Floats:
    """[n] the raw cosine taken for a probability: what a threshold on it takes it for."""
    return np.clip(candidates.semantic, 0.0, 1.0)


def by_fusion(candidates: Candidates, prefetch: int = PREFETCH) -> Floats:
    """[n] reciprocal rank fusion of the two channels, over the most that it can be."""
    score = np.zeros(len(candidates.query))
    for channel, there in ((candidates.semantic, True), (candidates.lexical, candidates.lexical > 0)):
        ranks = candidates.ranks(channel)
        score += np.where((ranks < prefetch) & there, 1.0 / (FUSED + ranks + 1), 0.0)
    return score * (FUSED + 1) / 2


def sigmoid(logits: Floats) -> Floats:
    """[n] probabilities."""
    found: Floats = np.exp(-np.logaddexp(0.0, -logits))
    return found


def _mapped(curve: Map | None, said: Floats) -> Floats:
    return said if curve is None else np.array([curve(one) for one in said.tolist()])


def _gain(saved: Floats, units: Any) -> tuple[float, float]:
    """The mean saving a hit and its standard error over units."""
    numbers = renumbered(units)
    sums = np.bincount(numbers, saved - saved.mean())
    return float(saved.mean()), float(np.sqrt((sums**2).sum()) / len(saved))


def judgements_hash(split: Split) -> str:
    """SHA-256 of a split's queries and judgements, as `Basis.judgements` keeps it."""
    judged = {query: [text, dict(split.qrels[query])] for query, text in split.queries.items()}
    return hashlib.sha256(json.dumps(judged, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
