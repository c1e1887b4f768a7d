"""Which data set gives the next batch; then texts to tokens.

Data sets are drawn from the seed and the number of the epoch, as their samplers draw rows: a resumed run goes on with
the very batches that the unbroken one would have had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler

from finetune.loop.samplers import LABELS, Plain

ROUND = 16  # token lengths are padded to a multiple of this: few shapes, which the CPU kernels keep


class Weighted(Sampler[list[int]]):
    """One epoch after another of batches, each from a data set drawn by its weight; rows count through all data sets.

    An epoch ends when the first data set has been seen once at these weights. A data set goes on in the next epoch where
    it was, and starts anew, shuffled again, when it ends. `together` batches in a row come from one data set: one for
    each process.
    """

    def __init__(
        self, sources: Sequence[Plain], weights: Sequence[float], seed: Sequence[int], together: int = 1
    ) -> None:
        self.sources = sources
        self.shares = np.asarray(weights) / sum(weights)
        self.seed = list(seed)
        self.together = together
        self.epoch = 0
        first = min(len(source) / share for source, share in zip(sources, self.shares, strict=True))
        self.draws: int = max(1, round(first) // together)
        self._going: tuple[int, list[Iterator[list[int]]]] | None = None

    def __len__(self) -> int:
        return self.draws * self.together

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def passes(self) -> list[float]:
        """How often an epoch goes through each data set."""
        return [
            len(self) * share / len(source) for source, share in zip(self.sources, self.shares, strict=True)
        ]

    def __iter__(self) -> Iterator[list[int]]:
        epoch = self.epoch
        streams = self._going[1] if self._going and self._going[0] == epoch else self._replayed(epoch)
        self._going = None
        starts = np.cumsum([0, *(source.rows for source in self.sources)]).tolist()
        for source in self._drawn(epoch):
            for batch in islice(streams[source], self.together):
                yield [starts[source] + row for row in batch]
        self._going = (epoch + 1, streams)

    def _drawn(self, epoch: int) -> list[int]:
        rng = np.random.default_rng([*self.seed, epoch])
        drawn: list[int] = rng.choice(len(self.sources), size=self.draws, p=self.shares).tolist()
        return drawn

    def _replayed(self, epoch: int) -> list[Iterator[list[int]]]:
        """Each data set where it is when the epoch begins."""
        streams = [source.endless() for source in self.sources]
        for source in chain.from_iterable(self._drawn(earlier) for earlier in range(epoch)):
            for _ in islice(streams[source], self.together):
                pass
        return streams


@dataclass(frozen=True)
class Column:
    """How a column becomes tokens: at most `limit` of them, with `prompt` before each text, of which pooling leaves out
    the first `unpooled` tokens (None: none)."""

    limit: int
    prompt: str = ""
    unpooled: int | None = None


@dataclass
class Collate:
    """Rows -> token tensors, each column cut at its own length and padded to a multiple of ROUND; scores and classes
    become `label`, float32 or int64 [n] (teacher vectors: float32 [n, dim]).

    `columns` maps a data set's name to its columns; `tokenize` is a tokenizer of transformers.
    """

    tokenize: Callable[..., Any]
    columns: dict[str, dict[str, Column]]

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        source = rows[0]["dataset_name"]
        batch: dict[str, Any] = {"dataset_name": source}
        for name in rows[0]:
            values = [row[name] for row in rows]
            if name in LABELS:
                batch["label"] = torch.tensor(np.asarray(values))
                if batch["label"].is_floating_point():
                    batch["label"] = batch["label"].float()
            elif name != "dataset_name":
                column = self.columns[source][name]
                tokens = self.tokenize(
                    [column.prompt + text for text in values],
                    padding=True,
                    truncation=True,
                    max_length=column.limit,
                    # transformers refuses limits that are no multiple
                    pad_to_multiple_of=ROUND if column.limit % ROUND == 0 else None,
                    return_tensors="pt",
                )
                # The trainer finds a column's tensors by their prefix: none may begin another, as negative_ would
                # negative_2_.
                prefix = f"{list(rows[0]).index(name)}_{name}_"
                batch.update({f"{prefix}{key}": tensor for key, tensor in tokens.items()})
                if column.unpooled is not None:
                    batch[f"{prefix}prompt_length"] = column.unpooled
        return batch
