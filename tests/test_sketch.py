from __future__ import annotations

import random

import pytest

from naru.sketch import SIZE, shared, sketched


def passages(start: int, end: int) -> list[tuple[str, str]]:
    return [(f"제목 {number}", f"본문 {number}") for number in range(start, end)]


def test_small_collections_are_compared_exactly() -> None:
    assert shared(sketched(passages(0, 100)), sketched(passages(0, 100))) == 1
    assert shared(sketched(passages(0, 100)), sketched(passages(50, 150))) == pytest.approx(50 / 150)
    assert shared(sketched(passages(0, 10)), sketched(passages(0, 200))) == pytest.approx(10 / 200)
    assert shared(sketched(passages(0, 100)), sketched(passages(100, 200))) == 0


@pytest.mark.parametrize("common", [0.0, 0.5, 0.9, 1.0])
def test_large_collections_within_four_standard_errors(common: float) -> None:
    start = 5000 - round(5000 * common)
    true = (5000 - start) / (5000 + start)
    found = shared(sketched(passages(0, 5000)), sketched(passages(start, start + 5000)))
    assert abs(found - true) <= 4 * (true * (1 - true) / SIZE) ** 0.5


def test_a_small_collection_against_a_large_one() -> None:
    assert shared(sketched(passages(0, 100)), sketched(passages(0, 10_000))) < 0.05


def test_neither_order_nor_repetition_matters() -> None:
    mixed = passages(0, 1000) * 2
    random.Random(1).shuffle(mixed)
    assert sketched(mixed) == sketched(passages(0, 1000))
    assert len(sketched(mixed)) == SIZE


def test_an_empty_sketch_says_nothing() -> None:
    with pytest.raises(ValueError, match="empty"):
        shared((), sketched(passages(0, 3)))
