"""Records of a file in any format: where each stands, and its fields by name, as they are in the file.

Corpora, training data and judged pairs are read by the same readers, one file a format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from naru.errors import NaruError
from naru.lines import UTF8, Lines, Remedy, save_as_utf8
from naru.records.jsonl import JsonArray, JsonLines
from naru.records.parquet import ParquetFile
from naru.records.row import AnyColumns, Bad, Header, Reader, Row, Skip, refuse
from naru.records.table import Table

__all__ = [
    "KINDS",
    "Bad",
    "Header",
    "Reader",
    "Record",
    "Row",
    "Skip",
    "flat",
    "open_records",
    "read_records",
    "refuse",
]

_JSON_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_JSON = (".json", ".json.gz")
_TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_PARQUET = (".parquet",)
KINDS = (*_JSON_LINES, *_JSON, *_TABLES, *_PARQUET)
"""How the names of files that can be read end."""

Record = Mapping[str, Any]


def open_records(
    path: Path, encoding: str = UTF8, header: Header | None = None, remedy: Remedy = save_as_utf8
) -> Reader:
    """The reader of a file whose name ends as one of `KINDS`; a JSON array alone is not streamed.

    `header` is asked about the columns of tables and Parquet; `remedy` says what to do about text in another encoding.
    NaruError for a name that ends otherwise and a file that is not there; in reading, for one that cannot be read.
    """
    name, asked = path.name.lower(), header or AnyColumns()
    if name.endswith(_JSON_LINES):
        return JsonLines(Lines(path, encoding, remedy=remedy))
    if name.endswith(_JSON):
        return JsonArray(Lines(path, encoding, remedy=remedy))
    if name.endswith(_TABLES):
        return Table(Lines(path, encoding, returns=True, remedy=remedy), asked)
    if name.endswith(_PARQUET):
        return ParquetFile(path, asked)
    raise NaruError(f"{path}: cannot tell how to read it by its name; expected {', '.join(KINDS)}.")


def read_records(path: Path, skip: Skip = refuse) -> Iterator[tuple[int, Record]]:
    """(line, fields) of each record of a file that `open_records` takes, in UTF-8.

    The line is the one of the file that the record begins on, or the number of the row of Parquet, from 1. Nested objects
    are flattened with dots: {"labels": {"label": 3}} -> {"labels.label": 3}.

    `skip` gets each record that cannot be read; NaruError, naming file and line, for a file that cannot.
    """
    for row in open_records(path):
        if isinstance(row, Bad):
            skip(row)
        else:
            yield row.line, flat(row.fields)


def flat(fields: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested objects as dotted names: {"labels": {"label": 3}} -> {"labels.label": 3}."""
    made: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            made.update(flat(value, f"{before}{name}."))
        else:
            made[f"{before}{name}"] = value
    return made
