"""JSON lines, one object a line and blank lines between them allowed; or one JSON array of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from indexer.corpus.lines import Lines
from indexer.corpus.record import Bad, Row
from naru.errors import NaruError
from naru.records import array

_EXPECTED = 'expected one object a line, such as {"id": "1", "text": "…"}'
_SHOWN = 80


class JsonLines:
    def __init__(self, path: Path, encoding: str) -> None:
        self._lines = Lines(path, encoding)
        self._file = str(path)

    @property
    def size(self) -> int:
        return self._lines.size

    @property
    def position(self) -> int:
        return self._lines.position

    def __iter__(self) -> Iterator[Row | Bad]:
        for line in self._lines:
            if self._lines.undecodable is not None:
                reason, self._lines.undecodable = self._lines.undecodable, None
                yield Bad(self._file, self._lines.number, reason, line.rstrip("\r\n"))
            elif line.strip():
                yield self._row(line.strip())

    def _row(self, line: str) -> Row | Bad:
        try:
            value = json.loads(line, parse_constant=_not_json)
        except json.JSONDecodeError as error:
            near = line[max(error.pos - 10, 0) :][:_SHOWN]
            reason = f"not JSON: {error.msg} at character {error.pos}, near {near!r}; {_EXPECTED}."
        except (ValueError, RecursionError) as error:
            reason = f"not JSON that can be read: {error}, in {line[:_SHOWN]!r}; {_EXPECTED}."
        else:
            if isinstance(value, dict):
                return Row(self._file, self._lines.number, value, line)
            reason = f"got {line[:_SHOWN]!r}; {_EXPECTED}."
        if line.startswith("["):
            reason += " Is it a JSON array? Then call the file .json."
        return Bad(self._file, self._lines.number, reason, line)


class JsonArray(JsonLines):
    """The objects of one array, each by the line it begins on; the file is read whole."""

    def __iter__(self) -> Iterator[Row | Bad]:
        read = []
        for line in self._lines:
            if self._lines.undecodable is not None:
                raise NaruError(f"{self._file}:{self._lines.number}: {self._lines.undecodable}")
            read.append(line)
        for number, value in array("".join(read), self._lines.path):
            if isinstance(value, dict):
                yield Row(self._file, number, value, value)
            else:
                reason = f"got {str(value)[:_SHOWN]!r}, expected an object with named fields."
                yield Bad(self._file, number, reason, value)


def _not_json(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")
