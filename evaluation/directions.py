"""Which direction of the hybrid formula, lexical over semantic weight, ranks best.

The one whose gain in nDCG@10 over the prior's direction is greatest beyond doubt: the mean over queries, averaged over
neighbouring directions, less its standard error and a pull toward the prior that fades with judgements, so that few of
them do not lead away from it. Conditional logit would be the textbook's choice, but the few queries that words cannot
answer decide it, and what it chose ranked worse than words alone on KorQuAD and on law.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evaluation.arrays import Booleans, Floats, Integers
from evaluation.candidates import Candidates
from naru.relevance import Scores

DEPTH = 10

_STEPS = np.arange(-28, 37) * 0.125  # of ln(ratio / the prior's)
_NEIGHBOURS = np.exp(-0.5 * (np.arange(-6, 7) / 2) ** 2)  # a normal curve of 0.25 in ln(ratio)
_PULL = 0.1  # nDCG lost for ln(ratio) = 1 away from the prior, over the number of queries


@dataclass(frozen=True, eq=False)
class Directions:
    """nDCG@10 (relevance being yes or no) of each query with an answer [a] along each direction [d]."""

    ratios: Floats  # [d] lexical over semantic weight, rising
    gains: Floats  # [a, d]
    answerable: Integers  # [a] which query
    start: int  # the prior's direction

    @classmethod
    def of(cls, candidates: Candidates, prior: Scores) -> Directions:
        """Along ratios around that of a hybrid prior, which has both weights."""
        if prior.semantic is None or prior.lexical is None:
            raise ValueError(f"this is a bug: {prior} has no direction between two channels")
        ratios = prior.lexical / prior.semantic * np.exp(_STEPS)
        answerable = np.flatnonzero(candidates.relevant > 0)
        ideal = _ideal(candidates.relevant[answerable])
        rows = np.flatnonzero(candidates.right)
        rivals = _Rivals.of(candidates, rows)
        gains = np.empty((len(answerable), len(ratios)))
        for place, ratio in enumerate(ratios):
            ranks = rivals.ranks(candidates.semantic + ratio * candidates.lexical)
            worth = np.where(ranks < DEPTH, 1 / np.log2(ranks + 2), 0.0)
            found = np.bincount(candidates.query[rows], worth, minlength=len(candidates.queries))
            gains[:, place] = found[answerable] / ideal
        return cls(ratios, gains, answerable, int(np.abs(_STEPS).argmin()))

    def best(self, among: Booleans) -> float:
        """The ratio to take by what some of the queries [q] show."""
        gains = self.gains[among[self.answerable]]
        if len(gains) < 2:
            return float(self.ratios[self.start])
        half = len(_NEIGHBOURS) // 2
        padded = np.pad(gains, ((0, 0), (half, half)), mode="edge")
        smooth = np.zeros_like(gains)
        for place, share in enumerate(_NEIGHBOURS / _NEIGHBOURS.sum()):
            smooth += share * padded[:, place : place + gains.shape[1]]
        gained = smooth - smooth[:, [self.start]]
        doubt = gained.std(axis=0, ddof=1) / math.sqrt(len(gained))
        pull = _PULL * np.abs(_STEPS) / len(gained)
        return float(self.ratios[int((gained.mean(axis=0) - doubt - pull).argmax())])


def ndcg(candidates: Candidates, scores: Floats, queries: Booleans | None = None) -> Floats:
    """nDCG@10 of each of the queries [q] (None: those with an answer), relevance being yes or no."""
    chosen = candidates.relevant > 0 if queries is None else queries
    places = candidates.ranks(scores)
    top = candidates.right & (places < DEPTH)
    found = np.bincount(
        candidates.query[top], 1 / np.log2(places[top] + 2), minlength=len(candidates.queries)
    )
    best: Floats = found[chosen] / _ideal(candidates.relevant[chosen])
    return best


def _ideal(relevant: Integers) -> Floats:
    """[q] the gain of a ranking that begins with all relevant passages of a query."""
    gains: Floats = np.cumsum(1 / np.log2(np.arange(DEPTH) + 2))[np.minimum(relevant, DEPTH) - 1]
    return gains


@dataclass(frozen=True, eq=False)
class _Rivals:
    """For some rows, paired [p] with all rows of their query: which may stand before them."""

    number: int
    mine: Integers  # [p] row
    place: Integers  # [p] which of the given rows it is
    theirs: Integers  # [p] row
    earlier: Booleans  # [p] whether theirs comes first where scores are equal

    @classmethod
    def of(cls, candidates: Candidates, rows: Integers) -> _Rivals:
        starts = np.searchsorted(candidates.query, candidates.query[rows])
        sizes = np.searchsorted(candidates.query, candidates.query[rows], side="right") - starts
        place = np.repeat(np.arange(len(rows)), sizes)
        before = np.cumsum(sizes) - sizes
        theirs = np.arange(len(place)) - before[place] + starts[place]
        mine = rows[place]
        earlier = candidates.alphabetical[theirs] < candidates.alphabetical[mine]
        return cls(len(rows), mine, place, theirs, earlier)

    def ranks(self, scores: Floats) -> Integers:
        """The rank of each given row among its query's, from 0."""
        theirs, mine = scores[self.theirs], scores[self.mine]
        before = (theirs > mine) | ((theirs == mine) & self.earlier)
        return np.bincount(self.place[before], minlength=self.number)
