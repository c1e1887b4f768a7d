"""What is to be known of an answer beside its hits, said in one place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know of an answer: `keyboard` (the query was read as Hangul keystrokes: `typed`, `read`), `cut`
    (the encoder read its first `tokens` only), `void` (the collection's calibration does not hold: `reason`),
    `promise` (what the `cutoff` promises does not hold for this answer: under a filter, or where the limit hides
    hits), `instead` (the `cutoff` of this name is not available: hits of at least `percent` were shown instead), `uncut`
    (nor was anything cut off in its place: `reason`), `filtered` (no passage fits the filter) or `rivals` (so many
    `passages` answer about equally well that each by itself lies below the cut-off). The message says it in English; a
    page may say it otherwise."""

    kind: str
    message: str
    values: Mapping[str, str | int]


def mistyped(typed: str, read: str) -> Note:
    message = f"Searched for {read!r}: {typed!r} looks typed on an English layout."
    return Note("keyboard", message, {"typed": typed, "read": read})


def cut_short(tokens: int) -> Note:
    return Note("cut", f"The encoder read the first {tokens} tokens of the query.", {"tokens": tokens})


def rivals(passages: int) -> Note:
    message = (
        f"{passages} passages answer about equally well, so none of them is likely enough to be the one: ask with a lower "
        "cut-off, or look at the near misses."
    )
    return Note("rivals", message, {"passages": passages})


def filtered() -> Note:
    message = "No passage fits the filter: check the names of its fields, and the types of their values."
    return Note("filtered", message, {})


def void(reason: str) -> Note:
    message = f"Probabilities are a prior: {reason}. Run `naru calibrate` again."
    return Note("void", message, {"reason": reason})


def uncut(name: str, reason: str) -> Note:
    message = f"The cut-off {name!r} is not available on this collection ({reason}): nothing was cut off."
    return Note("uncut", message, {"cutoff": name, "reason": reason})


def instead(name: str, probability: float, reason: str) -> Note:
    percent = _percent(probability)
    message = (
        f"The cut-off {name!r} is not available on this collection ({reason}): hits with a probability of at least {percent} "
        "are shown instead, with no guarantee."
    )
    return Note("instead", message, {"cutoff": name, "percent": percent, "reason": reason})


def unkept(name: str, reason: str) -> Note:
    return Note("promise", f"What {name!r} promises does not hold here: {reason}.", {"cutoff": name})


def _percent(probability: float) -> str:
    """Rounded down, to two decimals: 99.996 % are not all."""
    return f"{min(math.floor(probability * 1e4 + 1e-6) / 100, 99.99):g}%"
