"""Search every judged query in each mode, and measure what came back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rich.box import SIMPLE_HEAD
from rich.table import Table

from evaluation.beir import Beir, Qrels
from evaluation.measures import DEEPEST, MEASURES, Measured, measure
from evaluation.runs import Ranking, Run
from naru.documents import Hit, Passage
from naru.errors import NaruError

_BATCH = 1000
_NAMED = 5


class Found(Protocol):
    @property
    def hits(self) -> Sequence[Hit]: ...


class Searches(Protocol):
    """What evaluation needs of a searcher."""

    def search(self, query: str, *, mode: str = "hybrid", limit: int = 10) -> Found: ...


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How one split fared.

    `queries` were averaged over; the `no_answer` ones have no relevant document and were searched (they are in
    the runs) but not averaged. `missing` are relevant ids that the collection lacks.
    """

    split: str
    queries: int
    no_answer: int
    measured: Mapping[str, Measured]
    runs: Mapping[str, Run]
    missing: Sequence[str] = ()

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
        title = f"{self.split}: {self.queries:,} queries"
        if self.no_answer:
            title += f" ({self.no_answer:,} more have no answer)"
        table = Table(
            title=title,
            title_justify="left",
            caption=self._warning(),
            caption_justify="left",
            box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            pad_edge=False,
        )
        table.add_column("mode")
        for name in MEASURES:
            table.add_column(name, justify="right")
        for mode, found in self.measured.items():
            table.add_row(mode, *(f"{found.means[name]:.4f}" for name in MEASURES))
        return table

    def _warning(self) -> str | None:
        if not self.missing:
            return None
        named = ", ".join(map(repr, self.missing[:_NAMED]))
        return f"{len(self.missing):,} relevant documents are not in the collection: {named} …"


def evaluate(
    searcher: Searches,
    beir: Beir,
    split: str,
    *,
    modes: Sequence[str] = ("hybrid",),
    limit: int = DEEPEST,
    retrieve: Callable[[Sequence[str]], Iterable[Passage]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Search the queries of a split to `limit` hits in each mode and measure the passages found.

    A hit counts by its passage's id, a run's order is that of the hits. With `retrieve` (of a collection) the
    relevant ids that the collection lacks are named in the result. `progress` gets the searches done and
    their total. NaruError when the split cannot be read, none of its queries has an answer, or `limit` is
    less than the deepest measure needs.
    """
    if limit < DEEPEST:
        raise NaruError(f"limit is {limit}; expected at least {DEEPEST}, which R@{DEEPEST} needs.")
    judged = beir.split(split)
    answerable = judged.answerable
    if not answerable:
        raise NaruError(
            f"{beir.folder}, split {split!r}: none of its {len(judged.queries)} queries has an answer."
        )
    runs: dict[str, dict[str, Ranking]] = {mode: {} for mode in modes}
    searches = [(mode, query) for mode in runs for query in judged.queries]
    for done, (mode, query) in enumerate(searches, start=1):
        hits = searcher.search(judged.queries[query], mode=mode, limit=limit).hits
        runs[mode][query] = [(hit.passage.id, hit.logit) for hit in hits]
        if progress is not None:
            progress(done, len(searches))
    return Evaluation(
        split=split,
        queries=len(answerable),
        no_answer=len(judged.no_answer),
        measured={mode: measure(run, answerable) for mode, run in runs.items()},
        runs=runs,
        missing=_missing(answerable, retrieve) if retrieve is not None else (),
    )


def _missing(qrels: Qrels, retrieve: Callable[[Sequence[str]], Iterable[Passage]]) -> list[str]:
    relevant = list(
        dict.fromkeys(doc for judged in qrels.values() for doc, score in judged.items() if score > 0)
    )
    missing: list[str] = []
    for start in range(0, len(relevant), _BATCH):
        batch = relevant[start : start + _BATCH]
        there = {passage.id for passage in retrieve(batch)}
        missing += [document for document in batch if document not in there]
    return missing
