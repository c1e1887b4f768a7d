"""Marks stand where the words are, and a snippet shows the part of a text that has most of them."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naru.bm25 import count, statistics_of
from naru.documents import Passage
from naru.text import Analyzer
from search.highlight import (
    READ,
    WINDOW,
    Highlighter,
    Highlights,
    Marked,
    Segment,
    Span,
    best_window,
    merged,
    telling,
    words_of,
)
from search.searcher import Searcher

ANALYZER = Analyzer()


def highlights(
    query: str, text: str, title: str = "", others: tuple[str, ...] = ("다른 글",) * 9
) -> Highlights:
    """What is marked in a passage, in a collection of it and of nine others."""
    statistics = statistics_of(count(ANALYZER.document(each)) for each in (f"{title} {text}", *others))
    marks = Highlighter(ANALYZER.query_tokens(query), ANALYZER, statistics, query)
    return marks.highlight(Passage("p", text, title))


def marks(marked: Marked) -> list[str]:
    return [marked.text[span.start : span.end] for span in marked.spans]


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("카드 분실", "카드를 분실했을 때", ["카드", "분실"]),
        ("잃어버리셨나요", "지갑을 잃어버렸을 때", ["잃어버렸"]),
        ("육아 휴직 급여", "육아휴직 급여를 신청합니다", ["육아휴직", "급여"]),
        ("api 오류", "ＡＰＩ가 오류를 냅니다", ["ＡＰＩ", "오류"]),
        ("카드", "👍😀 카드 👍", ["카드"]),
        ("카드", unicodedata.normalize("NFD", "카드를 씁니다"), [unicodedata.normalize("NFD", "카드")]),
        ("카드", "  \n카드", ["카드"]),
        ("카드", "İİ 카드를 씁니다", ["카드"]),
        ("여권", "카드를 분실했을 때", []),
    ],
)
def test_what_the_query_says_is_marked_in_the_original_text(
    query: str, text: str, expected: list[str]
) -> None:
    assert marks(highlights(query, text).text) == expected


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("이체한도를 올리려면", "이체한도 변경은 앱에서 합니다", ["이체한도"]),
        ("이체한도 변경", "이 화면에서 이체한도를 바꿉니다. 변경은 바로 됩니다", ["이체한도", "변경"]),
        ("이사 신고", "이사회를 열고 이사를 뽑습니다", ["이사"]),
        ("카드가 안 돼요", "카드가 없어요", ["카드"]),
    ],
)
def test_a_word_of_the_query_is_marked_however_mecab_cuts_it(
    query: str, text: str, expected: list[str]
) -> None:
    others = (
        "이체한도를 올립니다",
        "이체한도가 있습니다",
        "이사를 갑니다",
        *(("다른 글",) * 6),
    )
    assert marks(highlights(query, text, others=others).text) == expected


def test_words_are_nouns_that_the_collection_has_without_their_particles() -> None:
    texts = ("이체한도를 올립니다", "서류 하나를 냅니다", "카드가 얼마인지")
    statistics = statistics_of(count(ANALYZER.document(text)) for text in texts)
    query = "이체한도를 올리려면 서류가 쀍뷁 얼마까지 카드와 내야 하나요"
    assert words_of(*ANALYZER.morphemes(query), statistics) == ["이체한도", "서류", "카드"]


def test_determiners_are_not_marked() -> None:
    assert marks(highlights("새 주소 신고", "새 집의 주소를 신고합니다").text) == ["주소", "신고"]
    assert marks(highlights("이 카드", "이 은행의 카드").text) == ["카드"]


def test_the_title_is_marked_too() -> None:
    found = highlights("재발급 수수료", "오천 원입니다.", title="카드 재발급 수수료")
    assert marks(found.title) == ["재발급", "수수료"]
    assert marks(found.text) == []


def test_a_word_in_most_passages_is_not_marked_beside_one_that_tells_more() -> None:
    others = ("신고 방법", "신고 기한", "신고 장소", "신고 서류", "신고 대상", "신고 접수", "여권 사진")
    assert marks(highlights("분실 신고", "분실 신고 안내", others=others).text) == ["분실"]
    assert marks(highlights("신고", "분실 신고 안내", others=others).text) == ["신고"]


def test_only_words_of_the_collection_tell_and_by_their_idf(searcher: Searcher) -> None:
    tokens = searcher.analyzer.query_tokens("카드 쀍뷁 여권")
    weights = telling(tokens, searcher.statistics)
    assert {text for _, text in weights} == {"카드", "여권"}
    # 8 passages: 여권 stands in 1, 카드 in 2. ln(1 + (8 - df + .5) / (df + .5))
    assert weights["term", "여권"] == pytest.approx(1.7918, abs=1e-3)
    assert weights["term", "카드"] == pytest.approx(1.2809, abs=1e-3)


def test_an_empty_collection_of_words_marks_nothing() -> None:
    found = highlights("😀", "카드를 잃어버렸다면")
    assert found.text == Marked("카드를 잃어버렸다면")
    assert found.snippet.text == "카드를 잃어버렸다면"


def test_segments_are_the_text_cut_at_the_marks() -> None:
    marked = Marked("😀카드 분실", (Span(1, 3), Span(4, 6)))
    assert marked.segments == (
        Segment("😀", False),
        Segment("카드", True),
        Segment(" ", False),
        Segment("분실", True),
    )
    assert Marked("").segments == ()


def test_spans_that_overlap_or_touch_become_one() -> None:
    assert merged([Span(5, 7), Span(0, 2), Span(2, 4), Span(6, 9)]) == (Span(0, 4), Span(5, 9))


def test_a_snippet_goes_to_where_the_words_are() -> None:
    before, after = "앞에 오는 다른 이야기입니다. " * 20, " 뒤에 오는 다른 이야기입니다." * 20
    text = before + "책을 늦게 가져오면 연체료를 냅니다." + after
    snippet = highlights("연체료", text).snippet
    assert marks(snippet) == ["연체료"]
    assert snippet.text.startswith("…")
    assert snippet.text.endswith("…")
    assert len(snippet.text) <= WINDOW + 2
    assert snippet.text[1:-1] in text
    assert text[text.index(snippet.text[1:-1]) - 1] == " "


def test_a_snippet_without_matches_is_the_beginning() -> None:
    text = "도서관은 아침 아홉 시에 문을 엽니다. " * 20
    snippet = highlights("여권", text).snippet
    assert snippet.spans == ()
    assert text.startswith(snippet.text[:-1])
    assert snippet.text.endswith("…")


def test_a_short_text_is_its_own_snippet_without_an_ellipsis() -> None:
    assert highlights("카드", " 카드를 씁니다.\n").snippet == Marked("카드를 씁니다.", (Span(0, 2),))


def test_a_window_prefers_more_words_then_the_beginning_of_a_sentence() -> None:
    text = "가나 다라. 마바 사아. 자차 카타."
    a, b = Span(7, 9), Span(14, 16)
    assert best_window(text, [(a, ("term", "마바"), 1.0), (b, ("term", "자차"), 1.0)], size=12) == Span(7, 16)
    assert best_window(text, [(b, ("term", "자차"), 1.0)], size=7) == Span(14, 20)


def test_a_word_that_occurs_often_counts_once_for_the_window() -> None:
    text = "카드 카드 카드 카드. " + "사이 " * 10 + "분실 여권."
    found = [(Span(place, place + 2), ("term", "카드"), 1.0) for place in (0, 3, 6, 9)]
    place = text.index("분실")
    found += [
        (Span(place, place + 2), ("term", "분실"), 1.0),
        (Span(place + 3, place + 5), ("term", "여권"), 1.0),
    ]
    assert best_window(text, found, size=12).end == len(text)


def test_an_eojeol_longer_than_the_window_is_cut() -> None:
    snippet = highlights("여권", "가" * 500).snippet
    assert snippet.text == "가" * WINDOW + "…"


def test_what_lies_beyond_the_analysed_part_is_not_marked() -> None:
    text = "다른 이야기. " * (READ // 8 + 1) + "카드"
    assert len(text) > READ
    assert highlights("카드", text).text.spans == ()


def test_a_snippet_reads_on_behind_what_is_analysed() -> None:
    text = "다른 이야기. " * (READ // 8 - 1) + "카드 " + "그리고 다른 이야기. " * 20
    snippet = highlights("카드", text).snippet
    assert marks(snippet) == ["카드"]
    assert "카드 그리고 다른 이야기. 그리고" in snippet.text


def test_what_a_window_would_cut_does_not_count_in_it() -> None:
    text = "가" * (WINDOW + 40) + " 나 " + "다" * WINDOW
    cut, whole = Span(WINDOW - 10, WINDOW + 10), Span(WINDOW + 41, WINDOW + 42)
    window = best_window(text, [(cut, ("term", "가"), 2.0), (whole, ("term", "나"), 1.0)])
    assert window.start <= whole.start < whole.end <= window.end


def test_a_form_that_a_tenth_as_many_passages_have_is_a_word() -> None:
    for commonest, word in ((10, "이체한도"), (11, "이체한")):
        texts = ["이체한도 변경"] + ["이체한 돈"] * commonest
        statistics = statistics_of(count({"word": [text.split()[0]]}) for text in texts)
        assert words_of(*ANALYZER.morphemes("이체한도"), statistics) == [word]


@given(
    st.text(alphabet="카드분실 신고여권.\n😀a1ㅋ", max_size=400),
    st.sampled_from(["카드 분실", "여권", "신고", "a1"]),
)
def test_snippets_are_parts_of_any_text_and_marks_never_overlap(text: str, query: str) -> None:
    found = highlights(query, text)
    snippet = found.snippet
    start, end = snippet.text.startswith("…"), snippet.text.endswith("…")
    assert snippet.text[start : len(snippet.text) - end] in text
    assert len(snippet.text) <= WINDOW + 2
    for marked in (found.text, snippet):
        assert "".join(piece.text for piece in marked.segments) == marked.text
        assert all(0 <= span.start < span.end <= len(marked.text) for span in marked.spans)
        assert all(left.end < right.start for left, right in pairwise(marked.spans))
