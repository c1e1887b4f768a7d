from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from datasets import Dataset
from transformers import AutoTokenizer

from finetune.loop.batches import ROUND, Collate, Column, Weighted
from finetune.loop.samplers import Plain


def weighted(together: int = 1) -> Weighted:
    large, small = (
        Plain(Dataset.from_dict({"query": [str(row) for row in range(rows)]}), 10, [3, place])
        for place, rows in enumerate([1000, 400])
    )
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


def test_every_epoch_draws_its_sources_anew() -> None:
    sampler, drawn = weighted(), []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        drawn.append([min(batch) < 1000 for batch in sampler])
    assert drawn[0] != drawn[1]


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


def test_an_epoch_begun_twice_is_the_same() -> None:
    sampler = weighted()
    assert list(sampler) == list(sampler)
    sampler.set_epoch(1)
    next(iter(sampler))  # looked at and left
    fresh = weighted()
    fresh.set_epoch(1)
    assert list(sampler) == list(fresh)


def test_processes_get_batches_of_one_source_together() -> None:
    sampler = weighted(together=2)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 52
    for first, second in zip(batches[::2], batches[1::2], strict=True):
        assert (min(first) < 1000) == (min(second) < 1000)


def test_several_processes_resume_and_count_passes_as_one_does() -> None:
    through = weighted(together=2)
    epochs = []
    for epoch in range(3):
        through.set_epoch(epoch)
        epochs.append(list(through))
    resumed = weighted(together=2)
    resumed.set_epoch(2)
    assert list(resumed) == epochs[2]
    assert through.passes() == pytest.approx([52 / 4 / 100, 52 * 3 / 4 / 40])


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
