"""The end of a question that only asks leaves the query; the same words elsewhere stay."""

from __future__ import annotations

import pytest

from naru.text import Analyzer

ANALYZER = Analyzer()


@pytest.mark.parametrize(
    ("query", "kept", "gone"),
    [
        ("출소 후 지원받을 수 있는 프로그램이 있나요?", ["출소", "지원", "프로그램"], []),
        ("재해보상금 신청 방법을 알려주세요", ["신청", "방법"], ["알리", "알려주"]),
        ("전입신고는 어떻게 하나요", ["전입", "신고"], ["하"]),
        ("환불이 되나요? 수수료도 궁금합니다.", ["환불", "수수"], ["되", "궁금"]),
        ("카드 재발급 받고 싶은데 알려줘", ["카드", "재발", "받"], ["알리", "알려주"]),
    ],
)
def test_what_only_asks_is_left_out(query: str, kept: list[str], gone: list[str]) -> None:
    terms = ANALYZER.query(query)["term"]
    assert not [one for one in kept if one not in terms]
    assert not [one for one in gone if one in terms]


@pytest.mark.parametrize("query", ["있나요?", "할 수 있나요", "어떻게 하나요?", "알려주세요"])
def test_a_query_that_only_asks_keeps_its_words(query: str) -> None:
    assert ANALYZER.query(query)["term"]


@pytest.mark.parametrize(
    "text", ["피고인이 이를 알 수 있다", "지원받을 수 있는 프로그램", "말 사육 방법", "이행할 수 있는 것"]
)
def test_what_does_not_ask_is_left_as_it_is(text: str) -> None:
    terms = ANALYZER.query(text)["term"]
    assert terms == ANALYZER.document(text)["term"]


def test_the_word_and_the_pair_go_with_the_term() -> None:
    found = ANALYZER.query("신청 방법을 알려주세요")
    assert not [one for one in found["word"] if one.startswith("알려")]
    assert found["pair"] == ["신청방법"]
    assert "알려" in found["char"]


def test_documents_keep_all() -> None:
    assert "알리" in ANALYZER.document("신청 방법을 알려주세요")["term"] or (
        "알려주" in ANALYZER.document("신청 방법을 알려주세요")["term"]
    )
