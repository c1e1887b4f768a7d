"""Queries typed without spaces, by the real Mecab."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naru.text import Analyzer, AnalyzerSettings, normalize

ANALYZER = Analyzer()


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("카드잃어버렸는데어떻게해요", "카드 잃어버렸는데 어떻게 해요"),
        ("2001년발표된대한민국최초의국제어는?", "2001년 발표된 대한민국 최초의 국제어는?"),
        ("가족카드만들면한도따로나오나요", "가족카드 만들면 한도 따로 나오나요"),
        (
            "면허조건을부여받으려면 신청서를내고기다려야 하나요",
            "면허조건을 부여받으려면 신청서를 내고 기다려야 하나요",
        ),
    ],
)
def test_spaces_that_were_left_out_come_back(typed: str, read: str) -> None:
    assert ANALYZER.spaced(typed) == read


@pytest.mark.parametrize(
    "typed",
    [
        "하자보수보증금의 성질을 판단하는 방법",
        "국민기초생활보장법",
        "집합건물의소유및관리에관한법률에서 정한 구분소유자의 의미",
        "출생신고는 3개월 이내에 해야 하나요?",
        "앱이 자꾸 꺼져요. 오류 코드 E-1042가 뜹니다.",
        "포인트 언제 소멸되는지 알려주나요",
        "Spring Boot에서 application.yml을 읽는 법",
        "?",
        "ㅋㅋ",
    ],
)
def test_texts_with_their_spaces_stay_as_they_are(typed: str) -> None:
    assert ANALYZER.spaced(typed) == typed


def test_the_users_own_words_stay_whole() -> None:
    typed = "나루가는곳카드를잃어버렸는데어떻게해요"
    assert "나루가는곳" not in ANALYZER.spaced(typed)
    own = Analyzer(AnalyzerSettings(user_words=("나루가는곳",)))
    assert own.spaced(typed).startswith("나루가는곳")


@given(st.text(st.sampled_from("가나다는을에하고서 어요했카드1a(.\n"), max_size=40))
def test_nothing_but_spaces_is_put_in_and_none_is_lost(text: str) -> None:
    read, normal = ANALYZER.spaced(text), normalize(text).text
    rest = iter(read)
    assert all(character in rest for character in normal), "the text is not a part of what was read"
    assert "".join(read.split()) == "".join(normal.split())
