"""Fitting to judgements whose law is known, maps beside scikit-learn, and cross-fitting that keeps units apart."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from evaluation.calibrate import Calibration, Crossed, by_cosine, by_fusion, cross_fit, sigmoid, told_apart
from evaluation.calibrated import reasons, tables
from evaluation.candidates import Candidates, Floats
from evaluation.cutoffs import Offered, levels
from evaluation.directions import Directions
from evaluation.fit import Page, fit, fit_map, folds, likeliest, logits, ranking
from evaluation.learning import curve
from evaluation.reliability import ece, log_loss
from naru.basis import Background, Basis
from naru.maps import Beta, Knots
from naru.relevance import Fit, Relevance, Scores

PRIOR = Scores(-3.0, 2.0, 20.0)
PRIORS = {
    "hybrid": PRIOR,
    "semantic": Scores(-2.0, 8.0, None),
    "lexical": Scores(-3.0, None, 24.0),
}


def drawn(
    queries: int,
    *,
    rivals: bool = True,
    weights: Scores = Scores(-4.0, 6.0, 20.0),  # noqa: B008
    seed: int = 7,
) -> Candidates:
    """Queries of twenty candidates whose relevance is drawn: with `rivals` one passage of each or none, by softmax;
    else each by itself. Four queries share a group."""
    rng = np.random.default_rng(seed)
    semantic, lexical = rng.uniform(0, 1, (queries, 20)), rng.uniform(0, 0.6, (queries, 20))
    plain = weights.bias + (weights.semantic or 0) * semantic + (weights.lexical or 0) * lexical
    if rivals:
        shares = np.exp(plain) / (1 + np.exp(plain).sum(axis=1, keepdims=True))
        place = (rng.uniform(size=(queries, 1)) > np.cumsum(shares, axis=1)).sum(axis=1)
        right = np.arange(20) == place[:, None]
    else:
        right = rng.uniform(size=(queries, 20)) < 1 / (1 + np.exp(-plain))
    return Candidates(
        queries=tuple(f"q{number}" for number in range(queries)),
        query=np.repeat(np.arange(queries), 20),
        passages=[f"p{number:02}" for _ in range(queries) for number in range(20)],
        semantic=semantic.ravel(),
        lexical=lexical.ravel(),
        grade=right.ravel().astype(np.int64),
        relevant=right.sum(axis=1),
        known=np.ones(queries),
        groups=tuple(f"g{number // 4}" for number in range(queries)),
    )


def everything(candidates: Candidates) -> np.ndarray:
    return np.ones(len(candidates.queries), np.bool_)


def fitted(candidates: Candidates) -> Fit:
    return fit(candidates, PRIOR, Directions.of(candidates, PRIOR), everything(candidates))


def test_the_law_that_drew_the_judgements_is_found() -> None:
    """One relevant passage or none by softmax of -4 + 6 cosine + 20 lexical: rivalry 1, a ratio of 20 / 6."""
    found = fitted(drawn(2000))
    assert found.rivalry == pytest.approx(1.0, abs=0.08)
    assert (found.scores.lexical or 0) / (found.scores.semantic or 1) == pytest.approx(20 / 6, rel=0.5)
    assert found.scores.lexical == pytest.approx(20, rel=0.35)


def test_hits_that_are_relevant_by_themselves_have_no_rivals() -> None:
    """Judged one by one at even odds or less, rivalry goes to 0 against its prior of 1."""
    found = fitted(drawn(2000, rivals=False, weights=Scores(-14.0, 3.0, 20.0)))
    assert found.rivalry < 0.2


def test_directions_measure_ndcg_as_it_is_defined() -> None:
    """Two candidates, the relevant one better by words only: second by cosine, 1 / log2(3); first by words, 1."""
    candidates = Candidates(
        queries=("q1", "q2"),
        query=np.array([0, 0]),
        passages=["a", "b"],
        semantic=np.array([0.9, 0.5]),
        lexical=np.array([0.1, 0.2]),
        grade=np.array([0, 1]),
        relevant=np.array([1, 0]),
        known=np.ones(2),
    )
    found = Directions.of(candidates, Scores(0.0, 1.0, 4.0))
    expected = np.where(0.5 + 0.2 * found.ratios > 0.9 + 0.1 * found.ratios, 1.0, 1 / math.log2(3))
    assert found.gains.shape == (1, len(found.ratios))
    assert found.gains[0] == pytest.approx(expected)
    assert set(found.gains[0]) == {1.0, 1 / math.log2(3)}
    assert found.ratios[found.start] == pytest.approx(4.0)


def test_too_little_evidence_keeps_the_direction_of_the_prior() -> None:
    candidates = drawn(400)
    directions = Directions.of(candidates, PRIOR)
    few = np.zeros(400, np.bool_)
    few[:1] = True
    assert directions.best(few) == pytest.approx(10.0)
    assert directions.best(everything(candidates)) != pytest.approx(10.0)


def test_the_likeliest_parameters_are_where_the_likelihood_is_flat() -> None:
    """Any step away from them makes the judgements of the first hits, with the priors, less likely."""
    candidates = drawn(300)
    scores = candidates.semantic * 6 + candidates.lexical * 20
    page = Page.of(candidates, scores)
    bias, scale, rivalry = likeliest(page)
    middle = float(np.median(page.scores[:, 0]))

    def unlikely(at: Floats) -> float:
        plain = at[0] + np.exp(at[1]) * (page.scores - middle)
        others = 1 + np.exp(plain).sum(axis=1, keepdims=True) - np.exp(plain)
        said = (plain - at[2] * np.log(others))[:, :3]
        right = page.right[:, :3]
        priors = ((at - [2.0, 0.0, 1.0]) / [4.0, 1.5, 0.25]) ** 2
        return float(np.logaddexp(0, np.where(right, -said, said)).sum() + priors.sum() / 2)

    best = np.array([bias + scale * middle, math.log(scale), rivalry])
    for step in np.vstack([np.eye(3), -np.eye(3)]) * 0.02:
        assert unlikely(best + step) > unlikely(best)


def test_logits_of_rows_are_those_that_serving_says() -> None:
    candidates = drawn(5)
    one = Fit(Scores(-4.0, 6.0, 20.0), 0.8, Beta(0.9, 1.1, 0.2))
    found = logits(candidates, one)
    for query in range(5):
        rows = np.flatnonzero(candidates.query == query)
        plain = -4.0 + 6.0 * candidates.semantic[rows] + 20.0 * candidates.lexical[rows]
        order = np.argsort(-plain)
        assert found[rows[order]] == pytest.approx(one.logits(plain[order].tolist()))


def test_the_beta_map_equals_scikit_learns_logistic_regression_on_its_features() -> None:
    rng = np.random.default_rng(3)
    said = rng.normal(0, 2, 3000)
    right = rng.uniform(size=3000) < sigmoid(0.5 + 1.4 * said)
    found = fit_map("beta", said, right)
    assert isinstance(found, Beta)
    features = np.stack([-np.logaddexp(0, -said), np.logaddexp(0, said)], axis=1)
    model = LogisticRegression(C=1e10, tol=1e-10, max_iter=10_000).fit(features, right)
    assert [found.low, found.high, found.shift] == pytest.approx(
        [*model.coef_[0], model.intercept_[0]], abs=2e-3
    )


def test_the_knots_lie_on_scikit_learns_isotonic_regression() -> None:
    """In the middle of its blocks, at its share with half a hit and half a miss added, where these rise."""
    rng = np.random.default_rng(4)
    said = np.sort(rng.normal(0, 2, 400))
    right = rng.uniform(size=400) < sigmoid(said)
    found = fit_map("isotonic", said, right)
    assert isinstance(found, Knots)
    level = IsotonicRegression().fit_transform(said, right)
    for raw, calibrated in zip(found.raw, found.calibrated, strict=True):
        block = level == level[np.searchsorted(said, raw)]
        assert said[block].mean() == pytest.approx(raw)
        assert sigmoid(np.array(calibrated)) == pytest.approx((right[block].sum() + 0.5) / (block.sum() + 1))


def test_blocks_that_half_a_hit_puts_out_of_order_are_pooled_not_dropped() -> None:
    said = np.concatenate([[-8.0, -7.9], np.linspace(-6, -3, 500), np.linspace(1, 3, 100)])
    right = np.concatenate([[False, True], np.arange(500) % 50 == 0, np.arange(100) % 10 != 0])
    found = fit_map("isotonic", said, right)
    assert isinstance(found, Knots)
    for low, high in ((-6, -3), (1, 3)):
        rows = (said >= low) & (said <= high)
        assert sigmoid(np.array([found(one) for one in said[rows]])).mean() == pytest.approx(
            right[rows].mean(), abs=0.02
        )
    assert list(found.calibrated) == sorted(found.calibrated)


@pytest.mark.parametrize("right", [np.zeros(30, np.bool_), np.ones(30, np.bool_)], ids=["never", "always"])
def test_no_map_is_learnt_where_all_hits_are_alike(right: np.ndarray) -> None:
    assert fit_map("beta", np.linspace(-2, 2, 30), right) is None
    assert fit_map("none", np.linspace(-2, 2, 30), right) is None


def test_folds_keep_units_together_and_are_of_a_size() -> None:
    units = np.repeat(np.arange(50), 3)
    found = folds(units)
    for unit in range(50):
        assert len(set(found[units == unit])) == 1
    assert np.bincount(found).tolist() == [30] * 5
    assert np.array_equal(found, folds(units))


def test_cross_fitted_probabilities_are_calibrated_and_come_with_cutoffs() -> None:
    candidates = drawn(800)
    found = cross_fit(candidates, PRIORS)
    assert list(found) == ["hybrid", "semantic", "lexical"]
    hybrid = found["hybrid"]
    first = hybrid.candidates.ranks(hybrid.logits) == 0
    said, right = sigmoid(hybrid.logits[first]), hybrid.candidates.right[first]
    assert ece(said, right) < 0.06
    assert log_loss(said, right) < log_loss(np.full(len(right), right.mean()), right) - 0.05
    assert [one.name for one in hybrid.fit.cutoffs] == ["precise", "balanced", "sensitive"]
    assert found["semantic"].fit.scores.lexical is None
    assert found["lexical"].fit.scores.semantic is None
    assert hybrid.first["ECE"].value == pytest.approx(ece(said, right))


def test_what_was_fitted_is_told_beside_raw_scores() -> None:
    found = Calibration(Relevance({}), cross_fit(drawn(800), PRIORS, ["complete", "precise=0.7"]))
    rows = {(by, hits): measured["ECE"].value for by, hits, measured in found.rows()}
    assert list(rows) == [
        *((mode, hits) for mode in PRIORS for hits in ("first", "shown")),
        ("raw cosine", "first"),
        ("rank fusion", "first"),
    ]
    assert rows["hybrid", "first"] < min(rows["raw cosine", "first"], rows["rank fusion", "first"])
    cutoffs = found.modes["hybrid"].fit.cutoffs
    assert [one.name for one in cutoffs] == ["precise", "balanced", "sensitive", "complete", "precise=0.7"]
    strict, lax = (one.logit for one in cutoffs if one.name.startswith("precise"))
    assert lax is not None
    assert strict is None or lax < strict


def test_what_few_queries_cannot_give_is_told_without_nonsense() -> None:
    candidates = drawn(100)
    one_cluster = replace(candidates, groups=("all",) * len(candidates.queries))
    crossed = cross_fit(candidates, PRIORS)
    alone = {
        mode: replace(one, candidates=replace(one.candidates, groups=one_cluster.groups))
        for mode, one in crossed.items()
    }
    for without, said in (
        (10, "10 judged queries have none, 30 are needed. Judge 20 more"),
        (40, "fewer than 30 judged"),
    ):
        basis = Basis("c", "now", 1, "e", "a", 100, "dev", "0", 100 + without, 100, "today")
        found = Calibration(Relevance({mode: one.fit for mode, one in alone.items()}, basis), alone)
        assert said in reasons(found)[-1]
        console = Console(width=100, record=True, file=io.StringIO())
        console.print(*tables(found))  # no bootstrap over one cluster: values without intervals
        assert (
            "["
            not in console.export_text()
            .partition("Cut-offs")[0]
            .partition("log loss")[2]
            .partition("Cross")[0]
        )


def test_more_judged_queries_teach_more() -> None:
    found = list(curve(drawn(800), Relevance.prior(Background(0.0, 0.1))))
    assert [one.queries for one in found] == [50, 100, 200, 400][: len(found)]
    assert len(found) >= 3
    assert found[-1].log_loss < found[0].log_loss
    assert all(one.worst <= one.gain for one in found)


def test_no_query_is_scored_by_a_fit_that_saw_it() -> None:
    """Turning the judgements of one group over leaves its own queries' logits as they were."""
    before = drawn(200)
    turned = np.isin(before.query, np.flatnonzero(before.clusters == 3))
    grade = np.where(turned, 1 - before.grade, before.grade)
    after = replace(
        before,
        grade=grade,
        relevant=np.bincount(before.query, grade > 0).astype(np.int64),
    )
    ones, others = (cross_fit(judged, {"hybrid": PRIOR})["hybrid"] for judged in (before, after))
    assert type(ones.fit.map) is type(others.fit.map)
    assert ones.logits[turned] == pytest.approx(others.logits[turned])
    assert ones.logits[~turned] != pytest.approx(others.logits[~turned])


def test_what_others_take_for_a_probability() -> None:
    """Rank fusion: first in both channels is 1; first in one and not in the other 1/2."""
    candidates = Candidates(
        queries=("q",),
        query=np.array([0, 0]),
        passages=["a", "b"],
        semantic=np.array([0.9, -0.2]),
        lexical=np.array([0.0, 0.4]),
        grade=np.array([1, 0]),
        relevant=np.array([1]),
        known=np.ones(1),
    )
    assert by_cosine(candidates).tolist() == [0.9, 0.0]
    assert by_fusion(candidates) == pytest.approx([1 / 2, 1 / 2 + 61 / 62 / 2])


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (60, "All 60 first hits in hybrid mode are relevant"),
        (55, "All but 5 of 60 first hits"),
        (5, "Only 5 of 60 first hits"),
    ],
)
def test_judgements_that_tell_nothing_apart_teach_no_map_and_it_is_said(right: int, said: str) -> None:
    candidates = drawn(60)
    best = candidates.ranks(ranking(candidates, PRIOR)) == 0
    grade = (best & (candidates.query < right)).astype(np.int64)
    far = {name: np.where(best, 1.0, getattr(candidates, name) / 2) for name in ("semantic", "lexical")}
    candidates = replace(candidates, grade=grade, relevant=np.ones(60, np.int64), **far)
    crossed = cross_fit(candidates, PRIORS)
    assert all(one.fit.map is None for one in crossed.values())
    assert not told_apart(candidates, PRIORS["hybrid"])
    found = reasons(Calibration(Relevance({mode: one.fit for mode, one in crossed.items()}), crossed))
    assert any(one.startswith(said) for one in found), found


def test_cutoffs_are_chosen_by_logits_that_no_fit_saw() -> None:
    for one in cross_fit(drawn(400), PRIORS).values():
        assert one.fit.cutoffs == levels(Offered(one.candidates, one.logits))


def often(candidates: Candidates, times: int) -> Candidates:
    """Each query so many times over, in a group of its own."""
    number = len(candidates.queries)
    return replace(
        candidates,
        queries=tuple(f"{query} {turn}" for turn in range(times) for query in candidates.queries),
        query=np.concatenate([candidates.query + turn * number for turn in range(times)]),
        passages=candidates.passages * times,
        semantic=np.tile(candidates.semantic, times),
        lexical=np.tile(candidates.lexical, times),
        grade=np.tile(candidates.grade, times),
        relevant=np.tile(candidates.relevant, times),
        known=np.tile(candidates.known, times),
        groups=tuple(f"g{query:03}" for query in range(number)) * times,
    )


def test_the_doubt_about_a_map_counts_a_query_asked_four_times_as_once() -> None:
    gains = [
        cross_fit(often(drawn(200), times), {"hybrid": PRIOR})["hybrid"].gains["beta"] for times in (1, 4)
    ]
    assert gains[1][1] == pytest.approx(gains[0][1], rel=0.3)


def test_what_a_cutoff_shows_is_what_reaches_it() -> None:
    candidates = drawn(10)
    said = ranking(candidates, PRIOR)
    crossed = Crossed(candidates, Fit(PRIOR), said, {})
    last = float(np.sort(said)[-30])
    shown = said >= last
    assert crossed.shown(last)["Brier"].value == pytest.approx(
        ((sigmoid(said[shown]) - candidates.right[shown]) ** 2).mean()
    )
