"""BM25 as `naru.bm25` defines it, over an inverted index built block by block."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from typing import IO

import numpy as np

from finetune.mining.ranking import Best, Positions, Progress, Scores, within
from naru.bm25 import (
    Counts,
    SparseVector,
    Statistics,
    StatisticsCounter,
    count,
    document_vector,
    query_vector,
)
from naru.documents import Document
from naru.errors import NaruError
from naru.text import Analyzer

_POSTINGS = 1 << 23  # entries of the index in memory at once: about 250 MB while it is sorted


class Spool:
    """The token counts of a corpus on disk, and its statistics."""

    def __init__(self, file: IO[bytes], analyzer: Analyzer) -> None:
        self._file, self._counter = file, StatisticsCounter()
        self.analyzer = analyzer

    def add(self, document: Document) -> None:
        """NaruError names a document that cannot be read."""
        try:
            counts = count(self.analyzer.document(document.text, document.title))
        except NaruError as error:
            raise NaruError(f"Document {document.id!r}: {error}") from error
        self._counter.add(counts)
        pickle.dump(counts, self._file, pickle.HIGHEST_PROTOCOL)

    def statistics(self) -> Statistics:
        return self._counter.statistics()

    def blocks(self, statistics: Statistics) -> Iterator[tuple[int, Postings]]:
        """The first place of each block, and its part of the index."""
        self._file.seek(0)
        first, entries = 0, 0
        vectors: list[SparseVector] = []
        for place in range(statistics.documents):
            counts: Counts = pickle.load(self._file)
            vectors.append(document_vector(counts, statistics))
            entries += len(counts.ids)
            if entries >= _POSTINGS or place == statistics.documents - 1:
                yield first, Postings(vectors)
                first, entries, vectors = place + 1, 0, []


class Postings:
    """For each token the passages of a block that hold it, and its weight there."""

    def __init__(self, vectors: Sequence[SparseVector]) -> None:
        self.size = len(vectors)
        ids = np.concatenate([vector.indices for vector in vectors])
        passages = np.repeat(np.arange(self.size, dtype=np.int32), [len(vector) for vector in vectors])
        order = np.argsort(ids, kind="stable")
        self._passages = passages[order]
        self._weights = np.concatenate([vector.values for vector in vectors])[order]
        self._tokens, starts = np.unique(ids[order], return_index=True)
        self._bounds = np.append(starts, len(ids)).tolist()

    def scores(self, query: SparseVector) -> Scores:
        """float32 [size]; 0 where nothing is shared."""
        if len(self._tokens) == 0:
            return np.zeros(self.size, np.float32)
        at = np.minimum(np.searchsorted(self._tokens, query.indices), len(self._tokens) - 1)
        known = self._tokens[at] == query.indices
        if not known.any():
            return np.zeros(self.size, np.float32)
        lists = [slice(self._bounds[token], self._bounds[token + 1]) for token in at[known].tolist()]
        factors = query.values[known].astype(np.float64)
        passages = np.concatenate([self._passages[one] for one in lists])
        weights = np.concatenate(
            [self._weights[one] * factor for one, factor in zip(lists, factors, strict=True)]
        )
        return np.bincount(passages, weights, self.size).astype(np.float32)


class Lexical:
    """A ranking and a judge. A passage that shares no token with the query is no candidate.

    It can score what `top` gives and the places `wanted` for a query, no others.
    """

    def __init__(
        self,
        spool: Spool,
        queries: Sequence[str],
        depth: int,
        excluded: Sequence[Positions],
        wanted: Sequence[Positions],
        progress: Progress,
    ) -> None:
        self._analyzer = spool.analyzer
        self._statistics = spool.statistics()
        self._queries = [query_vector(self._analyzer.query(query), self._statistics) for query in queries]
        self._best = Best(depth, excluded)
        self._wanted: list[dict[int, float]] = [{} for _ in queries]
        for first, postings in spool.blocks(self._statistics):
            for number, query in enumerate(self._queries):
                scores = postings.scores(query)
                for place in within(wanted[number], first, postings.size):
                    self._wanted[number][place] = float(scores[place - first])
                scores[scores <= 0] = -np.inf
                self._best.offer(number, first, scores)
            progress("bm25", first + postings.size, self._statistics.documents)

    def top(self, query: int) -> Positions:
        return self._best.top(query)

    def held_back(self, query: int) -> Sequence[int]:
        return self._best.held_back(query)

    def scores(self, query: int, places: Positions) -> Scores:
        ranked = zip(self._best.top(query).tolist(), self._best.scores(query).tolist(), strict=True)
        known = self._wanted[query] | dict(ranked)
        return np.array([known[place] for place in places.tolist()], np.float32)

    def outside(self, pairs: Sequence[tuple[int, str]]) -> Scores:
        scores = [
            self._queries[query].dot(document_vector(count(self._analyzer.document(text)), self._statistics))
            for query, text in pairs
        ]
        return np.array(scores, np.float32)
