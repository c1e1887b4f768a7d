from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from finetune.loop.samplers import GROUP, ByClass, LikeLength, Neighbours, NoDuplicates, Plain
from naru.errors import NaruError


def pairs(count: int, documents: int) -> Dataset:
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 500, documents)
    rows = [
        {"query": f"q{i}", "document": f"{i % documents} " + "가" * lengths[i % documents]}
        for i in range(count)
    ]
    return Dataset.from_list(rows)


def compared(count: int) -> Dataset:
    """Texts with vectors around ten directions: row i belongs to i % 10."""
    rng = np.random.default_rng(0)
    vectors = np.eye(10)[np.arange(count) % 10] * 5 + rng.normal(0, 0.1, (count, 10))
    return Dataset.from_dict({"sentence": [f"문장 {i}" for i in range(count)], "label": vectors.tolist()})


def test_neighbours_come_together_and_every_row_once_a_pass() -> None:
    batches = list(Neighbours(compared(1000), 2 * GROUP, [1]).batches(0))
    assert sorted(row for batch in batches for row in batch) == list(range(1000))
    assert [len(batch) for batch in batches] == [2 * GROUP] * (1000 // (2 * GROUP)) + [1000 % (2 * GROUP)]
    kinds = [{row % 10 for row in batch} for batch in batches[:25]]  # before the last of a kind have to mix
    assert {len(found) for found in kinds} <= {1, 2}  # of two groups
    assert len(Neighbours(compared(1000), 2 * GROUP, [1])) == len(batches)


def test_neighbours_are_the_same_again_and_others_in_the_next_pass() -> None:
    sampler = Neighbours(compared(200), 32, [1])
    first = list(sampler.batches(0))
    assert list(Neighbours(compared(200), 32, [1]).batches(0)) == first
    assert list(sampler.batches(1)) != first


def test_neighbours_are_near_by_cosine_however_long() -> None:
    vectors = [[length, (row % 2) * length] for row in range(32) for length in [100.0 if row < 16 else 1.0]]
    dataset = Dataset.from_dict({"sentence": [f"문장 {row}" for row in range(32)], "label": vectors})
    for batch in Neighbours(dataset, 16, [1]).batches(0):
        assert len({row % 2 for row in batch}) == 1


def test_batches_can_be_counted_before_the_teacher_was_asked() -> None:
    assert len(Neighbours(compared(100).remove_columns("label"), 32, [1])) == 4


def classed(*sizes: int) -> Dataset:
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    return Dataset.from_dict({"sentence": [f"문장 {i}" for i in range(len(labels))], "label": labels})


@pytest.mark.parametrize("kind", [NoDuplicates, LikeLength])
def test_no_text_occurs_twice_in_a_batch_and_no_row_twice_in_a_pass(kind: type[NoDuplicates]) -> None:
    dataset = pairs(1000, 40)
    batches = list(kind(dataset, 16, [1]).batches(0))
    assert all(len({dataset[row]["document"] for row in batch}) == len(batch) for batch in batches)
    rows = Counter(row for batch in batches for row in batch)
    assert max(rows.values()) == 1
    assert sum(rows.values()) >= 800  # only 40 texts: what is left over at the end repeats itself


def test_rows_of_like_length_share_a_batch() -> None:
    dataset = pairs(2000, 2000)
    spans = [
        np.ptp([len(dataset[row]["document"]) for row in b]) for b in LikeLength(dataset, 32, [1]).batches(0)
    ]
    assert np.mean(spans) < 20  # of 500


def test_length_is_of_single_sentences_too() -> None:
    dataset = pairs(400, 400).remove_columns("query")
    spans = [
        np.ptp([len(dataset[row]["document"]) for row in b]) for b in LikeLength(dataset, 8, [1]).batches(0)
    ]
    assert np.mean(spans) < 40


@pytest.mark.parametrize("kind", [Plain, NoDuplicates, LikeLength, ByClass])
def test_a_pass_is_the_same_again_and_another_one_is_not(kind: type[Plain]) -> None:
    sampler = kind(classed(30, 40, 50), 8, [1])
    first = list(sampler.batches(0))
    assert list(sampler.batches(0)) == first != list(sampler.batches(1))
    assert first != list(kind(classed(30, 40, 50), 8, [2]).batches(0))
    assert len(first) == len(sampler)


def test_a_plain_pass_holds_every_row_once() -> None:
    batches = list(Plain(pairs(103, 5), 10, [1]).batches(0))
    assert [len(batch) for batch in batches] == [10] * 10 + [3]
    assert sorted(row for batch in batches for row in batch) == list(range(103))


def test_rows_left_over_make_a_batch_if_they_fill_half_of_one() -> None:
    assert [len(batch) for batch in NoDuplicates(pairs(25, 25), 10, [1]).batches(0)] == [10, 10, 5]
    assert [len(batch) for batch in NoDuplicates(pairs(24, 24), 10, [1]).batches(0)] == [10, 10]
    assert [sorted(batch) for batch in LikeLength(pairs(5, 5), 16, [1]).batches(0)] == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize(("rows", "size", "made"), [(25, 10, 3), (24, 10, 2), (12, 5, 2), (13, 5, 3)])
def test_it_says_how_many_batches_the_rest_makes(rows: int, size: int, made: int) -> None:
    sampler = NoDuplicates(pairs(rows, rows), size, [1])
    assert len(sampler) == len(list(sampler.batches(0))) == made


def test_rows_are_those_of_a_chosen_part() -> None:
    part = pairs(100, 100).select(range(90, 100))
    sampler = LikeLength(part, 10, [1])
    assert sampler.lengths.tolist() == [len(text) for text in part["document"]]


def test_data_that_repeat_one_text_are_refused() -> None:
    with pytest.raises(NaruError, match="'same': no two of its 20 rows can share a batch"):
        list(NoDuplicates(pairs(20, 1), 4, [1], "same").batches(0))


def test_classes_come_two_rows_at_a_time() -> None:
    dataset = classed(9, 6, 1, 12)
    labels = dataset["label"][:]
    batches = list(ByClass(dataset, 4, [1]).batches(0))
    for number in range(50):
        for batch in ByClass(dataset, 4, [1]).batches(number):
            assert set(Counter(labels[row] for row in batch).values()) == {2}
    rows = [row for batch in batches for row in batch]
    assert len(set(rows)) == len(rows) == 20  # 8, 6 and 8 of the largest: then it is alone


@pytest.mark.parametrize(
    ("sizes", "size", "message"), [((5, 5), 5, "batch_size is 5"), ((5, 1, 1), 4, "1 of its 3 classes")]
)
def test_classes_that_make_no_pairs_are_refused(sizes: tuple[int, ...], size: int, message: str) -> None:
    with pytest.raises(NaruError, match=message):
        ByClass(classed(*sizes), size, [1], "kinds")


@pytest.mark.parametrize("kind", [NoDuplicates, LikeLength])
def test_many_questions_to_few_answers_make_as_many_batches_as_it_says(kind: type[NoDuplicates]) -> None:
    """A batch of four rows at most, whatever was asked for: 200 rows are 50 of them, not 3."""
    sampler = kind(pairs(200, 4), 64, [1])
    batches = list(sampler.batches(0))
    assert len(sampler) == len(batches) == 50
    assert sorted(row for batch in batches for row in batch) == list(range(200))


def test_a_pass_over_few_answers_takes_time_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row is looked at some twenty times in each column, not once a batch (a thousand)."""
    sampler = NoDuplicates(pairs(20_000, 20), 32, [1])
    looked = 0

    class Counting(list[int]):
        def __getitem__(self, place: Any) -> Any:
            nonlocal looked
            looked += 1
            return super().__getitem__(place)

    sampler.texts = [Counting(column) for column in sampler.texts]
    assert sum(len(batch) for batch in sampler.batches(0)) == 20_000
    assert looked < 60 * 20_000
