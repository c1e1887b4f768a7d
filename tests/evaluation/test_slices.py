"""Slices and groups by what describes the queries."""

from __future__ import annotations

import pytest

from evaluation.measures import Measured
from evaluation.slices import groups_by, parts, sliced
from naru.beir import Split
from naru.errors import NaruError

SPLIT = Split(
    "test",
    dict.fromkeys("abcd", "?"),
    {"a": {"1": 1}, "b": {"1": 1}, "c": {"1": 1}, "d": {"1": 0}},
    {
        "a": {"area": "카드", "long": True},
        "b": {"area": ["카드", "앱", "카드"]},
        "c": {"area": None},
        "d": {"area": "앱"},
    },
)
MEASURED = {"hybrid": Measured({"P@1": 0.5}, {"P@1": {"a": 1.0, "b": 0.0, "c": 0.5}})}


def test_parts_hold_the_queries_that_have_the_value() -> None:
    found = sliced(MEASURED, SPLIT, "area")
    assert [(part.value, part.queries, part.measures["hybrid"]["P@1"].value) for part in found] == [
        ("카드", 2, 0.5),
        ("(none)", 1, 0.5),
        ("앱", 1, 0.0),
    ]
    assert found[0].measures["hybrid"]["P@1"].interval == "0.000 to 1.000"
    assert found[1].measures["hybrid"]["P@1"].interval == ""
    assert parts(SPLIT, "long", ["a", "b", "c"]) == {"(none)": ["b", "c"], "true": ["a"]}


def test_groups() -> None:
    assert groups_by(SPLIT, None) is None
    assert groups_by(SPLIT, "long") == {"a": "true"}
    with pytest.raises(NaruError, match="Query 'b' has 2 values of 'area'; a group must be one value"):
        groups_by(SPLIT, "area")


def test_an_unknown_field_names_the_others() -> None:
    with pytest.raises(NaruError, match="'test' has a field 'kind'; expected one of: area, long"):
        sliced(MEASURED, SPLIT, "kind")
    with pytest.raises(NaruError, match=r"none, queries\.jsonl has no metadata"):
        sliced(MEASURED, Split("test", SPLIT.queries, SPLIT.qrels), "kind")
