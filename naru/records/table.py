"""CSV and TSV: a header that names the columns, then one record a row; every value stays text."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator

from naru.errors import NaruError
from naru.lines import Lines
from naru.records.row import Bad, Header, Row

_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_LARGEST = 1 << 24
"""Characters of a record. A larger one is a quote that was never closed, and would take the whole file into memory."""


class Table:
    """Comma, semicolon or tab: of those that make the header fit, the one it has most of.

    Quoted cells may hold line ends. Of a record that goes over several lines and is bad, the first line alone is: a
    quote that should not be there takes in good records, so the reading goes on with the next line. In a TSV whose lines
    all have as many tabs, quotes that could not be quoting are letters, and so are all others. An empty cell is null;
    columns without a name (a saved index) are left out.

    NaruError, by file and line, for a header that will not do.
    """

    def __init__(self, lines: Lines, header: Header) -> None:
        """`lines` end at carriage returns too (`returns`)."""
        self._lines = lines
        self._header = header
        self._file = str(lines.path)
        self._tabs = ".tsv" in lines.path.name.lower()

    @property
    def size(self) -> int:
        return self._lines.size

    @property
    def position(self) -> int:
        return self._lines.position

    def __iter__(self) -> Iterator[Row | Bad]:
        # A limit of the whole process, and left so: another table may be read meanwhile.
        csv.field_size_limit(max(_LARGEST, csv.field_size_limit()))
        source = _Source(self._lines)
        first = _first(source)
        if first is None:
            raise NaruError(f"{self._file}: is empty; expected a header that names the columns.")
        delimiter = self._delimiter(first)
        plain = self._tabs and delimiter == "\t" and _unquoted(self._lines)
        rows = csv.reader(
            source,
            delimiter=delimiter,
            quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL,
            strict=not plain,
        )
        columns = self._columns(rows, source, delimiter)
        while True:
            source.begin()
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield self._cut_short(source, _not_csv(error, source, delimiter))
                continue
            if len(cells) == len(columns) and source.undecodable is None:
                fields = {name: cell or None for name, cell in zip(columns, cells, strict=True) if name}
                yield Row(self._file, source.start, fields, source.raw)
            elif cells or source.undecodable is not None:
                yield self._bad(source, columns, cells, delimiter)

    def _bad(self, source: _Source, columns: list[str], cells: list[str], delimiter: str) -> Bad:
        if len(cells) == len(columns):
            return Bad(self._file, source.start, str(source.undecodable), source.raw)
        reason = (
            f"{len(cells)} cells, but the header has {len(columns)}; expected one for each of "
            f"{', '.join(map(repr, columns))}. A cell that holds the delimiter needs quotes."
        )
        if len(source.taken) > 1:
            reason += f" Or {_over(source, delimiter)} should not be there."
        return self._cut_short(source, reason)

    def _cut_short(self, source: _Source, reason: str) -> Bad:
        """The first line of a record, the others of which are read again."""
        if not source.again(behind=1):
            raise NaruError(
                f"{self._file}:{source.start}: {reason} So it is with many records before; is it CSV? Write the file "
                "anew with every cell in quotes."
            )
        return Bad(self._file, source.start, source.undecodable or reason, source.raw)

    def _delimiter(self, header: str) -> str:
        likely = "\t,;" if self._tabs else ",;\t"
        fitting = [one for one in likely if self._header.fits(_names(_cells([header], one)))]
        # Where none fits, the complaint shows the header as the likeliest one splits it.
        return max(fitting or likely, key=header.count)

    def _columns(self, rows: Iterator[list[str]], source: _Source, delimiter: str) -> list[str]:
        source.begin()
        try:
            columns = _names(next(rows))
        except csv.Error as error:
            reason = source.undecodable or f"the header is {_not_csv(error, source, delimiter)}"
            raise NaruError(f"{self._file}:{source.start}: {reason}") from error
        line = source.start
        if source.undecodable is not None:
            raise NaruError(f"{self._file}:{line}: {source.undecodable}")
        twice = sorted({name for name in columns if name and columns.count(name) > 1})
        if twice:
            raise NaruError(
                f"{self._file}:{line}: the header names {', '.join(map(repr, twice))} twice; give each column a name of its "
                "own."
            )
        self._header.check(columns, f"{self._file}:{line}")
        return columns


class _Source:
    """Lines for the CSV parser, which takes as many as a record has; those of a bad one can be had again."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._next = iter(lines)
        self._waiting: deque[tuple[str, str | None]] = deque()
        self._characters = self._read = self._reread = 0
        self.taken: list[tuple[str, str | None]] = []
        """The lines of this record, each with the reason where it could not be decoded."""
        self.number = 0
        """That of the line taken last."""

    @property
    def start(self) -> int:
        return self.number - len(self.taken) + 1

    @property
    def raw(self) -> str:
        return "".join(line for line, _ in self.taken).rstrip("\r\n")

    @property
    def undecodable(self) -> str | None:
        return next((reason for _, reason in self.taken if reason is not None), None)

    @property
    def end(self) -> str:
        return self._lines.end

    def begin(self) -> None:
        """Let the next line be the first of a record."""
        self.taken, self._characters = [], 0

    def again(self, behind: int = 0) -> bool:
        """Hand out once more the lines of this record behind its first so many; False where that was much more often
        asked for than not, as it would take the square of the file's size."""
        back = self.taken[behind:]
        self._reread += sum(len(line) for line, _ in back)
        self._waiting.extendleft(reversed(back))
        self.number -= len(back)
        del self.taken[behind:]
        return self._reread <= self._read + 4 * _LARGEST

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._characters > _LARGEST:
            raise csv.Error(f"a record of more than {_LARGEST:,} characters")
        if self._waiting:
            line, reason = self._waiting.popleft()
        else:
            line = next(self._next)
            reason, self._lines.undecodable = self._lines.undecodable, None
            self._read += len(line)
        self.taken.append((line, reason))
        self.number += 1
        self._characters += len(line)
        return line


def _first(source: _Source) -> str | None:
    """The first line that is not blank, which is then read again."""
    for line in source:
        if line.strip():
            source.again()
            return line
        source.begin()
    return None


def _not_csv(error: csv.Error, source: _Source, delimiter: str) -> str:
    over = f" ({_over(source, delimiter)})" if len(source.taken) > 1 else ""
    return (
        f"not CSV: {str(error).partition(' - ')[0]}{over}; expected a quote inside a quoted cell to be written twice, and "
        "each quote to be closed."
    )


def _over(source: _Source, delimiter: str) -> str:
    """Which quote made a record go on to its last line."""
    *whole, _ = _cells([line for line, _ in source.taken[:-1]], delimiter) or [""]
    opened = source.start + sum(cell.count(source.end) for cell in whole)
    return f"the quote that opens on line {opened} and goes on to line {source.number}"


def _cells(lines: Iterable[str], delimiter: str) -> list[str]:
    """Those of one record, as far as it goes; none where the parser refuses it."""
    try:
        return next(csv.reader(lines, delimiter=delimiter), [])
    except csv.Error:
        return []


def _names(header: list[str]) -> list[str]:
    return [name.strip() for name in header]


def _unquoted(lines: Lines) -> bool:
    """Whether a TSV knows no quoting: each line has as many tabs, though a cell begins with a quote that does not close in
    it, and read as quoting that gives an error or records of unlike length."""
    tabs, open_quote = None, False
    for line in lines.again():
        cells = line.rstrip("\r\n").split("\t")
        if cells == [""]:
            continue
        tabs = tabs or len(cells)
        if len(cells) != tabs:
            return False
        open_quote = open_quote or any(cell.startswith('"') and not _QUOTED.fullmatch(cell) for cell in cells)
    if not open_quote:
        return False
    try:
        return any(
            cells and len(cells) != tabs for cells in csv.reader(lines.again(), delimiter="\t", strict=True)
        )
    except csv.Error:
        return True
