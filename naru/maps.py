"""Monotone maps on logits: what stands between a formula's logit and the logit of the probability it is shown with.

Both rise strictly, so a map changes no order.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Beta:
    """The beta map of Kull, Silva Filho and Flach (2017): shift + high * ln(1 + e^z) - low * ln(1 + e^-z).

    Beta(1, 1, 0) changes nothing. ValueError unless both slopes are above 0, and all is finite.
    """

    low: float
    high: float
    shift: float

    def __post_init__(self) -> None:
        if not (0 < self.low < math.inf and 0 < self.high < math.inf and math.isfinite(self.shift)):
            raise ValueError(f"the slopes of a beta map are above 0 and all is finite, got {self}")

    def __call__(self, logit: float) -> float:
        return self.shift + self.high * softplus(logit) - self.low * softplus(-logit)


@dataclass(frozen=True, slots=True)
class Knots:
    """A map through points, straight between them and of slope 1 beyond: what isotonic regression leaves.

    ValueError unless there is a point and both coordinates rise strictly and are finite.
    """

    raw: tuple[float, ...]
    calibrated: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.raw or len(self.raw) != len(self.calibrated):
            raise ValueError(f"a map needs points: {len(self.raw)} and {len(self.calibrated)} coordinates")
        for side in (self.raw, self.calibrated):
            if not all(before < after for before, after in pairwise(side)):
                raise ValueError("the points of a map rise strictly in both coordinates")
            if not all(map(math.isfinite, side)):
                raise ValueError("the points of a map are finite")

    def __call__(self, logit: float) -> float:
        if logit <= self.raw[0]:
            return self.calibrated[0] + logit - self.raw[0]
        if logit >= self.raw[-1]:
            return self.calibrated[-1] + logit - self.raw[-1]
        place = bisect_right(self.raw, logit)
        low, high = self.raw[place - 1], self.raw[place]
        share = (logit - low) / (high - low)
        return (1 - share) * self.calibrated[place - 1] + share * self.calibrated[place]


Map = Beta | Knots


def softplus(value: float) -> float:
    """ln(1 + e^value), without overflow."""
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))
