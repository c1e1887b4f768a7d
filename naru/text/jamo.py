"""Hangul arithmetic: syllables and their letters, loose letters to syllables, keystrokes to Hangul.

The Unicode standard (chapter 3.12) gives the arithmetic; the keyboard is KS X 5002 (two-set).
"""

from __future__ import annotations

from typing import NamedTuple

LEADS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
TAILS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")

_DOUBLE_VOWELS = {
    "ㅗㅏ": "ㅘ",
    "ㅗㅐ": "ㅙ",
    "ㅗㅣ": "ㅚ",
    "ㅜㅓ": "ㅝ",
    "ㅜㅔ": "ㅞ",
    "ㅜㅣ": "ㅟ",
    "ㅡㅣ": "ㅢ",
}
_DOUBLE_TAILS = dict(
    zip(
        "ㄱㅅ ㄴㅈ ㄴㅎ ㄹㄱ ㄹㅁ ㄹㅂ ㄹㅅ ㄹㅌ ㄹㅍ ㄹㅎ ㅂㅅ".split(),
        "ㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ",
        strict=True,
    )
)
_KEYS = dict(
    zip(
        "rRseEfaqQtTdwWczxvgkoiOjpuPhynbml",
        "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎㅏㅐㅑㅒㅓㅔㅕㅖㅗㅛㅜㅠㅡㅣ",
        strict=True,
    )
)


class Letters(NamedTuple):
    """A syllable's lead, vowel and tail as compatibility jamo; an open syllable's tail is empty."""

    lead: str
    vowel: str
    tail: str


def is_syllable(character: str) -> bool:
    return "가" <= character <= "힣"


def split(syllable: str) -> Letters:
    place = ord(syllable) - 0xAC00
    return Letters(LEADS[place // 588], VOWELS[place % 588 // 28], TAILS[place % 28])


def join(lead: str, vowel: str, tail: str = "") -> str:
    return chr(0xAC00 + LEADS.index(lead) * 588 + VOWELS.index(vowel) * 28 + TAILS.index(tail))


def compose(letters: str) -> str | None:
    """Loose letters as syllables (ㅋㅏㄷㅡ -> 카드), or None unless every letter finds a place."""
    syllables: list[str] = []
    place, end = 0, len(letters)
    while place < end:
        if letters[place] not in LEADS or place + 1 >= end or letters[place + 1] not in VOWELS:
            return None
        lead, vowel = letters[place], letters[place + 1]
        place += 2
        if place < end and vowel + letters[place] in _DOUBLE_VOWELS:
            vowel = _DOUBLE_VOWELS[vowel + letters[place]]
            place += 1
        # A consonant closes this syllable unless a vowel follows, which it then leads.
        run = place
        while run < end and letters[run] not in VOWELS:
            run += 1
        free = run - place - (1 if run < end else 0)
        tail = letters[place : place + free]
        tail = _DOUBLE_TAILS.get(tail, tail)
        if tail not in TAILS:
            return None
        syllables.append(join(lead, vowel, tail))
        place += free
    return "".join(syllables) or None


def from_keystrokes(latin: str) -> str | None:
    """What a Korean keyboard would have written for these keys (zkem -> 카드); None if no whole syllables."""
    letters = [_KEYS.get(key) or _KEYS.get(key.lower()) for key in latin]
    return compose("".join(letter or "?" for letter in letters))
