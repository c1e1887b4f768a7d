"""The charts of a report: reliability, precision over recall, risk over coverage, and where the probabilities lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from evaluation.figures import Cut, ReportFacts, precision_recall, reliability_bins, risk_at, risk_curve
from naru.drawing import Drawn, Ink, Paint, draw, legible

_BINS = np.linspace(0, 1, 21)
_HEIGHT = 3.7
_MARKS = "osD^v*P"  # colours come back after another number: no two cut-offs look alike


def charts(facts: ReportFacts) -> Mapping[str, Drawn]:
    """File name -> drawing, of those that the facts suffice for. NaruError where matplotlib is missing."""
    made: dict[str, Drawn] = {}
    if (painted := _reliability(facts)) is not None:
        made["reliability"] = draw([painted], height=_HEIGHT)
    if len(facts.probability):
        made["probabilities"] = draw(_probabilities(facts), height=_HEIGHT / 2)
        made["precision-recall"] = draw([_precision(facts)], height=_HEIGHT)
        made["risk-coverage"] = draw([_risk(facts)], height=_HEIGHT)
    return made


def _reliability(facts: ReportFacts) -> Paint | None:
    groups = {"first hits": facts.first, "all hits": np.ones_like(facts.first)}
    lines = {name: reliability_bins(facts.probability[of], facts.relevant[of]) for name, of in groups.items()}
    if not any(lines.values()):
        return None

    def paint(axes: Any, ink: Ink) -> None:
        axes.plot([0, 1], [0, 1], color=ink.soft, lw=1, ls="--", label="said = found")
        for number, (name, bins) in enumerate(lines.items()):
            if bins is None:
                continue
            spread = np.clip([bins.found - bins.low, bins.high - bins.found], 0, None)
            axes.errorbar(
                bins.said,
                bins.found,
                yerr=spread,
                color=ink.of(number),
                marker=_MARKS[number],
                markersize=5,
                lw=1.4 if number == 0 else 0.9,
                elinewidth=1,
                capsize=2,
                alpha=1 if number == 0 else 0.75,
                label=name,
            )
        axes.legend(loc="upper left")
        axes.set_title("Reliability")
        _shares(axes, "probability that was said", "found relevant")

    return paint


def _probabilities(facts: ReportFacts) -> list[Paint]:
    """Two panels, because relevant hits are few among many."""

    def panel(relevant: bool) -> Paint:
        chosen = facts.probability[facts.relevant == relevant]

        def paint(axes: Any, ink: Ink) -> None:
            axes.hist(
                chosen, bins=_BINS, color=ink.good if relevant else ink.bad, edgecolor=ink.paper, lw=0.6
            )
            axes.set_title(f"{len(chosen):,} hits that are {'relevant' if relevant else 'not relevant'}")
            axes.set_ylabel("hits")
            axes.set_xlim(0, 1)
            axes.xaxis.set_major_formatter(_percent())
            if not relevant:
                axes.set_xlabel("probability that was said")
            for cut in facts.cutoffs:
                if cut.probability is not None:
                    axes.axvline(cut.probability, color=ink.soft, lw=0.9, ls=":")

        return paint

    return [panel(True), panel(False)]


def _precision(facts: ReportFacts) -> Paint:
    curve = precision_recall(facts)

    def paint(axes: Any, ink: Ink) -> None:
        axes.step(curve.x, curve.y, where="post", color=ink.of(0))
        _marks(axes, ink, facts.cutoffs, curve.at)
        axes.set_title("Precision and recall")
        _shares(axes, "of all relevant passages, shown", "of what is shown, relevant")

    return paint


def _risk(facts: ReportFacts) -> Paint:
    curve = risk_curve(facts)

    def paint(axes: Any, ink: Ink) -> None:
        axes.step(curve.x, curve.y, where="post", color=ink.of(0))
        _marks(axes, ink, facts.cutoffs, partial(risk_at, facts))
        axes.set_title("Risk and coverage")
        _shares(
            axes,
            "of all queries, answered",
            "of the answered, wrong",
            min(1.0, 1.25 * max(curve.y, default=1.0) + 0.05),
        )

    return paint


def _marks(
    axes: Any, ink: Ink, cutoffs: Sequence[Cut], at: Callable[[float], tuple[float, float] | None]
) -> None:
    """A mark for each cut-off, with its name."""
    for number, cut in enumerate(cutoffs):
        point = None if cut.probability is None else at(cut.probability)
        if point is not None:
            axes.plot(
                *([one] for one in point),
                ls="",
                marker=_MARKS[number % len(_MARKS)],
                markersize=8,
                color=ink.of(number + 1),
                markeredgecolor=ink.paper,
                label=legible(cut.name, f"cut-off {number + 1}"),
                clip_on=False,
                zorder=5,
            )
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best")


def _shares(axes: Any, x: str, y: str, highest: float = 1.0) -> None:
    """Two axes of shares, from nothing to all."""
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.01 * highest)
    axes.xaxis.set_major_formatter(_percent())
    axes.yaxis.set_major_formatter(_percent())
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _percent() -> Any:
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1.0, decimals=0)
