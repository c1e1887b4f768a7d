"""From scores to a probability of relevance.

    logit(q, d)  = bias + semantic * cosine(q, d) + lexical * lexical(q, d)
    against      = ln(1 + sum over the query's other first hits of e^logit)
    P(relevant)  = 1 / (1 + exp(-map(logit - rivalry * against)))

The engine ranks by the logit. A hit alone does not say how sure to be of it: the same logit is likely right where
nothing else comes near, and one of many where ten others do. With rivalry 1 exactly one hit of a query or none is
relevant (a softmax with a place for no answer), with 0 each hit is judged alone. It lowers the best hit of a query
least, so the order stays, and probabilities are cut after the engine has ranked. `map` rises strictly; None where
none is needed.

One fit a mode. Weights that were not fitted to the collection at hand are a prior, and say so;
`evaluation/calibrate.py` fits them and the store keeps them beside the collection.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from naru.answering import Answering
from naru.basis import Background, Basis, Made
from naru.cutoffs import Cutoff
from naru.errors import NaruError
from naru.maps import Beta, Knots, Map

MODES = ("hybrid", "semantic", "lexical")

FORMAT = 1

RIVALS = 10
"""Hits of a query that weigh against each other: a first page. What stands below weighs next to nothing."""


class DamagedError(NaruError):
    """A calibration that cannot be read, and why: `reason` is without where it is and what to do."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}. Run `naru calibrate` again.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Scores:
    """A linear formula over the two channels: logit = bias + semantic * cosine + lexical * bm25.

    A weight of None leaves its channel out: no candidates from it and no score.
    """

    bias: float
    semantic: float | None
    lexical: float | None


@dataclass(frozen=True, slots=True)
class Fit:
    """One mode: the formula that ranks, what turns its logits into those of probabilities, the cut-offs that were
    chosen by promise, and how sure to be that a query has an answer (None: too few judged queries have none).
    `rivalry` is 0 where each hit is judged alone."""

    scores: Scores
    rivalry: float = 0.0
    map: Map | None = None
    cutoffs: tuple[Cutoff, ...] = ()
    answering: Answering | None = None

    def logits(self, ranked: Sequence[float]) -> list[float]:
        """The logits of the probabilities of a query's hits; `ranked` are the engine's logits of its first hits,
        best first, of RIVALS of them at least where there are as many. The order stays."""
        said = list(ranked)
        if self.rivalry:
            rivals = ranked[:RIVALS]
            everyone = _outweighing(rivals)
            said = [
                logit
                - self.rivalry
                * (_outweighing([*rivals[:place], *rivals[place + 1 :]]) if place < RIVALS else everyone)
                for place, logit in enumerate(ranked)
            ]
        return said if self.map is None else [self.map(logit) for logit in said]

    def cutoff(self, name: str) -> float:
        """The logit of the cut-off of a name. NaruError: there is none, or it cannot keep its promise (and why)."""
        found = self.level(name)
        if found.logit is None:
            raise NaruError(f"The cut-off {name!r} is not available on this collection: {found.reason}.")
        return found.logit

    def level(self, name: str) -> Cutoff:
        """The cut-off of a name, with a number or with the reason why it has none. NaruError: there is none."""
        for one in self.cutoffs:
            if one.name == name:
                return one
        there = ", ".join(one.name for one in self.cutoffs) or "none; the collection is not calibrated"
        raise NaruError(
            f"No cut-off {name!r}; there: {there}. `naru calibrate` chooses them from judgements."
        )


# Chosen and fitted on the calibrate/dev parts of four Korean sets by benchmarks/prior.py; checked by leaving each
# set out (docs/results.md, "Prior weights"). Cosines are in deviations above the background.
_PRIOR = {
    "hybrid": Fit(Scores(-3.756, 0.4701, 28.21), rivalry=0.997),
    "semantic": Fit(Scores(-3.243, 2.235, None), rivalry=1.015),
    "lexical": Fit(Scores(-4.237, None, 32.95), rivalry=1.0),
}


@dataclass(frozen=True, slots=True)
class Relevance:
    """The fit of each mode. Without `basis` nothing was fitted: weights are a prior, and `void` says why a
    calibration that there is does not hold for this collection; `lapsed` are the cut-offs it had, by mode."""

    fits: Mapping[str, Fit]
    basis: Basis | None = None
    void: str | None = None
    lapsed: Mapping[str, tuple[Cutoff, ...]] = field(default_factory=dict)

    @property
    def calibrated(self) -> bool:
        """Whether probabilities rest on judgements of this collection."""
        return self.basis is not None

    @property
    def modes(self) -> tuple[str, ...]:
        return tuple(self.fits)

    @classmethod
    def prior(cls, background: Background, void: str | None = None) -> Self:
        """Weights for a collection without judgements, or whose calibration is `void`."""
        deviation = max(background.deviation, 1e-3)
        fits = {}
        for mode, prior in _PRIOR.items():
            scores = prior.scores
            if scores.semantic is not None:
                weight = scores.semantic / deviation
                scores = Scores(scores.bias - weight * background.mean, weight, scores.lexical)
            fits[mode] = Fit(scores, prior.rivalry)
        return cls(fits, void=void)

    @classmethod
    def kept(cls, text: str | None, made: Made) -> Self:
        """What was kept beside a collection, where it can be read and still holds for it; else the prior, saying why."""
        if text is None:
            return cls.prior(made.background)
        try:
            found = cls.from_json(text, "the calibration")
        except DamagedError as error:
            return cls.prior(made.background, f"the calibration is void: {error.reason}")
        void = found._void(made)
        if void is None:
            return found
        prior = cls.prior(made.background, f"the calibration is void: {void}")
        return replace(prior, lapsed={mode: fit.cutoffs for mode, fit in found.fits.items()})

    @classmethod
    def read(cls, path: Path, made: Made) -> Self:
        """A file that `naru calibrate --output` wrote. NaruError: damaged, or it does not hold for the collection."""
        try:
            found = cls.from_json(path.read_text("utf-8"), str(path))
        except OSError as error:
            raise NaruError(f"{path}: cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise NaruError(f"{path}: this is no calibration: {error}.") from error
        void = found._void(made)
        if void is not None:
            raise NaruError(
                f"{path}: this calibration does not hold here: {void}. Run `naru calibrate` again."
            )
        return found

    def fit(self, mode: str) -> Fit:
        """What a mode ranks and says by. NaruError on an unknown one."""
        if mode not in self.fits:
            raise NaruError(f"Unknown mode {mode!r}: expected one of {', '.join(self.fits)}.")
        return self.fits[mode]

    def lapsed_at(self, mode: str, name: str) -> Cutoff | None:
        """Where a void calibration cut off by that name; None where it had no number for it."""
        there = (one for one in self.lapsed.get(mode, ()) if one.name == name and one.logit is not None)
        return next(there, None)

    def scores(self, mode: str) -> Scores:
        """The formula of a mode. NaruError on an unknown one."""
        return self.fit(mode).scores

    def to_json(self) -> str:
        """A fitted relevance as text. ValueError for a prior, which is never kept."""
        if self.basis is None:
            raise ValueError("a prior is not kept: there is nothing that it was fitted on")
        fits = {mode: asdict(fit) for mode, fit in self.fits.items()}
        said = {"format": FORMAT, "basis": asdict(self.basis), "fits": fits}
        return json.dumps(said, ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Self:
        """DamagedError naming `where` when the text is damaged or of another format."""
        try:
            said = json.loads(text)
            if said["format"] != FORMAT:
                raise DamagedError(where, f"it has format {said['format']!r}, and this naru reads {FORMAT}")
            return cls({mode: _fit(mode, said["fits"][mode]) for mode in MODES}, _basis(said["basis"]))
        except DamagedError:
            raise
        except NaruError as error:
            raise DamagedError(where, f"it is damaged: {str(error).rstrip('.')}") from error
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise DamagedError(where, f"it is damaged: {error!r}") from error

    def _void(self, made: Made) -> str | None:
        return None if self.basis is None else self.basis.void(made)


def _basis(said: Mapping[str, Any]) -> Basis:
    found = Basis(**{**said, "sketch": tuple(said["sketch"]), "asked": tuple(said["asked"])})
    counts = (found.passages, found.prefetch, found.queries, found.answerable)
    if not all(type(one) is int for one in counts):
        raise ValueError(f"counts that are no whole numbers: {counts}")
    return found


def _fit(mode: str, said: Mapping[str, Any]) -> Fit:
    shape = said["map"]
    curve: Map | None = None
    if shape is not None:
        curve = Knots(tuple(shape["raw"]), tuple(shape["calibrated"])) if "raw" in shape else Beta(**shape)
    cutoffs = tuple(Cutoff.from_json(one) for one in said["cutoffs"])
    answering = None if said["answering"] is None else Answering.from_json(said["answering"])
    scores, rivalry = Scores(**said["scores"]), float(said["rivalry"])
    channels = [one for one in (scores.semantic, scores.lexical) if one is not None]
    if (scores.semantic is None, scores.lexical is None) != (mode == "lexical", mode == "semantic"):
        raise ValueError(f"the mode {mode} has the weights of another: {said['scores']}")
    if not all(
        isinstance(one, int | float) and math.isfinite(one) for one in (scores.bias, *channels, rivalry)
    ):
        raise ValueError(f"weights that are no finite numbers: {said['scores']}, rivalry {rivalry}")
    return Fit(scores, rivalry, curve, cutoffs, answering)


def _outweighing(logits: Sequence[float]) -> float:
    """ln(1 + sum of exp(logits)): how much speaks for something else, no answer at all counting 1."""
    most = max([0.0, *logits])
    return most + math.log(math.exp(-most) + sum(math.exp(one - most) for one in logits))


def probability(logit: float) -> float:
    """The sigmoid, without overflow at either end."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    odds = math.exp(logit)
    return odds / (1.0 + odds)


def logit(cutoff: float) -> float:
    """A probability's inverse sigmoid. NaruError unless 0 < cutoff < 1."""
    if not 0.0 < cutoff < 1.0:
        raise NaruError(f"A probability cut-off must lie between 0 and 1, both excluded; got {cutoff}.")
    return math.log(cutoff) - math.log1p(-cutoff)
