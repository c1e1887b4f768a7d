from __future__ import annotations

import random

import pytest

from finetune.weak.pairs import ASKED, Paragraph, ask, degrade, keyword_pair, plain, sentence_pair, title_pair

TEXT = (
    "나루는 강을 건너는 배가 닿는 곳이다. 한강에는 여러 나루가 있었다. 다리가 놓이면서 나루는 차츰 사라졌다."
)
PARAGRAPH = Paragraph("나루 (교통)", "역사", TEXT)


def test_a_sentence_leaves_its_paragraph_and_asks_for_the_rest() -> None:
    for seed in range(50):
        made = sentence_pair(PARAGRAPH, random.Random(seed))
        assert made is not None
        query, document = made
        rest = document.removeprefix("나루 (교통)\n")
        assert rest == TEXT or (rest.count(".") == 2 and all(part in TEXT for part in rest.split(". ")))
        assert query != ""


def test_the_whole_paragraph_stays_only_now_and_then() -> None:
    made = [sentence_pair(PARAGRAPH, random.Random(seed)) for seed in range(400)]
    whole = sum(pair is not None and TEXT in pair[1] for pair in made)
    assert 80 < whole < 160  # 3 in 10


def test_a_paragraph_of_one_sentence_makes_no_pair() -> None:
    assert (
        sentence_pair(Paragraph("가", "", "나루는 강을 건너는 배가 닿는 곳이다."), random.Random(0)) is None
    )


def test_a_title_asks_for_the_text_and_half_of_the_time_leaves_it() -> None:
    made = [title_pair(PARAGRAPH, random.Random(seed)) for seed in range(100)]
    masked = [pair for pair in made if pair is not None and "나루" not in pair[1]]
    assert 30 < len(masked) < 70
    assert all(pair is not None and "나루" in pair[0] for pair in made)


def test_a_text_that_is_nearly_empty_without_its_title_makes_no_pair() -> None:
    assert title_pair(Paragraph("나루", "", "나루 둘."), random.Random(0)) is None


@pytest.mark.parametrize(
    ("sentence", "questions"),
    [
        (
            "그는 1976년에 서울에서 태어났다.",
            {"언제 서울", "태어났나요?", "태어났는가?", "태어났습니까?", "누구"},
        ),
        ("이 건물에는 방이 12개 있다.", {"몇 개", "있나요?", "있는가?", "있어?"}),
    ],
)
def test_a_sentence_becomes_a_question(sentence: str, questions: set[str]) -> None:
    made = [ask(sentence, random.Random(seed)) for seed in range(60)]
    assert sum(any(form in text for form in questions) for text in made) > 40
    assert all(len(text) <= len(sentence) + 12 for text in made)


def test_a_few_words_ask_for_their_paragraph() -> None:
    made = [keyword_pair(PARAGRAPH, random.Random(seed)) for seed in range(100)]
    held = set(f"{PARAGRAPH.title} {PARAGRAPH.text}") | set("".join(ASKED))
    for query, document in filter(None, made):
        assert 2 <= len(query.split()) <= 5
        assert set(query) <= held
        assert document.endswith(PARAGRAPH.text)
    assert keyword_pair(Paragraph("", "", "가 나"), random.Random(0)) is None


@pytest.mark.parametrize(
    ("polite", "dictionary"),
    [
        ("심사는 20일 안에 끝납니다.", "심사는 20일 안에 끝나다"),
        ("앱에서 접수할 수 있습니다.", "앱에서 접수할 수 있다"),
        ("신고가 먼저입니다", "신고가 먼저이다"),
        ("상담원에게 요청하세요.", "상담원에게 요청하다"),
        ("번호표를 받으세요.", "번호표를 받다"),
        ("창구는 2층이에요.", "창구는 2층이다"),
        ("환불해 드려요.", "환불해 드려요."),
        ("접수되는 순간 문자로 왔다.", "접수되는 순간 문자로 왔다."),
        ("이 책은 니다.", "이 책은 니다."),
    ],
)
def test_polite_endings_become_what_other_endings_follow(polite: str, dictionary: str) -> None:
    assert plain(polite) == dictionary


def test_help_desk_sentences_become_questions_too() -> None:
    made = {ask("심사는 20일 안에 끝납니다.", random.Random(seed)) for seed in range(60)}
    assert {"심사는 20일 안에 끝나나요?", "심사는 20일 안에 끝나는지"} <= made
    assert not any("니는" in text or text.endswith("니") for text in made)


def test_a_query_is_degraded_the_same_way_for_the_same_seed() -> None:
    query = "카드를 잃어버렸을 때에는 어디로 전화를 해야 하나요"
    first = [degrade(query, random.Random(seed)) for seed in range(100)]
    assert first == [degrade(query, random.Random(seed)) for seed in range(100)]
    assert 20 < sum(text == query for text in first) < 80
    assert any(" " not in text for text in first)  # all spaces lost
    assert any("카드 " in text and "전화 " in text for text in first)  # particles lost
