"""What `log.jsonl` says of a run: figures before and after, losses and figures on the way, and whether they part.

One JSON object a line. Lines of figures hold `step`, counted through all stages, and any of `stage`, `minutes`, `loss`,
`learning_rate`, `grad_norm` and `eval_*`. A line {"event": "start", ...} holds what `finetune.reporting.record.Record.start` says:
`planned` steps, `data` (rows of the data table), `sets` and their `sizes`, `primary` (the keys of the figures that models
are compared by), `versions`; a later one (of a resumed run) takes its place.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from naru.errors import NaruError

_SIMILARITY = "cosine|dot|euclidean|manhattan"
_MEASURE = re.compile(
    rf"(?P<measure>(({_SIMILARITY})_)?(ndcg|mrr|map|accuracy|precision|recall)@\d+"
    rf"|(pearson|spearman)(_({_SIMILARITY}))?"
    rf"|(({_SIMILARITY})_)?(accuracy|f1|precision|recall|ap|mcc)"
    r"|average_precision|mean_accuracy|(src2trg|trg2src)_accuracy|negative_mse|ndcg|mrr|map)$"
)


@dataclass(frozen=True)
class Figure:
    """One measured figure: the held-out set it is of ("" where none is named) and the measure."""

    key: str
    of: str
    measure: str


@dataclass(frozen=True)
class Entry:
    """A line of figures. `at` counts steps through all stages."""

    at: int
    stage: str
    minutes: float
    loss: float | None
    learning_rate: float | None
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Log:
    """The lines of one run, in order; what a resumed run did anew is there once, as it was done last."""

    entries: Sequence[Entry]
    start: Mapping[str, Any] = field(default_factory=dict)

    @property
    def evaluations(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.figures]

    @property
    def before(self) -> Mapping[str, float]:
        """The figures before the first step; none where the run did not measure then."""
        first = next(iter(self.evaluations), None)
        return first.figures if first is not None and first.at == 0 else {}

    @property
    def after(self) -> Mapping[str, float]:
        """The figures measured last; none before any training."""
        last = self.evaluations[-1] if self.evaluations else None
        return last.figures if last is not None and last.at > 0 else {}

    @property
    def steps(self) -> int:
        return max((entry.at for entry in self.entries), default=0)

    @property
    def minutes(self) -> float:
        """The sum over a run's pieces: the clock starts anew where a run was resumed."""
        clock = [entry.minutes for entry in self.entries]
        return sum((now if now < then else now - then for then, now in pairwise([0.0, *clock])), 0.0)

    @property
    def primary(self) -> list[str]:
        """The keys of the figures to compare by, one a held-out set."""
        keys = {key for entry in self.evaluations for key in entry.figures}
        return [key for key in self.start.get("primary", []) if key in keys]


def read_log(path: Path) -> Log:
    """Read `log.jsonl`. A last line that is still being written is left out. NaruError names any other bad line."""
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except OSError as error:
        raise NaruError(f"{path}: no log of a run can be read there: {error.strerror}.") from error
    start: dict[str, Any] = {}
    entries: list[Entry] = []
    for number, line in enumerate(lines, start=1):
        try:
            said = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                break
            raise NaruError(f"{path}:{number}: not JSON: {error}; expected one object a line.") from error
        if said.get("event") == "start":
            start = said
        if not isinstance(said.get("step"), int):
            continue
        entry = _entry(said)
        if _again(entry, entries):  # after a resume
            entries = [one for one in entries if one.at < entry.at]
        entries.append(entry)
    return Log(entries, start)


def figure(key: str, sets: Sequence[str] = ()) -> Figure:
    """`law_cosine_ndcg@10` -> of "law", measure "ndcg@10" (cosine goes without saying); `sets` are the names known."""
    of = max((name for name in sets if key.startswith(f"{name}_")), key=len, default=None)
    if of is not None:
        measure = key[len(of) + 1 :]
    elif found := _MEASURE.search(key):
        of, measure = key[: found.start()].rstrip("_"), found["measure"]
    else:
        of, measure = "", key
    return Figure(key, of, measure.removeprefix("cosine_").removesuffix("_cosine"))


def diverged(log: Log, evaluations: int = 3) -> str | None:
    """A warning where, over the last so many evaluations of the stage at hand, the training loss fell and a primary
    figure got worse each time; else None.

    The loss of an evaluation is the mean of those logged since the one before. All primary figures: greater is better.
    Under pure noise one figure falls three times in a row in 1 of 24 cases.
    """
    now = log.entries[-1].stage if log.entries else ""
    first = next((place for place, entry in enumerate(log.entries) if entry.stage == now), 0)
    here = log.entries[max(0, first - 1) :]  # with what was measured last before the stage
    places = [place for place, entry in enumerate(here) if entry.figures][-evaluations - 1 :]
    if len(places) <= evaluations:
        return None
    losses = [_mean([entry.loss for entry in here[a + 1 : b + 1]]) for a, b in pairwise(places)]
    if not losses[-1] < losses[0]:  # also where one is not known
        return None
    for key in log.primary:
        values = [here[place].figures.get(key, math.nan) for place in places]
        if all(later < earlier for earlier, later in pairwise(values)):
            return (
                f"Training and validation part ways: over the last {evaluations} evaluations the training loss fell "
                f"from {losses[0]:.3f} to {losses[-1]:.3f} while {key} fell from {values[0]:.3f} to {values[-1]:.3f}. "
                "Stop early, train with fewer steps or a lower learning rate, or add data."
            )
    return None


def _entry(said: Mapping[str, Any]) -> Entry:
    return Entry(
        at=said["step"],
        stage=str(said.get("stage") or ""),
        minutes=float(said.get("minutes") or 0.0),
        loss=_number(said.get("loss")),
        learning_rate=_number(said.get("learning_rate")),
        figures=dict(_figures(said)),
    )


def _again(entry: Entry, before: Sequence[Entry]) -> bool:
    """Whether a step was logged before: steps go on, and the loss of a step comes once and first."""
    if not before or before[-1].at < entry.at:
        return False
    return before[-1].at > entry.at or any(
        one.at == entry.at and one.loss is not None and entry.loss is not None for one in before
    )


def _figures(said: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Measures only: no speeds, no thresholds (a place, neither good nor bad)."""
    for key, value in said.items():
        name = key.removeprefix("eval_")
        if name != key and _MEASURE.search(name) and (number := _number(value)) is not None:
            yield name, number


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _mean(values: Sequence[float | None]) -> float:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else math.nan
