"""Ranking measures, by ir-measures: how a run fares against judgements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

from evaluation.beir import Qrels
from evaluation.runs import Run
from naru.errors import NaruError

MEASURES = ("nDCG@10", "RR@10", "AP", "R@1", "R@3", "R@5", "R@10", "R@100")
"""Named as in ir-measures. nDCG takes the judged relevance itself as gain, log2 of the rank as discount."""

DEEPEST = 100
"""How many documents a ranking needs for these measures to say what their names do."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Measure -> its mean over the queries, and measure -> query id -> value; all in [0, 1]."""

    means: Mapping[str, float]
    per_query: Mapping[str, Mapping[str, float]]


def measure(run: Run, qrels: Qrels) -> Measured:
    """The measures over the judged queries; one that the run does not answer counts 0.

    The order of each ranking counts, not its scores. Queries of the run that are not judged are left out.
    NaruError when no query is judged, a ranking holds a document twice, or ir-measures is not installed.
    """
    if not qrels:
        raise NaruError("No judged queries to average over; expected at least one with a relevant document.")
    ir_measures = _ir_measures()
    # By rank, because ir-measures reads scores as float32 and reorders what ties there.
    ranked = {
        query: {document: -float(rank) for rank, (document, _) in enumerate(run.get(query, ()))}
        for query in qrels
    }
    for query, documents in ranked.items():
        if len(documents) != len(run.get(query, ())):
            raise NaruError(f"Query {query!r}: its ranking holds a document twice; expected each id once.")
    judged = {
        query: {document: max(score, 0) for document, score in documents.items()}
        for query, documents in qrels.items()
    }
    names = {ir_measures.parse_measure(name): name for name in MEASURES}
    found = ir_measures.calc(list(names), judged, ranked)
    per_query: dict[str, dict[str, float]] = {name: {} for name in MEASURES}
    for one in found.per_query:
        per_query[names[one.measure]][one.query_id] = float(one.value)
    means = {name: float(found.aggregated[kind]) for kind, name in names.items()}
    return Measured(means, per_query)


def _ir_measures() -> ModuleType:
    try:
        import ir_measures
    except ImportError as error:
        raise NaruError(
            'Evaluation needs a package more: pip install "naru-search[evaluation]" (or ir-measures).'
        ) from error
    return ir_measures
