"""Filters -> an engine's conditions, over the payload that payload.py writes; one meaning on every one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from naru.errors import NaruError
from naru.filters import And, AnyOf, Equals, Exists, Filter, Not, Or, Range
from naru.moments import first_of, last_of
from naru.store import payload

C = TypeVar("C")
_EXACT = 2**53
_NEVER = ""
"""A term that no passage carries."""


Bounds = dict[str, Any]
"""gt, gte, lt, lte, as far as given: numbers as float, moments as ISO 8601 text in UTC."""


@dataclass(frozen=True, slots=True)
class Dialect(Generic[C]):
    """How an engine says each kind of condition; the key of numbers and moments is a payload path."""

    all_of: Callable[[list[C]], C]
    any_of: Callable[[list[C]], C]
    none_of: Callable[[list[C]], C]
    terms: Callable[[list[str]], C]
    numbers: Callable[[str, Bounds], C]
    moments: Callable[[str, Bounds], C]


def condition(filter: Filter, to: Dialect[C]) -> C:
    """The filter in the engine's words. NaruError: a filter that means nothing, with what was expected."""
    try:
        return _condition(filter, to)
    except NaruError as error:
        raise NaruError(f"Filter: {error}") from error
    except UnicodeEncodeError as error:
        raise NaruError(
            f"Filter: a lone surrogate ({error.object[error.start]!r}) is in no stored value. Remove it."
        ) from error


def _condition(filter: Filter, to: Dialect[C]) -> C:
    match filter:
        case Equals(field, value):
            return to.terms([payload.value_term(_name(field), value)])
        case AnyOf(field, values):
            if not isinstance(values, tuple | list):
                raise NaruError(f"any of field {field!r} got {values!r}; expected a tuple of values.")
            terms = dict.fromkeys(payload.value_term(_name(field), value) for value in values)
            return to.terms(list(terms) or [_NEVER])
        case Exists(field):
            return to.terms([payload.exists_term(_name(field))])
        case Range():
            return _range(filter, to)
        case And(filters) | Or(filters) if not isinstance(filters, tuple | list):
            raise NaruError(f"{type(filter).__name__} got {filters!r}; expected a tuple of conditions.")
        case And(filters):
            return to.all_of([_condition(part, to) for part in filters])
        case Or(filters):
            return to.any_of([_condition(part, to) for part in filters]) if filters else to.terms([_NEVER])
        case Not(part):
            return to.none_of([_condition(part, to)])
        case _:
            raise NaruError(
                f"got {filter!r}; expected Equals, AnyOf, Range, Exists, And, Or or Not from naru.filters."
            )


def _range(filter: Range, to: Dialect[C]) -> C:
    field = _name(filter.field)
    bounds = {"gt": filter.gt, "gte": filter.gte, "lt": filter.lt, "lte": filter.lte}
    given: Bounds = {name: bound for name, bound in bounds.items() if bound is not None}
    if not given:
        raise NaruError(f"the range of field {field!r} has no bounds; give at least one of gt, gte, lt, lte.")
    if all(isinstance(bound, date) for bound in given.values()):
        moments = {name: payload.utc(_moment(name, bound)) for name, bound in given.items()}
        return to.moments(payload.moments_key(field), moments)
    if all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in given.values()):
        for bound in given.values():
            if not abs(bound) < _EXACT:
                raise NaruError(
                    f"the range of field {field!r} got the bound {bound!r}; expected a number between -2**53 "
                    "and 2**53, where 64-bit floats are exact. Larger numbers can be matched with Equals."
                )
        return to.numbers(payload.numbers_key(field), {n: float(b) for n, b in given.items()})
    raise NaruError(
        f"the range of field {field!r} got {', '.join(f'{n}={b!r}' for n, b in given.items())}; "
        "expected all numbers or all datetimes."
    )


def _moment(bound: str, given: date) -> datetime:
    """A day as a bound is the whole day: above it begins after its end, up to it ends there."""
    if isinstance(given, datetime):
        return given
    return last_of(given) if bound in ("gt", "lte") else first_of(given)


def _name(field: str) -> str:
    if not isinstance(field, str):
        raise NaruError(f"a field name is text, got {field!r}.")
    return field
