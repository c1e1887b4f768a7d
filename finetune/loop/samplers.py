"""Which rows of a data set meet in a batch.

Everything is drawn from the seed and the number of the pass, so that a resumed run goes on with the very batches that
the unbroken one would have had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from datasets import Dataset

from naru.errors import NaruError

LABELS = ("score", "label")
POOL = 64  # batches made together: enough to lose little padding and few rows, and still to mix
CHUNK = 10_000  # rows read at once
GROUP = 16  # neighbours that come together


class Plain:
    """Rows in random order, `size` a batch, the last batch shorter. `name` is the data set's, for messages."""

    def __init__(self, dataset: Dataset, size: int, seed: Sequence[int], name: str = "") -> None:
        self.rows = len(dataset)
        self.size = size
        self.seed = list(seed)
        self.name = name

    def __len__(self) -> int:
        """Batches of one pass; where texts repeat, a few more than there really are."""
        return max(1, -(-self.rows // self.size))

    @property
    def unplaced(self) -> int:
        """Rows of a pass that no batch has, as their texts repeat too often."""
        return 0

    def batches(self, number: int) -> Iterator[list[int]]:
        """The batches of pass `number`, counted from 0."""
        order = self._rng(number).permutation(self.rows)
        for start in range(0, self.rows, self.size):
            yield order[start : start + self.size].tolist()

    def endless(self) -> Iterator[list[int]]:
        """Pass after pass, each shuffled anew."""
        number = 0
        while True:
            yield from self.batches(number)
            number += 1

    def _rng(self, number: int) -> np.random.Generator:
        return np.random.default_rng([*self.seed, number])


class NoDuplicates(Plain):
    """No text twice in a batch, as it would be its own negative.

    A row one of whose texts the batch holds waits for the next one. What is left at the end of a pass makes a batch if
    it fills half of one. NaruError when no two rows can share a batch.
    """

    def __init__(self, dataset: Dataset, size: int, seed: Sequence[int], name: str = "") -> None:
        super().__init__(dataset, size, seed, name)
        self.texts = [list(map(hash, column)) for column in _columns(dataset, lambda text: text.to_pylist())]
        self.most = min(size, *(len(set(column)) for column in self.texts))  # rows that can share a batch
        self.often = max(max(Counter(column).values()) for column in self.texts)  # batches it takes

    def __len__(self) -> int:
        return max(self._planned, len(self._first_pass)) if self.often > self._planned else self._planned

    @property
    def unplaced(self) -> int:
        return self.rows - sum(self._first_pass) if self.often > self._planned else 0

    @property
    def _planned(self) -> int:
        full, rest = divmod(self.rows, self.size)
        return max(1, full + (2 * rest >= self.size))

    @cached_property
    def _first_pass(self) -> list[int]:
        """The sizes of its batches."""
        return [len(batch) for batch in self.batches(0)]

    def batches(self, number: int) -> Iterator[list[int]]:
        rng = self._rng(number)
        order = rng.permutation(self.rows)
        waiting: list[int] = []
        made = 0
        step = POOL * self.size
        for start in range(0, self.rows, step):
            pool = np.concatenate([np.asarray(waiting, dtype=np.int64), order[start : start + step]])
            batches, waiting = self._filled(self._sorted(pool), self.size)
            made += len(batches)
            for at in rng.permutation(len(batches)):
                yield batches[at]
        left, _ = self._filled(waiting, (self.size + 1) // 2)
        if not made and not left:
            left, _ = self._filled(waiting, min(2, self.rows))
        if not made and not left:
            raise NaruError(
                f"Data {self.name!r}: no two of its {self.rows:,} rows can share a batch, as each repeats a text of the "
                'others. Give other data, or sampler = "plain".'
            )
        yield from left

    def _sorted(self, pool: Any) -> list[int]:
        rows: list[int] = pool.tolist()
        return rows

    def _filled(self, rows: list[int], least: int) -> tuple[list[list[int]], list[int]]:
        """Cut rows into batches in their order, each of `least` to `most` rows: the batches, and what is left."""
        batches: list[list[int]] = []
        while len(rows) >= least and self.most >= least:
            batch: list[int] = []
            seen: set[int] = set()
            put_off: list[int] = []
            rest: list[int] = []
            for at, row in enumerate(rows):
                texts = [column[row] for column in self.texts]
                if seen.isdisjoint(texts):
                    batch.append(row)
                    seen.update(texts)
                    if len(batch) == self.most:
                        rest = rows[at + 1 :]
                        break
                else:
                    put_off.append(row)
            if len(batch) < least:
                break
            batches.append(batch)
            rows = put_off + rest
        return batches, rows


class LikeLength(NoDuplicates):
    """As NoDuplicates, and rows of like length together: little padding."""

    def __init__(self, dataset: Dataset, size: int, seed: Sequence[int], name: str = "") -> None:
        super().__init__(dataset, size, seed, name)
        columns = lengths(dataset)
        self.lengths = columns[columns.sum(axis=1).argmax()]  # of the longest column: most of the work

    def _sorted(self, pool: Any) -> list[int]:
        return super()._sorted(pool[np.argsort(self.lengths[pool], kind="stable")])


class ByClass(Plain):
    """Two rows of a class at a time, the classes taking turns: every batch has positives and negatives.

    Ends when fewer than two classes are left; a class of one row never comes. NaruError for an odd batch size, one
    below 4, and fewer than two classes of two rows.
    """

    def __init__(self, dataset: Dataset, size: int, seed: Sequence[int], name: str = "") -> None:
        super().__init__(dataset, size, seed, name)
        labels = np.asarray(dataset.with_format(None)["label"][:])
        classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        self.classes = [rows for rows in classes if len(rows) > 1]
        if size < 4 or size % 2:
            raise NaruError(
                f"Data {name!r}: batches by class hold pairs: batch_size is {size}, expected 4, 6, ..."
            )
        if len(self.classes) < 2:
            raise NaruError(
                f"Data {name!r}: {len(self.classes)} of its {len(classes)} classes have two rows; expected two classes "
                "of two rows at least."
            )

    def __len__(self) -> int:
        second: int = sorted(len(rows) // 2 for rows in self.classes)[-2]
        rows = 2 * sum(min(len(rows) // 2, second) for rows in self.classes)
        return max(1, -(-rows // self.size))

    def batches(self, number: int) -> Iterator[list[int]]:
        rng = self._rng(number)
        left = {
            at: rng.permutation(rows)[: len(rows) // 2 * 2].tolist() for at, rows in enumerate(self.classes)
        }
        batch: list[int] = []
        last = -1
        while len(left) > 1:
            turns = rng.permutation(list(left)).tolist()
            if turns[0] == last:  # twice in a row it could fill a batch alone
                turns[:2] = turns[1::-1]
            for last in turns:
                batch += [left[last].pop(), left[last].pop()]
                if len(batch) == self.size:
                    yield batch
                    batch = []
            left = {at: rows for at, rows in left.items() if rows}
        if len(batch) >= 4:
            yield batch


class Neighbours(Plain):
    """Rows whose vectors (`label`) lie together, GROUP of them at a time: a batch of strangers has little to compare.

    A row drawn by chance brings those nearest to it by cosine among the rows of its pool that no batch has had.
    """

    def __init__(self, dataset: Dataset, size: int, seed: Sequence[int], name: str = "") -> None:
        super().__init__(dataset, size, seed, name)
        self.dataset = dataset  # planning counts batches of rows that have no vectors yet

    def batches(self, number: int) -> Iterator[list[int]]:
        rng = self._rng(number)
        order = rng.permutation(self.rows)
        taught = self.dataset.select_columns("label").with_format("numpy")
        for start in range(0, self.rows, POOL * self.size):
            pool = order[start : start + POOL * self.size]
            vectors = np.asarray(taught[pool.tolist()]["label"], np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
            left = np.arange(len(pool))
            while len(left):
                batch: list[int] = []
                while len(left) and len(batch) < self.size:
                    near = vectors[left] @ vectors[rng.choice(left)]
                    nearest = np.argsort(-near, kind="stable")[: min(GROUP, self.size - len(batch))]
                    batch += pool[left[nearest]].tolist()
                    left = np.delete(left, nearest)
                yield batch


SAMPLERS: dict[str, type[Plain]] = {
    "plain": Plain,
    "no-duplicates": NoDuplicates,
    "like-length": LikeLength,
    "by-class": ByClass,
}


def lengths(dataset: Dataset) -> npt.NDArray[np.int64]:
    """Characters of each text: [text columns, rows]."""
    return np.asarray(_columns(dataset, lambda text: pc.utf8_length(text).to_pylist()), np.int64)


def _columns(dataset: Dataset, of: Callable[[Any], list[Any]]) -> list[list[Any]]:
    """A function of each text column, read in chunks; a data set may be a choice of rows, which its table does not say."""
    names = [name for name in dataset.column_names if name not in (*LABELS, "dataset_name")]
    columns: list[list[Any]] = [[] for _ in names]
    for table in dataset.with_format("arrow").iter(CHUNK):
        for column, name in zip(columns, names, strict=True):
            column.extend(of(table.column(name)))
    return columns
