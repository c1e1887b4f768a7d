"""Cut-offs by counting: coverage of relevant passages, and silence where there is no answer.

No model of the scores is needed, only that judged queries (or the units they come in) and those to come are drawn
alike. A unit is a group of queries that stand or fall together: the queries of one article, or a single query.

    coverage   With missed(t, u) of the n(u) answerable queries of unit u below cut-off t, the cut-off is the highest t
               with  sum over u of (missed(t, u) - alpha * n(u)) + (1 - alpha) * max n(u) <= 0.
               Then E[missed] <= alpha * E[n] for a new unit (conformal risk control, Angelopoulos et al., 2024; split
               conformal prediction, Vovk et al., 2005, where every unit is one query: the k-th lowest score,
               k = floor(alpha * (n + 1))). No unit to come is thought larger than the largest seen.
    silence    With the best scores of n units without an answer, the cut-off lies above all but the k highest, where
               k is the largest with  P(Binomial(n, q) <= k) <= delta  (Wilks, 1941). Then at most a share q of such
               units gets anything shown, with probability 1 - delta.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evaluation.arrays import Floats, Integers


@dataclass(frozen=True, slots=True)
class Bound:
    """A cut-off on the scores, or None; then `needed` units are too few to say, or else no cut-off will do."""

    cutoff: float | None
    needed: int | None = None


def coverage(scores: Floats, units: Integers, alpha: float) -> Bound:
    """The highest cut-off that covers 1 - `alpha` of the queries.

    `scores` [n]: each answerable query's relevant passage, -inf where retrieval missed it; `units` [n] the unit each
    belongs to. A cut-off of None without `needed`: unreachable, retrieval misses too many.
    """
    sizes = np.bincount(units)
    largest = int(sizes.max(initial=1))
    allowed = alpha * len(scores) - (1 - alpha) * largest
    if allowed < -1e-9:
        mean = float(sizes[sizes > 0].mean()) if len(scores) else 1.0
        return Bound(None, math.ceil((1 - alpha) / alpha * largest / mean - 1e-9))
    ranked = np.sort(scores)
    below = min(math.floor(allowed + 1e-9), len(ranked) - 1)  # this many may lie below the cut-off
    cutoff = float(ranked[below])
    if cutoff > -math.inf:
        return Bound(cutoff)
    missed = float(np.isneginf(scores).mean())
    if missed >= alpha - 1e-9:
        return Bound(None)
    mean = float(
        sizes[sizes > 0].mean()
    )  # so many more like these would leave room for what retrieval misses
    return Bound(None, math.ceil((1 - alpha) * largest / (alpha - missed) / mean - 1e-9))


def silence(scores: Floats, units: Integers, q: float, delta: float) -> Bound:
    """The lowest cut-off above which at most a share `q` of unanswerable units has a hit, with probability
    1 - `delta`.

    `scores` [n]: each unanswerable query's best candidate, -inf where it has none; `units` [n]. A unit counts
    as shown something when any of its queries is. A cut-off of None without `needed`: so few have a candidate at all
    that none need be cut off.
    """
    from scipy.stats import binom

    best = np.full(int(units.max(initial=-1)) + 1, np.nan)
    np.fmax.at(best, units, scores)
    best = best[~np.isnan(best)]
    small_enough = int((binom.cdf(np.arange(len(best)), len(best), q) <= delta).sum())  # k = 0, 1, ...
    if small_enough == 0:
        return Bound(None, math.ceil(math.log(delta) / math.log1p(-q) - 1e-9))
    highest = float(np.sort(best)[-small_enough])  # and k = small_enough - 1 above it
    if highest == -math.inf:
        return Bound(None)
    return Bound(float(np.nextafter(highest, math.inf)))


def share_at_most(count: int, number: int, delta: float) -> float:
    """The upper confidence bound of a share of which `count` in `number` were seen (Clopper and Pearson, 1934)."""
    from scipy.stats import beta

    return 1.0 if count >= number else float(beta.ppf(1 - delta, count + 1, number - count))
