"""Bootstrap intervals: against scipy, against what is known by hand, over groups."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import norm

from evaluation.intervals import bootstrap, estimates, groups_of, resamples
from evaluation.measures import Measured


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_as_scipy_has_it(method: str) -> None:
    values = np.random.default_rng(1).exponential(size=(60, 2))
    low, high = bootstrap(values, method=method, draws=50_000, seed=2)  # type: ignore[arg-type]
    expected = scipy_bootstrap(
        (values,),
        np.mean,
        axis=0,
        method=method,
        n_resamples=50_000,
        rng=np.random.default_rng(2),
        batch=5_000,
    ).confidence_interval
    # With scipy 1.16 the draws are the same ones; other draws differ by a few thousandths.
    assert low == pytest.approx(expected.low, abs=0.015)
    assert high == pytest.approx(expected.high, abs=0.015)


def test_it_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    values = rng.binomial(1, 0.7, size=(80, 400)).astype(np.float64)
    low, high = bootstrap(values, draws=1_000)
    # 400 samples share their draws; the share of a fair 95% interval lies above 0.90 but for one in 10,000.
    assert 0.90 <= ((low <= 0.7) & (high >= 0.7)).mean() <= 0.99


def test_groups_are_drawn_whole() -> None:
    # 40 groups of 5 equal values are 40 values, not 200.
    each = np.random.default_rng(4).normal(size=(40, 1))
    groups = np.repeat(np.arange(40), 5)
    whole = bootstrap(each)
    assert np.array(bootstrap(np.repeat(each, 5, axis=0), groups)) == pytest.approx(np.array(whole))
    naive = bootstrap(np.repeat(each, 5, axis=0))
    assert (naive[1] - naive[0]) < 0.6 * (whole[1] - whole[0])


def test_large_groups_count_more() -> None:
    # Drawn sums over drawn sizes: a mean over rows. Groups of 1 (value 0) and 3 (value 1).
    low, high = bootstrap(np.array([[0.0], [1.0], [1.0], [1.0]]), np.array([0, 1, 1, 1]), method="percentile")
    assert (low[0], high[0]) == (0.0, 1.0)


def test_the_same_draws_every_time() -> None:
    values = np.random.default_rng(5).normal(size=(30, 1))
    assert np.array_equal(bootstrap(values), bootstrap(values))
    assert not np.array_equal(bootstrap(values), bootstrap(values, seed=1))
    chunks = list(resamples(1_500_000, 2, 0))
    assert [len(chunk) for chunk in chunks] == [1, 1]
    assert [chunk.sum() for chunk in chunks] == [1_500_000, 1_500_000]


def test_nothing_to_draw() -> None:
    assert np.isnan(bootstrap(np.ones((1, 2)))).all()
    assert np.isnan(bootstrap(np.ones((4, 1)), np.zeros(4, np.int64))).all()
    low, high = bootstrap(np.full((9, 1), 0.5))
    assert (low[0], high[0]) == (0.5, 0.5)


def test_estimates() -> None:
    measured = Measured({"A": 0.5, "B": 1.0}, {"A": {"p": 0.0, "q": 1.0}, "B": {"p": 1.0, "q": 1.0}})
    found = estimates(measured, ["p", "q"])
    assert (found["A"].value, found["A"].low, found["A"].high) == (0.5, 0.0, 1.0)
    assert (found["B"].value, found["B"].low, found["B"].high) == (1.0, 1.0, 1.0)
    assert estimates(measured, ["q"])["A"].interval == ""
    numbers = groups_of(["a", "b", "c", "d"], {"a": "x", "c": "x"})
    assert numbers is not None
    assert numbers.tolist() == [0, 1, 0, 2]


def test_groups_of_different_sizes_are_left_out_whole_where_the_tails_are_corrected() -> None:
    """The jackknife behind BCa is over groups, each of its size: worked by hand from the same draws."""
    rng = np.random.default_rng(6)
    sizes = np.array([1, 2, 3, 4, 30] * 4)
    groups = np.repeat(np.arange(20), sizes)
    values = rng.exponential(size=(len(groups), 1)) + (sizes[groups] == 30)[:, None]
    sums = np.bincount(groups, values[:, 0])
    means = np.concatenate([counts @ sums / (counts @ sizes) for counts in resamples(20, 5_000, 1)])
    without = np.array([values[groups != group].mean() for group in range(20)])
    off = without.mean() - without
    bend = (off**3).sum() / (6 * (off**2).sum() ** 1.5)
    shift = norm.ppf((means < values.mean()).mean())
    ends = shift + norm.ppf([0.025, 0.975])
    shares = norm.cdf(shift + ends / (1 - bend * ends))
    assert np.array(bootstrap(values, groups, seed=1))[:, 0] == pytest.approx(np.quantile(means, shares))
