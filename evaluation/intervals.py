"""Bootstrap intervals of means, over queries or over groups of queries that belong together.

BCa (bias-corrected and accelerated; Efron 1987, "Better bootstrap confidence intervals") or percentile. Columns
share their draws, so figures of the same queries can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import Literal

import numpy as np

from evaluation.arrays import Floats, Integers
from evaluation.figures import Estimate
from evaluation.measures import Measured

Method = Literal["bca", "percentile"]

DRAWS = 5_000
LEVEL = 0.95
SEED = 20261121
_CELLS = 2_000_000  # of one chunk of draws: 16 MB

_NORMAL = NormalDist()


def bootstrap(
    values: Floats,
    groups: Integers | None = None,
    *,
    method: Method = "bca",
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = SEED,
) -> tuple[Floats, Floats]:
    """Low and high [m] around the means of `values` [n, m]; NaN where fewer than two groups can be drawn.

    `groups` [n] names the unit of independence from 0 on (None: each row its own). A group is drawn whole and the
    mean is taken over the rows drawn, so large groups count more.
    """
    sums, sizes = grouped(values, groups)
    if len(sizes) < 2:
        nothing = np.full(values.shape[1], np.nan)
        return nothing, nothing
    means = np.concatenate(
        [counts @ sums / (counts @ sizes)[:, None] for counts in resamples(len(sizes), draws, seed)]
    )
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    ends = np.empty((2, values.shape[1]))
    for column, (found, total) in enumerate(zip(means.T, sums.T, strict=True)):
        shares = tails if method == "percentile" else _corrected(found, total, sizes, tails)
        ends[:, column] = np.quantile(found, shares)
    return ends[0], ends[1]


def grouped(values: Floats, groups: Integers | None) -> tuple[Floats, Floats]:
    """Sums [g, m] and numbers of rows [g] of the groups; groups without rows are left out."""
    if groups is None:
        return values, np.ones(len(values))
    sizes = np.bincount(groups).astype(np.float64)
    sums = np.zeros((len(sizes), values.shape[1]))
    np.add.at(sums, groups, values)
    return sums[sizes > 0], sizes[sizes > 0]


def resamples(number: int, draws: int, seed: int) -> Iterator[Floats]:
    """How often each of `number` things is drawn, with replacement, in each draw: [draws, number] in chunks."""
    rng = np.random.default_rng(seed)
    for rows in chunks(draws, number):
        yield drawn(rng, rows, number)


def chunks(draws: int, number: int) -> Iterator[int]:
    """How many draws of `number` things fit into memory at a time, until all are done."""
    most = max(1, _CELLS // number)
    for start in range(0, draws, most):
        yield min(most, draws - start)


def drawn(rng: np.random.Generator, rows: int, number: int) -> Floats:
    """[rows, number] how often each thing is drawn when `number` are drawn with replacement."""
    places = rng.integers(number, size=(rows, number)) + np.arange(rows)[:, None] * number
    return np.bincount(places.ravel(), minlength=rows * number).reshape(rows, number).astype(np.float64)


def estimates(
    measured: Measured, queries: Sequence[str], groups: Mapping[str, str] | None = None
) -> dict[str, Estimate]:
    """Measure -> its mean over these queries, with its BCa interval where it has one."""
    values = measured.values(queries)
    low, high = bootstrap(values, groups_of(queries, groups))
    return {
        name: Estimate(float(mean), *((None, None) if np.isnan(lower) else (float(lower), float(upper))))
        for name, mean, lower, upper in zip(measured.per_query, values.mean(axis=0), low, high, strict=True)
    }


def numbered(names: Sequence[str]) -> Integers:
    """The names as numbers from 0, equal where they are equal."""
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(name, len(seen)) for name in names], np.int64)


def groups_of(queries: Sequence[str], groups: Mapping[str, str] | None) -> Integers | None:
    """[queries] the number of each query's group; a query without one stands alone."""
    return None if groups is None else numbered([groups.get(query, f"\0{query}") for query in queries])


def _corrected(means: Floats, sums: Floats, sizes: Floats, tails: Floats) -> Floats:
    """The shares of the draws that BCa cuts at."""
    total, rows = sums.sum(), sizes.sum()
    mean = total / rows
    near = 1e-12 * max(1.0, abs(mean))
    below = float(np.mean(means < mean - near) + np.mean(np.abs(means - mean) <= near) / 2)
    without = (total - sums) / (rows - sizes)
    off = without.mean() - without
    spread = float((off**2).sum() ** 1.5)
    if not 0 < below < 1 or spread == 0:
        return tails
    shift, bend = _NORMAL.inv_cdf(below), float((off**3).sum()) / (6 * spread)
    ends = [shift + _NORMAL.inv_cdf(tail) for tail in tails]
    return np.array([_NORMAL.cdf(shift + end / max(1 - bend * end, 1e-9)) for end in ends])
