from __future__ import annotations

import random

import pytest

from naru.sketch import SIZE, held, shared, sketched


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


@pytest.mark.parametrize("size", [SIZE, 4096])
def test_what_is_held_of_a_few(size: int) -> None:
    large = sketched(passages(0, 20_000), size)
    few = [held(large, passages(start, start + 500), size) for start in (0, 19_750, 30_000)]
    assert few == pytest.approx([1, 0.5, 0], abs=0.25 if size == SIZE else 0.1)
    assert held(sketched(passages(0, 100)), passages(90, 110)) == 0.5


def test_of_what_lies_beyond_a_full_sketch_nothing_is_known() -> None:
    full = sketched(passages(0, 100_000))
    known = [held(full, passages(number, number + 1)) for number in range(3000)]
    assert set(known) == {None, 1.0}


def test_an_empty_sketch_says_nothing() -> None:
    with pytest.raises(ValueError, match="sketches of 0 and 3 hashes"):
        shared((), sketched(passages(0, 3)))
