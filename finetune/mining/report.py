"""What mining did: counts for each filter, and rows to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from finetune.mining.settings import Mining
from naru import terminal

FILTERS = {
    "positives": "known positives",
    "absolute_margin": "absolute margin",
    "relative_margin": "relative margin",
    "share": "share of the positive's score",
    "check": "cross-encoder",
}
"""In the order in which they are asked; a candidate counts for the first that drops it."""


@dataclass(frozen=True, slots=True)
class Negative:
    """A negative of a row. `score` is the judge's, None where nothing judges; `rank` counts from 1 in
    its source's ranking of all but the known positives, 0 for one that fills the row up."""

    text: str
    source: str
    rank: int
    score: float | None


@dataclass(frozen=True, slots=True)
class Picked:
    """A row with its negatives, hardest first."""

    query: str
    document: str
    score: float | None
    negatives: Sequence[Negative]


@dataclass(frozen=True, slots=True)
class Mined:
    """What was read, looked at, dropped and written.

    `pairs` were read, over `queries` distinct queries, and `bad` ones left out before; the `written` rows have
    all their negatives. `short` pairs
    found fewer than asked for: `filled` random passages stand in, and where there are too few of those as well,
    or filling up is off, the pair is left out. `passages` is the corpus without the `skipped` ones (blank, or
    repeating an earlier one). `candidates` are the (pair, passage) looked at, `dropped` how many of them each
    filter took; the cross-encoder is asked only until a row has enough.
    """

    output: Path
    settings: Mining
    judge: str
    pairs: int
    queries: int
    passages: int
    bad: int
    skipped: int
    candidates: int
    dropped: Mapping[str, int]
    written: int
    short: int
    filled: int
    seconds: float
    samples: Sequence[Picked]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "output": str(self.output)}

    def table(self) -> Table:
        """For the terminal: what came in, what each filter dropped, what went out."""
        table = terminal.table(f"{self.output}: {self.written:,} rows of {self.settings.number} negatives")
        table.add_column("")
        table.add_column("count", justify="right")
        table.add_column("share", justify="right")
        table.add_row("pairs", f"{self.pairs:,}", "")
        if self.bad:
            table.add_row("  left out before: bad rows", f"{self.bad:,}", "")
        table.add_row("queries", f"{self.queries:,}", "")
        table.add_row("passages", f"{self.passages:,}", "")
        table.add_row("  left out: blank or repeated", f"{self.skipped:,}", "", end_section=True)
        table.add_row(f"candidates, judged by {self.judge}", f"{self.candidates:,}", "")
        for name, count in self.dropped.items():
            table.add_row(f"  dropped: {FILTERS[name]}", f"{count:,}", _percent(count, self.candidates))
        table.add_section()
        table.add_row("pairs with too few", f"{self.short:,}", _percent(self.short, self.pairs))
        left_out = self.pairs - self.written
        table.add_row("  left out", f"{left_out:,}", _percent(left_out, self.pairs))
        negatives = self.written * self.settings.number
        table.add_row("negatives written", f"{negatives:,}", "")
        table.add_row("  random, to fill up", f"{self.filled:,}", _percent(self.filled, negatives))
        table.add_row("seconds", f"{self.seconds:,.1f}", "")
        return table

    def sample_table(self) -> Table:
        """For the terminal: some rows, each text cut to a line."""
        table = terminal.table("a look at some rows")
        table.expand = True
        table.add_column("", no_wrap=True)
        table.add_column("score", justify="right", no_wrap=True)
        table.add_column("text", no_wrap=True, overflow="ellipsis", ratio=1)
        for sample in self.samples:
            table.add_row("query", "", _line(sample.query, "bold"))
            table.add_row("positive", _score(sample.score), _line(sample.document, "green"))
            for place, negative in enumerate(sample.negatives, start=1):
                where = f" {negative.source} #{negative.rank}" if negative.rank else " random"
                last = place == len(sample.negatives)
                table.add_row(
                    f"negative{where}", _score(negative.score), _line(negative.text), end_section=last
                )
        return table


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _score(score: float | None) -> str:
    return "" if score is None else f"{score:.3f}"


def _line(text: str, style: str = "") -> Text:
    return Text(" ".join(text.split()), style=style)
