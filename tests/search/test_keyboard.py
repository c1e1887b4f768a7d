"""Hangul typed on an English layout."""

from __future__ import annotations

import pytest

from search.searcher import Searcher


def test_keystrokes_are_searched_as_hangul_and_the_answer_says_so(searcher: Searcher) -> None:
    answer = searcher.search("zkem qnstlf")  # 카드 분실
    assert answer.hits[0].passage.id == "card-1"
    assert any("'카드 분실'" in note and "'zkem qnstlf'" in note for note in answer.notes)


@pytest.mark.parametrize("query", ["카드 API", "hello", "zk", "card123"])
def test_other_latin_words_stay_as_they_are(searcher: Searcher, query: str) -> None:
    assert searcher.search(query).notes == ()


def test_the_added_tokens_point_at_what_was_typed(searcher: Searcher) -> None:
    query = "내 zkem 어디"
    places = {
        query[token.start : token.end] for token in searcher.search(query).tokens if token.text == "카드"
    }
    assert places == {"zkem"}
