"""Candidates for each query, best first, of equal ones the earlier in the corpus; never one of `excluded`.

A query goes by its number, a passage by its place in the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]
Progress = Callable[[str, int, int | None], None]
"""Called with the stage, how much of it is done, and the whole where that is known."""


class Ranking(Protocol):
    """What one source offers for each query."""

    def top(self, query: int) -> Positions:
        """Candidates, best first."""
        ...

    def held_back(self, query: int) -> Sequence[int]:
        """Excluded places that would have been among them."""
        ...


class Judge(Protocol):
    """Scores of passages for a query, comparable with one another."""

    def scores(self, query: int, places: Positions) -> Scores: ...

    def outside(self, pairs: Sequence[tuple[int, str]]) -> Scores:
        """Scores of (query, text) pairs whose text the corpus lacks."""
        ...


class Best:
    """The `depth` best places of each query over scores that come in blocks, in corpus order.

    Memory: 8 bytes x queries x depth.
    """

    def __init__(self, depth: int, excluded: Sequence[Positions]) -> None:
        self._excluded = excluded
        self._out: list[dict[int, float]] = [{} for _ in excluded]
        self._places = np.full((len(excluded), depth), -1, np.int32)
        self._scores = np.full((len(excluded), depth), -np.inf, np.float32)

    def offer(self, query: int, first: int, scores: Scores) -> None:
        """Scores of the places `first`, `first + 1`, ..., which are overwritten; -inf is no candidate."""
        for place in within(self._excluded[query], first, len(scores)):
            self._out[query][place] = float(scores[place - first])
            scores[place - first] = -np.inf
        mine = self._scores[query]
        better = np.flatnonzero(scores > mine[-1])  # what ties with the last comes after it, and loses
        if len(better) == 0:
            return
        better = better[largest(scores[better], len(mine))]
        merged = np.concatenate([mine, scores[better]])
        order = np.argsort(-merged, kind="stable")[: len(mine)]
        self._places[query] = np.concatenate([self._places[query], better + first])[order]
        self._scores[query] = merged[order]

    def top(self, query: int) -> Positions:
        places: Positions = self._places[query, self._scores[query] > -np.inf]
        return places

    def scores(self, query: int) -> Scores:
        """Of `top`, in its order."""
        scores: Scores = self._scores[query, self._scores[query] > -np.inf]
        return scores

    def held_back(self, query: int) -> Sequence[int]:
        last = self._scores[query, -1]
        return [place for place, score in self._out[query].items() if score > -np.inf and score >= last]


class RandomRanking:
    """`depth` passages for each query, drawn without looking: the same for the same seed, corpus and query."""

    def __init__(self, size: int, depth: int, excluded: Sequence[Positions], seed: Sequence[int]) -> None:
        self._drawn: list[Positions] = []
        self._out: list[Sequence[int]] = []
        for query, taken in enumerate(excluded):
            rng = np.random.default_rng([*seed, query])
            drawn = rng.choice(size, min(size, depth + len(taken)), replace=False).astype(np.int32)
            known = np.isin(drawn, taken)
            self._drawn.append(drawn[~known][:depth])
            self._out.append(drawn[:depth][known[:depth]].tolist())

    def top(self, query: int) -> Positions:
        return self._drawn[query]

    def held_back(self, query: int) -> Sequence[int]:
        return self._out[query]


def within(places: Positions, first: int, size: int) -> list[int]:
    """The places of a block of `size` that begins at `first`."""
    inside: list[int] = places[(places >= first) & (places < first + size)].tolist()
    return inside


def largest(scores: Scores, depth: int) -> npt.NDArray[np.intp]:
    """Ascending indices of the `depth` largest scores; of equal ones the earlier."""
    if len(scores) <= depth:
        return np.arange(len(scores))
    least = np.partition(scores, -depth)[-depth]
    above = np.flatnonzero(scores > least)
    level = np.flatnonzero(scores == least)[: depth - len(above)]
    return np.sort(np.concatenate([above, level]))
