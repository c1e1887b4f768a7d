"""Conditions on metadata, as the user states them; each store compiles them for its engine.

A condition on an array field holds when any of its elements satisfies it. Types are strict: the text "1",
the number 1 and the boolean true are three different values (1 and 1.0 are the same number). A moment without
a time zone is read as UTC, and so is a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from naru.documents import Scalar

Bound = int | float | datetime | date


@dataclass(frozen=True, slots=True)
class Equals:
    """The field holds this value (text, number, boolean, or a moment in time)."""

    field: str
    value: Scalar | datetime


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field holds one of these values; an empty tuple matches nothing."""

    field: str
    values: tuple[Scalar | datetime, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The field lies within the given bounds: all numbers, or all moments in time. A date is its whole day: `lte` and
    `gt` compare with its end, `gte` and `lt` with its beginning."""

    field: str
    gt: Bound | None = None
    gte: Bound | None = None
    lt: Bound | None = None
    lte: Bound | None = None


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is present and neither null nor an empty array."""

    field: str


@dataclass(frozen=True, slots=True)
class And:
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    filter: Filter


Filter = Equals | AnyOf | Range | Exists | And | Or | Not
