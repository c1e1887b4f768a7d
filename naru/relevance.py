"""From scores to a probability of relevance, and back to the logit where an engine cuts.

    logit(q, d)  = bias + semantic * cosine(q, d) + lexical * lexical(q, d)
    P(relevant)  = 1 / (1 + exp(-logit))

One set of weights a mode. The engine ranks and cuts on the logit; here logits become probabilities and
cut-offs become logits. Weights that were not fitted to the collection at hand are a prior, and say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from naru.errors import NaruError

MODES = ("hybrid", "semantic", "lexical")


@dataclass(frozen=True, slots=True)
class Scores:
    """A linear formula over the two channels: logit = bias + semantic * cosine + lexical * bm25.

    A weight of None leaves its channel out: no candidates from it and no score.
    """

    bias: float
    semantic: float | None
    lexical: float | None


@dataclass(frozen=True, slots=True)
class Background:
    """Cosines between passages that have nothing to do with each other, as this encoder sees this collection.

    Encoders differ in it (E5's lie between 0.7 and 1.0), so prior weights are stated for cosines in
    standard deviations above it and translated for each collection.
    """

    mean: float
    deviation: float


# Chosen and fitted on the calibrate/dev parts of four Korean sets by benchmarks/prior.py; checked by leaving each
# set out (docs/results.md, "Prior weights"). Cosines are in deviations above the background.
_PRIOR = {
    "hybrid": Scores(-3.49, 0.1189, 10.11),
    "semantic": Scores(-2.0, 0.415, None),
    "lexical": Scores(-3.79, None, 12.16),
}


@dataclass(frozen=True, slots=True)
class Relevance:
    """The formula of each mode, and whether it was fitted to judgements of this collection."""

    modes: Mapping[str, Scores]
    calibrated: bool

    @classmethod
    def prior(cls, background: Background) -> Self:
        """Weights for a collection without judgements."""
        deviation = max(background.deviation, 1e-3)
        modes = {}
        for mode, prior in _PRIOR.items():
            if prior.semantic is None:
                modes[mode] = prior
                continue
            weight = prior.semantic / deviation
            modes[mode] = Scores(prior.bias - weight * background.mean, weight, prior.lexical)
        return cls(modes, calibrated=False)

    def scores(self, mode: str) -> Scores:
        """The formula of a mode. NaruError on an unknown one."""
        if mode not in self.modes:
            raise NaruError(f"Unknown mode {mode!r}: expected one of {', '.join(self.modes)}.")
        return self.modes[mode]


def probability(logit: float) -> float:
    """The sigmoid, without overflow at either end."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    odds = math.exp(logit)
    return odds / (1.0 + odds)


def logit(cutoff: float) -> float:
    """Where an engine cuts for a probability: its inverse sigmoid. NaruError unless 0 < cutoff < 1."""
    if not 0.0 < cutoff < 1.0:
        raise NaruError(f"A probability cut-off must lie between 0 and 1, both excluded; got {cutoff}.")
    return math.log(cutoff) - math.log1p(-cutoff)
