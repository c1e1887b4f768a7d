"""Answer: what a search found, whether it answers the query, and what its cut-off promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from naru.cutoffs import Cutoff, Guarantee, stand_in
from naru.documents import Hit
from naru.relevance import logit
from naru.text import Token
from search.notes import Note


@dataclass(frozen=True, slots=True)
class Cut:
    """Where an answer was cut off: at a probability that was asked for (`name` None), or at a level of the calibration.

    A level carries its `promise` (in numbers: `guarantee`), the numbers of judged `queries` and independent `units`
    that it rests on, and what was `found` on them. `void` says why this answer does not keep the promise; None: it
    does, or there is none. `probability` and `logit` (that of the probability) are None where nothing was cut off,
    for the reason in `void`. With `instead` the probability stands in for a level that is not available, for the same
    reason.
    """

    name: str | None
    probability: float | None
    logit: float | None
    promise: str | None = None
    queries: int | None = None
    units: int | None = None
    found: Mapping[str, float] = field(default_factory=dict)
    void: str | None = None
    instead: bool = False
    guarantee: Guarantee | None = None

    @classmethod
    def in_place(cls, name: str, void: str) -> Self:
        """Where a level would have been that is not available."""
        probability = stand_in(name)
        if probability is None:
            return cls(name, None, None, void=void)
        return cls(name, probability, logit(probability), void=void, instead=True)

    @classmethod
    def lapsed(cls, level: Cutoff, void: str) -> Self:
        """Where a level was that a calibration chose which holds no more."""
        return cls(level.name, level.probability, level.logit, void=void, instead=True)

    def short_of(self, limit: int) -> Self:
        """The same where more hits than `limit` reach it: coverage is promised of all of them, precision is not."""
        if self.void is not None or self.guarantee is None or self.guarantee.kind != "coverage":
            return self
        return replace(self, void=f"more hits reach it than the {limit} that were asked for")

    @classmethod
    def at(cls, level: Cutoff, *, filtered: bool) -> Self:
        """A level as it holds for an answer, of the whole collection or under a filter."""
        void = level.reason or (
            "it was chosen on the whole collection, not under a filter" if filtered else None
        )
        cut = cls(level.name, level.probability, level.logit, void=void)
        if level.logit is None:
            cut = cls.in_place(level.name, level.reason)
        return replace(
            cut,
            promise=level.promise,
            guarantee=level.guarantee,
            queries=level.queries,
            units=level.units,
            found=level.found,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search found. `calibrated` is False while probabilities rest on prior weights.

    `answerable` is the probability that the collection holds an answer at all, None where that was not fitted.
    `answered` is the decision: False where `answerable` is too low or no hit reaches the cut-off; None where nothing
    calibrated decides it. At a level the cut-off decides alone, for its promise counts what it shows. Where it is
    False there are no `hits`: what comes nearest is apart, in `near_misses` (unless hits were wanted anyway). `cutoff`
    is None where none was asked for. `tokens` are the query's own, for highlighting; `milliseconds` is the whole
    search.
    """

    query: str
    mode: str
    hits: tuple[Hit, ...]
    calibrated: bool
    tokens: tuple[Token, ...]
    notes: tuple[Note, ...]
    milliseconds: float
    answerable: float | None = None
    answered: bool | None = None
    near_misses: tuple[Hit, ...] = ()
    cutoff: Cut | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for programs: what `naru search --json` prints."""
        return {
            "query": self.query,
            "mode": self.mode,
            "calibrated": self.calibrated,
            "answered": self.answered,
            "answerable": self.answerable,
            "cutoff": None if self.cutoff is None else asdict(self.cutoff),
            "hits": [_plain(hit) for hit in self.hits],
            "near_misses": [_plain(hit) for hit in self.near_misses],
            "notes": [asdict(note) for note in self.notes],
            "milliseconds": self.milliseconds,
        }


def _plain(hit: Hit) -> dict[str, Any]:
    return {
        "rank": hit.rank,
        "id": hit.passage.id,
        "title": hit.passage.title,
        "text": hit.passage.text,
        "metadata": dict(hit.passage.metadata),
        "probability": hit.probability,
        "logit": hit.logit,
        "semantic": hit.semantic,
        "lexical": hit.lexical,
    }
