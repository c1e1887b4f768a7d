"""What a calibration rests on, and whether it still holds for the collection that is searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from naru.sketch import Sketch, shared

MOST_CHANGE = 0.1
"""The share of its passages that may come or go before a collection's calibration is void."""

ASKED = 4096
"""The hashes of queries that a fit keeps: enough to tell of some dozens of queries whether they are among 100,000."""


@dataclass(frozen=True, slots=True)
class Background:
    """Cosines between passages that have nothing to do with each other, as this encoder sees this collection.

    Encoders differ in it (E5's lie between 0.7 and 1.0), so prior weights are stated for cosines in
    standard deviations above it and translated for each collection.
    """

    mean: float
    deviation: float


class Made(Protocol):
    """What a collection says of its making (a Provenance)."""

    @property
    def collection(self) -> str: ...

    @property
    def passages(self) -> int: ...

    @property
    def encoder_fingerprint(self) -> str: ...

    @property
    def analyzer_fingerprint(self) -> str: ...

    @property
    def background(self) -> Background: ...

    @property
    def sketch(self) -> Sketch: ...


@dataclass(frozen=True, slots=True)
class Basis:
    """What a fit rests on: the collection version (`created`, `passages` and their `sketch`, fingerprints), the
    retrieval, and the judgements (their SHA-256). `fitted` is an ISO 8601 date."""

    collection: str
    created: str
    passages: int
    encoder: str
    analyzer: str
    prefetch: int
    split: str
    judgements: str
    queries: int
    answerable: int
    fitted: str
    sketch: Sketch = ()
    asked: Sketch = ()  # of the queries, as passages without a title; of size ASKED

    def void(self, made: Made) -> str | None:
        """Why a fit on this basis says nothing about a collection; None: it holds."""
        if self.collection != made.collection:
            return f"it was fitted on the collection {self.collection!r}, this is {made.collection!r}"
        if self.encoder != made.encoder_fingerprint:
            return _other("encoder", self.encoder, made.encoder_fingerprint)
        if self.analyzer != made.analyzer_fingerprint:
            return _other("analyzer", self.analyzer, made.analyzer_fingerprint)
        if abs(made.passages - self.passages) > MOST_CHANGE * self.passages:
            return (
                f"it was fitted on {self.passages:,} passages, now there are {made.passages:,}: "
                f"more than {MOST_CHANGE:.0%} have come or gone"
            )
        if self.sketch and made.sketch and (changed := self._changed(made)) > MOST_CHANGE:
            return f"it was fitted on other passages: about {changed:.0%} of them have come or gone since"
        return None

    def _changed(self, made: Made) -> float:
        """The share of the passages that came or went, whichever are more."""
        alike = shared(self.sketch, made.sketch)
        kept = alike / (1 + alike) * (self.passages + made.passages)
        return 1 - kept / max(1, self.passages, made.passages)


def _other(part: str, fitted: str, there: str) -> str:
    """Twelve characters of a fingerprint tell two apart, and can be read."""
    return f"it was fitted with {part} {fitted[:12]}, the collection has {there[:12]}"
