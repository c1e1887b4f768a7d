"""ECE, Brier score and log loss: by hand, beside scikit-learn, and what noise alone does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import foldnorm
from sklearn import metrics

from evaluation.reliability import brier, ece, log_loss, reliability

RNG = np.random.default_rng(11)
PROBABILITY = RNG.uniform(0.01, 0.99, 600)
RELEVANT = RNG.uniform(size=600) < PROBABILITY


def test_brier_and_log_loss_equal_scikit_learn() -> None:
    assert brier(PROBABILITY, RELEVANT) == pytest.approx(metrics.brier_score_loss(RELEVANT, PROBABILITY))
    assert log_loss(PROBABILITY, RELEVANT) == pytest.approx(metrics.log_loss(RELEVANT, PROBABILITY))


def test_certainty_that_is_wrong_costs_much_but_not_everything() -> None:
    assert log_loss(np.array([1.0]), np.array([False])) == pytest.approx(13.8155, abs=1e-3)  # -ln 1e-6


def test_ece_of_one_bin_without_noise_is_the_difference() -> None:
    """Twenty hits said to be 0.7, all relevant: off by 0.3, and a share of 1 has no variance to subtract."""
    assert ece(np.full(20, 0.7), np.ones(20, np.bool_)) == pytest.approx(0.3)


def test_ece_of_two_bins_by_hand() -> None:
    """Twenty at 0.1 with none relevant, sixty at 0.8 with all; an edge moves so that equal ones share a bin."""
    said = np.array([0.1] * 20 + [0.8] * 60)
    right = np.array([False] * 20 + [True] * 60)
    assert ece(said, right, bins=2) == pytest.approx(20 / 80 * 0.1 + 60 / 80 * 0.2)


def test_the_noise_of_a_bin_is_that_of_its_share() -> None:
    """Forty at 0.5 with half relevant: the difference is 0, the expected one sqrt(2 / pi) * sqrt(0.25 / 40)."""
    right = np.arange(40) % 2 == 0
    assert ece(np.full(40, 0.5), right) == 0.0
    noise = np.sqrt(0.25 / 40)
    excess = foldnorm.mean(0.1 / noise, scale=noise) - 0.1
    assert ece(np.full(40, 0.6), right) == pytest.approx(0.1 - excess)


def test_what_noise_adds_is_taken_off() -> None:
    """Perfectly calibrated probabilities: ECE should be 0, noise makes it about 0.04, and most of that goes."""
    debiased, plain = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        said = rng.uniform(size=600)
        right = rng.uniform(size=600) < said
        debiased.append(ece(said, right))
        parts = np.array_split(np.argsort(said), 15)
        plain.append(np.mean([abs(said[part].mean() - right[part].mean()) for part in parts]))
    assert np.mean(plain) > 0.03
    assert np.mean(debiased) < 0.75 * np.mean(plain)


def test_a_constant_far_off_is_found_whatever_the_bins() -> None:
    right = np.zeros(300, np.bool_)
    right[:240] = True
    assert ece(np.full(300, 0.3), right) == pytest.approx(0.5, abs=0.01)


def test_intervals_hold_the_value_and_widen_where_hits_stand_and_fall_together() -> None:
    alone = reliability(PROBABILITY, RELEVANT, draws=300)
    for estimate in alone.values():
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low <= estimate.value <= estimate.high
    said = np.repeat(PROBABILITY[:60], 10)
    right = np.repeat(RELEVANT[:60], 10)
    together = reliability(said, right, np.repeat(np.arange(60), 10), draws=300)["Brier"]
    apart = reliability(said, right, draws=300)["Brier"]
    assert (together.high or 0) - (together.low or 0) > 2 * ((apart.high or 0) - (apart.low or 0))


def test_a_single_unit_has_no_interval() -> None:
    estimate = reliability(PROBABILITY[:30], RELEVANT[:30], np.zeros(30, np.int64))["ECE"]
    assert (estimate.low, estimate.high) == (None, None)


def test_the_interval_of_ece_reaches_what_is_true() -> None:
    """Probabilities .05 too high: the truth lies above the interval in few samples (a basic bootstrap's end: a quarter)."""
    above = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        probability = rng.beta(3, 1.2, 400)
        relevant = rng.random(400) < np.clip(probability - 0.05, 0, 1)
        estimate = reliability(probability, relevant, draws=100, seed=seed)["ECE"]
        assert estimate.high is not None
        above += estimate.high < 0.049
    assert above <= 4


def test_a_bin_without_a_miss_has_noise_all_the_same() -> None:
    said = np.full(20, 0.95)
    assert ece(said, np.ones(20, np.bool_)) < 0.05
