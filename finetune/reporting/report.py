"""The training report: `report.html` and `curves.png` out of `log.jsonl`, written anew at every evaluation.

First whether it paid, then the curves, the data, the recipe, the versions. Reads only files of the run's folder.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.reporting.curves import curves
from finetune.reporting.log import Log, diverged, figure, read_log
from naru.files import publish
from naru.report import (
    Cell,
    Code,
    Folded,
    Paragraph,
    Part,
    Picture,
    Section,
    Table,
    Tile,
    Tiles,
    page,
)

_LESS = 0.0005  # a change that three decimals do not show
_NEAR = 0.95  # from there on little is missing, and a share of it says little


def write_report(output: Path) -> None:
    """Write `report.html` and `curves.png` into a run's folder from its `log.jsonl` and, where there, `recipe.toml`.

    NaruError when the log cannot be read or matplotlib is missing.
    """
    log = read_log(output / "log.jsonl")
    drawn = curves(log)
    sections = [_paid(log)]
    if drawn is not None:
        publish(output / "curves.png", drawn.light)
        alt = "Line charts over the steps of training: loss, figures on held-out data, learning rate."
        sections.append(Section("Curves", [Picture(drawn.light, alt, dark=drawn.dark)]))
    sections += [*_data(log.start.get("data")), *_recipe(output / "recipe.toml"), *_versions(log)]
    title, lead = _title(log)
    publish(output / "report.html", page(title, sections, lead, foot="Made by naru from log.jsonl."))


def comparison(log: Log) -> Table:
    """Each figure before and after (or so far), the difference, and the share of what was missing that it took away."""
    sets = [str(name) for name in log.start.get("sets", [])]
    now = log.after or log.before
    rows = []
    for key in sorted(now, key=lambda key: (key not in log.primary, list(now).index(key))):
        named = figure(key, sets)
        changed = _changed(log.before.get(key), log.after.get(key), chance(log, key))
        rows.append((named.of, named.measure, *changed))
    return Table(("held-out set", "measure", "before", "after", "change", "of the gap to 1"), rows)


def chance(log: Log, key: str) -> float:
    """What chance may change in a figure, as a rule of thumb: 1 / sqrt(rows of its held-out set). 0 where the log does not
    say how many there are, and for errors of vectors, which are of another scale."""
    sets = [str(name) for name in log.start.get("sets", [])]
    sizes = dict(zip(sets, log.start.get("sizes") or [], strict=False))
    size = sizes.get(figure(key, sets).of)
    return 0.0 if not size or key.endswith("negative_mse") else 1 / math.sqrt(size)


def _title(log: Log) -> tuple[str, str]:
    planned = log.start.get("planned")
    done = f"{log.steps:,} of {planned:,} steps" if isinstance(planned, int) else f"{log.steps:,} steps"
    name = log.start.get("recipe", {}).get("name")
    return f"Training {name}" if name else "Training", f"{done} in {_time(log.minutes)}."


def _paid(log: Log) -> Section:
    parts: list[Part] = [Paragraph(*_verdict(log))] if log.after and log.before else []
    if not log.evaluations:
        parts.append(Paragraph("Nothing has been measured yet.", "quiet"))
    elif not log.after:
        parts.append(Paragraph("Measured before the first step; training goes on.", "quiet"))
    if warning := diverged(log):
        parts.append(Paragraph(warning, "doubt"))
    parts.append(Tiles(list(_tiles(log))))
    table = comparison(log)
    main = len(log.primary)
    if table.rows:
        parts.append(
            Table(table.columns, table.rows[:main], "The figure that models are compared by, for each set")
        )
        parts.append(
            Paragraph(
                "“Of the gap to 1” is the share of what was still missing before that training took away: from 0.80 "
                "to 0.85 is 25%; “–” stands where little was missing or chance may have done "
                "as much. The figures are of data that was not trained on. Where they also chose the best "
                "checkpoint they flatter it: the last word has a test set that decided nothing, by naru evaluate and "
                "naru compare.",
                "quiet",
            )
        )
    if len(table.rows) > main:
        parts.append(Folded("All figures", [Table(table.columns, table.rows)]))
    return Section("Did it pay?", parts)


def _verdict(log: Log) -> tuple[str, Any]:
    """One sentence over the primary figures."""
    both = [key for key in log.primary if key in log.before and key in log.after]
    changes = [log.after[key] - log.before[key] for key in both]
    better = sum(change > _LESS for change in changes)
    worse = sum(change < -_LESS for change in changes)
    if not changes:
        return "Other figures were measured before than after: nothing to compare.", "doubt"
    doubtful = [key for key in both if log.after[key] - log.before[key] < chance(log, key)]
    if better == len(changes) and doubtful:
        key = min(doubtful, key=lambda one: (log.after[one] - log.before[one]) / chance(log, one))
        rule = chance(log, key)
        of = figure(key, [str(name) for name in log.start.get("sets", [])]).of
        return (
            f"Perhaps: better on every held-out set, on {of} by no more than chance may do with {round(rule**-2):,} of "
            f"them (as a rule of thumb {rule:.2f}). Hold out more to know.",
            "doubt",
        )
    if better == len(changes):
        return "Yes: better on every held-out set.", "good"
    if worse == 0 and better == 0:
        return "No: nothing changed on held-out data.", "bad"
    if better == 0:
        return "No: better on no held-out set.", "bad"
    return f"In part: better on {better} of {len(changes)} held-out sets, worse on {worse}.", "doubt"


def _tiles(log: Log) -> Iterator[Tile]:
    sets = [str(name) for name in log.start.get("sets", [])]
    for key in log.primary:
        named = figure(key, sets)
        label = " ".join(filter(None, (named.of, named.measure)))
        before, after = log.before.get(key), log.after.get(key)
        if after is not None:
            yield Tile(
                label, f"{after:.3f}", "" if before is None else f"{after - before:+.3f} from {before:.3f}"
            )
        elif before is not None:
            yield Tile(label, f"{before:.3f}", "before training")


def _changed(before: float | None, after: float | None, chance: float) -> tuple[str | Cell, ...]:
    said = ["–" if value is None else f"{value:.3f}" for value in (before, after)]
    if before is None or after is None:
        return (*said, "–", "–")
    change = after - before
    tone: Any = "good" if change > _LESS else "bad" if change < -_LESS else ""
    told = 0 <= before <= _NEAR and after <= 1 and abs(change) >= chance
    gap = f"{change / (1 - before):.0%}" if told else "–"
    return (*said, Cell(f"{change:+.3f}", tone), gap)


def _data(rows: object) -> Iterator[Section]:
    if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows) or not rows:
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    yield Section("Data", [Table(columns, [[_said(row.get(column)) for column in columns] for row in rows])])


def _recipe(file: Path) -> Iterator[Section]:
    if file.is_file():
        yield Section("Recipe", [Code(file.read_text(encoding="utf-8"))])


def _versions(log: Log) -> Iterator[Section]:
    if versions := log.start.get("versions"):
        yield Section(
            "Versions", [Table(("package", "version"), [(name, str(v)) for name, v in versions.items()])]
        )


def _said(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_said(one)}" for key, one in value.items())
    return str(value)


def _time(minutes: float) -> str:
    return f"{minutes:.1f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"
