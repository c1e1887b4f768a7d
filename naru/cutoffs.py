"""Where hits are cut off and what that promises, as it is stored with the weights it belongs to.

A cut-off holds for the formula, the collection and the kind of queries it was chosen with (`evaluation.cutoffs`
chooses). Under a filter, on another collection or after other weights its promise is void.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from naru.errors import NaruError

LEVELS = ("precise", "balanced", "sensitive")
"""The levels a service offers by name; `evaluation.cutoffs.levels` says what each promises."""

PROMISES = ("precise", "sensitive", "complete", "silent", "accurate")
"""What else may be asked for, alone or with a share ("precise=0.8"), and is stored under the name it was asked by;
`evaluation.cutoffs.promised` says what each promises."""


def read_cutoff(said: str) -> float | str:
    """A cut-off as people write it: a probability, or the name of a level."""
    try:
        return float(said)
    except ValueError:
        return said


def is_level(name: str) -> bool:
    """Whether a calibration may hold a cut-off of this name."""
    return name in LEVELS or name.partition("=")[0] in PROMISES


def read_promise(asked: str) -> tuple[str, float | None]:
    """Kind and share of `precise=0.8`. NaruError on another kind, and on a share that is not between 0 and 1."""
    kind, equals, said = asked.partition("=")
    if kind not in PROMISES or (kind == "accurate" and equals):
        raise NaruError(
            f"No promise {asked!r}; expected one of {', '.join(PROMISES)}, all but the last also with a share: precise=0.8."
        )
    if not equals:
        return kind, None
    try:
        share = float(said)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise NaruError(f"Promise {asked!r}: the share is {said!r}; expected a number between 0 and 1.")
    return kind, share


def stand_in(name: str) -> float | None:
    """The probability that a hit must have where the cut-off of this name is not to be had: hits of nine in ten each are
    nine in ten together, if only the probabilities are right. None: no probability stands for it. NaruError as
    `read_promise`."""
    if name.partition("=")[0] != "precise":
        return None
    return read_promise(name)[1] or 0.9


@dataclass(frozen=True, slots=True)
class Guarantee:
    """A promise in numbers, for programs: at least `share` of what is shown is relevant (precision), of the queries with an
    answer are shown it (coverage), or at most that of those without are shown anything (silence). `per` hit or query it
    is counted; `confidence` is None where the promise holds on average over judgements drawn alike."""

    kind: Literal["precision", "coverage", "silence"]
    share: float
    confidence: float | None = None
    per: Literal["hit", "query"] = "query"


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Hits of at least `logit` are shown; None: the promise cannot be given, and `reason` says why.

    `promise` is a sentence for people, `guarantee` the same for programs (None: a measurement, no guarantee). `queries`
    judged queries in `units` independent units (each a query, passage or group: `unit`) it rests on; `needed` is how many
    units it takes at least, where it takes a number. `found` is what was measured on those queries ("precision",
    "coverage", "shown", ...), as evidence.
    """

    name: str
    promise: str
    logit: float | None
    probability: float | None
    queries: int
    units: int
    found: Mapping[str, float]
    reason: str = ""
    needed: int | None = None
    guarantee: Guarantee | None = None
    unit: Literal["query", "passage", "group"] = "query"

    def __post_init__(self) -> None:
        if (self.logit is None) != (self.probability is None) or (self.logit is None) != bool(self.reason):
            raise NaruError(
                f"Cut-off {self.name!r}: logit {self.logit}, probability {self.probability}, reason "
                f"{self.reason!r}; expected both numbers without a reason, or a reason alone."
            )
        if self.logit is not None and not math.isfinite(self.logit):
            raise NaruError(f"Cut-off {self.name!r}: the logit is {self.logit}; expected a finite number.")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"found": dict(self.found)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`. NaruError when fields are missing, unknown or do not fit together."""
        try:
            guarantee = values.get("guarantee")
            return cls(**{**values, "guarantee": None if guarantee is None else Guarantee(**guarantee)})
        except TypeError as error:
            raise NaruError(
                f"A stored cut-off has the fields {sorted(values)}; expected those of naru.cutoffs.Cutoff "
                f"({error})."
            ) from error
