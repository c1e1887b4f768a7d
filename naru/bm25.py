"""Tokens -> SparseVector, for documents and for queries.

BM25 (Robertson and Zaragoza, 2009) is split so that an engine's plain dot product computes it:

    document side   tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average_length))
    query side      weight * qtf * idf / normaliser
    idf             ln(1 + (N - df + 0.5) / (df + 0.5))                       (Lucene's, never negative)
    normaliser      sum over query tokens of weight * qtf * idf * (k1 + 1)

so the product lies in [0, 1]: the share of what this query could reach. A token that the collection lacks
counts in the normaliser with document frequency 0; dropping it would make nonsense look perfect.

Each namespace has its own lengths. A token's id is a 32-bit hash of namespace and text. Two tokens that
collide share one id: their frequencies add up and each counts as an occurrence of the other. With n distinct
tokens a given one collides with probability n / 2**32 (1 in 4,300 at a million tokens).
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
import numpy.typing as npt

NAMESPACES = ("term", "pair", "word", "char")
Terms = Mapping[str, Sequence[str]]
"""Namespace -> its tokens, repeats kept: what the analyzer makes of a document or a query."""

K1 = 1.2
B = 0.75
WEIGHTS = {"term": 1.0, "pair": 0.3, "word": 0.3, "char": 0.3}


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Token ids (uint32, ascending, distinct) and their weights (float32)."""

    indices: npt.NDArray[np.uint32]
    values: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.indices)

    def dot(self, other: SparseVector) -> float:
        _, mine, theirs = np.intersect1d(self.indices, other.indices, assume_unique=True, return_indices=True)
        return float(self.values[mine].astype(np.float64) @ other.values[theirs].astype(np.float64))


@dataclass(frozen=True, slots=True)
class Counts:
    """A document's token frequencies: ids (uint32, ascending, distinct), the namespace each belongs to
    (uint8, a place in NAMESPACES), how often each occurs (float32), and each namespace's length."""

    ids: npt.NDArray[np.uint32]
    namespaces: npt.NDArray[np.uint8]
    frequencies: npt.NDArray[np.float32]
    lengths: tuple[int, ...]


@lru_cache(maxsize=1 << 19)
def token_id(namespace: str, token: str) -> int:
    """The stable 32-bit id of a token in its namespace: the first four bytes of BLAKE2b, little endian."""
    digest = hashlib.blake2b(f"{namespace}\0{token}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")


def count(terms: Terms) -> Counts:
    """Token frequencies by id. Of tokens that collide the later one's occurrences go to the earlier one."""
    frequency: dict[int, int] = {}
    namespace: dict[int, int] = {}
    for place, name in enumerate(NAMESPACES):
        for token, occurrences in Counter(terms.get(name, ())).items():
            key = token_id(name, token)
            frequency[key] = frequency.get(key, 0) + occurrences
            namespace.setdefault(key, place)
    ids = np.fromiter(sorted(frequency), np.uint32, len(frequency))
    keys = ids.tolist()
    return Counts(
        ids=ids,
        namespaces=np.array([namespace[key] for key in keys], np.uint8),
        frequencies=np.array([frequency[key] for key in keys], np.float32),
        lengths=tuple(len(terms.get(name, ())) for name in NAMESPACES),
    )


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a collection version knows of its tokens, frozen in it.

    `ids` (uint32, ascending) and `frequencies` (uint32): in how many documents each token occurs;
    `average_lengths`: tokens a document, one figure a namespace.
    """

    documents: int
    average_lengths: tuple[float, ...]
    ids: npt.NDArray[np.uint32]
    frequencies: npt.NDArray[np.uint32]

    def frequency(self, ids: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """Document frequencies of `ids`; 0 for a token that the collection lacks."""
        found = np.zeros(len(ids), np.uint32)
        if len(self.ids) == 0:
            return found
        places = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        known = self.ids[places] == ids
        found[known] = self.frequencies[places[known]]
        return found

    def idf(self, ids: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
        frequency = self.frequency(ids).astype(np.float64)
        # A hash collision between documents can push a frequency past N; the logarithm must stay >= 0.
        return np.log1p(np.maximum(self.documents - frequency + 0.5, 0.0) / (frequency + 0.5))

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            documents=np.int64(self.documents),
            average_lengths=np.array(self.average_lengths, np.float64),
            ids=self.ids,
            frequencies=self.frequencies,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(
                documents=int(arrays["documents"]),
                average_lengths=tuple(float(length) for length in arrays["average_lengths"]),
                ids=arrays["ids"],
                frequencies=arrays["frequencies"],
            )


class StatisticsCounter:
    """Counts Statistics over a stream of documents; memory grows with distinct tokens, not with documents."""

    _MERGE_AT = 1 << 22

    def __init__(self) -> None:
        self._documents = 0
        self._lengths = np.zeros(len(NAMESPACES), np.int64)
        self._ids = np.zeros(0, np.uint32)
        self._frequencies = np.zeros(0, np.uint32)
        self._pending: list[npt.NDArray[np.uint32]] = []
        self._pending_size = 0

    def add(self, counts: Counts) -> None:
        self._documents += 1
        self._lengths += np.array(counts.lengths, np.int64)
        self._pending.append(counts.ids)
        self._pending_size += len(counts.ids)
        if self._pending_size >= self._MERGE_AT:
            self._merge()

    def _merge(self) -> None:
        ids, inverse = np.unique(np.concatenate([self._ids, *self._pending]), return_inverse=True)
        weights = np.concatenate([self._frequencies, np.ones(self._pending_size, np.uint32)])
        self._ids = ids
        self._frequencies = np.bincount(inverse, weights, len(ids)).astype(np.uint32)
        self._pending, self._pending_size = [], 0

    def statistics(self) -> Statistics:
        self._merge()
        divisor = max(self._documents, 1)
        averages = tuple(float(length) / divisor for length in self._lengths)
        return Statistics(self._documents, averages, self._ids, self._frequencies)


def document_vector(counts: Counts, statistics: Statistics) -> SparseVector:
    """Saturated term weights of a document: the document side of the formula above."""
    averages = np.array(statistics.average_lengths)
    lengths = np.array(counts.lengths, np.float64)
    ratio = np.divide(lengths, averages, out=np.ones_like(lengths), where=averages > 0)
    norm = (K1 * (1 - B + B * ratio))[counts.namespaces]
    weights = counts.frequencies * (K1 + 1) / (counts.frequencies + norm)
    return SparseVector(counts.ids, weights.astype(np.float32))


def query_vector(terms: Terms, statistics: Statistics) -> SparseVector:
    """IDF weights of a query, divided by what the query could reach, so that scores lie in [0, 1]."""
    counts = count(terms)
    weight = np.array([WEIGHTS[name] for name in NAMESPACES])[counts.namespaces]
    values = weight * counts.frequencies * statistics.idf(counts.ids)
    reach = float(values.sum()) * (K1 + 1)
    if reach <= 0:
        return SparseVector(counts.ids[:0], counts.frequencies[:0])
    return SparseVector(counts.ids, (values / reach).astype(np.float32))


def known_share(query: SparseVector, statistics: Statistics) -> float:
    """The share in [0, 1] of a query vector's weight whose tokens the collection holds; 0 without tokens."""
    known = query.values[statistics.frequency(query.indices) > 0]
    return min(1.0, float(known.sum(dtype=np.float64)) * (K1 + 1))


def statistics_of(documents: Iterable[Counts]) -> Statistics:
    counter = StatisticsCounter()
    for counts in documents:
        counter.add(counts)
    return counter.statistics()
