"""How Hanja is read at the head of a word: the initial-sound rule (한글 맞춤법 제10-12항)."""

from __future__ import annotations

from naru.text import jamo

_SOFT = "ㅑㅕㅖㅛㅠㅣ"


def reading(letters: str) -> str:
    """A Sino-Korean reading as it is written today: 녀자 -> 여자, 로동 -> 노동, 락원 -> 낙원."""
    if not letters or not jamo.is_syllable(letters[0]):
        return letters
    lead, vowel, tail = jamo.split(letters[0])
    if lead in "ㄴㄹ" and vowel in _SOFT:
        lead = "ㅇ"
    elif lead == "ㄹ":
        lead = "ㄴ"
    return jamo.join(lead, vowel, tail) + letters[1:]
