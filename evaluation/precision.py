"""The laxest cut-off whose precision is at least p with probability 1 - delta: Learn-then-Test.

A cut-off t shows the candidates of at least that logit, of a query at most its best `depth`. The loss of a query is

    per hit      wrong shown - (1 - p) * shown                       in [-(1 - p) * depth, p * depth]
    per query    wrong shown / shown - (1 - p), or 0 for none shown  in [-(1 - p), p]

and its mean is at most 0 exactly where the precision is at least p: of all hits shown, or of a query's hits on average
over the queries that are shown any. A unit is a query, or a group of queries that stand or fall together: it loses the
sum of its queries' losses over the size of the largest unit, so the bounds stay and queries count alike, as in
`conformal.coverage`; no unit to come is thought larger. Precision below p at cut-off t is refuted by betting
(Waudby-Smith and Ramdas, 2024): with 0 < s < 1 / (largest loss),

    wealth(t) = mean over s of the product over units of (1 - s * loss(t, unit))

has an expected value of at most 1 where the mean loss is not below 0, so reaching 1 / delta has probability delta at
most. No order of the units matters. Cut-offs are tried from strict to lax on a grid that does not look at the data
and the run ends with the first that is not refuted (fixed-sequence testing: Angelopoulos et al., 2021, "Learn then
Test"). A strict cut-off may show too little to refute anything, so runs start from several places and share delta.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluation.arrays import Booleans, Floats, Integers, renumbered

Per = Literal["hit", "query"]

STEP = 0.1
"""Of the grid of cut-offs, in logits."""

LAXEST = -6.0
_STAKES = np.array([0.98, 0.8, 0.6, 0.4, 0.25, 0.15, 0.08, 0.04])  # shares of 1 / (largest loss)


@dataclass(frozen=True, slots=True)
class Aim:
    """Precision `p` with probability 1 - `delta`, per hit or per query, of at most `depth` hits a query."""

    p: float = 0.9
    delta: float = 0.1
    per: Per = "query"
    depth: int = 10

    @property
    def largest(self) -> float:
        """The largest loss a query can have."""
        return self.p * (self.depth if self.per == "hit" else 1)

    @property
    def starts(self) -> tuple[float, ...]:
        """Logits that runs start from: where a hit has the probability p, and half-way from there to 1."""
        return tuple(round(math.log(at / (1 - at)) / STEP) * STEP for at in ((1 + self.p) / 2, self.p))

    def needed(self, size: float = 1.0) -> int:
        """The least units with which any cut-off can be had: as many as it takes when one hit, right, is shown to each
        query; `size` is the mean size of a unit over that of the largest."""
        goal = math.log(len(self.starts) / self.delta)
        gain = np.log1p(_STAKES / self.largest * (1 - self.p) * size)
        low = max(1, math.floor(goal / float(gain.max())))  # too few, or enough to the unit
        high = low
        while _log_mean(high * gain) < goal:
            low, high = high + 1, 2 * high
        return bisect_left(range(low, high), True, key=lambda units: _log_mean(units * gain) >= goal) + low


@dataclass(frozen=True)
class Shown:
    """Of each query its best `depth` candidates [n] by falling logit, and the unit [q] of each query."""

    query: Integers
    logit: Floats
    right: Booleans
    units: Integers

    @classmethod
    def of(cls, query: Integers, logit: Floats, right: Booleans, units: Integers, depth: int) -> Shown:
        """From candidates in any order; `units` are numbered from 0."""
        within = np.lexsort((-logit, query))
        starts = np.searchsorted(query[within], np.arange(len(units)))
        kept = within[np.arange(len(within)) - starts[query[within]] < depth]
        order = kept[np.argsort(-logit[kept], kind="stable")]
        return cls(query[order], logit[order], right[order], units)

    def select(self, chosen: Booleans) -> Shown:
        """The chosen queries [q], numbered anew."""
        rows = chosen[self.query]
        units = renumbered(self.units[chosen])
        return Shown((np.cumsum(chosen) - 1)[self.query[rows]], self.logit[rows], self.right[rows], units)

    def counts(self, cutoff: float) -> tuple[Floats, Floats]:
        """[q] how many hits each query is shown, and how many of them are right."""
        rows = int(np.searchsorted(-self.logit, -cutoff, "right"))
        shown = np.bincount(self.query[:rows], minlength=len(self.units))
        right = np.bincount(self.query[:rows], self.right[:rows], minlength=len(self.units))
        return shown.astype(np.float64), right.astype(np.float64)

    @property
    def size(self) -> float:
        """The mean size of a unit over that of the largest."""
        sizes = np.bincount(self.units)
        return float(sizes[sizes > 0].mean() / sizes.max()) if len(sizes) else 1.0

    def precision(self, cutoff: float, per: Per) -> float:
        """As `Aim` counts it; NaN where nothing is shown."""
        shown, right = self.counts(cutoff)
        if per == "query":
            shown, right = (shown > 0).astype(np.float64), right / np.maximum(shown, 1)
        return float(right.sum() / shown.sum()) if shown.any() else math.nan

    def best(self, per: Per) -> float:
        """The highest precision of the cut-offs above which a tenth of the queries has a hit, or all that have any where
        they are fewer. ValueError where none has."""
        first = np.full(len(self.units), -np.inf)
        np.maximum.at(first, self.query, self.logit)
        first = np.sort(first[np.isfinite(first)])
        if not len(first):
            raise ValueError("This is a bug: there is no hit to be precise about.")
        strictest = float(first[-min(len(first), max(1, len(self.units) // 10))])
        tried = np.unique(np.quantile(self.logit[self.logit <= strictest], np.linspace(0, 1, 50)))
        return max(self.precision(float(cutoff), per) for cutoff in tried)

    def repeated(self, times: int) -> Shown:
        """The same queries so many times over, each time in units of their own."""
        queries, units = len(self.units), int(self.units.max(initial=-1)) + 1
        turn = np.repeat(np.arange(times), len(self.query))
        order = np.argsort(np.tile(-self.logit, times), kind="stable")
        return Shown(
            (np.tile(self.query, times) + turn * queries)[order],
            np.tile(self.logit, times)[order],
            np.tile(self.right, times)[order],
            np.tile(self.units, times) + np.repeat(np.arange(times), queries) * units,
        )


def enough(hits: Shown, aim: Aim) -> int | None:
    """About how many units like these the aim takes, of twice to sixteen times as many; None where that would not do."""
    there = len(np.unique(hits.units))
    for times in (2, 3, 4, 6, 8, 12, 16):
        if precision(hits.repeated(times), aim) is not None:
            return times * there
    return None


def precision(hits: Shown, aim: Aim) -> float | None:
    """The laxest cut-off, a logit, that is sure to keep the aim; None where none is."""
    goal = math.log(len(aim.starts) / aim.delta)
    sizes = np.bincount(hits.units)
    refuted: dict[int, bool] = {}  # by step of the grid
    laxest = round(LAXEST / STEP)
    found: int | None = None
    for start in aim.starts:
        for step in range(round(start / STEP), laxest - 1, -1):
            if step not in refuted:
                refuted[step] = _log_wealth(hits, sizes, step * STEP, aim) >= goal
            if not refuted[step]:
                break
            found = step if found is None else min(found, step)
    return None if found is None else found * STEP


def _log_wealth(hits: Shown, sizes: Integers, cutoff: float, aim: Aim) -> float:
    shown, right = hits.counts(cutoff)
    loss = (1 - right / np.maximum(shown, 1) - (1 - aim.p)) * (shown > 0)
    if aim.per == "hit":
        loss = loss * shown
    of_unit = np.bincount(hits.units, loss) / sizes.max()
    return _log_mean(np.log1p(-_STAKES[:, None] / aim.largest * of_unit).sum(axis=1))


def _log_mean(logs: Floats) -> float:
    """The logarithm of the mean of exp(logs)."""
    return float(np.logaddexp.reduce(logs) - math.log(len(logs)))
