"""The no-answer model: its signals by hand, its fit on made queries, its stored form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from evaluation.answerable import (
    LEAST,
    Queries,
    _folds,
    _threshold,
    _weigh,
    cross_fit,
    fit,
    logits,
    queries,
    without,
)
from evaluation.candidates import Candidates
from evaluation.rejection import auroc
from naru.answering import Answering, matched, signals
from naru.bm25 import count, statistics_of
from naru.errors import NaruError


def made(number: int = 300, hits: int = 12, seed: int = 0) -> tuple[Candidates, np.ndarray]:
    """Two in three queries have an answer, whose scores stand out; logit = cosine + 4 * lexical."""
    rng = np.random.default_rng(seed)
    answerable = np.arange(number) % 3 > 0
    semantic, lexical = rng.normal(0.3, 0.1, (number, hits)), rng.uniform(0, 0.4, (number, hits))
    semantic[answerable, 0] += 0.2
    lexical[answerable, 0] += 0.3
    grade = np.zeros((number, hits), np.int64)
    grade[answerable, 0] = 1
    candidates = Candidates(
        queries=tuple(f"q{place}" for place in range(number)),
        query=np.repeat(np.arange(number), hits),
        passages=[f"p{place}" for place in range(number * hits)],
        semantic=semantic.ravel(),
        lexical=lexical.ravel(),
        grade=grade.ravel(),
        relevant=answerable.astype(np.int64),
        known=np.where(answerable, 1.0, rng.uniform(0.5, 1.0, number)),
    )
    return candidates, candidates.semantic + 4 * candidates.lexical


def signs(candidates: Candidates, scores: np.ndarray, mode: str = "hybrid") -> Queries:
    return queries(candidates, scores, np.full(len(candidates.queries), 0.5), mode)


def test_the_words_that_one_passage_holds_by_hand() -> None:
    # df 1 of 3: idf = ln(1 + 2.5 / 1.5) = 0.981; df 2: ln(1 + 1.5 / 2.5) = 0.470; unknown: ln(1 + 3.5 / 0.5) = 2.079
    documents = [{"term": ["카드", "분실"]}, {"term": ["카드"]}, {"term": ["여권"]}]
    statistics = statistics_of(count(document) for document in documents)
    query = {"term": ["카드", "분실", "카드", "김치"], "char": ["카드"]}
    total = 0.9808 + 0.4700 + 2.0794
    assert matched(query, documents, statistics) == pytest.approx((0.9808 + 0.4700) / total, abs=1e-4)
    assert matched(query, documents[1:], statistics) == pytest.approx(0.4700 / total, abs=1e-4)
    assert matched({"char": ["카드"]}, documents, statistics) == 0.0
    assert matched(query, [], statistics) == 0.0


def test_weights_are_scikit_learns_where_none_of_them_is_below_zero() -> None:
    given = signs(*made())
    columns = given.signals[:, [given.names.index(name) for name in ("known", "semantic", "lexical")]]
    weights, bias = _weigh(columns, given.answerable, 0.1)
    standard = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    theirs = LogisticRegression(C=0.1, tol=1e-10, max_iter=1000).fit(standard, given.answerable)
    assert columns @ weights + bias == pytest.approx(theirs.decision_function(standard), abs=1e-4)
    assert (_weigh(-columns, given.answerable, 0.1)[0] == 0).all()


def test_signals_by_hand() -> None:
    found = signals([(2.0, 0.5, 0.3), (1.0, 0.6, 0.1), (0.0, 0.1, 0.2)], known=0.75, matched=0.6)
    assert found == pytest.approx(
        {
            "known": 0.75,
            "matched": 0.6,
            "logit": 2.0,
            "logit, over second": 1.0,
            "logit, over rest": 1.5,
            "semantic": 0.6,
            "semantic, over second": 0.1,
            "semantic, over rest": 0.3,
            "lexical": 0.3,
            "lexical, over second": 0.1,
            "lexical, over rest": 0.15,
        }
    )


def test_one_channel_gives_no_signals_of_channels_and_one_hit_no_distance() -> None:
    found = signals([(2.0, None, 0.3)], known=1.0, matched=1.0)
    assert found == {
        "known": 1.0,
        "matched": 1.0,
        "logit": 2.0,
        "logit, over second": 0.0,
        "logit, over rest": 0.0,
    }


def test_only_ten_hits_are_looked_at() -> None:
    hits = [(1.0 - place / 100, 0.1, 0.1) for place in range(30)]
    assert signals(hits, 1.0, 1.0) == signals(hits[:10], 1.0, 1.0)


def test_all_queries_at_once_are_as_one_by_one() -> None:
    candidates, scores = made()
    given = signs(candidates, scores)
    model = fit(given)
    rows = np.flatnonzero(candidates.query == 7)
    order = rows[np.argsort(-scores[rows])]
    hits = [
        (float(scores[row]), float(candidates.semantic[row]), float(candidates.lexical[row])) for row in order
    ]
    assert model.logit(hits, float(candidates.known[7]), 0.5) == pytest.approx(logits(model, given)[7])


def test_the_fit_tells_apart_what_it_never_saw_and_says_how_sure_it_is() -> None:
    given = signs(*made())
    unseen = signs(*made(seed=1))
    model = fit(given)
    found = logits(model, unseen)
    assert auroc(found, unseen.answerable) > 0.95
    assert (model.queries, model.unanswerable) == (300, 100)
    said = 1 / (1 + np.exp(-found))
    assert said.mean() == pytest.approx(2 / 3, abs=0.06)
    # a proper score: better than the share alone, ln(3) - 2 / 3 ln(2) = 0.637
    assert -np.log(np.where(unseen.answerable, said, 1 - said)).mean() < 0.35


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0, 10.0])
def test_no_answer_costs_few_queries_that_have_one(noise: float) -> None:
    """Where the two kinds lie apart the threshold stays low; where they do not, nine of ten with an answer reach it."""
    given = signs(*made(600))
    rng = np.random.default_rng(3)
    mixed = replace(given, signals=given.signals + rng.normal(0, noise, given.signals.shape))
    model = fit(mixed)
    said = 1 / (1 + np.exp(-logits(model, mixed)))
    refused = said < model.threshold
    assert 0 < model.threshold < 1
    assert refused[given.answerable].mean() <= 0.15  # chosen on logits that were cross-fitted
    assert refused[~given.answerable].mean() >= refused[given.answerable].mean()
    if noise == 0.0:
        assert refused[given.answerable].mean() < 0.05
        assert refused[~given.answerable].mean() > 0.95


@pytest.mark.parametrize("separation", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("answerable", [200, 100, 40])
def test_a_tenth_of_the_answerable_is_the_most_refused_however_few_have_an_answer(
    answerable: int, separation: float
) -> None:
    """One signal of unit noise; 300 queries without an answer, in most of which P(answerable) is below a half."""

    def drawn(rng: np.random.Generator) -> Queries:
        has = np.arange(answerable + 300) < answerable
        values = rng.normal(size=(len(has), 1)) + separation * has[:, None]
        return Queries(("s",), values, has, np.arange(len(has)), np.arange(len(has)))

    refused = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        model, unseen = fit(drawn(rng)), drawn(rng)
        said = 1 / (1 + np.exp(-logits(model, unseen)))
        refused.append((said < model.threshold)[unseen.answerable].mean())
    assert np.mean(refused) <= 0.1 + 2 * 0.3 / np.sqrt(8 * answerable)  # two standard errors of the share


def test_cross_fitted_logits_know_nothing_of_their_own_query() -> None:
    rng = np.random.default_rng(3)
    noise = Queries(
        tuple(f"s{column}" for column in range(10)),
        rng.normal(size=(200, 10)),
        rng.random(200) < 0.5,
        np.arange(200),
        np.arange(200),
    )
    assert auroc(cross_fit(noise), noise.answerable) < 0.6
    assert auroc(cross_fit(signs(*made())), signs(*made()).answerable) > 0.95


def test_queries_of_a_cluster_are_left_out_together() -> None:
    rng = np.random.default_rng(3)
    values = np.repeat(
        rng.normal(size=(100, 10)), 4, axis=0
    )  # four copies of each, with a label that is noise
    noise = Queries(
        tuple(f"s{column}" for column in range(10)),
        values,
        np.repeat(rng.random(100) < 0.5, 4),
        np.repeat(np.arange(100), 4),
        np.arange(400),
    )
    assert auroc(cross_fit(noise), noise.answerable) < 0.62


def test_too_few_queries_without_an_answer_are_refused() -> None:
    given = signs(*made(3 * (LEAST - 1)))
    with pytest.raises(
        NaruError, match=r"29 of 87 judged queries have no answer.* at least 30 with and 30 without"
    ):
        fit(given)


def test_another_mode_is_refused() -> None:
    model = fit(signs(*made()))
    with pytest.raises(NaruError, match="fitted for another mode"):
        model.logit([(1.0, None, 0.4)], 1.0, 1.0)
    assert model.logit([], 1.0, 1.0) is None


def test_a_mode_of_one_channel_is_fitted_on_its_logits() -> None:
    candidates, _ = made()
    model = fit(signs(candidates, 9 * candidates.lexical, "lexical"))
    assert set(model.weights) == {"known", "matched", "logit", "logit, over second", "logit, over rest"}


def test_the_model_is_stored_as_it_is() -> None:
    model = fit(signs(*made()))
    assert Answering.from_json(model.to_json()) == model
    with pytest.raises(NaruError, match=r"expected those of naru\.answering\.Answering"):
        Answering.from_json({"bias": 1.0})


def test_removed_passages_leave_queries_without_an_answer_and_the_next_move_up() -> None:
    candidates, scores = made()
    left = without(candidates, candidates.right)
    assert not left.right.any()
    assert not left.relevant.any()
    kept = scores[~candidates.right]
    first = signs(left, kept).signals[1, signs(left, kept).names.index("logit")]
    assert first == np.sort(scores[candidates.query == 1])[-2]
    with pytest.raises(ValueError, match="a relevant passage is left"):
        without(candidates, np.zeros(len(scores), np.bool_))


def test_a_query_without_candidates_is_named() -> None:
    candidates, scores = made()
    kept = candidates.query != 4
    with pytest.raises(NaruError, match="'q4' has no candidates"):
        signs(candidates.rows(kept), scores[kept])


def told(held_out: np.ndarray, answerable: np.ndarray, units: np.ndarray) -> Queries:
    return Queries(("s",), held_out[:, None], answerable, np.arange(len(units)), units)


def test_too_few_groups_to_count_a_tenth_of_refuse_none_of_those_with_an_answer() -> None:
    rng = np.random.default_rng(1)
    answerable = np.arange(120) < 40
    held_out = rng.normal(size=120) + answerable
    two_groups = np.where(answerable, np.arange(120) // 20, np.arange(120))
    least = 1 / (1 + np.exp(-held_out[answerable].min()))
    assert _threshold(held_out, told(held_out, answerable, two_groups)) <= least + 1e-12
    assert _threshold(held_out, told(held_out, answerable, np.arange(120))) > least


def test_of_thresholds_that_part_alike_the_one_nearest_a_half_is_taken() -> None:
    """Above -2.5 one with an answer is refused more, and above -2 one without: both part 39 of 40."""
    held_out = np.concatenate([np.full(39, -3.0), [-2.0], [-2.5], np.linspace(0.5, 2.0, 39)])
    given = told(held_out, np.arange(80) >= 40, np.arange(80))
    assert _threshold(held_out, given) == 0.5
    assert _threshold(held_out + 2.4, given) == pytest.approx(1 / (1 + np.exp(0.1)))


def test_folds_have_their_share_of_both_kinds() -> None:
    answerable = np.arange(200) < 35
    fold = _folds(told(np.zeros(200), answerable, np.arange(200)))
    assert np.bincount(fold[answerable]).tolist() == [7] * 5
    assert np.bincount(fold[~answerable]).tolist() == [33] * 5
