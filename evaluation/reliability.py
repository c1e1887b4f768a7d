"""How far probabilities can be trusted: ECE, Brier score and log loss, with bootstrap intervals.

    ECE        sum over bins of (share of the hits) * |mean probability - share relevant|, over equal-mass bins, less
               what noise alone adds: each bin's |difference| is taken for that of a normal variable with the
               variance of its share, and the expected excess is subtracted (Kumar, Liang and Ma, 2019, "Verified
               uncertainty calibration", there by simulation, here in closed form). Never below 0. What is left of
               the noise still speaks against the probabilities: perfect ones get 0.02 to 0.03 from 600 hits.
    Brier      mean of (probability - relevant)^2
    log loss   mean of -ln(probability of what is so), probabilities kept 1e-6 away from 0 and 1

Intervals are basic (reverse percentile) bootstrap, 95 %, over units of independence: a resample holds the sample's
noise twice, which would push percentile intervals of ECE up. For the same reason it would push the upper end of ECE's
down: that is the estimate and 1.96 standard deviations of the resamples. (Simulated at a true ECE of .03 to .05 from 60
to 2,000 hits, the truth lay above the end in 0 to 5 % of the samples; above the basic one's in 11 to 31 %.)
What nobody judged counts as not relevant, so where one passage a query is judged, a probability that says "relevant" too
often by this measure may be right about the text.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from evaluation.arrays import Booleans, Floats, Integers, renumbered
from evaluation.figures import Estimate

BINS = 15
DRAWS = 1000

_LEAST = 20  # hits in a bin
_EDGE = 1e-6


def ece(probability: Floats, relevant: Booleans, bins: int = BINS) -> float:
    """The debiased expected calibration error over equal-mass bins of about 20 hits at least; NaN without hits.

    Hits of equal probability share a bin.
    """
    if not len(probability):
        return float("nan")
    order = np.argsort(probability, kind="stable")
    ranked = probability[order]
    edges = np.linspace(0, len(order), max(1, min(bins, len(order) // _LEAST)) + 1).astype(np.int64)
    starts = np.unique(np.searchsorted(ranked, ranked[edges[:-1]]))
    sizes = np.diff(np.append(starts, len(order)))
    said = np.add.reduceat(ranked, starts) / sizes
    found = np.add.reduceat(relevant[order].astype(np.float64), starts) / sizes
    off = np.abs(said - found)
    likely = np.where((found == 0) | (found == 1), (found * sizes + said) / (sizes + 1), found)
    noise = np.sqrt(likely * (1 - likely) / sizes)
    expected = np.where(noise > 0, _folded(off, np.maximum(noise, 1e-12)), off)
    return max(0.0, float((sizes * (2 * off - expected)).sum() / len(order)))


def brier(probability: Floats, relevant: Booleans) -> float:
    return float(((probability - relevant) ** 2).mean())


def log_loss(probability: Floats, relevant: Booleans) -> float:
    return float(losses(probability, relevant).mean())


def losses(probability: Floats, relevant: Booleans) -> Floats:
    """[n] the log loss of each hit."""
    kept = np.clip(probability, _EDGE, 1 - _EDGE)
    lost: Floats = -np.log(np.where(relevant, kept, 1 - kept))
    return lost


MEASURES = {"ECE": ece, "Brier": brier, "log loss": log_loss}


def reliability(
    probability: Floats,
    relevant: Booleans,
    units: Integers | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 3,
) -> dict[str, Estimate]:
    """Each measure over hits [n]; `units` [n] are what is drawn in the bootstrap (None: each hit its own).

    Without intervals where there are fewer than two units.
    """
    values = {name: measure(probability, relevant) for name, measure in MEASURES.items()}
    drawn: dict[str, list[float]] = {name: [] for name in MEASURES}
    own = np.arange(len(probability)) if units is None else renumbered(units)
    if own.max(initial=0) < 1:
        return {name: Estimate(value) for name, value in values.items()}
    for rows in _resamples(own, draws, seed):
        for name, measure in MEASURES.items():
            drawn[name].append(measure(probability[rows], relevant[rows]))
    estimates = {}
    for name, value in values.items():
        low, high = np.quantile(drawn[name], [0.025, 0.975])
        above = 2 * value - float(low)
        if name == "ECE":
            above = value + 1.96 * float(np.std(drawn[name], ddof=1))
        estimates[name] = Estimate(value, max(0.0, 2 * value - float(high)), max(value, above))
    return estimates


def _resamples(units: Integers, draws: int, seed: int) -> Iterator[Integers]:
    """The rows of as many units as there are, drawn with replacement."""
    order = np.argsort(units, kind="stable")
    sizes = np.bincount(units)
    starts = np.cumsum(sizes) - sizes
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        chosen = rng.integers(len(sizes), size=len(sizes))
        taken = sizes[chosen]
        before = np.cumsum(taken) - taken
        yield order[np.repeat(starts[chosen] - before, taken) + np.arange(int(taken.sum()))]


def _folded(mean: Floats, deviation: Floats) -> Floats:
    """The expected absolute value of a normal variable."""
    from scipy.special import ndtr

    share = mean / deviation
    value: Floats = deviation * np.sqrt(2 / np.pi) * np.exp(-(share**2) / 2) + mean * (1 - 2 * ndtr(-share))
    return value
