"""From findings to the facts of a report: hits with their probabilities, slices, and the worst queries in full."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from evaluation.arrays import Floats
from evaluation.evaluate import Evaluation, Searches
from evaluation.figures import Estimate, Expected, ReportFacts, Returned, Slice, Worst
from evaluation.findings import Findings
from evaluation.intervals import groups_of
from evaluation.reliability import reliability
from evaluation.slices import groups_by
from evaluation.sources import Described
from naru.documents import Passage

DEPTH = 10
"""Hits of each query that the charts look at: a first page."""

_PREFERRED = "nDCG@10"
_WORST, _WITHOUT, _RETURNED = 12, 4, 3

Retrieve = Callable[[Sequence[str]], Iterable[Passage]]


def report_facts(
    found: Findings,
    searcher: Searches,
    described: Described,
    *,
    mode: str,
    retrieve: Retrieve | None = None,
    doubts: Sequence[str] = (),
) -> ReportFacts:
    """The facts of one mode; `found` must have estimates. `searcher` is asked once more for the worst queries, and
    `retrieve` for the passages that they should have found (None: their ids are shown). `doubts` are told first."""
    evaluation = found.evaluation
    judged = evaluation.judged
    rows = [
        (number, rank, probability, judged.qrels[query].get(document, 0) > 0)
        for number, query in enumerate(judged.queries)
        for rank, ((document, _), probability) in enumerate(
            zip(evaluation.runs[mode][query][:DEPTH], evaluation.probabilities[mode][query], strict=False),
            start=1,
        )
    ]
    query = np.array([row[0] for row in rows], np.int64)
    rank = np.array([row[1] for row in rows], np.int64)
    probability = np.array([row[2] for row in rows], np.float64)
    relevant = np.array([row[3] for row in rows], np.bool_)
    trusted: dict[str, Estimate] = {}
    if described.calibrated and rows:
        groups = groups_of(list(judged.queries), groups_by(judged, found.group))
        units = query if groups is None else groups[query]
        balanced = next((cut.probability for cut in described.cutoffs if cut.name == "balanced"), None)
        hits = {"first hit": rank == 1}
        if balanced is not None:
            hits["shown at balanced"] = probability >= balanced
        for which, of in hits.items():
            reliable = reliability(probability[of], relevant[of], units[of]) if of.any() else {}
            trusted |= {f"{name}, {which}": one for name, one in reliable.items()}
    if mode in found.rejection:
        trusted["AUROC, no answer"] = found.rejection[mode].auroc
    names = list(evaluation.measured[mode].per_query)
    by = _PREFERRED if _PREFERRED in names else names[0]
    return ReportFacts(
        collection=described.collection,
        split=judged.name,
        mode=mode,
        encoder=described.encoder,
        calibrated=described.calibrated,
        measures=found.estimates,
        query=query,
        rank=rank,
        probability=probability,
        relevant=relevant,
        judged=np.array(
            [sum(one > 0 for one in grades.values()) for grades in judged.qrels.values()], np.int64
        ),
        reliability=trusted,
        answer=_sure(evaluation, mode),
        cutoffs=described.cutoffs,
        slices=[Slice(part.field, part.value, part.queries, part.measures[mode]) for part in found.slices],
        worst=list(_worst(evaluation, searcher, mode, by, retrieve)),
        worst_by=by,
        notes=[f"Charts and cut-offs look at the first {DEPTH} hits of each query."],
        doubts=doubts,
        made_from=described.made_from,
        intervals=f"95% BCa bootstrap intervals over {found.unit}",
    )


def _worst(
    evaluation: Evaluation, searcher: Searches, mode: str, by: str, retrieve: Retrieve | None
) -> Iterator[Worst]:
    """The lowest of the answerable queries, the surest first, and the surest of those without an answer."""
    judged, values = evaluation.judged, evaluation.measured[mode].per_query[by]
    sure = {query: max(found, default=0.0) for query, found in evaluation.probabilities[mode].items()}
    lowest = sorted(
        (query for query in values if values[query] < 1), key=lambda query: (values[query], -sure[query])
    )
    without = sorted(judged.no_answer, key=lambda query: -sure[query])
    for query in [*lowest[:_WORST], *(query for query in without[:_WITHOUT] if sure[query] > 0)]:
        wanted = [document for document, grade in judged.qrels[query].items() if grade > 0]
        ranks = {document: rank for rank, (document, _) in enumerate(evaluation.runs[mode][query], start=1)}
        there = {} if retrieve is None else {passage.id: passage for passage in retrieve(wanted)}
        hits = searcher.search(judged.queries[query], mode=mode, limit=_RETURNED, anyway=True).hits
        yield Worst(
            judged.queries[query],
            values.get(query, 0.0),
            [
                Returned(
                    hit.passage.title or hit.passage.id,
                    hit.passage.text,
                    hit.probability,
                    hit.passage.id in wanted,
                )
                for hit in hits
            ],
            [_expected(one, there.get(one), ranks.get(one), retrieve is not None) for one in wanted],
        )


def _expected(document: str, passage: Passage | None, rank: int | None, asked: bool) -> Expected:
    if passage is None:
        return Expected(document, "(not in the collection)" if asked else "", rank)
    return Expected(passage.title or passage.id, passage.text, rank)


def _sure(evaluation: Evaluation, mode: str) -> Floats | None:
    """[q] the probability that each query has an answer, where the mode says one."""
    said = evaluation.sure.get(mode)
    return None if said is None else np.array([said[query] for query in evaluation.judged.queries])
