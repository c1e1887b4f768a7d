from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from transformers import AutoTokenizer

from finetune.batches import (
    GROUP,
    ROUND,
    ByClass,
    Collate,
    Column,
    LikeLength,
    Neighbours,
    NoDuplicates,
    Plain,
    Weighted,
)
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


def weighted(together: int = 1) -> Weighted:
    large, small = LikeLength(pairs(1000, 1000), 10, [3, 0]), LikeLength(pairs(400, 400), 10, [3, 1])
    return Weighted([large, small], [1, 3], [3], together)


def test_sources_are_drawn_by_weight_and_an_epoch_ends_with_the_first_of_them() -> None:
    sampler = weighted()
    batches = list(sampler)
    assert len(batches) == len(sampler) == 53  # 40 batches at 3 of 4
    assert sampler.passes() == pytest.approx([0.1325, 0.99375])
    of_small = sum(min(batch) >= 1000 for batch in batches)
    assert 33 <= of_small <= 46
    assert all(max(batch) < 1400 for batch in batches)


def test_a_source_goes_on_where_it_was_in_the_next_epoch() -> None:
    sampler = weighted()
    drawn = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        drawn += [batch for batch in sampler if min(batch) < 1000]
    assert drawn == list(islice(sampler.sources[0].endless(), len(drawn)))


def test_an_epoch_is_the_same_whether_or_not_the_earlier_ones_were_gone_through() -> None:
    through = weighted()
    epochs = []
    for epoch in range(4):
        through.set_epoch(epoch)
        epochs.append(list(through))
    resumed = weighted()
    resumed.set_epoch(2)
    assert list(resumed) == epochs[2]
    next(iter(resumed))  # looked at and left
    resumed.set_epoch(3)
    assert list(resumed) == epochs[3]


def test_processes_get_batches_of_one_source_together() -> None:
    sampler = weighted(together=2)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 52
    for first, second in zip(batches[::2], batches[1::2], strict=True):
        assert (min(first) < 1000) == (min(second) < 1000)


def test_columns_are_cut_at_their_own_length(start: Path) -> None:
    columns = {"query": Column(20), "document": Column(48), "negative": Column(16), "negative_2": Column(16)}
    collate = Collate(AutoTokenizer.from_pretrained(start), {"s": columns})
    row = {"query": "a " * 90, "document": "b " * 90, "negative": "c", "negative_2": "d"}
    batch = collate([{**row, "score": 0.5, "dataset_name": "s"}] * 2)
    assert batch["0_query_attention_mask"].sum(dim=1).tolist() == [20, 20]
    assert batch["1_document_attention_mask"].sum(dim=1).tolist() == [48, 48]
    short = collate([{"query": "a", "document": "b", "dataset_name": "s"}])
    assert short["1_document_input_ids"].shape[1] == ROUND
    assert batch["label"].tolist() == [0.5, 0.5]
    assert batch["dataset_name"] == "s"
    prefixes = [key.removesuffix("input_ids") for key in batch if key.endswith("input_ids")]
    assert len(prefixes) == 4
    for prefix in prefixes:
        assert {key.removeprefix(prefix) for key in batch if key.startswith(prefix)} <= {
            "input_ids",
            "attention_mask",
            "token_type_ids",
        }


def test_prompts_go_before_texts_and_may_be_left_out_of_pooling(start: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(start)
    collate = Collate(tokenizer, {"s": {"query": Column(16, "next "), "document": Column(16, "to ", 2)}})
    batch = collate([{"query": "a", "document": "b", "dataset_name": "s"}])
    assert tokenizer.decode(batch["0_query_input_ids"][0], skip_special_tokens=True) == "next a"
    assert "0_query_prompt_length" not in batch
    assert batch["1_document_prompt_length"] == 2


@pytest.mark.parametrize(
    ("values", "column", "kind"), [([1, 0], "label", "int64"), ([[1.0, 2.0], [3.0, 4.0]], "label", "float32")]
)
def test_labels_are_classes_scores_or_vectors(
    values: list[object], column: str, kind: str, start: Path
) -> None:
    collate = Collate(AutoTokenizer.from_pretrained(start), {"s": {"sentence": Column(16)}})
    rows = [{"sentence": "a", column: value, "dataset_name": "s"} for value in values]
    label = collate(rows)["label"]
    assert label.tolist() == values
    assert str(label.dtype) == f"torch.{kind}"
