from __future__ import annotations

import pytest

from naru.text import jamo


def test_split_and_join_are_inverse_over_all_syllables() -> None:
    for code in range(ord("가"), ord("힣") + 1):
        assert jamo.join(*jamo.split(chr(code))) == chr(code)


@pytest.mark.parametrize(
    ("letters", "syllables"),
    [
        ("ㅋㅏㄷㅡ", "카드"),
        ("ㄱㅏㅂㅅㅇㅣ", "값이"),
        ("ㅇㅗㅏㅇ", "왕"),
        ("ㅋㅋ", None),
        ("ㅏ", None),
        ("ㄱㅏㅠ", None),
    ],
)
def test_compose(letters: str, syllables: str | None) -> None:
    assert jamo.compose(letters) == syllables


@pytest.mark.parametrize(
    ("keys", "hangul"),
    [("zkem", "카드"), ("dkssud", "안녕"), ("rrk", None), ("API", None), ("duRnjs", "여꿘"), ("rkqt", "값")],
)
def test_keystrokes(keys: str, hangul: str | None) -> None:
    assert jamo.from_keystrokes(keys) == hangul
