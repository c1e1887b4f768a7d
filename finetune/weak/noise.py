"""Queries as people type them: spaces left out or put in the wrong place, a key beside the right one."""

from __future__ import annotations

import random
from collections.abc import Callable

from naru.text.jamo import LEADS, TAILS, VOWELS, Letters, is_syllable, join, split

MISTYPED = 0.4  # share of the queries that weak readers give as people mistype them
NEAR = (  # keys that lie side by side on the two-set keyboard (KS X 5002), by part of the syllable
    (
        "ㅂㅈ",
        "ㅈㄷ",
        "ㄷㄱ",
        "ㄱㅅ",
        "ㅁㄴ",
        "ㄴㅇ",
        "ㅇㄹ",
        "ㄹㅎ",
        "ㅋㅌ",
        "ㅌㅊ",
        "ㅊㅍ",
        "ㅂㅃ",
        "ㅈㅉ",
        "ㄷㄸ",
        "ㄱㄲ",
        "ㅅㅆ",
    ),
    (
        "ㅛㅕ",
        "ㅕㅑ",
        "ㅑㅐ",
        "ㅐㅔ",
        "ㅗㅓ",
        "ㅓㅏ",
        "ㅏㅣ",
        "ㅠㅜ",
        "ㅜㅡ",
        "ㅒㅖ",
        "ㅐㅖ",
        "ㅚㅙ",
        "ㅙㅞ",
        "ㅟㅢ",
    ),
)


def typed(query: str, rng: random.Random, rate: float = 0.5) -> str:
    """The query as typed: in a share `rate` of cases one of the mistakes below, else as it is."""
    if rng.random() >= rate:
        return query
    mistake: Callable[[str, random.Random], str] = rng.choices(
        (unspaced, partly_unspaced, strayed, mistyped), weights=(7, 2, 2, 3)
    )[0]
    return mistake(query, rng)


def unspaced(query: str, rng: random.Random) -> str:
    return "".join(query.split())


def partly_unspaced(query: str, rng: random.Random) -> str:
    """About half of the spaces left out."""
    first, *rest = query.split() or [""]
    return first + "".join(word if rng.random() < 0.5 else f" {word}" for word in rest)


def strayed(query: str, rng: random.Random) -> str:
    """One or two spaces inside words."""
    for _ in range(rng.choice((1, 1, 2))):
        if places := [
            at for at in range(1, len(query)) if query[at - 1 : at + 1].strip() == query[at - 1 : at + 1]
        ]:
            at = rng.choice(places)
            query = f"{query[:at]} {query[at:]}"
    return query


def mistyped(query: str, rng: random.Random) -> str:
    """One letter of one syllable replaced, two times in three by a key beside it."""
    places = [at for at, character in enumerate(query) if is_syllable(character)]
    if not places:
        return query
    at = rng.choice(places)
    return query[:at] + join(*_mistype(split(query[at]), rng)) + query[at + 1 :]


def _mistype(letters: Letters, rng: random.Random) -> Letters:
    part = rng.choices((0, 1, 2), weights=(3, 4, 3 if letters.tail else 1))[0]
    letter = letters[part]
    near = [
        pair.replace(letter, "")
        for pair in NEAR[min(part, 1) if part != 2 else 0]
        if letter and letter in pair
    ]
    if part == 2:
        near = [key for key in near if key in TAILS]
    everything = (LEADS, VOWELS, TAILS)[part]
    chosen = rng.choice(near) if near and rng.random() < 2 / 3 else rng.choice(everything)
    return letters._replace(**{("lead", "vowel", "tail")[part]: chosen})
