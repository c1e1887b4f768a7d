"""The normal form, and that every character of it knows where it came from."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naru.errors import NaruError
from naru.text import normalize


@pytest.mark.parametrize(
    ("original", "normal"),
    [
        pytest.param("카드 분실", "카드 분실", id="plain text is left alone"),
        pytest.param(
            unicodedata.normalize("NFD", "카드를 잃어버렸어요"), "카드를 잃어버렸어요", id="NFD of macOS"
        ),
        pytest.param(unicodedata.normalize("NFD", "café"), "café", id="NFD of Latin"),
        pytest.param("ＡＰＩ ㎏ ② ㈜나루", "API kg 2 (주)나루", id="compatibility forms"),
        pytest.param("ﾡﾢ", "ㄱㄲ", id="half-width letters stay compatibility jamo"),
        pytest.param("ㅋㄷㅂㅅ", "ㅋㄷㅂㅅ", id="initials stay compatibility jamo"),
        pytest.param("ㅋㅋㅠㅠ", "ㅋㅋㅠㅠ", id="laughing is no syllable"),
        pytest.param("ㅋㅏㄷㅡ", "카드", id="loose letters compose"),
        pytest.param("ㄷㅏㄺ ㅇㅣㄺㄷㅏ", "닭 읽다", id="loose double tails compose"),
        pytest.param("a\0b", "a b", id="NUL is a blank"),
        pytest.param("카\u200b드\ufeff", "카드", id="zero width goes"),
        pytest.param("카드\u00a0분실", "카드 분실", id="no-break space is a blank"),
        pytest.param("안되욬ㅋㅋㅋ", "안돼요ㅋㅋㅋ", id="laughing slid under a syllable"),
        pytest.param("했엏ㅎㅎ", "했어ㅎㅎ", id="ㅎ too"),
        pytest.param("좋ㅎㅎ 넣ㅎㅎ 않ㅎㅎ", "좋ㅎㅎ 넣ㅎㅎ 않ㅎㅎ", id="stems that end in ㅎ stay"),
        pytest.param("부엌 해질녘", "부엌 해질녘", id="words that end in ㅋ stay"),
        pytest.param("됬어요 되요 안되서", "됐어요 돼요 안돼서", id="common misspellings"),
        pytest.param("되서울", "되서울", id="되서 inside a word stays"),
        pytest.param("네에에에에", "네에", id="stretched syllables"),
        pytest.param("제3조② §3②", "제3조 2항 §3 2항", id="circled paragraphs after an article"),
        pytest.param("① 신청", "1 신청", id="a circled number elsewhere"),
        pytest.param("3ㆍ1 운동", "3·1 운동", id="one middle dot"),
    ],
)
def test_normal_form(original: str, normal: str) -> None:
    assert normalize(original).text == normal


def test_offsets_point_into_the_original() -> None:
    original = "  " + unicodedata.normalize("NFD", "카드") + "를 10㎏ 샀어욬ㅋㅋ"
    normal = normalize(original)
    start = normal.text.index("카드")
    assert unicodedata.normalize("NFC", original[slice(*normal.span(start, start + 2))]) == "카드"
    start = normal.text.index("kg")
    assert original[slice(*normal.span(start, start + 2))] == "㎏"
    start = normal.text.index("샀어요")
    assert original[slice(*normal.span(start, start + 3))] == "샀어욬"


def test_lone_surrogate_is_an_error_that_names_its_place() -> None:
    with pytest.raises(NaruError, match=r"U\+D800.*offset 2"):
        normalize("카드\ud800")


HANGUL = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("ㅋㅎㅏ①㎏\u1100\u1161\u11a8카됬ﾡ\u0301\0\u200b"))
)


@given(HANGUL)
def test_any_text_keeps_consistent_offsets(original: str) -> None:
    normal = normalize(original)
    assert len(normal.text) == len(normal.starts) == len(normal.ends)
    assert all(
        0 <= start < end <= len(original) for start, end in zip(normal.starts, normal.ends, strict=True)
    )
    assert normal.starts == sorted(normal.starts)


@given(HANGUL)
def test_composed_and_decomposed_text_have_one_normal_form(original: str) -> None:
    composed = unicodedata.normalize("NFC", original)
    decomposed = unicodedata.normalize("NFD", composed)
    assert normalize(decomposed).text == normalize(unicodedata.normalize("NFC", decomposed)).text
