"""Queries as people type them."""

from __future__ import annotations

import random

import pytest

from finetune.weak.noise import mistyped, partly_unspaced, strayed, typed, unspaced
from naru.text.jamo import is_syllable, split

QUERY = "다자녀 국가장학금의 지원 자격은 어떻게 되나요?"


def test_spaces_are_left_out() -> None:
    rng = random.Random(1)
    assert unspaced(QUERY, rng) == "다자녀국가장학금의지원자격은어떻게되나요?"
    made = {partly_unspaced(QUERY, rng) for _ in range(20)}
    assert len(made) > 5
    assert {text.replace(" ", "") for text in made} == {QUERY.replace(" ", "")}


def test_a_stray_space_lands_inside_a_word() -> None:
    rng = random.Random(1)
    for _ in range(50):
        made = strayed(QUERY, rng)
        assert made.replace(" ", "") == QUERY.replace(" ", "")
        assert 1 <= len(made) - len(QUERY) <= 2
        assert "  " not in made


def test_one_letter_of_one_syllable_changes() -> None:
    rng = random.Random(1)
    changed = 0
    for _ in range(200):
        made = mistyped(QUERY, rng)
        assert len(made) == len(QUERY)
        different = [(a, b) for a, b in zip(QUERY, made, strict=True) if a != b]
        assert len(different) <= 1
        for before, after in different:
            assert is_syllable(after)
            assert sum(a != b for a, b in zip(split(before), split(after), strict=True)) == 1
            changed += 1
    assert changed > 170  # a letter may be drawn that was there already


def test_about_the_share_asked_for_is_mistyped() -> None:
    rng = random.Random(1)
    same = sum(typed(QUERY, rng, rate=0.4) == QUERY for _ in range(1000))
    assert 560 < same < 660
    assert all(typed(QUERY, rng, rate=0.0) == QUERY for _ in range(20))


@pytest.mark.parametrize("query", ["", " ", "a", "3.1", "가", "😀", "\u1100\u1161"])
def test_any_query_survives(query: str) -> None:
    rng = random.Random(1)
    for _ in range(50):
        assert isinstance(typed(query, rng, rate=1.0), str)


def test_the_same_seed_makes_the_same_mistakes() -> None:
    first, second = random.Random(5), random.Random(5)
    assert [typed(QUERY, first) for _ in range(20)] == [typed(QUERY, second) for _ in range(20)]
