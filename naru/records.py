"""Records of a file: where each stands, and its fields by name, as they are in the file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from naru.errors import NaruError
from naru.lines import numbered

Record = Mapping[str, Any]
KINDS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
LARGEST_CELL = 1 << 24  # characters; a larger one is a quote that was never closed
BATCH = 4096  # rows of Parquet at once


@dataclass(frozen=True)
class Unread:
    """A row that cannot be read, beside others that can: where it stands, why, and what stands there."""

    place: str
    reason: str
    row: Any


Skip = Callable[[Unread], None]
"""Called with a row that cannot be read; where it returns, reading goes on with the next one."""


def refuse(unread: Unread) -> None:
    """Raises NaruError for the row."""
    raise NaruError(f"{unread.place}: {unread.reason}")


def read_records(path: Path, skip: Skip = refuse) -> Iterator[tuple[int, Record]]:
    """(line, fields) of each record of a file whose name ends as one of `KINDS`; .json alone is not streamed.

    The line is the one of the file that the record begins on, or the number of the row of Parquet, from 1. Nested objects
    are flattened with dots: {"labels": {"label": 3}} -> {"labels.label": 3}. Text is UTF-8.

    `skip` gets each row that cannot be read; NaruError, naming file and line, for a file that cannot.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise NaruError(f"{path}: cannot tell how to read it by its name; expected {', '.join(KINDS)}.")
    return read(path, skip)


def _jsonl(path: Path, skip: Skip) -> Iterator[tuple[int, Record]]:
    for number, line in numbered(path):
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                reason = f'not JSON: {error}; expected one object a line, such as {{"query": "…", "document": "…"}}.'
                skip(Unread(f"{path}:{number}", reason, line.rstrip("\r\n")))
                continue
            yield from _object(value, path, number, skip)


def _json(path: Path, skip: Skip) -> Iterator[tuple[int, Record]]:
    text = "".join(line for _, line in numbered(path))
    for number, value in array(text, path):
        yield from _object(value, path, number, skip)


def array(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    """(line, value) of each value of a JSON text: an array, or one object that holds one array of objects ("data").

    NaruError, naming file and line, for what is neither.
    """
    at, decoder, number, counted = _array(text, path), json.JSONDecoder(), 1, 0
    while True:
        at = _skip(text, at, " \t\r\n,")
        number += text.count("\n", counted, at)
        counted = at
        if at >= len(text):
            raise NaruError(f"{path}:{number}: the array does not end; is the file whole?")
        if text[at] == "]":
            break
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise NaruError(f"{path}:{number}: not JSON: {error}.") from error
        yield number, value
    rest = _skip(text, at + 1)
    if text.lstrip().startswith("[") and rest < len(text):
        line = text.count("\n", 0, rest) + 1
        raise NaruError(f"{path}:{line}: there is more behind the array; expected one array of objects.")


def _array(text: str, path: Path) -> int:
    """Where the rows begin: behind the bracket of the array, or of the one array of objects that the object holds."""
    at, decoder = _skip(text, 0), json.JSONDecoder()
    if text.startswith("[", at):
        return at + 1
    found: dict[str, int] = {}
    try:
        whole, end = decoder.raw_decode(text, at)
        if not isinstance(whole, dict) or _skip(text, end) < len(text):
            raise NaruError(
                f"{path}: expected an array of objects: [{{…}}, {{…}}]. One object a line is .jsonl: rename the file."
            )
        at = _skip(text, at + 1)
        while text[at] != "}":
            name, at = decoder.raw_decode(text, at)
            at = _skip(text, at, " \t\r\n:")
            value, end = decoder.raw_decode(text, at)
            if isinstance(value, list) and value and isinstance(value[0], dict):
                found[name] = at + 1
            at = _skip(text, end, " \t\r\n,")
    except (ValueError, RecursionError) as error:
        raise NaruError(f"{path}: not JSON: {error}.") from error
    if len(found) != 1:
        there = f"{len(found)} of them ({', '.join(found)})" if found else "none"
        raise NaruError(f"{path}: expected one array of objects, [{{…}}, {{…}}]; there is {there}.")
    return next(iter(found.values()))


def _skip(text: str, at: int, blanks: str = " \t\r\n") -> int:
    while at < len(text) and text[at] in blanks:
        at += 1
    return at


def _object(value: Any, path: Path, number: int, skip: Skip) -> Iterator[tuple[int, Record]]:
    """The record, where it is one."""
    if isinstance(value, dict):
        yield number, flat(value)
    else:
        reason = f"got {str(value)[:60]!r}, expected an object with named fields."
        skip(Unread(f"{path}:{number}", reason, value))


def flat(fields: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested objects as dotted names: {"labels": {"label": 3}} -> {"labels.label": 3}."""
    made: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            made.update(flat(value, f"{before}{name}."))
        else:
            made[f"{before}{name}"] = value
    return made


def _table(path: Path, skip: Skip) -> Iterator[tuple[int, Record]]:
    """CSV or TSV with a header. In a TSV whose lines all have as many tabs, quotes are quotes and not quoting."""
    csv.field_size_limit(LARGEST_CELL)
    header = next((line for _, line in numbered(path) if line.strip()), None)
    if header is None:
        raise NaruError(f"{path}: is empty; expected a header that names the columns.")
    delimiter = max("\t,;" if path.suffix.lower() == ".tsv" else ",;\t", key=header.count)
    tabs = header.count("\t")
    plain = delimiter == "\t" and all(
        line.count("\t") == tabs for _, line in numbered(path) if line.strip("\r\n")
    )
    last = 0

    def taken() -> Iterator[str]:
        nonlocal last
        for number, line in numbered(path):
            last = number
            yield line

    rows = csv.reader(
        taken(),
        delimiter=delimiter,
        quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL,
        strict=not plain,
    )
    names: list[str] | None = None
    while True:
        before = last
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise NaruError(
                f"{path}:{before + 1}: not CSV: {error} (up to line {last}); a quote inside a quoted cell is written "
                "twice, and each quote is closed."
            ) from error
        if not cells:
            continue
        if names is None:
            names = [name.strip() for name in cells]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise NaruError(
                    f"{path}:{last}: the column {twice[0]!r} is there twice; give each a name of its own."
                )
            continue
        # A row ends at `last` and spans the line ends within its cells.
        line = last - sum(cell.count("\n") for cell in cells)
        if len(cells) != len(names):
            reason = (
                f"{len(cells)} cells, but the header has {len(names)} ({', '.join(names)}); a cell that holds the "
                "delimiter needs quotes."
            )
            skip(Unread(f"{path}:{line}", reason, cells))
            continue
        yield line, dict(zip(names, cells, strict=True))


def _parquet(path: Path, _: Skip) -> Iterator[tuple[int, Record]]:
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                for fields in batch.to_pylist():
                    number += 1
                    yield number, flat(fields)
    except (pa.ArrowException, OSError) as error:
        raise NaruError(f"{path}: cannot be read as Parquet: {error}") from error


_READERS = {
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".json": _json,
    ".csv": _table,
    ".tsv": _table,
    ".parquet": _parquet,
}
