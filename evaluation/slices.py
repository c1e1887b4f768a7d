"""Slices: the same measures for the queries that have one value of a field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evaluation.figures import Estimate
from evaluation.intervals import estimates
from evaluation.measures import Measured
from naru.beir import Split
from naru.errors import NaruError

NONE = "(none)"
"""The slice of the queries that do not have the field."""


@dataclass(frozen=True, slots=True)
class Part:
    """The answerable queries whose `field` is `value`, and system -> measure -> estimate over them."""

    field: str
    value: str
    queries: int
    measures: Mapping[str, Mapping[str, Estimate]]


def sliced(
    measured: Mapping[str, Measured], judged: Split, field: str, groups: Mapping[str, str] | None = None
) -> list[Part]:
    """The parts of a field, largest first. NaruError where no query has it."""
    return [
        Part(
            field,
            value,
            len(queries),
            {name: estimates(one, queries, groups) for name, one in measured.items()},
        )
        for value, queries in parts(judged, field, list(judged.answerable)).items()
    ]


def parts(judged: Split, field: str, queries: list[str]) -> dict[str, list[str]]:
    """Value -> those of the queries that have it, largest first; a query with a list of values is in several."""
    known = sorted({name for facts in judged.metadata.values() for name in facts})
    if field not in known:
        raise NaruError(
            f"No query of the split {judged.name!r} has a field {field!r}; expected one of: "
            f"{', '.join(known) or 'none, queries.jsonl has no metadata'}."
        )
    found: dict[str, list[str]] = {}
    for query in queries:
        for value in values(judged, query, field) or [NONE]:
            found.setdefault(value, []).append(query)
    return dict(sorted(found.items(), key=lambda part: (-len(part[1]), part[0])))


def values(judged: Split, query: str, field: str) -> list[str]:
    """What a query's field says, as text: none where it is not there, several of a list."""
    said = judged.metadata.get(query, {}).get(field)
    each = said if isinstance(said, list) else [said]
    return list(dict.fromkeys(_said(value) for value in each if value is not None))


def groups_by(judged: Split, field: str | None) -> dict[str, str] | None:
    """Query -> the group it stands or falls with; None without a field. NaruError for lists and where it is unknown."""
    if field is None:
        return None
    parts(judged, field, [])
    found = {}
    for query in judged.queries:
        said = values(judged, query, field)
        if len(said) > 1:
            raise NaruError(
                f"Query {query!r} has {len(said)} values of {field!r}; a group must be one value."
            )
        if said:
            found[query] = said[0]
    return found


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
