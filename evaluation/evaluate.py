"""Search every judged query in each mode, and measure what came back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rich.markup import escape
from rich.table import Table

from evaluation.candidates import check_queries
from evaluation.measures import DEEPEST, MEASURES, Measured, deepest, measure
from evaluation.runs import Ranking, Run
from naru import terminal
from naru.beir import Beir, Qrels, Split, relevant
from naru.documents import Hit, Passage
from naru.errors import NaruError, first_few


class Found(Protocol):
    @property
    def hits(self) -> Sequence[Hit]: ...

    @property
    def answerable(self) -> float | None: ...


class Searches(Protocol):
    """What evaluation needs of a searcher."""

    def search(self, query: str, *, mode: str = "hybrid", limit: int = 10, anyway: bool = False) -> Found: ...


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How the systems (modes of a searcher, encoders, run files) fared on one split.

    Measures are averaged over the queries with an answer; the others were searched too (they are in the runs).
    `missing` are relevant ids that the collection lacks. `probabilities` are those of the hits in `runs`, of the
    systems that say any, and `sure` of a query is the probability that it has an answer, of those that say one.
    """

    judged: Split
    measured: Mapping[str, Measured]
    runs: Mapping[str, Run]
    missing: Sequence[str] = ()
    probabilities: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    sure: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def split(self) -> str:
        return self.judged.name

    @property
    def queries(self) -> int:
        return len(self.judged.answerable)

    @property
    def no_answer(self) -> int:
        return len(self.judged.no_answer)

    def to_json(self) -> dict[str, Any]:
        """`no_answer` and `missing`, as counts, only where there are any."""
        said: dict[str, Any] = {"queries": self.queries}
        if self.no_answer:
            said["no_answer"] = self.no_answer
        if self.missing:
            said["missing"] = len(self.missing)
        return said | {"modes": {mode: dict(found.means) for mode, found in self.measured.items()}}

    def table(self) -> Table:
        """For the terminal: a row a mode, a column a measure."""
        title = f"{escape(self.split)}: {self.queries:,} queries"
        if self.no_answer:
            title += f" ({self.no_answer:,} more have no answer)"
        table = terminal.table(title, escape(self.warning()))
        table.add_column("mode")
        names = list(next(iter(self.measured.values())).means)
        for name in names:
            table.add_column(name, justify="right")
        for mode, found in self.measured.items():
            table.add_row(escape(mode), *(f"{found.means[name]:.4f}" for name in names))
        return table

    def warning(self) -> str:
        """On the relevant documents that are not in the collection; empty where none is missing."""
        if not self.missing:
            return ""
        documents = "document is" if len(self.missing) == 1 else "documents are"
        return f"{len(self.missing):,} relevant {documents} not in the collection: {first_few(self.missing)}."


def evaluate(
    searcher: Searches,
    beir: Beir,
    split: str,
    *,
    modes: Sequence[str] = ("hybrid",),
    limit: int | None = None,
    measures: Sequence[str] = MEASURES,
    retrieve: Callable[[Sequence[str]], Iterable[Passage]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Search the queries of a split to `limit` hits in each mode and measure the passages found.

    A hit counts by its passage's id, a run's order is that of the hits. With `retrieve` (of a collection) the
    relevant ids that the collection lacks are named in the result. `progress` gets the searches done and
    their total. `limit` None takes as many as the measures need, at least DEEPEST. NaruError when the split cannot
    be read, none of its queries has an answer, or `limit` is less than the deepest measure needs.
    """
    need = max(DEEPEST, deepest(measures))
    if limit is not None and limit < need:
        raise NaruError(f"limit is {limit}; expected at least {need}, which R@{need} needs.")
    judged = beir.split(split)
    found = search_all(searcher, judged, modes, limit or need, progress)
    return assess(judged, found.runs, measures=measures, retrieve=retrieve, searched=found)


@dataclass(frozen=True, slots=True)
class Searched:
    """Mode -> run; mode -> query -> the probabilities of its hits; mode -> query -> the probability that it has an
    answer, for modes that say one."""

    runs: Mapping[str, Run]
    probabilities: Mapping[str, Mapping[str, Sequence[float]]]
    sure: Mapping[str, Mapping[str, float]]


def search_all(
    searcher: Searches,
    judged: Split,
    modes: Sequence[str],
    limit: int,
    progress: Callable[[int, int], None] | None = None,
) -> Searched:
    """Ask all queries of a split, the judged ones without an answer too."""
    check_queries(judged)
    runs: dict[str, dict[str, Ranking]] = {mode: {} for mode in modes}
    probabilities: dict[str, dict[str, list[float]]] = {mode: {} for mode in modes}
    sure: dict[str, dict[str, float]] = {mode: {} for mode in modes}
    searches = [(mode, query) for mode in runs for query in judged.queries]
    for done, (mode, query) in enumerate(searches, start=1):
        found = searcher.search(judged.queries[query], mode=mode, limit=limit, anyway=True)
        runs[mode][query] = [(hit.passage.id, hit.logit) for hit in found.hits]
        probabilities[mode][query] = [hit.probability for hit in found.hits]
        if found.answerable is not None:
            sure[mode][query] = found.answerable
        if progress is not None:
            progress(done, len(searches))
    said = {mode: {query: of.get(query, 0.0) for query in judged.queries} for mode, of in sure.items() if of}
    return Searched(dict(runs), probabilities, said)


def assess(
    judged: Split,
    runs: Mapping[str, Run],
    *,
    measures: Sequence[str] = MEASURES,
    retrieve: Callable[[Sequence[str]], Iterable[Passage]] | None = None,
    searched: Searched | None = None,
) -> Evaluation:
    """Measure runs that are there. NaruError when none of the queries has an answer."""
    answerable = judged.answerable
    if not answerable:
        raise NaruError(f"Split {judged.name!r}: none of its {len(judged.queries)} queries has an answer.")
    return Evaluation(
        judged=judged,
        measured={name: measure(run, answerable, measures) for name, run in runs.items()},
        runs=runs,
        missing=_missing(answerable, retrieve) if retrieve is not None else (),
        probabilities={} if searched is None else searched.probabilities,
        sure={} if searched is None else searched.sure,
    )


def _missing(qrels: Qrels, retrieve: Callable[[Sequence[str]], Iterable[Passage]]) -> list[str]:
    wanted = relevant(qrels)
    there = {passage.id for passage in retrieve(wanted)}
    return [document for document in wanted if document not in there]
