"""The curves of a run: training loss, primary figures on held-out data, learning rate; one below the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from finetune.reporting.log import Entry, Log, figure
from naru.drawing import Drawn, Ink, Paint, draw, legible

_WIDTH, _HEIGHT = 6.4, 2.5  # inches


def curves(log: Log) -> Drawn | None:
    """What there is to draw of them; None for a log without any. NaruError where matplotlib is missing."""
    panels = [panel for panel in (_loss(log), _held_out(log), _rate(log)) if panel is not None]
    return draw(panels, _WIDTH, _HEIGHT) if panels else None


def smoothed(values: Sequence[float], share: float = 0.1) -> list[float]:
    """A running mean that looks back over `share` of the values (at least 1): what a noisy loss does on the whole."""
    weight = 1 / max(1.0, share * len(values))
    result: list[float] = []
    mean, seen = 0.0, 0.0
    for value in values:
        mean = mean * (1 - weight) + value * weight
        seen = seen * (1 - weight) + weight
        result.append(mean / seen)
    return result


def _loss(log: Log) -> Paint | None:
    lines = [
        ([entry.at for entry in stage], [loss for entry in stage if (loss := entry.loss) is not None])
        for stage in _stages(entry for entry in log.entries if entry.loss is not None)
    ]
    if not lines:
        return None

    def paint(axes: Any, ink: Ink) -> None:
        for at, losses in lines:  # one line a stage: losses of two stages are not on one scale
            many = len(losses) > 2
            axes.plot(at, losses, color=ink.of(0), alpha=0.3 if many else 1, marker="" if many else "o", lw=1)
            if many:
                axes.plot(at, smoothed(losses), color=ink.of(0))
        axes.set_title("Training loss (thin: as logged, thick: running mean)")
        _frame(axes, ink, log)

    return paint


def _held_out(log: Log) -> Paint | None:
    sets = [str(name) for name in log.start.get("sets", [])]
    lines = {
        key: [(entry.at, entry.figures[key]) for entry in log.evaluations if key in entry.figures]
        for key in log.primary
    }
    if not lines:
        return None

    def paint(axes: Any, ink: Ink) -> None:
        for number, (key, points) in enumerate(lines.items()):
            name = figure(key, sets)
            label = " ".join(filter(None, (legible(name.of, f"set {number + 1}"), name.measure)))
            at, values = zip(*dict(points).items(), strict=True)
            axes.plot(at, values, color=ink.of(number), marker="o", markersize=4, label=label, clip_on=False)
        axes.set_title("Held-out figures (higher is better)")
        axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.1), ncols=2)
        _frame(axes, ink, log)

    return paint


def _rate(log: Log) -> Paint | None:
    points = [(entry.at, entry.learning_rate) for entry in log.entries if entry.learning_rate is not None]
    if not points:
        return None

    def paint(axes: Any, ink: Ink) -> None:
        at, rates = zip(*points, strict=True)
        axes.plot(at, rates, color=ink.of(2))
        axes.set_ylim(bottom=0)
        axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        axes.set_title("Learning rate")
        axes.set_xlabel("step")
        _frame(axes, ink, log)

    return paint


def _frame(axes: Any, ink: Ink, log: Log) -> None:
    """The same steps in each panel, with a line where a stage begins."""
    axes.set_xlim(0, max(log.steps, 1))
    for stage in list(_stages(log.entries))[1:]:
        axes.axvline(stage[0].at, color=ink.soft, lw=0.8, ls=":")


def _stages(entries: Iterable[Entry]) -> list[list[Entry]]:
    return [list(group) for _, group in groupby(entries, key=lambda entry: entry.stage)]
