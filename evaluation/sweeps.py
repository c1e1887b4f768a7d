"""The best cut-off of all there are: a sweep over the observed scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.arrays import Booleans, Floats
from evaluation.figures import falling


@dataclass(frozen=True, slots=True)
class Best:
    """Where a sweep was best: at or above `cutoff` a row counts as positive; `value` is its F1 or accuracy."""

    cutoff: float
    value: float
    precision: float
    recall: float


def best_f1(scores: Floats, right: Booleans, missed: int = 0) -> Best:
    """Over the observed scores; `missed` positives are not among the rows and no cut-off finds them.

    Of equal ones the highest cut-off. ValueError where nothing is right.
    """
    cutoffs, above, found = _at_each(scores, right)
    positives = found[-1] + missed
    f1 = 2 * found / (above + positives)
    at = int(f1.argmax())
    return Best(float(cutoffs[at]), float(f1[at]), float(found[at] / above[at]), float(found[at] / positives))


def best_accuracy(scores: Floats, right: Booleans) -> Best:
    """Over the observed scores, and above all of them: the share of rows that lie on their right side. Precision is 0
    where no row is positive. As `best_f1` otherwise."""
    cutoffs, above, found = _at_each(scores, right)
    accuracy = (found + (len(right) - found[-1]) - (above - found)) / len(right)
    at = int(accuracy.argmax())
    none = float((len(right) - found[-1]) / len(right))
    if none > accuracy[at]:
        return Best(float(np.nextafter(cutoffs.max(), np.inf)), none, 0.0, 0.0)
    return Best(
        float(cutoffs[at]), float(accuracy[at]), float(found[at] / above[at]), float(found[at] / found[-1])
    )


def _at_each(scores: Floats, right: Booleans) -> tuple[Floats, Floats, Floats]:
    if not right.any():
        raise ValueError("This is a bug: a sweep needs at least one positive row.")
    return falling(scores, right)
