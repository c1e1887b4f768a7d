"""Hangul typed on an English layout."""

from __future__ import annotations

import pytest

from naru.bm25 import count, statistics_of
from naru.text import Analyzer
from search.keyboard import mistyped
from search.searcher import Searcher


def test_keystrokes_are_searched_as_hangul_and_the_answer_says_so(searcher: Searcher) -> None:
    answer = searcher.search("zkem qnstlf")  # 카드 분실
    assert answer.hits[0].passage.id == "card-1"
    (note,) = answer.notes
    assert note.values == {"typed": "zkem qnstlf", "read": "카드 분실"}
    assert "'카드 분실'" in note.message
    meant = searcher.search("카드 분실")
    assert [(hit.passage.id, hit.logit) for hit in answer.hits] == [
        (hit.passage.id, hit.logit) for hit in meant.hits
    ]


def test_the_rest_of_the_query_stays(searcher: Searcher) -> None:
    answer, meant = searcher.search("zkem 재발급 수수료"), searcher.search("카드 재발급 수수료")
    assert [hit.passage.id for hit in answer.hits] == [hit.passage.id for hit in meant.hits]
    assert answer.notes[0].values["typed"] == "zkem"


@pytest.mark.parametrize("query", ["카드 API", "hello", "zk", "card123"])
def test_other_latin_words_stay_as_they_are(searcher: Searcher, query: str) -> None:
    assert searcher.search(query).notes == ()


def test_the_added_tokens_point_at_what_was_typed(searcher: Searcher) -> None:
    query = "내 zkem 어디"
    places = {
        query[token.start : token.end] for token in searcher.search(query).tokens if token.text == "카드"
    }
    assert places == {"zkem"}


def test_what_the_collection_has_in_latin_is_not_read_otherwise() -> None:
    analyzer = Analyzer()
    tokens = analyzer.query_tokens("zkem")
    for texts, read in ((["카드 분실"], "카드"), (["카드 분실", "zkem 설치"], None)):
        statistics = statistics_of(count(analyzer.document(text)) for text in texts)
        found = mistyped("zkem", tokens, analyzer, statistics)
        assert (found.read if found else None) == read
