"""Filters as JSON, and their way to naru.filters.

    {"field": "category", "equals": "카드"}                {"field": "category", "any_of": ["카드", "계좌"]}
    {"field": "date", "range": {"gte": "2025-01-01"}}      {"field": "fee", "exists": true}
    {"and": [...]}    {"or": [...]}    {"not": {...}}

In a range a text is a moment in ISO 8601 (read as UTC without an offset) or a day, also as in 2024. 3. 1. or 2024년 3월
1일; a day is the whole of it: `lte` and `gt` compare with its end. In equals and any_of a text is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from math import isfinite
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    Tag,
    TypeAdapter,
    ValidationError,
)

from naru.errors import NaruError
from naru.filters import And, AnyOf, Equals, Exists, Filter, Not, Or, Range
from naru.moments import read_moment
from naru.store.payload import utc

DEEPEST = 8
"""How far and/or/not may be nested."""

MOST = 256
"""Conditions in one filter, and values in one any_of."""

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_KINDS = ("equals", "any_of", "range", "exists", "and", "or", "not")


class _Condition(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _scalar(value: Any) -> Any:
    if isinstance(value, str | bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    raise ValueError("expected text, a finite number or a boolean")


def _bound(value: Any) -> Any:
    if isinstance(value, str):
        return _moment(value)
    if (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, float) and isfinite(value)
    ):
        return value
    raise ValueError("expected a finite number or a moment in ISO 8601")


def _moment(text: str) -> datetime | date:
    if _NUMBER.fullmatch(text.strip()):
        raise ValueError(
            f"{text!r} is text; expected the number {text.strip()}, without quotes, or a moment such as 2025-01-31"
        )
    moment = read_moment(text)
    try:
        if moment is None:
            moment = datetime.fromisoformat(text)
        if isinstance(moment, datetime):
            utc(moment)
    except (ValueError, NaruError):
        raise ValueError(f"{text!r} is not a moment in ISO 8601, such as 2025-01-31") from None
    return moment


_Value = Annotated[bool | int | float | str, BeforeValidator(_scalar)]
_Bound = Annotated[int | float | datetime | date, BeforeValidator(_bound, json_schema_input_type=float | str)]


class EqualsIn(_Condition):
    field: str
    equals: _Value

    def filter(self) -> Filter:
        return Equals(self.field, self.equals)


class AnyOfIn(_Condition):
    field: str
    any_of: list[_Value] = Field(max_length=MOST)

    def filter(self) -> Filter:
        return AnyOf(self.field, tuple(self.any_of))


class BoundsIn(_Condition):
    gt: _Bound | None = None
    gte: _Bound | None = None
    lt: _Bound | None = None
    lte: _Bound | None = None


class RangeIn(_Condition):
    field: str
    range: BoundsIn

    def filter(self) -> Filter:
        return Range(self.field, self.range.gt, self.range.gte, self.range.lt, self.range.lte)


class ExistsIn(_Condition):
    field: str
    exists: StrictBool

    def filter(self) -> Filter:
        return Exists(self.field) if self.exists else Not(Exists(self.field))


class AndIn(_Condition):
    all: list[AnyFilterIn] = Field(alias="and")

    def filter(self) -> Filter:
        return And(tuple(part.filter() for part in self.all))


class OrIn(_Condition):
    any: list[AnyFilterIn] = Field(alias="or")

    def filter(self) -> Filter:
        return Or(tuple(part.filter() for part in self.any))


class NotIn(_Condition):
    negated: AnyFilterIn = Field(alias="not")

    def filter(self) -> Filter:
        return Not(self.negated.filter())


def _kind(given: Any) -> str | None:
    """The one key that names the kind of a condition; None, which pydantic refuses, when there is not one."""
    if not isinstance(given, dict):
        return None
    kinds = [kind for kind in _KINDS if kind in given]
    return kinds[0] if len(kinds) == 1 else None


AnyFilterIn = Annotated[
    Annotated[EqualsIn, Tag("equals")]
    | Annotated[AnyOfIn, Tag("any_of")]
    | Annotated[RangeIn, Tag("range")]
    | Annotated[ExistsIn, Tag("exists")]
    | Annotated[AndIn, Tag("and")]
    | Annotated[OrIn, Tag("or")]
    | Annotated[NotIn, Tag("not")],
    Discriminator(
        _kind,
        custom_error_type="filter_kind",
        custom_error_message=f"expected an object with exactly one of {', '.join(_KINDS)}",
    ),
]


def _bounded(given: Any) -> Any:
    """The filter as given; ValueError when it is deeper or larger than what is worth compiling."""
    level, conditions = [given], 0
    for _ in range(DEEPEST):
        level = [part for outer in level if isinstance(outer, dict) for part in _parts(outer)]
        conditions += len(level)
        if not level:
            return given
        if conditions > MOST:
            raise ValueError(f"more than {MOST} conditions")
    raise ValueError(f"and, or, not are nested more than {DEEPEST} deep")


def _parts(outer: dict[str, Any]) -> list[Any]:
    parts = [outer["not"]] if "not" in outer else []
    for kind in ("and", "or"):
        parts += outer[kind] if isinstance(outer.get(kind), list) else []
    return parts


FilterIn = Annotated[AnyFilterIn, BeforeValidator(_bounded)]


def place(steps: Iterable[str | int]) -> str:
    """Where pydantic found something in a filter, as its JSON has it: without the kinds that were told apart."""
    said = []
    expects_kind = True
    for step in steps:
        if expects_kind and step in _KINDS:
            expects_kind = False
            continue
        said.append(str(step))
        expects_kind = step == "not" or isinstance(step, int)
    return ".".join(said)


def read_filter(text: str) -> Filter:
    """A filter from its JSON text. NaruError says which part is wrong."""
    try:
        return TypeAdapter[AnyFilterIn](FilterIn).validate_json(text).filter()
    except ValidationError as error:
        part = error.errors()[0]
        where = place(part["loc"])
        raise NaruError(
            f"filter {text}: {where + ': ' if where else ''}{part['msg'].removeprefix('Value error, ')}. Expected JSON such as "
            '{"field": "category", "equals": "카드"}.'
        ) from None
