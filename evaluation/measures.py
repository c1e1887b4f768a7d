"""Ranking measures, by ir-measures: how a run fares against judgements."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from evaluation.arrays import Floats
from evaluation.needed import needed
from evaluation.runs import Run
from naru.beir import Qrels
from naru.errors import NaruError

MEASURES = ("nDCG@10", "RR@10", "AP", "R@1", "R@3", "R@5", "R@10", "R@100")
"""Named as in ir-measures. nDCG takes the judged relevance itself as gain, log2 of the rank as discount."""

DEEPEST = 100
"""How many documents a ranking has at least; a measure without @k is over as many as were asked for."""

_NAMES = {"MAP": "AP", "MRR": "RR", "Recall": "R", "Precision": "P"}
_WHOLE = ("nDCG", "AP", "RR")  # mean something without @k
_CUT = ("P", "R", "Success")


@dataclass(frozen=True, slots=True)
class Measured:
    """Measure -> its mean over the queries, and measure -> query id -> value; all in [0, 1]."""

    means: Mapping[str, float]
    per_query: Mapping[str, Mapping[str, float]]

    def values(self, queries: Sequence[str]) -> Floats:
        """[queries, measures], in the orders given and held."""
        table = [[values[query] for values in self.per_query.values()] for query in queries]
        return np.array(table, np.float64).reshape(len(queries), len(self.per_query))


def measure_names(said: str) -> tuple[str, ...]:
    """The measures of a text such as `nDCG@5, P@3 Success@1`, by ir-measures' names (MAP is AP, MRR is RR).

    NaruError for one that is none of nDCG, AP, RR, P, R, Success, for k below 1, and for P, R, Success without @k.
    """
    names = []
    for word in said.replace(",", " ").split():
        found = re.fullmatch(r"([A-Za-z]+)(?:@([1-9]\d*))?", word)
        name = _NAMES.get(found[1], found[1]) if found else ""
        if found is None or name not in _WHOLE + _CUT or (name in _CUT and not found[2]):
            raise NaruError(
                f"{word!r} is no measure known here; expected {', '.join(_WHOLE)} (with @k or without), "
                f"or {', '.join(f'{one}@k' for one in _CUT)}: nDCG@10, P@3."
            )
        names.append(f"{name}@{found[2]}" if found[2] else name)
    if not names:
        raise NaruError("No measures were named; expected some, such as nDCG@10 P@3.")
    return tuple(dict.fromkeys(names))


def deepest(names: Sequence[str]) -> int:
    """How many documents a ranking needs for these measures to say what their names do."""
    return max(int(name.partition("@")[2] or DEEPEST) for name in names)


def measure(run: Run, qrels: Qrels, names: Sequence[str] = MEASURES) -> Measured:
    """The measures over the judged queries; one that the run does not answer counts 0.

    The order of each ranking counts, not its scores. Queries of the run that are not judged are left out.
    NaruError when no query is judged, none of them is in the run, a ranking holds a document twice, or ir-measures is
    not installed.
    """
    if not qrels:
        raise NaruError("No judged queries to average over; expected at least one with a relevant document.")
    if run and not any(query in run for query in qrels):
        said = ", ".join(map(repr, list(run)[:3]))
        raise NaruError(
            f"None of the {len(qrels):,} judged queries is in the run, which has {said}, …: these are judgements of "
            "another split, or of other ids."
        )
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
    kinds = {ir_measures.parse_measure(name): name for name in names}
    found = ir_measures.calc(list(kinds), judged, ranked)
    per_query: dict[str, dict[str, float]] = {name: {} for name in names}
    for one in found.per_query:
        per_query[kinds[one.measure]][one.query_id] = float(one.value)
    means = {name: float(found.aggregated[kind]) for kind, name in kinds.items()}
    return Measured(means, per_query)


def _ir_measures() -> ModuleType:
    needed("ir_measures")
    import ir_measures

    return ir_measures
