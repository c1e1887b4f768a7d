"""Telling no answer: AUROC against scikit-learn, risk and coverage by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from evaluation.rejection import auroc, auroc_gain, auroc_interval, rejection, risk_coverage
from naru.beir import Split


def test_auroc_as_scikit_learn_has_it() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        positive = np.arange(70) < rng.integers(1, 69)
        scores = rng.integers(0, 6, 70) + positive * 1.0  # many ties
        assert auroc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)


def test_auroc_by_hand() -> None:
    positive = np.array([True, True, False, False])
    # Pairs: 3 > 1, 3 > 2, 2 > 1, 2 = 2.
    assert auroc(np.array([3.0, 2.0, 1.0, 2.0]), positive) == 3.5 / 4
    assert auroc(np.array([1.0, -np.inf, -np.inf, -np.inf]), positive) == (2 + 1) / 4
    assert np.isnan(auroc(np.ones(4), np.ones(4, bool)))
    assert np.isnan(auroc_interval(np.ones(4), np.zeros(4, bool))).all()


def test_intervals_of_auroc_hold_what_is_true() -> None:
    # Normal scores one apart: AUROC is Phi(1 / sqrt 2) = 0.7602.
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(60):
        positive = np.arange(120) < 50
        low, high = auroc_interval(rng.normal(size=120) + positive, positive, draws=400)
        covered += low <= 0.7602 <= high
    assert 50 <= covered <= 60


def test_a_better_score_gains() -> None:
    rng = np.random.default_rng(3)
    positive = np.arange(300) < 150
    noise = rng.normal(size=300)
    good, bad = noise + 3 * positive, noise + positive
    gained = auroc_gain(good, bad, positive)
    assert gained.difference == pytest.approx(roc_auc_score(positive, good) - roc_auc_score(positive, bad))
    assert 0 < gained.low < gained.difference < gained.high
    assert gained.p < 0.001
    same = auroc_gain(good, good, positive)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    back = auroc_gain(bad, good, positive)
    assert (back.low, back.high) == pytest.approx((-gained.high, -gained.low))


def test_groups_are_drawn_whole() -> None:
    """Twenty queries a group that score alike say no more than one."""
    rng = np.random.default_rng(5)
    scores, positive = rng.normal(size=30), np.arange(30) < 15
    scores[positive] += 1
    often, kinds, groups = np.repeat(scores, 20), np.repeat(positive, 20), np.repeat(np.arange(30), 20)
    one, alone, whole = (
        auroc_interval(scores, positive),
        auroc_interval(often, kinds),
        auroc_interval(often, kinds, groups),
    )
    assert alone[1] - alone[0] < (one[1] - one[0]) / 3
    assert whole == pytest.approx(one, abs=0.03)
    gained = auroc_gain(often, np.repeat(rng.normal(size=30), 20), kinds, groups)
    assert gained.low < gained.difference < gained.high


def test_risk_and_coverage_by_hand() -> None:
    curve = risk_coverage(np.array([0.9, 0.2, 0.6, 0.6]), np.array([True, False, True, False]))
    assert curve.coverage == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1])
    # The two that tie are wrong by half each: 0, then 0.5 of 2, 1 of 3, 2 of 4.
    assert curve.risk == pytest.approx([0, 0.25, 1 / 3, 0.5])
    assert curve.area == pytest.approx((0.25 + 1 / 3 + 0.5) / 4)
    assert np.isnan(risk_coverage(np.array([]), np.array([], bool)).area)


def test_rejection_of_a_run() -> None:
    qrels = {"a": {"1": 1}, "b": {"2": 1}, "none": {"1": 0}}
    judged = Split("test", dict.fromkeys(qrels, "?"), qrels)
    run = {"a": [("1", 0.9)], "b": [("1", 0.4), ("2", 0.3)], "none": [("3", 0.5)]}
    found = rejection(run, judged)
    assert found is not None
    assert found.auroc.value == 0.5  # a above, b below
    assert found.area == pytest.approx((0 + 1 / 2 + 2 / 3) / 3)
    grouped = rejection(run, judged, groups={"a": "1", "b": "1", "none": "1"})
    assert grouped is not None
    assert (grouped.auroc.low, grouped.auroc.high) == (0.5, 0.5)  # the only group is always drawn
    assert rejection({**run, "none": []}, judged).auroc.value == 1.0  # type: ignore[union-attr]
    assert rejection(run, Split("test", {"a": "?"}, {"a": {"1": 1}})) is None


def test_what_is_said_of_an_answer_goes_before_the_first_hits_score() -> None:
    qrels = {"a": {"1": 1}, "b": {"2": 1}, "none": {"1": 0}}
    judged = Split("test", dict.fromkeys(qrels, "?"), qrels)
    run = {"a": [("1", 0.1)], "b": [("1", 0.2)], "none": [("3", 0.9)]}
    found = rejection(run, judged, {"a": 0.9, "b": 0.8, "none": 0.1})
    assert found is not None
    assert found.auroc.value == 1.0
    assert found.area == pytest.approx((0 + 1 / 2 + 2 / 3) / 3)


def test_the_p_value_of_a_gain_has_both_sides() -> None:
    """Under a null as often below 5% as it says, not twice as often."""
    rng = np.random.default_rng(6)
    positive = np.arange(60) < 30
    p = [
        auroc_gain(rng.normal(size=60), rng.normal(size=60), positive, draws=200, seed=number).p
        for number in range(200)
    ]
    assert (np.array(p) <= 0.05).mean() == pytest.approx(0.05, abs=0.035)
    assert np.median(p) == pytest.approx(0.5, abs=0.12)
