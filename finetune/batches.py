"""Batches without waste: rows of like length together, no text twice in a batch, sources drawn by weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc
import torch
from datasets import Dataset
from sentence_transformers.base.sampler import DefaultBatchSampler, MultiDatasetDefaultBatchSampler
from torch.utils.data import BatchSampler, ConcatDataset

POOL = 64  # batches that are sorted by length together: enough to lose little padding, and still to mix
ROUND = 16  # token lengths are padded to a multiple of this: few shapes, which the CPU kernels keep


class LikeLength(DefaultBatchSampler):
    """Full batches of rows of like length; a text never occurs twice in a batch, as it would be its own negative.

    Rows left over at the end of an epoch are dropped, unless the whole data set is smaller than one batch.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        drop_last: bool,
        valid_label_columns: list[str] | None = None,
        generator: torch.Generator | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(dataset, batch_size, drop_last, valid_label_columns, generator, seed)
        labels = set(valid_label_columns or [])
        texts = [dataset.data.column(c) for c in dataset.column_names if c not in labels]
        self.lengths = np.asarray(
            pc.utf8_length(texts[1])
        )  # documents: the longer side, and most of the work
        self.texts = [[hash(text) for text in column.to_pylist()] for column in texts]

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(len(self.lengths))
        if len(order) <= self.batch_size:
            yield order.tolist()
            return
        waiting: list[int] = []
        step = POOL * self.batch_size
        for start in range(0, len(order), step):
            pool = np.concatenate([np.asarray(waiting, dtype=np.int64), order[start : start + step]])
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            batches, waiting = self._fill(pool.tolist())
            for at in rng.permutation(len(batches)):
                yield batches[at]

    def _fill(self, rows: list[int]) -> tuple[list[list[int]], list[int]]:
        """Cut rows into full batches in their order, putting off a row one of whose texts the batch holds."""
        batches: list[list[int]] = []
        while len(rows) >= self.batch_size:
            batch: list[int] = []
            seen: set[int] = set()
            put_off: list[int] = []
            for at, row in enumerate(rows):
                texts = [column[row] for column in self.texts]
                if seen.isdisjoint(texts):
                    batch.append(row)
                    seen.update(texts)
                    if len(batch) == self.batch_size:
                        rows = put_off + rows[at + 1 :]
                        break
                else:
                    put_off.append(row)
            else:
                return batches, rows
            batches.append(batch)
        return batches, rows

    def __len__(self) -> int:
        return max(1, len(self.lengths) // self.batch_size)


class Weighted(MultiDatasetDefaultBatchSampler):
    """`steps` batches, each from a source drawn by its weight; a source that ends starts anew, shuffled again."""

    def __init__(
        self,
        dataset: ConcatDataset[Any],
        batch_samplers: list[BatchSampler],
        generator: torch.Generator | None = None,
        seed: int = 0,
        *,
        weights: list[float],
        steps: int,
    ) -> None:
        super().__init__(dataset, batch_samplers, generator, seed)
        self.shares = np.asarray(weights) / sum(weights)
        self.steps = steps

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        starts = [0, *self.dataset.cumulative_sizes]
        streams = [self._endless(sampler) for sampler in self.batch_samplers]
        for source in rng.choice(len(streams), size=self.steps, p=self.shares):
            yield [starts[source] + row for row in next(streams[source])]

    def _endless(self, sampler: Any) -> Iterator[list[int]]:
        epoch = self.epoch * 1000
        while True:
            sampler.set_epoch(epoch)
            yield from sampler
            epoch += 1

    def __len__(self) -> int:
        return self.steps


@dataclass
class Collate:
    """Rows -> token tensors, each column cut at its own length and padded to a multiple of ROUND.

    `lengths` maps a source's name to tokens by column; `tokenize` is a fast tokenizer of transformers.
    """

    tokenize: Callable[..., Any]
    lengths: dict[str, dict[str, int]]
    valid_label_columns: list[str] = field(default_factory=lambda: ["score"])

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        source = rows[0]["dataset_name"]
        batch: dict[str, Any] = {"dataset_name": source}
        for column in rows[0]:
            values = [row[column] for row in rows]
            if column in self.valid_label_columns:
                batch["label"] = torch.tensor(values)
            elif column != "dataset_name":
                limit = self.lengths[source][column]
                tokens = self.tokenize(
                    values,
                    padding=True,
                    truncation=True,
                    max_length=limit,
                    pad_to_multiple_of=ROUND if limit % ROUND == 0 else None,  # transformers refuses others
                    return_tensors="pt",
                )
                batch.update({f"{column}_{key}": tensor for key, tensor in tokens.items()})
        return batch
