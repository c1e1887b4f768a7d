"""Filters as JSON mean what naru.filters means, and bad ones say what was expected."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from naru.errors import NaruError
from naru.filters import And, AnyOf, Equals, Exists, Filter, Not, Or, Range
from search.conditions import DEEPEST, MOST, FilterIn, read_filter

CONDITION: TypeAdapter[Any] = TypeAdapter(FilterIn)


def read(given: object) -> Filter:
    made: Filter = CONDITION.validate_python(given).filter()
    return made


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"field": "category", "equals": "카드"}, Equals("category", "카드")),
        ({"field": "online", "equals": True}, Equals("online", True)),
        ({"field": "fee", "equals": 1}, Equals("fee", 1)),
        ({"field": "fee", "equals": 0.5}, Equals("fee", 0.5)),
        ({"field": "date", "equals": "2025-01-01"}, Equals("date", "2025-01-01")),
        ({"field": "category", "any_of": ["카드", 3, False]}, AnyOf("category", ("카드", 3, False))),
        ({"field": "fee", "range": {"gt": 1, "lte": 2.5}}, Range("fee", gt=1, lte=2.5)),
        (
            {"field": "date", "range": {"gte": "2025-01-01", "lt": "2025-02-01T09:00:00Z"}},
            Range("date", gte=date(2025, 1, 1), lt=datetime(2025, 2, 1, 9, tzinfo=UTC)),
        ),
        (
            {"field": "date", "range": {"gt": "2025년 1월 1일", "lte": "2025. 1. 31."}},
            Range("date", gt=date(2025, 1, 1), lte=date(2025, 1, 31)),
        ),
        ({"field": "fee", "exists": True}, Exists("fee")),
        ({"field": "fee", "exists": False}, Not(Exists("fee"))),
        (
            {"and": [{"field": "a", "exists": True}, {"not": {"or": [{"field": "b", "equals": "x"}]}}]},
            And((Exists("a"), Not(Or((Equals("b", "x"),))))),
        ),
        ({"and": []}, And(())),
        ({"or": [{"field": "a", "exists": True}] * MOST}, Or((Exists("a"),) * MOST)),
    ],
)
def test_json_becomes_the_filter_it_says(given: object, expected: Filter) -> None:
    made = read(given)
    assert made == expected
    if isinstance(made, Range) and isinstance(expected, Range):
        assert [type(made.gte), type(made.lte)] == [type(expected.gte), type(expected.lte)]
    if isinstance(made, Equals) and isinstance(expected, Equals):
        assert type(made.value) is type(expected.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"field": "a"}, "exactly one of equals, any_of, range, exists, and, or, not"),
        ({"field": "a", "equals": 1, "exists": True}, "exactly one of"),
        ([], "exactly one of"),
        ({"equals": "x"}, "Field required"),
        ({"field": "a", "equals": None}, "expected text, a finite number or a boolean"),
        ({"field": "a", "equals": [1]}, "expected text, a finite number or a boolean"),
        ({"field": "a", "equals": float("nan")}, "expected text, a finite number or a boolean"),
        ({"field": "a", "equals": 1, "boost": 2}, "Extra inputs are not permitted"),
        ({"field": "a", "any_of": list(range(MOST + 1))}, f"at most {MOST} items"),
        ({"field": "a", "range": {"gte": "yesterday"}}, "'yesterday' is not a moment in ISO 8601"),
        ({"field": "a", "range": {"gte": "2025-02-30"}}, "'2025-02-30' is not a moment in ISO 8601"),
        (
            {"field": "a", "range": {"gte": " 1200"}},
            "' 1200' is text; expected the number 1200, without quotes",
        ),
        ({"field": "a", "range": {"gte": "20240301"}}, "expected the number 20240301, without quotes"),
        ({"field": "a", "range": {"gte": True}}, "a finite number or a moment"),
        ({"field": "a", "range": {"gte": float("inf")}}, "a finite number or a moment"),
        ({"field": "a", "range": {"from": 1}}, "Extra inputs are not permitted"),
        ({"field": "a", "exists": "yes"}, "valid boolean"),
        ({"and": {"field": "a", "exists": True}}, "valid list"),
        ({"or": [{"field": "a", "exists": True}] * (MOST + 1)}, f"more than {MOST} conditions"),
    ],
)
def test_a_bad_filter_says_what_was_expected(given: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read(given)


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ('{"field": "a", "range": {"gte": "1200"}}', "range.gte: '1200' is text"),
        (
            '{"and": [{"not": {"field": "a", "range": {"gte": "x"}}}]}',
            "and.0.not.range.gte: 'x' is not a moment",
        ),
        ('{"field": "a", "any_of": ["x", null]}', "any_of.1: expected text"),
        ('{"equals": 1}', "field: Field required"),
        ('{"or": [{"field": "a"}]}', "or.0: expected an object with exactly one of"),
        ("[]", "expected an object with exactly one of"),
    ],
)
def test_what_is_wrong_is_named_where_the_json_has_it(given: str, where: str) -> None:
    with pytest.raises(NaruError) as raised:
        read_filter(given)
    assert str(raised.value).startswith(f"filter {given}: {where}")


def test_nesting_has_an_end() -> None:
    given: dict[str, Any] = {"field": "a", "exists": True}
    for _ in range(DEEPEST - 1):
        given = {"not": given}
    read(given)
    with pytest.raises(ValidationError, match=f"nested more than {DEEPEST} deep"):
        read({"and": [given]})
