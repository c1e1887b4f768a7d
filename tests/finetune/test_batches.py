from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from datasets import Dataset
from torch.utils.data import ConcatDataset
from transformers import AutoTokenizer

from finetune.batches import ROUND, Collate, LikeLength, Weighted


def pairs(count: int, documents: int) -> Dataset:
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 500, documents)
    rows = [
        {"query": f"q{i}", "document": f"{i % documents} " + "가" * lengths[i % documents]}
        for i in range(count)
    ]
    return Dataset.from_list(rows)


def test_no_text_occurs_twice_in_a_batch_and_no_row_twice_in_an_epoch() -> None:
    dataset = pairs(1000, 40)
    batches = list(LikeLength(dataset, 16, drop_last=False))
    assert all(len({dataset[row]["document"] for row in batch}) == 16 for batch in batches)
    rows = Counter(row for batch in batches for row in batch)
    assert max(rows.values()) == 1
    assert sum(rows.values()) >= 800  # only 40 texts: what is left over at the end repeats itself


def test_rows_of_like_length_share_a_batch() -> None:
    dataset = pairs(2000, 2000)
    spans = [
        np.ptp([len(dataset[row]["document"]) for row in batch])
        for batch in LikeLength(dataset, 32, drop_last=False)
    ]
    assert np.mean(spans) < 20  # of 500


def test_an_epoch_is_the_same_again_and_another_one_is_not() -> None:
    sampler = LikeLength(pairs(300, 300), 16, drop_last=False)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first


def test_a_data_set_smaller_than_a_batch_is_one_batch() -> None:
    assert sorted(*LikeLength(pairs(5, 5), 16, drop_last=False)) == [0, 1, 2, 3, 4]


def test_sources_are_drawn_by_weight_and_start_anew_when_they_end() -> None:
    large, small = pairs(1000, 1000), pairs(40, 40)
    samplers = [LikeLength(part, 10, drop_last=False) for part in (large, small)]
    weighted = Weighted(ConcatDataset([large, small]), samplers, seed=3, weights=[1, 3], steps=400)
    batches = list(weighted)
    assert len(batches) == len(weighted) == 400
    of_small = sum(min(batch) >= 1000 for batch in batches)
    assert 260 < of_small < 340  # 3 of 4
    assert list(weighted) == batches


def test_columns_are_cut_at_their_own_length(start: Path) -> None:
    collate = Collate(AutoTokenizer.from_pretrained(start), {"s": {"query": 20, "document": 48}})
    rows = [{"query": "a " * 90, "document": "b " * 90, "score": 0.5, "dataset_name": "s"}] * 2
    batch = collate(rows)
    assert batch["query_attention_mask"].sum(dim=1).tolist() == [20, 20]
    assert batch["document_attention_mask"].sum(dim=1).tolist() == [48, 48]
    short = collate([{"query": "a", "document": "b", "dataset_name": "s"}])
    assert short["document_input_ids"].shape[1] == ROUND
    assert batch["label"].tolist() == [0.5, 0.5]
    assert batch["dataset_name"] == "s"
