"""BM25 against numbers worked by hand and against the textbook sum."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naru import bm25
from naru.bm25 import Statistics, count, document_vector, query_vector, statistics_of, token_id

DOCUMENTS = [{"term": ["카드", "분실", "신고"]}, {"term": ["카드", "한도"]}, {"term": ["여권", "발급"] * 2}]


def test_a_score_worked_by_hand() -> None:
    """카드 stands in 2 of 3 documents, once in the first, whose 3 terms are the average length."""
    counts = [count(terms) for terms in DOCUMENTS]
    statistics = statistics_of(counts)
    assert statistics.average_lengths == (3.0, 0.0, 0.0, 0.0)
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    weight = 1 * 2.2 / (1 + 1.2)
    score = query_vector({"term": ["카드"]}, statistics).dot(document_vector(counts[0], statistics))
    assert score == pytest.approx(idf * weight / (idf * 2.2), rel=1e-6)


def test_an_absent_token_lowers_the_score_of_the_others() -> None:
    counts = [count(terms) for terms in DOCUMENTS]
    statistics = statistics_of(counts)
    vector = document_vector(counts[0], statistics)
    idf_card, idf_absent = math.log(1 + 1.5 / 2.5), math.log(1 + 3.5 / 0.5)
    full = query_vector({"term": ["카드"]}, statistics).dot(vector)
    diluted = query_vector({"term": ["카드", "우주선"]}, statistics).dot(vector)
    assert diluted == pytest.approx(full * idf_card / (idf_card + idf_absent), rel=1e-6)


def test_nothing_but_absent_tokens_scores_zero() -> None:
    counts = [count(terms) for terms in DOCUMENTS]
    statistics = statistics_of(counts)
    query = query_vector({"term": ["우주선"]}, statistics)
    assert [query.dot(document_vector(one, statistics)) for one in counts] == [0.0, 0.0, 0.0]


def test_namespaces_have_their_own_lengths_and_weights() -> None:
    documents = [{"term": ["가"], "char": ["나"] * 3}, {"term": ["가"] * 3, "char": ["나"]}]
    counts = [count(terms) for terms in documents]
    statistics = statistics_of(counts)
    assert statistics.average_lengths == (2.0, 0.0, 0.0, 2.0)
    vector = document_vector(counts[0], statistics)
    by_id = dict(zip(vector.indices.tolist(), vector.values.tolist(), strict=True))
    assert by_id[token_id("term", "가")] == pytest.approx(2.2 / (1 + 1.2 * (0.25 + 0.75 * 1 / 2)))
    assert by_id[token_id("char", "나")] == pytest.approx(3 * 2.2 / (3 + 1.2 * (0.25 + 0.75 * 3 / 2)))


def test_ids_are_stable() -> None:
    assert token_id("term", "카드") == 3618188017
    assert token_id("term", "카드") != token_id("word", "카드")


def test_tokens_that_collide_count_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bm25, "token_id", lambda namespace, token: 7)
    counts = count({"term": ["카드", "카드"], "char": ["분실"]})
    assert counts.ids.tolist() == [7]
    assert counts.frequencies.tolist() == [3.0]
    assert counts.namespaces.tolist() == [0]


TERMS = st.lists(st.sampled_from("가나다라마바사아자차카타파하"), max_size=12)


@given(st.lists(TERMS, min_size=1, max_size=8), TERMS)
def test_the_score_is_the_textbook_sum_over_its_reach(documents: list[list[str]], query: list[str]) -> None:
    counts = [count({"term": terms}) for terms in documents]
    statistics = statistics_of(counts)
    average = sum(map(len, documents)) / len(documents)
    frequency = {token: sum(token in terms for terms in documents) for token in query}
    idf = {token: math.log(1 + (len(documents) - df + 0.5) / (df + 0.5)) for token, df in frequency.items()}
    reach = sum(idf[token] * 2.2 for token in query)
    vector = query_vector({"term": query}, statistics)
    for terms, one in zip(documents, counts, strict=True):
        expected = sum(
            idf[token] * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * len(terms) / average))
            for token in query
            if (tf := terms.count(token))
        )
        score = vector.dot(document_vector(one, statistics))
        assert score == pytest.approx(expected / reach if reach else 0.0, abs=1e-6)
        assert 0.0 <= score <= 1.0 + 1e-6


@given(st.lists(TERMS, max_size=8))
def test_statistics_survive_the_way_to_disk_and_merging(documents: list[list[str]]) -> None:
    statistics = statistics_of(count({"term": terms}) for terms in documents)
    back = Statistics.from_bytes(statistics.to_bytes())
    assert back.documents == statistics.documents == len(documents)
    assert back.average_lengths == statistics.average_lengths
    np.testing.assert_array_equal(back.ids, statistics.ids)
    np.testing.assert_array_equal(back.frequencies, statistics.frequencies)


def test_counting_merges_in_the_middle_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = statistics_of(count(terms) for terms in DOCUMENTS)
    monkeypatch.setattr(bm25.StatisticsCounter, "_MERGE_AT", 2)
    in_steps = statistics_of(count(terms) for terms in DOCUMENTS)
    np.testing.assert_array_equal(at_once.ids, in_steps.ids)
    np.testing.assert_array_equal(at_once.frequencies, in_steps.frequencies)


def test_a_token_that_collides_into_more_documents_than_there_are_weighs_nothing_and_not_less() -> None:
    ids = np.array([7], np.uint32)
    statistics = Statistics(2, (1.0, 0.0, 0.0, 0.0), ids, np.array([4], np.uint32))
    assert statistics.idf(ids).tolist() == [0.0]


@pytest.mark.parametrize("namespace", ["pair", "word", "char"])
def test_what_is_no_term_weighs_three_tenths_of_one(namespace: str) -> None:
    statistics = statistics_of([count({"term": ["카드"], namespace: ["분실"]}), count({"term": ["여권"]})])
    query = query_vector({"term": ["카드"], namespace: ["분실"]}, statistics)
    weights = dict(zip(query.indices.tolist(), query.values.tolist(), strict=True))
    assert weights[token_id(namespace, "분실")] == pytest.approx(0.3 * weights[token_id("term", "카드")])
