"""What a value of a recipe may be, written beside its type: `Annotated[float, Above(0)]`.

`says` of each is what was expected, for a value that is out of the limit, and None for one that is within."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Above:
    low: float

    def says(self, value: float) -> str | None:
        return None if self.low < value < math.inf else f"a number above {self.low:g}"


@dataclass(frozen=True)
class AtLeast:
    low: float

    def says(self, value: float) -> str | None:
        return None if self.low <= value < math.inf else f"{self.low:g} or more"


@dataclass(frozen=True)
class Between:
    low: float
    high: float

    def says(self, value: float) -> str | None:
        return None if self.low <= value <= self.high else f"{self.low:g} to {self.high:g}"


class OneOf:
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def says(self, value: str) -> str | None:
        return None if value in self.words else f"one of {', '.join(self.words)}"
