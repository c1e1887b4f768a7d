"""What `naru compare` does between its options and its output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.compare import Comparison, allowances, compare
from evaluation.measures import MEASURES, measure_names
from evaluation.results import read_measured
from evaluation.slices import groups_by
from naru.beir import Split, read_qrels, read_queries
from naru.errors import NaruError


@dataclass(frozen=True, slots=True)
class Wanted:
    """Two files, what they are measured by, and what must not happen. `allowed` are texts as `nDCG@10:0.01`."""

    a: str
    b: str
    qrels: Path | None = None
    queries: Path | None = None
    measures: str | None = None
    group: str | None = None
    allowed: Sequence[str] = ()


def compared(wanted: Wanted) -> tuple[Comparison, list[str]]:
    """b against a, and a sentence for each measure that fell further than allowed.

    Measures named in `allowed` are measured too. NaruError for files that cannot be read or do not go together.
    """
    allowed = allowances(wanted.allowed)
    names = None if wanted.measures is None else measure_names(wanted.measures)
    results = all(
        said.rpartition("#")[0].endswith(".jsonl") or said.endswith(".jsonl") for said in (wanted.a, wanted.b)
    )
    if names is not None or (allowed and not results):  # results of --per-query hold what they hold
        names = tuple(dict.fromkeys([*(names or MEASURES), *allowed]))
    qrels = None if wanted.qrels is None else read_qrels(wanted.qrels)
    known = {} if wanted.queries is None else read_queries(wanted.queries)
    if wanted.group is not None and not known:
        raise NaruError("--group is a field of the queries; expected --queries FILE as well.")
    split = Split(
        "queries",
        {query: one.text for query, one in known.items()},
        qrels or {},
        {query: one.metadata for query, one in known.items()},
    )
    a, b = Path(wanted.a).name, Path(wanted.b).name
    if a == b:
        a, b = wanted.a, wanted.b
    read_a, read_b = (read_measured(said, qrels, names) for said in (wanted.a, wanted.b))
    found = compare(
        (a, read_a.measured),
        (b, read_b.measured),
        texts={**read_a.texts, **read_b.texts, **split.queries},
        groups=groups_by(split, wanted.group),
    )
    unknown = [name for name in allowed if name not in found.measured_a.per_query]
    if unknown:
        there = ", ".join(found.measured_a.per_query)
        raise NaruError(f"--fail-if-worse {unknown[0]}: these results do not have it, but {there}.")
    return found, found.worse(allowed)
