"""CSV and TSV: a header that names the columns, then one record a row; every value stays text."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from indexer.corpus.lines import Lines
from indexer.corpus.naming import Naming
from indexer.corpus.record import Bad, Row
from naru.errors import NaruError

_LARGEST_CELL = 1 << 24
"""Characters. A larger cell is a quote that was never closed, and would take the whole file into memory."""


class Table:
    """Comma, semicolon or tab, whichever makes the text a column of the header.

    Quoted cells may hold line ends. An empty cell is a field that is not there; columns without a name (a
    saved index) are left out.
    """

    def __init__(self, path: Path, encoding: str, naming: Naming) -> None:
        self._lines = Lines(path, encoding)
        self._naming = naming
        self._file = str(path)
        self._delimiters = "\t,;" if ".tsv" in path.name.lower() else ",;\t"

    @property
    def size(self) -> int:
        return self._lines.size

    @property
    def position(self) -> int:
        return self._lines.position

    def __iter__(self) -> Iterator[Row | Bad]:
        csv.field_size_limit(_LARGEST_CELL)
        lines = iter(self._lines)
        first = next((line for line in lines if line.strip()), None)
        if first is None:
            return
        taken: list[str] = []
        rows = csv.reader(_noted(chain([first], lines), taken), delimiter=self._delimiter(first), strict=True)
        columns = self._columns(rows)
        while True:
            taken.clear()
            start = self._lines.number + 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                reason = self._lines.undecodable or (
                    f"not CSV: {error} (up to line {self._lines.number}); expected a quote inside a quoted "
                    "cell to be written twice, and each quote to be closed."
                )
                self._lines.undecodable = None
                yield Bad(self._file, start, reason, "".join(taken).rstrip("\r\n"))
                continue
            if cells or self._lines.undecodable:
                yield self._row(start, columns, cells, "".join(taken).rstrip("\r\n"))

    def _row(self, line: int, columns: list[str], cells: list[str], raw: str) -> Row | Bad:
        if self._lines.undecodable is not None:
            reason, self._lines.undecodable = self._lines.undecodable, None
            return Bad(self._file, line, reason, raw)
        if len(cells) != len(columns):
            reason = (
                f"{len(cells)} cells, but the header has {len(columns)}; expected one for each of "
                f"{', '.join(map(repr, columns))}. A cell that holds the delimiter needs quotes."
            )
            return Bad(self._file, line, reason, raw)
        fields = {name: cell for name, cell in zip(columns, cells, strict=True) if name and cell}
        return Row(self._file, line, fields, raw)

    def _delimiter(self, header: str) -> str:
        for delimiter in self._delimiters:
            if self._naming.text in _names(next(csv.reader([header], delimiter=delimiter))):
                return delimiter
        # None fits: the complaint about the missing column shows the header as the likeliest one splits it.
        return max(self._delimiters, key=header.count)

    def _columns(self, rows: Iterator[list[str]]) -> list[str]:
        try:
            columns = _names(next(rows))
        except csv.Error as error:
            raise NaruError(f"{self._file}:{self._lines.number}: the header is not CSV: {error}.") from error
        line = self._lines.number
        if self._lines.undecodable is not None:
            raise NaruError(f"{self._file}:{line}: {self._lines.undecodable}")
        shown = ", ".join(repr(name) for name in columns)
        if not self._naming.among(columns):
            raise NaruError(
                f"{self._file}:{line}: the header names {shown}; expected columns {self._naming.expected}, "
                f"split by a comma, a semicolon or a tab.{self._naming.hint(columns)}"
            )
        twice = sorted({name for name in columns if name and columns.count(name) > 1})
        if twice:
            raise NaruError(f"{self._file}:{line}: the header names {', '.join(map(repr, twice))} twice.")
        return columns


def _names(header: list[str]) -> list[str]:
    return [unicodedata.normalize("NFC", name).strip() for name in header]


def _noted(lines: Iterator[str], taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line
