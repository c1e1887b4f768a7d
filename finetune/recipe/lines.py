"""Where each key of a TOML text stands: tomllib reads the values, and forgets the lines."""

from __future__ import annotations

import re

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN = re.compile(r"[^,\]}#\n]+")  # numbers, dates, booleans
_QUOTED = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:\'{0,2})|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.DOTALL
)
_SPACE = re.compile(r"[ \t\r]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")


def lines_of(text: str) -> dict[str, int]:
    """Dotted key -> line, from 1, of every key, table and list element: `data[0].loss.temperature` -> 34.

    `text` is what tomllib takes: nothing is checked here.
    """
    return _Scan(text).lines


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[str, int] = {}
        self.last: dict[str, int] = {}  # array of tables -> number of its last table
        table = ""
        while self._skip(_GAP) < len(text):
            if text.startswith("[", self.at):
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> str:
        several = self.text.startswith("[[", self.at)
        self.at += 2 if several else 1
        *parents, name = self._key()
        table = ""
        for part in parents:
            table = join(table, part)
            table = f"{table}[{self.last[table]}]" if table in self.last else table
        table = join(table, name)
        if several:
            self.last[table] = self.last.get(table, -1) + 1
            self._mark(table)
            table = f"{table}[{self.last[table]}]"
        self._mark(table)
        self.at += 2 if several else 1
        return table

    def _pair(self, table: str) -> None:
        for part in self._key():
            table = join(table, part)
            self._mark(table)
        self.at += 1  # the equals sign
        self._value(table)

    def _key(self) -> list[str]:
        parts = []
        while True:
            self._skip(_SPACE)
            quoted = self.text[self.at] in "\"'"
            found = (_QUOTED if quoted else _BARE).match(self.text, self.at)
            if found is None:
                raise AssertionError(f"line {self._line()}: no key, though tomllib read one: this is a bug.")
            parts.append(found[0][1:-1] if quoted else found[0])
            self.at = found.end()
            self._skip(_SPACE)
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def _value(self, where: str) -> None:
        self._skip(_SPACE)
        opening = self.text[self.at]
        if opening in "[{":
            self.at += 1
            number = 0
            while self._skip(_GAP) < len(self.text) and self.text[self.at] not in "]}":
                if opening == "{":
                    self._pair(where)
                else:
                    self._mark(f"{where}[{number}]")
                    self._value(f"{where}[{number}]")
                    number += 1
                self._skip(_GAP)
                self.at += self.text[self.at] == ","
            self.at += 1
        else:
            self._skip(_QUOTED if opening in "\"'" else _PLAIN)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        if found := pattern.match(self.text, self.at):
            self.at = found.end()
        return self.at

    def _mark(self, where: str) -> None:
        self.lines.setdefault(where, self._line())

    def _line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1


def join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
