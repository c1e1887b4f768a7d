"""From rankings to negatives: the window of each, the limits, the cross-encoder, and filling up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from typing import NamedTuple

import numpy as np

from finetune.mining.pairs import Pairs, Row
from finetune.mining.passages import Passages
from finetune.mining.ranking import Judge, Progress, RandomRanking, Ranking
from finetune.mining.report import FILTERS, Negative, Picked
from finetune.mining.settings import Mining
from naru.errors import NaruError

Check = Callable[[Sequence[tuple[str, str]]], Sequence[float]]
"""A cross-encoder: (query, passage) pairs -> a score each, the higher the more relevant."""

_ROWS = 256  # picked together: one call of the cross-encoder for all of them


@dataclass(frozen=True, slots=True)
class Field:
    """Where candidates come from, by the name of each source in its turn, and who judges them.

    `lot` fills up rows that find too few; None leaves them out.
    """

    rankings: Mapping[str, Ranking]
    lot: RandomRanking | None
    judge: Judge | None


class _Candidate(NamedTuple):
    place: int
    source: str
    rank: int
    score: float | None = None


@dataclass(slots=True)
class _Picking:
    """A row while its negatives are picked: those that passed the limits wait in their order."""

    row: Row
    document: str
    score: float | None
    waiting: Iterator[_Candidate]
    picked: list[_Candidate] = field(default_factory=list)


class Picker:
    """Picks the negatives of each row and counts what it drops.

    `candidates` are the (row, passage) looked at; `dropped` counts them by the first of FILTERS that took each;
    `short` rows found too few, `filled` is how many random passages stand in for what they lacked.
    """

    def __init__(
        self, pairs: Pairs, passages: Passages, field: Field, mining: Mining, check: Check | None
    ) -> None:
        self._pairs, self._passages, self._field = pairs, passages, field
        self._mining, self._check = mining, check
        self.candidates = self.short = self.filled = 0
        self.dropped: Counter[str] = Counter(dict.fromkeys(FILTERS, 0))

    def rows(self, progress: Progress) -> Iterator[Picked]:
        """The rows that found all their negatives, in the order of the pairs."""
        total = len(self._pairs.rows)
        for first in range(0, total, _ROWS):
            batch = self._begin(range(first, min(first + _ROWS, total)))
            self._pick(batch)
            for one in batch:
                found = sum(candidate.rank > 0 for candidate in one.picked)
                self.short += found < self._mining.number
                if len(one.picked) == self._mining.number:
                    self.filled += len(one.picked) - found
                    yield self._finish(one)
            progress("write", min(first + _ROWS, total), total)

    def _begin(self, places: range) -> list[_Picking]:
        rows = [self._pairs.rows[place] for place in places]
        found = [self._passages.find(row.positive) for row in rows]
        # A positive that the corpus holds is written as its passages are: with its title.
        documents = [
            self._passages.texts[held[0]] if held else self._pairs.documents[place]
            for held, place in zip(found, places, strict=True)
        ]
        scores = self._positive_scores(rows, found, documents)
        return [
            _Picking(row, document, score, self._admitted(row.query, score))
            for row, document, score in zip(rows, documents, scores, strict=True)
        ]

    def _positive_scores(
        self, rows: Sequence[Row], found: Sequence[Sequence[int]], documents: Sequence[str]
    ) -> list[float | None]:
        """The judge's scores of the rows' positives; of several passages that say the same, the best one's."""
        judge = self._field.judge
        if judge is None:
            return [None] * len(rows)
        scores: list[float | None] = [
            float(judge.scores(row.query, np.array(held, np.int32)).max()) if held else None
            for row, held in zip(rows, found, strict=True)
        ]
        lacking = [at for at, held in enumerate(found) if not held]
        if lacking:
            outside = judge.outside([(rows[at].query, documents[at]) for at in lacking])
            for at, score in zip(lacking, outside.tolist(), strict=True):
                scores[at] = score
        return scores

    def _admitted(self, query: int, positive: float | None) -> Iterator[_Candidate]:
        """The candidates that pass the limits, mined ones first; the rest is counted."""
        mined = self._mined(query)
        rankings = self._field.rankings.values()
        held_back = {place for ranking in rankings for place in ranking.held_back(query)}
        self.candidates += len(mined) + len(held_back)
        self.dropped["positives"] += len(held_back)
        spare: list[_Candidate] = []
        if self._field.lot is not None:
            ranked = {place for ranking in rankings for place in ranking.top(query).tolist()}
            drawn = self._field.lot.top(query).tolist()
            spare = [_Candidate(place, "random", 0) for place in drawn if place not in ranked]
        highest = {} if positive is None else self._mining.limits.highest(positive)
        admitted = []
        for candidate in self._scored(query, [*mined.values(), *spare]):
            broken = _broken(highest, candidate.score)
            if broken is None:
                admitted.append(candidate)
            elif candidate.rank > 0:
                self.dropped[broken] += 1
        return iter(admitted)

    def _mined(self, query: int) -> dict[int, _Candidate]:
        """The windows of the rankings, a candidate of each in turn, each passage once."""
        first, last = self._mining.skip, self._mining.skip + self._mining.look
        windows = [
            [
                _Candidate(place, source, rank)
                for rank, place in enumerate(ranking.top(query)[first:last].tolist(), start=first + 1)
            ]
            for source, ranking in self._field.rankings.items()
        ]
        mined: dict[int, _Candidate] = {}
        for turn in zip_longest(*windows):
            for candidate in turn:
                if candidate is not None:
                    mined.setdefault(candidate.place, candidate)
        return mined

    def _scored(self, query: int, candidates: list[_Candidate]) -> list[_Candidate]:
        if self._field.judge is None:
            return candidates
        places = np.array([candidate.place for candidate in candidates], np.int32)
        scores = self._field.judge.scores(query, places).tolist()
        return [candidate._replace(score=score) for candidate, score in zip(candidates, scores, strict=True)]

    def _pick(self, batch: Sequence[_Picking]) -> None:
        """Take what waits until each row has its number, as far as the cross-encoder lets them pass."""
        while True:
            asked = [
                (one, candidate)
                for one in batch
                for candidate in islice(one.waiting, self._mining.number - len(one.picked))
            ]
            if not asked:
                return
            for (one, candidate), passes in zip(asked, self._passes(asked), strict=True):
                if passes:
                    one.picked.append(candidate)
                elif candidate.rank > 0:
                    self.dropped["check"] += 1

    def _passes(self, asked: Sequence[tuple[_Picking, _Candidate]]) -> list[bool]:
        if self._check is None:
            return [True] * len(asked)
        texts = [(one.row.text, self._passages.texts[candidate.place]) for one, candidate in asked]
        scores = np.asarray(self._check(texts), np.float64)
        if scores.shape != (len(texts),) or not np.isfinite(scores).all():
            raise NaruError(
                f"The cross-encoder gave an array of shape {scores.shape} for {len(texts)} pairs of query and "
                "passage; expected a finite number each."
            )
        passes: list[bool] = (scores <= self._mining.check_limit).tolist()
        return passes

    def _finish(self, one: _Picking) -> Picked:
        negatives = [
            Negative(self._passages.texts[place], source, rank, score)
            for place, source, rank, score in one.picked
        ]
        return Picked(one.row.text, one.document, one.score, negatives)


def _broken(highest: Mapping[str, float], score: float | None) -> str | None:
    """The first limit that a score breaks."""
    if score is None:
        return None
    return next((name for name, most in highest.items() if score > most), None)
