"""JSON lines, one object a line and blank lines between them allowed; or one JSON array of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from naru.errors import NaruError
from naru.lines import Lines
from naru.records.row import Bad, Row

_EXPECTED = 'expected one object a line, with named fields: {"text": "…", …}'
_SHOWN = 80


def _not_json(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_not_json)


class JsonLines:
    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._file = str(lines.path)

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
            value = _DECODER.decode(line)
        except json.JSONDecodeError as error:
            near = line[max(error.pos - 10, 0) :][:_SHOWN]
            reason = f"not JSON: {error.msg} at character {error.pos}, near {near!r}; {_EXPECTED}."
        except (ValueError, RecursionError) as error:
            reason = f"not JSON that can be read: {error}, in {line[:_SHOWN]!r}; {_EXPECTED}."
        else:
            if isinstance(value, dict):
                return Row(self._file, self._lines.number, value, line)
            reason = f"got {line[:_SHOWN]!r}, {_EXPECTED}."
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


def array(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    """(line, value) of each value of a JSON text: an array, or one object that holds one array of objects ("data").

    NaruError, naming file and line, for what is neither.
    """
    at = _skip(text, _array(text, path))
    number, counted = 1, 0
    more = text[at : at + 1] != "]"
    while more:
        number += text.count("\n", counted, at)
        counted = at
        if at >= len(text):
            break
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise NaruError(f"{path}:{number}: not JSON: {error}.") from error
        yield number, value
        at = _skip(text, at)
        if more := text[at : at + 1] == ",":
            at = _skip(text, at + 1)
    if text[at : at + 1] != "]":
        number += text.count("\n", counted, at)
        expected = (
            "the array does not end; is the file whole?"
            if at >= len(text)
            else f"not JSON: got {text[at : at + 20]!r}, expected a comma or the end of the array."
        )
        raise NaruError(f"{path}:{number}: {expected}")
    rest = _skip(text, at + 1)
    if text.lstrip().startswith("[") and rest < len(text):
        line = text.count("\n", 0, rest) + 1
        raise NaruError(f"{path}:{line}: there is more behind the array; expected one array of objects.")


def _array(text: str, path: Path) -> int:
    """Where the rows begin: behind the bracket of the array, or of the one array of objects that the object holds."""
    at = _skip(text, 0)
    if text.startswith("[", at):
        return at + 1
    found: dict[str, int] = {}
    try:
        whole, end = _DECODER.raw_decode(text, at)
        if not isinstance(whole, dict) or _skip(text, end) < len(text):
            raise NaruError(
                f"{path}: expected an array of objects: [{{…}}, {{…}}]. One object a line is .jsonl: rename the file."
            )
        at = _skip(text, at + 1)
        while text[at] != "}":
            name, at = _DECODER.raw_decode(text, at)
            at = _skip(text, at, " \t\r\n:")
            value, end = _DECODER.raw_decode(text, at)
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
