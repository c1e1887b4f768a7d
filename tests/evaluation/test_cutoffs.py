"""Cut-offs: sweeps against scikit-learn, bounds against hand-worked counts and draws, promises in words."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, precision_recall_curve

from evaluation import conformal
from evaluation.candidates import Candidates
from evaluation.cutoffs import Offered, levels, promised
from evaluation.precision import Aim, Shown, precision
from evaluation.sweeps import best_accuracy, best_f1
from naru.cutoffs import LEVELS, Cutoff
from naru.errors import NaruError


def judged(
    rows: list[tuple[int, float, int]], relevant: list[int], groups: tuple[str, ...] | None = None
) -> Offered:
    """From (query, logit, grade), and how many relevant passages each query has."""
    query, logit, grade = (np.array(column) for column in zip(*rows, strict=True))
    return Offered(
        Candidates(
            queries=tuple(f"q{number}" for number in range(len(relevant))),
            query=query.astype(np.int64),
            passages=[f"p{number}" for number in range(len(rows))],
            semantic=logit.astype(np.float64),
            lexical=np.zeros(len(rows)),
            grade=grade.astype(np.int64),
            relevant=np.array(relevant),
            known=np.ones(len(relevant)),
            groups=groups,
            asked=groups is not None,
        ),
        logit.astype(np.float64),
    )


def drawn(queries: int, seed: int = 0, hits: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Queries whose hits are relevant with the probability that their logits say."""
    rng = np.random.default_rng(seed)
    logit = -np.sort(-rng.normal(-3, 3, (queries, 2 * hits)))[:, :hits]
    right = rng.random(logit.shape) < 1 / (1 + np.exp(-logit))
    return np.repeat(np.arange(queries), hits), logit.ravel(), right.ravel()


def many(queries: int = 400) -> Offered:
    query, logit, right = drawn(queries)
    rows = list(zip(query.tolist(), logit.tolist(), right.astype(int).tolist(), strict=True))
    return judged(rows, np.bincount(query[right], minlength=queries).tolist())


def test_the_best_f1_is_scikit_learns_over_the_observed_scores() -> None:
    rng = np.random.default_rng(1)
    right = rng.random(500) < 0.3
    scores = np.round(right + rng.normal(size=500), 1)  # with ties
    best = best_f1(scores, right)
    shares, found, cutoffs = precision_recall_curve(right, scores)
    f1 = 2 * shares * found / np.maximum(shares + found, 1e-12)
    assert best.value == pytest.approx(f1.max(), abs=1e-12)
    at = int(np.flatnonzero(cutoffs == best.cutoff)[0])
    assert (best.precision, best.recall) == pytest.approx((shares[at], found[at]))
    accuracy = best_accuracy(scores, right)
    everywhere = [accuracy_score(right, scores >= cutoff) for cutoff in cutoffs]
    assert accuracy.value == pytest.approx(max(everywhere), abs=1e-12)
    assert accuracy.value == pytest.approx(accuracy_score(right, scores >= accuracy.cutoff))


def test_f1_counts_what_retrieval_missed() -> None:
    # shown: 0.9 right, 0.8 wrong, 0.7 right; one more relevant passage is nowhere
    best = best_f1(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), missed=1)
    assert best.cutoff == 0.7
    assert best.value == pytest.approx(2 * 2 / (3 + 3))
    assert best.recall == pytest.approx(2 / 3)


def test_coverage_of_single_queries_is_split_conformal() -> None:
    scores = np.arange(19.0)  # floor(0.1 * 20) = 2: the second lowest
    assert conformal.coverage(scores, np.arange(19), 0.1).cutoff == 1.0
    assert conformal.coverage(np.arange(9.0), np.arange(9), 0.1).cutoff == 0.0
    assert conformal.coverage(np.arange(8.0), np.arange(8), 0.1) == conformal.Bound(None, 9)


def test_coverage_pays_for_queries_that_come_in_groups() -> None:
    # 40 queries in tens: 0.1 * 40 - 0.9 * 10 < 0; it takes 90 queries, 9 groups
    assert conformal.coverage(np.arange(40.0), np.repeat(np.arange(4), 10), 0.1) == conformal.Bound(None, 9)
    # 100 in tens: 10 - 9 = 1 may lie below
    assert conformal.coverage(np.arange(100.0), np.repeat(np.arange(10), 10), 0.1).cutoff == 1.0


def test_coverage_that_retrieval_makes_impossible_is_unreachable_with_its_recall() -> None:
    rows = [(number, 1.0, int(number >= 20)) for number in range(100)]
    found = judged(rows, [1] * 100).coverage(0.1)
    assert found.logit is None
    assert found.reason == "unreachable: retrieval offers it for 80.0% of the queries only"
    assert found.found == {"recall": 0.8}


def test_coverage_of_every_relevant_passage_is_no_higher_than_of_the_best() -> None:
    rows = [row for number in range(30) for row in ((number, 2.0 + number, 1), (number, -1.0 - number, 1))]
    best, every = judged(rows, [2] * 30).coverage(), judged(rows, [2] * 30).coverage(every=True)
    assert best.logit == 4.0  # floor(0.1 * 31) = 3: the third lowest of 2, 3, 4, ...
    assert every.logit == -28.0  # of -30, -29, -28, ...
    assert every.promise.endswith("every relevant passage is shown")


def test_over_many_draws_coverage_is_what_was_promised() -> None:
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(400):
        scores = rng.normal(size=99)
        covered.append(1 - _normal(conformal.coverage(scores, np.arange(99), 0.1).cutoff or 0.0))
    assert np.mean(covered) == pytest.approx(0.9, abs=0.005)  # (n + 1) * alpha is whole: exactly 0.9


def _normal(at: float) -> float:
    return 0.5 * (1 + math.erf(at / math.sqrt(2)))


def test_silence_leaves_as_many_above_as_the_binomial_allows() -> None:
    # P(Binomial(50, 0.1) <= 1) = 0.034 <= 0.1, <= 2: 0.112 > 0.1: one query may be above
    scores = np.arange(50.0)
    cutoff = conformal.silence(scores, np.arange(50), 0.1, 0.1).cutoff
    assert cutoff is not None
    assert 48.0 < cutoff < 48.0001
    assert conformal.silence(scores[:21], np.arange(21), 0.1, 0.1) == conformal.Bound(None, 22)
    assert conformal.silence(scores[:22], np.arange(22), 0.1, 0.1).cutoff is not None


def test_silence_states_the_exact_upper_bound() -> None:
    rows = [(number, float(number), 0) for number in range(50)]
    found = judged(rows, [0] * 50).silence()
    assert found.found["shown"] == 0.02
    upper = binomtest(1, 50).proportion_ci(0.8, "exact").high  # two-sided 80 %: 90 % above
    assert found.found["shown at most"] == pytest.approx(upper)


def test_silence_counts_a_group_as_shown_something_when_one_of_its_queries_is() -> None:
    scores = np.concatenate([np.arange(25.0), np.full(25, -5.0)])
    grouped = conformal.silence(scores, np.tile(np.arange(25), 2), 0.1, 0.1)
    assert grouped == conformal.silence(np.arange(25.0), np.arange(25), 0.1, 0.1)


def test_precision_per_hit_and_per_query_by_hand() -> None:
    hits = Shown.of(
        np.array([0, 0, 0, 1]),
        np.array([3.0, 2.0, 1.0, 2.5]),
        np.array([True, False, False, True]),
        np.array([0, 1]),
        depth=10,
    )
    assert hits.precision(1.0, "hit") == 2 / 4
    assert hits.precision(1.0, "query") == pytest.approx((1 / 3 + 1) / 2)
    assert hits.precision(2.0, "hit") == 2 / 3
    assert math.isnan(hits.precision(9.0, "hit"))


def test_only_the_first_hits_count() -> None:
    hits = Shown.of(
        np.zeros(5, np.int64), np.arange(5.0), np.array([0, 0, 0, 1, 1], bool), np.zeros(1, np.int64), 2
    )
    assert hits.precision(0.0, "hit") == 1.0


@pytest.mark.parametrize("per", ["query", "hit"])
def test_the_units_needed_are_the_fewest_that_can_do(per: str) -> None:
    aim = Aim(0.8, 0.1, "hit" if per == "hit" else "query", depth=3)

    def all_right(units: int) -> float | None:
        numbers = np.arange(units)
        return precision(Shown.of(numbers, np.full(units, 9.0), np.ones(units, bool), numbers, 3), aim)

    assert all_right(aim.needed()) is not None
    assert all_right(aim.needed() - 1) is None


def test_a_precise_cutoff_keeps_its_promise_and_more_judgements_make_it_laxer() -> None:
    whole = Shown.of(*drawn(20_000, seed=9), np.arange(20_000), 10)
    found = {}
    for queries in (500, 3000):
        cutoff = precision(Shown.of(*drawn(queries, seed=2), np.arange(queries), 10), Aim(0.9))
        assert cutoff is not None
        found[queries] = cutoff
        assert whole.precision(cutoff, "query") >= 0.9
    assert found[3000] < found[500]


def test_a_broken_promise_is_as_rare_as_said() -> None:
    whole = Shown.of(*drawn(50_000, seed=9), np.arange(50_000), 10)
    aim = Aim(0.9)
    broken = 0
    for seed in range(100):
        cutoff = precision(Shown.of(*drawn(300, seed=seed), np.arange(300), 10), aim)
        broken += cutoff is not None and whole.precision(cutoff, aim.per) < aim.p
    assert broken <= 10


def test_hits_no_better_than_chance_give_no_precise_cutoff() -> None:
    rng = np.random.default_rng(4)
    offered = judged([(number, 5.0, int(rng.random() < 0.5)) for number in range(300)], [1] * 300)
    found = offered.precision()
    assert found.logit is None
    assert found.reason == (
        "300 queries do not certify that precision (best observed: 43%); sixteen times as many would not be enough either"
    )
    assert found.needed is None


def test_almost_precise_enough_says_how_many_judgements_would_do() -> None:
    rows = [(number, 5.0, int(number % 20 != 0)) for number in range(60)]
    found = judged(rows, [1] * 60).precision()
    assert (found.logit, found.needed) == (None, 360)
    assert found.reason == (
        "60 queries do not certify that precision (best observed: 95%, which may be luck); about 360 like these would be needed"
    )
    assert judged([(n, 5.0, int(n % 20 != 0)) for n in range(360)], [1] * 360).precision().logit is not None
    assert judged([(n, 5.0, int(n % 20 != 0)) for n in range(240)], [1] * 240).precision().logit is None


def test_what_retrieval_misses_leaves_no_room_for_large_groups() -> None:
    """Two misses in 100 are far from a tenth; but a group of 10 counts as one draw."""
    rows = [(number, 5.0, 1) for number in range(98)]
    groups = tuple(f"article {number // 10}" for number in range(100))
    found = judged(rows, [1] * 100, groups).coverage()
    assert found.logit is None
    assert found.reason == "too few judgements: 10 groups of queries with an answer, 12 needed at least"


def test_too_few_judgements_say_how_many_are_needed() -> None:
    rows = [(number, 5.0, 1) for number in range(6)]
    found = judged(rows, [1] * 6).precision()
    assert found.needed == Aim().needed() == 44
    assert found.reason == "too few judgements: 6 queries, 44 needed at least"
    assert (
        judged(rows, [1] * 6).coverage().reason
        == "too few judgements: 6 queries with an answer, 9 needed at least"
    )


@pytest.mark.parametrize(("p", "least"), [(0.5, 7), (0.9, 44), (0.99, 458)])
def test_what_is_needed_is_the_least_that_will_do(p: float, least: int) -> None:
    aim = Aim(p)
    assert aim.needed() == least
    for units in (least, least - 1):
        query, right = np.arange(units), np.ones(units, np.bool_)
        hits = Shown.of(query, np.full(units, 8.0), right, query, aim.depth)
        assert (precision(hits, aim) is not None) == (units == least)


def test_however_much_is_asked_what_is_needed_is_said() -> None:
    assert Aim(0.999999999).needed() > 10**9


def test_groups_are_the_units() -> None:
    rows = [(number, 5.0, 1) for number in range(100)]
    groups = tuple(f"article {number % 20}" for number in range(100))
    found = judged(rows, [1] * 100, groups).precision()
    assert (found.queries, found.units, found.logit) == (100, 20, None)


def test_queries_about_one_passage_are_right_or_wrong_together() -> None:
    """Precision .85 by passages of 40 queries each: taken for independent, more than a tenth would be certified .9."""
    certified = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        good = rng.random(20) < 0.85
        rows = [(number, 5.0, int(good[number // 40])) for number in range(800)]
        offered = judged(rows, [1] * 800, tuple(f"passage {number // 40}" for number in range(800)))
        asked = Offered(replace(offered.candidates, asked=False), offered.logits)
        found = asked.precision(Aim())
        certified += found.logit is not None
        assert (found.queries, found.units) == (800, 20)
    assert certified <= 6


def test_hits_of_few_queries_alone_are_no_reason_to_fail() -> None:
    rng = np.random.default_rng(5)
    rows = [(number, float(rng.normal()), int(rng.random() < 0.3)) for number in range(15)]
    found = judged(rows, [1] * 300).precision()
    assert found.logit is None
    assert "300 queries do not certify that precision" in found.reason


@pytest.mark.parametrize(
    ("asked", "said"), [("precise=0.995", "99.5%"), ("sensitive=0.995", "99.5%"), ("silent=0.004", "0.4%")]
)
def test_a_promise_is_not_rounded_to_another(asked: str, said: str) -> None:
    assert f" {said} " in promised(many(), asked).promise


def test_nothing_to_cut_off_is_said() -> None:
    rows = [(number, 5.0, 1) for number in range(50)]
    found = judged(rows, [1] * 50 + [0] * 50).silence()
    assert (found.logit, found.needed) == (None, None)
    assert "none need be cut off" in found.reason


def test_many_units_are_promised_precision_of_hits_fewer_that_of_queries() -> None:
    assert "of a query's hits shown, on average" in many(400).precision().promise
    assert "of the hits shown at least 90%" in many(1000).precision().promise


def test_the_levels_keep_what_they_promise_on_the_judged_queries() -> None:
    found = levels(many())
    assert tuple(cutoff.name for cutoff in found) == LEVELS
    precise, balanced, sensitive = found
    assert precise.found["precision"] >= 0.9
    assert sensitive.found["coverage"] >= 0.9
    assert balanced.logit is not None
    assert all(cutoff.queries == 400 for cutoff in (precise, balanced))


def test_nothing_relevant_gives_no_best() -> None:
    found = judged([(0, 1.0, 0)], [0])
    assert found.best_f1().logit is None
    assert (
        found.best_accuracy().reason
        == "none of the judged queries has a relevant passage among its candidates"
    )


def test_a_cutoff_is_stored_as_it_is() -> None:
    for cutoff in (*levels(many()), judged([(0, 1.0, 0)], [0]).best_f1()):
        assert Cutoff.from_json(cutoff.to_json()) == cutoff
    with pytest.raises(NaruError, match=r"expected those of naru\.cutoffs\.Cutoff"):
        Cutoff.from_json({"name": "precise"})


def test_a_cutoff_is_a_number_or_a_reason() -> None:
    with pytest.raises(NaruError, match="both numbers without a reason, or a reason alone"):
        Cutoff("precise", "…", 1.0, None, 1, 1, {})
    with pytest.raises(NaruError, match="finite"):
        Cutoff("precise", "…", math.inf, 1.0, 1, 1, {})


def test_popular_groups_count_by_their_queries() -> None:
    """What is promised is about queries: a group of thirty that are wrong more often weighs as thirty, not as one."""
    rng = np.random.default_rng(7)
    aim = Aim(0.9)
    sizes = np.where(np.arange(500) % 10 == 0, 30, 1)
    units = np.repeat(np.arange(500), sizes)
    likely = np.where(
        np.repeat(sizes, sizes) == 30, 0.8, 0.97
    )  # .84 of all queries, .95 of all groups on average
    queries = np.arange(len(units))

    def shown(chance: np.ndarray) -> Shown:
        return Shown.of(queries, np.full(len(units), 5.0), rng.random(len(units)) < chance, units, aim.depth)

    assert shown(likely).precision(0.0, "query") < 0.9
    assert [precision(shown(likely), aim) for _ in range(20)] == [None] * 20
    assert precision(shown(np.full(len(units), 0.99)), aim) is not None
    assert shown(likely).size == pytest.approx(3.9 / 30)


def test_a_promise_is_asked_for_by_name_and_share() -> None:
    offered = many()
    for asked, same in (
        ("precise=0.8", offered.precision(Aim(0.8))),
        ("sensitive", offered.coverage()),
        ("sensitive=0.8", offered.coverage(0.2)),
        ("complete=0.8", offered.coverage(0.2, every=True)),
        ("silent=0.5", offered.silence(0.5)),
        ("accurate", offered.best_accuracy()),
    ):
        found = promised(offered, asked)
        assert found.name == asked
        assert (found.logit, found.promise, found.reason) == (same.logit, same.promise, same.reason)
    strict, lax = promised(offered, "sensitive=0.7").logit, promised(offered, "sensitive").logit
    assert strict is not None
    assert lax is not None
    assert strict > lax


@pytest.mark.parametrize("asked", ["balanced", "precise=1", "precise=much", "sensitive=", "accurate=0.9", ""])
def test_what_is_no_promise_is_refused(asked: str) -> None:
    with pytest.raises(NaruError, match=r"[Pp]romise .* expected"):
        promised(many(), asked)


def test_the_best_accuracy_may_be_to_call_nothing_right() -> None:
    best = best_accuracy(np.array([0.9, 0.8, 0.1]), np.array([False, False, True]))
    assert (best.value, best.precision, best.recall) == (2 / 3, 0.0, 0.0)
    assert best.cutoff > 0.9


def test_what_retrieval_misses_is_never_shown_in_full() -> None:
    """Two relevant passages each; of ten queries in thirty one is not among the candidates, whatever the cut-off."""
    rows = [row for number in range(30) for row in [(number, 2.0, 1), (number, 1.0, 1)][: 1 + (number >= 10)]]
    found = judged(rows, [2] * 30).coverage(every=True)
    assert (found.logit, found.found) == (None, {"recall": pytest.approx(2 / 3)})
    assert judged(rows, [2] * 30).coverage().logit == 2.0


@pytest.mark.parametrize("share", [0.6, 0.7, 0.8, 0.9, 0.95])
def test_what_retrieval_misses_exactly_is_unreachable_and_no_matter_of_judgements(share: float) -> None:
    """1 - 0.7 is a little more than 0.3: no number of judgements makes up for that."""
    rows = [(number, 1.0, int(number >= round(100 * (1 - share)))) for number in range(100)]
    found = promised(judged(rows, [1] * 100), f"sensitive={share}")
    assert found.needed is None
    assert found.reason.startswith("unreachable: ")


def test_the_balanced_cutoff_counts_what_retrieval_missed() -> None:
    # at 0.7 two of the three that are relevant are found, and three shown
    found = judged([(0, 0.9, 1), (0, 0.8, 0), (1, 0.7, 1)], [1, 2]).best_f1()
    assert found.logit == 0.7
    assert found.found == pytest.approx({"F1": 2 * 2 / (3 + 3), "precision": 2 / 3, "recall": 2 / 3})


def test_what_a_precise_cutoff_was_found_to_show() -> None:
    """90 of 100 queries have a hit, 89 of them a right one; 10 relevant passages are not among the candidates."""
    rows = [(number, 5.0, int(number > 0)) for number in range(90)]
    found = judged(rows, [0] + [1] * 99).precision(Aim(0.9)).found
    assert found == pytest.approx({"precision": 89 / 90, "shown": 0.9, "answered": 0.9, "recall": 89 / 99})


def test_what_a_sensitive_cutoff_was_found_to_cover() -> None:
    found = judged([(number, float(number), 1) for number in range(19)], [1] * 19).coverage()
    assert found.logit == 1.0
    assert found.found == pytest.approx({"coverage": 18 / 19, "recall": 1.0, "shown": 18 / 19})


def test_silence_of_groups_is_found_in_groups() -> None:
    """Fifty groups of two, of which both of one lie above: one in fifty, not two."""
    rows = [(number, float(number // 2), 0) for number in range(100)]
    found = judged(rows, [0] * 100, tuple(f"g{number // 2:02}" for number in range(100))).silence().found
    assert found["shown"] == 1 / 50
    assert found["shown at most"] == pytest.approx(binomtest(1, 50).proportion_ci(0.8, "exact").high)


def test_below_a_cutoff_that_is_not_refuted_none_is_tried() -> None:
    """Right at 5, wrong at 1, right again at 0: who looks on until all together are precise enough, finds it by chance."""
    logit = np.concatenate([np.full(200, 5.0), np.full(200, 1.05), np.full(5000, 0.05)])
    numbers = np.arange(len(logit))
    hits = Shown.of(numbers, logit, logit != 1.05, numbers, 10)
    assert hits.precision(0.0, "query") > 0.95
    cutoff = precision(hits, Aim(0.9))
    assert cutoff is not None
    assert cutoff > 1.05


def test_precision_of_hits_is_promised_from_twice_the_units_that_it_takes() -> None:
    least = 2 * Aim(per="hit").needed()
    for units, per in ((least - 1, "query"), (least, "hit")):
        found = judged([(number, 5.0, 1) for number in range(units)], [1] * units).precision()
        assert found.guarantee is not None
        assert found.guarantee.per == per


def test_of_equal_accuracies_the_best_shows_something() -> None:
    best = best_accuracy(np.array([0.9, 0.8]), np.array([False, True]))
    assert (best.cutoff, best.value, best.recall) == (0.8, 0.5, 1.0)
