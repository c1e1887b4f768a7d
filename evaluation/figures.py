"""What a report on an evaluation is made of, as plain values and arrays, and what its charts show of them.

Hits are those that the engine returned for the judged queries of a split, to some depth, in one mode. A hit that nobody
judged counts as not relevant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from evaluation.arrays import Booleans, Floats, Integers
from naru.cutoffs import Cutoff

_MOST_BINS, _BIN = 12, 25  # bins of a reliability diagram, and hits in each at least


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value and, where it has one, its interval (95% unless the facts say otherwise)."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> str:
        """`0.78 to 0.83`; "" without."""
        return "" if self.low is None or self.high is None else f"{self.low:.3f} to {self.high:.3f}"

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "–"
        return f"{self.value:.3f}" + (f" [{self.low:.3f}, {self.high:.3f}]" if self.interval else "")


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut-off: hits of at least `probability` are shown. None: the promise cannot be kept; `evidence` says why."""

    name: str
    promise: str
    probability: float | None
    evidence: str = ""

    @classmethod
    def of(cls, one: Cutoff) -> Self:
        """As a calibration or a service states it."""
        found = [f"{name} {value:.3f}" for name, value in one.found.items()]
        groups = f" in {one.units:,} groups" if one.units < one.queries else ""
        rests = f"chosen on {one.queries:,} queries{groups}"
        return cls(one.name, one.promise, one.probability, one.reason or "; ".join([rests, *found]))


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the queries: those whose `field` is `value`."""

    field: str
    value: str
    queries: int
    measures: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Returned:
    """A hit of a query, as shown to a reader."""

    title: str
    text: str
    probability: float
    relevant: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """A relevant passage of a query and where it was found, None where not at all."""

    title: str
    text: str
    rank: int | None


@dataclass(frozen=True, slots=True)
class Worst:
    """A query that went badly. Without `expected` it has no answer in the collection."""

    query: str
    value: float
    returned: Sequence[Returned]
    expected: Sequence[Expected]


@dataclass(frozen=True)
class ReportFacts:
    """One evaluation. n hits, q queries.

    `measures` is mode -> measure -> estimate, over answerable queries; `reliability` has the measures of the
    probability ("ECE, first hit"; "Brier"; "AUROC, no answer") of `mode`. `answer` [q] is the probability that a
    query has an answer; None takes that of its first hit. ValueError where lengths differ.
    """

    collection: str
    split: str
    mode: str
    encoder: str
    calibrated: bool
    measures: Mapping[str, Mapping[str, Estimate]]
    query: Integers  # [n] 0 .. q - 1
    rank: Integers  # [n] from 1
    probability: Floats  # [n]
    relevant: Booleans  # [n]
    judged: Integers  # [q] relevant passages that the judgements name, also those not returned; 0: no answer
    reliability: Mapping[str, Estimate] = field(default_factory=dict)
    answer: Floats | None = None
    cutoffs: Sequence[Cut] = ()
    slices: Sequence[Slice] = ()
    worst: Sequence[Worst] = ()
    worst_by: str = "nDCG@10"
    notes: Sequence[str] = ()
    doubts: Sequence[str] = ()  # why the figures may be better than they should be
    made_from: Mapping[str, str] = field(default_factory=dict)  # versions, fingerprints, hashes
    intervals: str = "95% bootstrap intervals over queries"

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (self.query, self.rank, self.probability, self.relevant)}
        if len(lengths) > 1:
            raise ValueError(f"This is a bug: columns of hits have different lengths: {sorted(lengths)}.")
        if len(self.query) and int(self.query.max()) >= len(self.judged):
            raise ValueError(
                f"This is a bug: a hit of query {self.query.max()} among {len(self.judged)} queries."
            )
        if self.answer is not None and len(self.answer) != len(self.judged):
            raise ValueError(f"This is a bug: {len(self.answer)} answers for {len(self.judged)} queries.")
        found = np.bincount(self.query[self.relevant], minlength=self.queries)
        if (found > self.judged).any():
            at = int(np.argmax(found > self.judged))
            raise ValueError(
                f"This is a bug: {found[at]} relevant hits of query {at}, where {self.judged[at]} are judged."
            )

    @property
    def queries(self) -> int:
        return len(self.judged)

    @property
    def no_answer(self) -> int:
        return int((self.judged == 0).sum())

    @property
    def first(self) -> Booleans:
        """[n] the first hits."""
        found: Booleans = self.rank == 1
        return found

    def answers(self) -> tuple[Floats, Booleans]:
        """[q] how sure the first answer of each query is (-inf where nothing was found) and whether it is relevant."""
        sure = np.full(self.queries, -np.inf)
        right = np.zeros(self.queries, dtype=bool)
        at = self.query[self.first]
        sure[at] = self.probability[self.first] if self.answer is None else self.answer[at]
        right[at] = self.relevant[self.first]
        return sure, right


@dataclass(frozen=True)
class Reliability:
    """Equal-mass bins [b]: mean probability, share relevant with its 95% Wilson interval, and hits."""

    said: Floats
    found: Floats
    low: Floats
    high: Floats
    hits: Integers


def reliability_bins(probability: Floats, relevant: Booleans) -> Reliability | None:
    """The diagram's points; None for fewer hits than two bins need."""
    bins = min(_MOST_BINS, len(probability) // _BIN)
    if bins < 2:
        return None
    parts = np.array_split(np.argsort(probability, kind="stable"), bins)
    said = np.array([probability[part].mean() for part in parts])
    hits = np.array([len(part) for part in parts])
    found = np.array([relevant[part].mean() for part in parts])
    low, high = wilson(found, hits)
    return Reliability(said, found, low, high, hits)


def wilson(share: Floats, number: Integers) -> tuple[Floats, Floats]:
    """The 95% interval of a share (Wilson 1927, without continuity correction)."""
    z = 1.959964
    centre = (share + z * z / (2 * number)) / (1 + z * z / number)
    half = z * np.sqrt(share * (1 - share) / number + z * z / (4 * number * number)) / (1 + z * z / number)
    return centre - half, centre + half


@dataclass(frozen=True)
class Curve:
    """For each cut-off that separates hits [t], falling: what lies on the two axes."""

    threshold: Floats
    x: Floats
    y: Floats

    def at(self, probability: float) -> tuple[float, float] | None:
        """The point of a cut-off: of the lowest threshold that is not below it; None where it lets nothing through."""
        allowed = int((self.threshold >= probability).sum())
        return None if allowed == 0 else (float(self.x[allowed - 1]), float(self.y[allowed - 1]))


def precision_recall(facts: ReportFacts) -> Curve:
    """x: the share of all relevant passages that is shown. y: the share of what is shown that is relevant."""
    threshold, shown, right = falling(facts.probability, facts.relevant)
    return Curve(threshold, right / max(1, int(facts.judged.sum())), right / shown)


def risk_curve(facts: ReportFacts) -> Curve:
    """x: the share of all queries that is answered. y: the share of the answered whose first hit is not relevant."""
    sure, right = facts.answers()
    found = np.isfinite(sure)
    threshold, answered, good = falling(sure[found], right[found])
    return Curve(threshold, answered / max(1, facts.queries), 1 - good / answered)


def risk_at(facts: ReportFacts, probability: float) -> tuple[float, float] | None:
    """Coverage and risk where queries are answered by hits of at least this probability; None where none is."""
    firsts = facts.first & (facts.probability >= probability)
    answered = int(firsts.sum())
    return None if answered == 0 else (answered / facts.queries, 1 - float(facts.relevant[firsts].mean()))


def falling(scores: Floats, right: Booleans) -> tuple[Floats, Floats, Floats]:
    """Distinct scores from high to low, with how many are at least as high and how many of those are right."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = (
        np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.array([], dtype=int)
    )
    return ranked[last], (last + 1).astype(np.float64), np.cumsum(right[order])[last].astype(np.float64)
