"""What a calibration found: for the terminal, and as plain values for programs."""

from __future__ import annotations

import json
from typing import Any

from rich.table import Table

from evaluation import answerable as answering
from evaluation.calibrate import LEAST_OF_EACH, Calibration, Crossed
from evaluation.figures import Estimate
from naru import terminal


def plain(found: Calibration) -> dict[str, Any]:
    """`{"basis": .., "modes": {mode: {"scores", "rivalry", "map", "cutoffs": [..]}}, "reliability": [{"by", "hits",
    measure: [value, low, high]}]}`, of the first hits also as `"first hit"` of each mode."""
    said = json.loads(found.relevance.to_json())
    rows = [
        (by, hits, {name: [one.value, one.low, one.high] for name, one in measured.items()})
        for by, hits, measured in found.rows()
    ]
    first = {by: measured for by, hits, measured in rows if hits == "first"}
    modes = {mode: said["fits"][mode] | {"first hit": first[mode]} for mode in found.modes}
    told = [{"by": by, "hits": hits} | measured for by, hits, measured in rows]
    return {"basis": said["basis"], "modes": modes, "reliability": told}


def tables(found: Calibration) -> list[Table]:
    """For the terminal: how far the probabilities are to be trusted, and the cut-offs."""
    basis = found.relevance.basis
    trust = terminal.table(
        ""
        if basis is None
        else f"{basis.split}: {basis.queries:,} queries, {basis.answerable:,} with an answer",
        "Cross-fitted, with 95 % intervals; `shown` are the hits of the cut-off balanced. ECE: by how much a probability is "
        "off, on average.",
    )
    for name in ("by", "hits", "ECE", "Brier", "log loss"):
        trust.add_column(name, no_wrap=True)
    for by, hits, measured in found.rows():
        trust.add_row(by, hits, *map(_brief, measured.values()))
    cuts = terminal.table("Cut-offs, as probabilities")
    cuts.add_column("")
    for mode in found.modes:
        cuts.add_column(mode, justify="right")
    fits = [crossed.fit for crossed in found.modes.values()]
    for row in zip(*(fit.cutoffs for fit in fits), strict=True):
        chosen = ("–" if one.probability is None else f"{one.probability:.3f}" for one in row)
        cuts.add_row(row[0].name, *chosen)
    cuts.add_row("map", *("none" if fit.map is None else type(fit.map).__name__.lower() for fit in fits))
    return [trust, cuts]


def reasons(found: Calibration) -> list[str]:
    """What could not be had and why, one line each."""
    said = [
        f"No cut-off {one.name!r} in {mode} mode: {one.reason}."
        for mode, crossed in found.modes.items()
        for one in crossed.fit.cutoffs
        if one.reason
    ]
    said += filter(None, (_one_sided(mode, crossed) for mode, crossed in found.modes.items()))
    basis = found.relevance.basis
    if basis is not None and (
        lacking := [mode for mode, one in found.modes.items() if one.fit.answering is None]
    ):
        without = basis.queries - basis.answerable
        fix = (
            f"{without} judged queries have none, {answering.LEAST} are needed. Judge {answering.LEAST - without} more "
            "(rows of score 0 only)."
            if without < answering.LEAST
            else f"fewer than {answering.LEAST} judged queries of a kind have any candidates in it."
        )
        said.append(f"Searches in {', '.join(lacking)} mode cannot yet say that there is no answer: {fix}")
    return said


def _one_sided(mode: str, crossed: Crossed) -> str | None:
    """Of judgements whose first hits are nearly all right, or nearly all wrong."""
    first = crossed.candidates.ranks(crossed.logits) == 0
    asked, right = int(first.sum()), int(crossed.candidates.right[first].sum())
    if right < LEAST_OF_EACH:
        few = f"Only {right}" if right else "None"
        return (
            f"{few} of {asked:,} first hits in {mode} mode are relevant: are these the judgements of this collection? Its "
            "probabilities mean nothing so far."
        )
    if (wrong := asked - right) < LEAST_OF_EACH:
        most = f"All but {wrong} of {asked:,}" if wrong else f"All {asked:,}"
        return (
            f"{most} first hits in {mode} mode are relevant: nothing tells how sure to be where people ask harder. Judge "
            "queries as people type them."
        )
    return None


def _brief(one: Estimate) -> str:
    """Narrow enough for three in a row of a terminal; without an interval where there is none."""
    between = "" if one.low is None or one.high is None else f" [{one.low:.2f}, {one.high:.2f}]"
    return f"{one.value:.3f}{between}"
