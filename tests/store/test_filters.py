"""Filters mean the same on every store: a table of cases, and random filters against plain Python."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naru.bm25 import SparseVector, statistics_of
from naru.documents import Passage
from naru.errors import NaruError
from naru.filters import And, AnyOf, Equals, Exists, Filter, Not, Or, Range
from naru.store import Collection, Manifest, Point, Request, Scores, open_store
from naru.store.points import MOST_INDEXES

BIG = 2**53
KST = timezone(timedelta(hours=9))
LONG = "긴 글 " * 400

TABLE: dict[str, dict[str, Any]] = {
    "text": {"a": "1", "b": "금융", "long": LONG},
    "number": {"a": 1, "b": -0.5, "c": 10},
    "float": {"a": 1.0, "b": 0.0, "c": 2.5},
    "true": {"a": True, "b": False},
    "texts": {"a": ["1", "2"], "b": ["금융", "복지"], "long": [LONG + "끝"]},
    "mixed": {"a": ["1", 1, True, 2.5], "c": [1, 100]},
    "nothing": {"a": None, "b": [], "c": [None]},
    "bare": {},
    "big": {"a": BIG + 1, "b": -BIG - 1, "c": 10**30},
    "big-neighbour": {"a": BIG, "b": -BIG},
    "odd-names": {"x.y": 1, "x": 7, "배열[]": "v", 'q"uote': "v", "": "v", "띄어 쓰기": 3, "a_b": 1},
    "day": {"d": "2024-03-01", "d2": "2024-03-01T00:00:00+09:00"},
    "moment": {"d": "2024-03-01T12:30:00.123456Z", "d2": ["1999-12-31", "2024-06-01 10:00"]},
    "not-a-day": {"d": "2024-13-01", "d2": "20240301"},
    "written": {"k": ["2024.03.01", "2023/12/31"]},
    "spaced": {"k": "2024. 3. 1."},
    "korean": {"k": "2024년 3월 1일"},
    "weekday": {"k": "2024.3.2(토) 9:30"},
    "no-day": {"k": ["20240301", "2024.13.1", "2024.03/01", "1.2.3", 20240301]},
    "control": {"a": "nul\0and\ttab", "b": '"a"=text:1'},
}

CASES: list[tuple[str, Filter, set[str]]] = [
    ("text equals", Equals("a", "1"), {"text", "texts", "mixed"}),
    ("number equals", Equals("a", 1), {"number", "float", "mixed"}),
    ("float equals int", Equals("a", 1.0), {"number", "float", "mixed"}),
    ("true equals", Equals("a", True), {"true", "mixed"}),
    ("false equals", Equals("b", False), {"true"}),
    ("zero is not false", Equals("b", 0), {"float"}),
    ("minus zero", Equals("b", -0.0), {"float"}),
    ("fraction equals", Equals("b", -0.5), {"number"}),
    ("fraction in array", Equals("a", 2.5), {"mixed"}),
    ("korean text", Equals("b", "금융"), {"text", "texts"}),
    ("long text", Equals("long", LONG), {"text"}),
    ("long text, other end", Equals("long", LONG + "끝"), {"texts"}),
    ("control characters", Equals("a", "nul\0and\ttab"), {"control"}),
    ("text like a term", Equals("b", '"a"=text:1'), {"control"}),
    ("beyond 2**53", Equals("a", BIG + 1), {"big"}),
    ("beyond 2**53, neighbour", Equals("a", BIG), {"big-neighbour"}),
    ("beyond 2**53, as float", Equals("a", float(BIG)), {"big-neighbour"}),
    ("beyond 64 bits", Equals("c", 10**30), {"big"}),
    ("unknown field", Equals("zzz", 1), set()),
    ("any of mixed types", AnyOf("a", ("2", True, BIG)), {"texts", "true", "mixed", "big-neighbour"}),
    ("any of nothing", AnyOf("a", ()), set()),
    ("any of one", AnyOf("b", ("복지",)), {"texts"}),
    ("range gt", Range("c", gt=2.5), {"number", "mixed", "big"}),
    ("range gte", Range("c", gte=2.5), {"number", "float", "mixed", "big"}),
    ("range lt", Range("a", lt=1), set()),
    ("range lte", Range("a", lte=1), {"number", "float", "mixed"}),
    ("range within an array, one element", Range("c", gt=1, lt=100), {"number", "float"}),
    ("range, booleans are no numbers", Range("b", gte=-1, lte=1), {"number", "float"}),
    ("range near 2**53", Range("a", gt=BIG - 1), {"big", "big-neighbour"}),
    ("range near -2**53", Range("b", lt=1 - BIG), {"big", "big-neighbour"}),
    ("moment equals, other offset", Equals("d", datetime(2024, 3, 1, 9, tzinfo=KST)), {"day"}),
    ("moment equals, naive is UTC", Equals("d", datetime(2024, 3, 1)), {"day"}),
    ("moment equals, offset stored", Equals("d2", datetime(2024, 2, 29, 15, tzinfo=UTC)), {"day"}),
    ("moment as text", Equals("d", "2024-03-01"), {"day"}),
    ("moment text spelt otherwise", Equals("d", "2024-03-01T00:00:00"), set()),
    ("moment to the microsecond", Equals("d", datetime(2024, 3, 1, 12, 30, 0, 123456)), {"moment"}),
    ("any of moments", AnyOf("d2", (datetime(1999, 12, 31), datetime(2000, 1, 1))), {"moment"}),
    ("moments gt", Range("d", gt=datetime(2024, 3, 1, tzinfo=UTC)), {"moment"}),
    ("moments gte", Range("d", gte=datetime(2024, 3, 1, tzinfo=UTC)), {"day", "moment"}),
    ("moments lt microsecond", Range("d", lt=datetime(2024, 3, 1, 12, 30, 0, 123456)), {"day"}),
    ("moments in an array", Range("d2", gt=datetime(2000, 1, 1), lt=datetime(2024, 1, 1)), set()),
    ("moments far apart", Range("d2", gte=datetime(1, 1, 1), lte=datetime(9999, 12, 31)), {"day", "moment"}),
    ("a written day", Range("k", gte=date(2024, 3, 1), lte=date(2024, 3, 1)), {"written", "spaced", "korean"}),
    ("a written day, another of the array", Range("k", lt=date(2024, 1, 1)), {"written"}),
    ("a written time", Range("k", gte=datetime(2024, 3, 2, 9, 30)), {"weekday"}),
    ("up to the end of the day", Range("k", gt=date(2024, 3, 1), lte=date(2024, 3, 2)), {"weekday"}),
    ("written day equals the moment", Equals("k", datetime(2024, 3, 1)), {"written", "spaced", "korean"}),
    ("written day equals as text", Equals("k", "2024. 3. 1."), {"spaced"}),
    ("eight digits are a number", Range("k", gte=20240301), {"no-day"}),
    ("day lte its end", Range("d", lte=date(2024, 3, 1)), {"day", "moment"}),
    ("day gt its end", Range("d", gt=date(2024, 3, 1)), set()),
    ("day lt its beginning", Range("d", lt=date(2024, 3, 1)), set()),
    ("day gte its beginning", Range("d", gte=date(2024, 3, 1)), {"day", "moment"}),
    ("the last day there is", Range("d2", gt=date(2000, 1, 1), lte=date(9999, 12, 31)), {"day", "moment"}),
    (
        "exists",
        Exists("a"),
        {"text", "number", "float", "true", "texts", "mixed", "big", "big-neighbour", "control"},
    ),
    ("exists, dotted", Exists("x.y"), {"odd-names"}),
    ("a dot is no path", Exists("x"), {"odd-names"}),
    ("dotted equals", Equals("x.y", 1), {"odd-names"}),
    ("dotted range", Range("x.y", gte=1), {"odd-names"}),
    ("brackets", Equals("배열[]", "v"), {"odd-names"}),
    ("brackets are no path", Exists("배열"), set()),
    ("quote", Equals('q"uote', "v"), {"odd-names"}),
    ("empty name", Equals("", "v"), {"odd-names"}),
    ("name with a blank, range", Range("띄어 쓰기", gt=2), {"odd-names"}),
    ("underscore is no blank", Range("a b", gte=1), set()),
    ("and", And((Exists("a"), Equals("b", "금융"))), {"text", "texts"}),
    ("and of nothing", And(()), set(TABLE)),
    ("or", Or((Equals("b", "복지"), Range("c", gt=200))), {"texts", "big"}),
    ("or of nothing", Or(()), set()),
    ("not", Not(Exists("d")), set(TABLE) - {"day", "moment", "not-a-day"}),
    ("not equals, also where it is missing", Not(Equals("a", "1")), set(TABLE) - {"text", "texts", "mixed"}),
    ("not range", Not(Range("c", lt=5)), set(TABLE) - {"float", "mixed"}),
    ("not not", Not(Not(Equals("a", True))), {"true", "mixed"}),
    ("not of nothing", Not(And(())), set()),
    ("nested", And((Or((Equals("a", 1), Equals("a", "1"))), Not(Exists("c")))), {"text", "texts"}),
    ("bounds on two elements", And((Range("c", gt=1), Range("c", lt=100))), {"number", "float", "mixed"}),
]  # fmt: skip


def a_point(id: str, metadata: dict[str, Any]) -> Point:
    rng = np.random.default_rng(list(id.encode()))
    dense = rng.normal(size=4).astype(np.float32)
    return Point(
        Passage(id, "글", "", metadata),
        dense / np.linalg.norm(dense),
        SparseVector(np.array([1], np.uint32), np.array([1.0], np.float32)),
    )


def a_collection(location: str, name: str, table: dict[str, dict[str, Any]]) -> Iterator[Collection]:
    store = open_store(location)
    with store.build(name, 4) as build:
        build.add(a_point(id, metadata) for id, metadata in table.items())
        build.publish(Manifest({}, statistics_of([])))
    collection = store.open(name)
    yield collection
    collection.close()
    store.delete(name)
    store.close()


@pytest.fixture(scope="module")
def collection(location: str) -> Iterator[Collection]:
    yield from a_collection(location, "filters", TABLE)


def kept(collection: Collection, filter: Filter, most: int) -> set[str]:
    """What a search under the filter finds, having checked that the count says the same."""
    everything = Request(Scores(0.0, 1.0, None), np.ones(4, np.float32), None, most, most, filter)
    ids = {hit.passage.id for hit in collection.search(everything)}
    assert collection.count(filter) == len(ids)
    return ids


@pytest.mark.parametrize(
    ("filter", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_keeps_what_the_table_says(collection: Collection, filter: Filter, expected: set[str]) -> None:
    assert kept(collection, filter, len(TABLE)) == expected


def test_metadata_comes_back_unchanged(collection: Collection) -> None:
    for passage in collection.passages():
        assert dict(passage.metadata) == TABLE[passage.id]
        assert [*map(type, passage.metadata.values())] == [*map(type, TABLE[passage.id].values())]


@pytest.mark.parametrize(
    ("filter", "complaint"),
    [
        (Range("a"), "no bounds"),
        (Range("a", gt=1, lt=datetime(2024, 1, 1)), "all numbers or all datetimes"),
        (Range("a", gt="1"), "all numbers or all datetimes"),  # type: ignore[arg-type]
        (Range("a", gt=True), "all numbers or all datetimes"),
        (Range("a", gt=float("nan")), r"between -2\*\*53"),
        (Range("a", lt=float("inf")), r"between -2\*\*53"),
        (Range("a", lt=BIG), r"between -2\*\*53"),
        (Equals("a", float("nan")), "not finite"),
        (Equals("a", 10**400), "not finite"),
        (Equals("a", None), "expected text, a number"),  # type: ignore[arg-type]
        (Equals("a", "\ud800"), "surrogate"),
        (Equals(3, "v"), "field name is text"),  # type: ignore[arg-type]
        (AnyOf("a", "ab"), "expected a tuple"),  # type: ignore[arg-type]
        (AnyOf("a", ("x", ["y"])), "expected text, a number"),  # type: ignore[arg-type]
        (Or((Equals("a", 1), "b")), "expected Equals"),  # type: ignore[arg-type]
        (And(Equals("a", 1)), "expected a tuple of conditions"),  # type: ignore[arg-type]
    ],
)
def test_a_filter_that_means_nothing_is_refused(
    collection: Collection, filter: Filter, complaint: str
) -> None:
    with pytest.raises(NaruError, match=f"Filter: .*{complaint}"):
        collection.count(filter)


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        ({"a": float("nan")}, "field 'a' got a number that is not finite"),
        ({"a": [1, float("inf")]}, "field 'a' got a number that is not finite"),
        ({"a": {"b": 1}}, "field 'a' got .*dict"),
        ({"a": [[1]]}, "field 'a' got .*list"),
        ({"a": "\udc00"}, "lone surrogate"),
    ],
)
def test_metadata_that_cannot_be_filtered_is_refused(
    location: str, metadata: dict[str, Any], complaint: str
) -> None:
    store = open_store(location)
    with store.build("refused", 4) as build, pytest.raises(NaruError, match=f"Passage 'p7': .*{complaint}"):
        build.add([a_point("p7", metadata)])
    assert "refused" not in store.names()
    store.close()


def test_fields_past_the_indexed_ones_are_filtered_all_the_same(location: str) -> None:
    wide = {f"p{n}": {f"field {n}": n} for n in range(MOST_INDEXES + 20)}
    for collection in a_collection(location, "wide", wide):
        for n in (0, MOST_INDEXES + 19):
            assert kept(collection, Range(f"field {n}", gte=n), len(wide)) == {f"p{n}"}


# Random filters over random metadata, drawn from so few values that they meet.

_FIELDS = ["a", "b.c", "날짜"]
_VALUES: list[Any] = [
    "1", "금융", "", 0, 1, 1.0, -2, 2.5, True, False, BIG + 1,
    "2024-01-01", "2024-01-01T00:00:00+09:00", "2023-12-31T15:00:00Z", "2024-05-05T05:05:05.000005",
]  # fmt: skip
_MOMENTS = [
    datetime(2024, 1, 1, tzinfo=UTC),
    datetime(2024, 1, 1, tzinfo=KST),
    datetime(2023, 12, 31, 15),
    datetime(2024, 5, 5, 5, 5, 5, 5),
]
_NUMBERS = [-2, 0, 0.5, 1, 1.0, 2.5, 3]
_RANDOM = 120


def random_metadata() -> dict[str, dict[str, Any]]:
    draw = random.Random(7)
    table: dict[str, dict[str, Any]] = {}
    for number in range(_RANDOM):
        metadata: dict[str, Any] = {}
        for field in _FIELDS:
            kind = draw.random()
            if kind < 0.45:
                metadata[field] = draw.choice(_VALUES)
            elif kind < 0.8:
                metadata[field] = draw.choices(_VALUES, k=draw.randrange(4))
            elif kind < 0.9:
                metadata[field] = None
        table[f"r{number}"] = metadata
    return table


RANDOM = random_metadata()


def _bounds(values: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.lists(st.sampled_from(["gt", "gte", "lt", "lte"]), min_size=1, max_size=3, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({n: st.sampled_from(values) for n in chosen}))


_field = st.sampled_from(_FIELDS)
_value = st.sampled_from([*_VALUES, *_MOMENTS])
filters: st.SearchStrategy[Filter] = st.recursive(
    st.one_of(
        st.builds(Equals, _field, _value),
        st.builds(AnyOf, _field, st.lists(_value, max_size=3).map(tuple)),
        st.builds(Exists, _field),
        st.builds(lambda f, b: Range(f, **b), _field, st.one_of(_bounds(_NUMBERS), _bounds(_MOMENTS))),
    ),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


def holds(filter: Filter, metadata: dict[str, Any]) -> bool:
    """naru/filters.py in plain Python."""
    if isinstance(filter, And):
        return all(holds(part, metadata) for part in filter.filters)
    if isinstance(filter, Or):
        return any(holds(part, metadata) for part in filter.filters)
    if isinstance(filter, Not):
        return not holds(filter.filter, metadata)
    there = metadata.get(filter.field)
    values = [v for v in (there if isinstance(there, list) else [there]) if v is not None]
    if isinstance(filter, Exists):
        return bool(values)
    if isinstance(filter, Equals):
        return any(_equal(value, filter.value) for value in values)
    if isinstance(filter, AnyOf):
        return any(_equal(value, wanted) for value in values for wanted in filter.values)
    return any(_within(value, filter) for value in values)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _as_moment(value: Any) -> datetime | None:
    return _aware(datetime.fromisoformat(value)) if isinstance(value, str) and value[:2] == "20" else None


def _equal(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, datetime):
        return _as_moment(value) == _aware(wanted)
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return isinstance(value, str) == isinstance(wanted, str) and value == wanted


def _within(value: Any, bounds: Range) -> bool:
    given = {n: b for n in ("gt", "gte", "lt", "lte") if (b := getattr(bounds, n)) is not None}
    if isinstance(next(iter(given.values())), datetime):
        value = _as_moment(value)
        given = {n: _aware(b) for n, b in given.items()}
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if value is None:
        return False
    compare = {
        "gt": lambda b: value > b,
        "gte": lambda b: value >= b,
        "lt": lambda b: value < b,
        "lte": lambda b: value <= b,
    }
    return all(compare[name](bound) for name, bound in given.items())


@pytest.fixture(scope="module")
def random_collection(location: str) -> Iterator[Collection]:
    yield from a_collection(location, "random", RANDOM)


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(filter=filters)
def test_random_filters_keep_what_plain_python_keeps(random_collection: Collection, filter: Filter) -> None:
    expected = {id for id, metadata in RANDOM.items() if holds(filter, metadata)}
    assert kept(random_collection, filter, _RANDOM) == expected
