"""How the command line speaks: results, progress and errors for people; JSON is for programs."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from naru.documents import Hit

if TYPE_CHECKING:
    from naru.listing import Listed

out = Console(highlight=False)
_BLANKS = dict.fromkeys([*range(32), *range(127, 160)], " ")  # in place, as spans count characters
err = Console(stderr=True, highlight=False)


class Span(Protocol):
    """A highlighted part of a snippet, as code point offsets."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


def error(message: str) -> None:
    err.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)


def note(message: str) -> None:
    err.print(Text(message, style="dim"), soft_wrap=True)


def percent(probability: float) -> str:
    """A probability for people, as the search page says it: never 0% or 100%, as no ranking is that sure."""
    rounded = math.floor(probability * 100 + 0.5)
    return f"{min(rounded, 99)}%" if rounded >= 1 else "<1%"


def hit(found: Hit, snippet: str, spans: Sequence[Span]) -> None:
    """One hit: rank, probability as a bar, title, and the snippet with its matches."""
    filled = round(found.probability * 10)
    bar = Text("█" * filled + "░" * (10 - filled), style="green" if found.probability >= 0.5 else "yellow")
    heading = Text.assemble((f"{found.rank:>2}. ", "bold"), bar, f" {percent(found.probability):>4}  ")
    heading.append((found.passage.title or found.passage.id).translate(_BLANKS), style="bold cyan")
    scores = [
        f"cosine {found.semantic:.3f}" if found.semantic is not None else "",
        f"lexical {found.lexical:.3f}" if found.lexical is not None else "",
    ]
    heading.append(f"  {found.passage.id.translate(_BLANKS)}  {'  '.join(filter(None, scores))}", style="dim")
    out.print(heading, soft_wrap=True)
    body = Text(snippet.translate(_BLANKS))
    for span in spans:
        body.stylize("bold yellow", span.start, span.end)
    out.print(Text("    ").append_text(body), soft_wrap=True)


def table(title: str, caption: str = "") -> Table:
    """A table of figures under its title, in markup."""
    return Table(
        title=title,
        title_justify="left",
        caption=caption,
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )


def collections(found: Sequence[Listed]) -> None:
    """A table; what is unknown of a collection is left blank."""
    table = Table("collection", "passages", "encoder", "indexed", "calibrated", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for one in found:
        table.add_row(
            Text(one.name),
            "" if one.passages is None else f"{one.passages:,}",
            Text(one.encoder or ""),
            one.created or "",
            {True: "yes", False: "void" if one.void else "no", None: ""}[one.calibrated],
        )
    out.print(table)


class _Speed(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {self._unit}/s" if speed else "", style="dim")


class Stages:
    """A progress bar a stage: call with the stage's name, how many are done, and the total once known."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._last = 0

    def __call__(self, stage: str, done: int, total: int | None = None) -> None:
        if stage not in self._tasks:
            # What a stage has counted in the end is its own total and the next one's.
            for task in self._tasks.values():
                self._progress.update(task, total=self._last)
            self._tasks[stage] = self._progress.add_task(stage, total=total or self._last or None)
        self._last = done
        self._progress.update(self._tasks[stage], completed=done, total=total)


@contextmanager
def stages(unit: str) -> Iterator[Stages]:
    """Progress bars on standard error, counting in `unit`; nothing is drawn into a pipe."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<8}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not sys.stderr.isatty()) as progress:
        yield Stages(progress)
