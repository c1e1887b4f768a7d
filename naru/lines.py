"""Decoded lines of a file, plain or gzipped, that remember where they are and which could not be decoded; columns of the
field's plain files (queries, qrels, runs)."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from naru.errors import NaruError

UTF8 = "utf-8"
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Encodings of which a line cannot be cut out as bytes: wide ones, and those that shift state.
_WHOLE = ("utf-16", "utf-32", "utf-7", "iso2022", "hz")
_BLOCK = 1 << 16
_ENDS = re.compile(r"[\r\n]+")

Remedy = Callable[[str | None], str]
"""What to do about text in another encoding than it should be: the one that it looks like, or None -> a sentence's end."""


def save_as_utf8(_: str | None) -> str:
    """The remedy where no encoding can be named."""
    return "save the file as UTF-8."


def pass_encoding(likely: str | None) -> str:
    """The remedy where a command takes `--encoding`."""
    if likely is None:
        return "pass its encoding with `--encoding NAME`, or mend the line."
    return f"pass `--encoding {likely}`."


class UnreadableError(NaruError):
    """A file that cannot be read at all, and why; `reason` is without its name."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason


class Lines:
    """The lines with their line ends. A byte order mark is taken off.

    Only a line feed ends a line, or `returns`: a carriage return too, in a file where it alone ends the first line,
    outside quotes ("CSV (Macintosh)"); `end` says which it is. A line that cannot be decoded comes with replacement
    characters, and `undecodable` says why, with the `remedy`, until it is set to None again. UnreadableError for a file
    that cannot be read at all.
    """

    def __init__(
        self, path: Path, encoding: str = UTF8, *, returns: bool = False, remedy: Remedy = save_as_utf8
    ) -> None:
        self.path = path
        self.encoding = encoding
        self.number = 0
        self.end = "\n"
        self.undecodable: str | None = None
        self._returns = returns
        self._remedy = remedy
        self._raw: io.BufferedReader | None = None
        try:
            self.size = path.stat().st_size
        except OSError as error:
            raise self._closed(error) from error

    @property
    def position(self) -> int:
        """Bytes of the file (as it is on disk) read so far."""
        if self._raw is None:
            return 0
        return self.size if self._raw.closed else self._raw.tell()

    def __iter__(self) -> Iterator[str]:
        self.number, self.undecodable = 0, None
        whole = codecs.lookup(self.encoding).name.startswith(_WHOLE)
        try:
            with self.path.open("rb") as self._raw:
                gzipped = self.path.suffix.lower() == ".gz"
                stream = io.BufferedReader(gzip.GzipFile(fileobj=self._raw)) if gzipped else self._raw
                self.end = self._end(stream.peek()) if self._returns else "\n"
                for line in self._whole(stream) if whole else self._by_line(stream):
                    self.number += 1
                    yield line
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UnreadableError(
                self.path, f"not a whole gzip file ({error}); write or fetch it again."
            ) from error
        except OSError as error:
            raise self._closed(error) from error

    def again(self) -> Iterator[str]:
        """The lines from the start, read beside these; what cannot be decoded has replacement characters."""
        return iter(Lines(self.path, self.encoding, returns=self._returns, remedy=self._remedy))

    def _closed(self, error: OSError) -> UnreadableError:
        if self.path.is_symlink() and not self.path.exists():
            return UnreadableError(self.path, "is a link to nowhere; mend or remove it.")
        if isinstance(error, FileNotFoundError):
            return UnreadableError(self.path, f"cannot be read: {error.strerror}.")
        return UnreadableError(
            self.path,
            f"cannot be read: {error.strerror or error}. Give the right to read it, or move it.",
        )

    def _end(self, start: bytes) -> str:
        head = start.decode(self.encoding, "ignore")
        first = _ENDS.search(head)
        alone = first is not None and "\n" not in first[0] and head.count('"', 0, first.start()) % 2 == 0
        return "\r" if alone else "\n"

    def _by_line(self, stream: IO[bytes]) -> Iterator[str]:
        offset = 0
        for raw in stream if self.end == "\n" else _cut(stream):
            line = raw
            if offset == 0 and self.encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
                if raw.startswith(_WIDE_MARKS):
                    raise UnreadableError(self.path, f"is UTF-16, not UTF-8: {self._remedy('utf-16')}")
                line = raw.removeprefix(codecs.BOM_UTF8)
            try:
                text = line.decode(self.encoding)
            except UnicodeDecodeError as error:
                at = offset + len(raw) - len(line) + error.start
                got = f"byte {at} of the file (0x{line[error.start]:02x}) is not {self.encoding.upper()}"
                self.undecodable = f"{got}; {self._likely(line)}"
                text = line.decode(self.encoding, "replace")
            offset += len(raw)
            yield text

    def _whole(self, stream: IO[bytes]) -> Iterator[str]:
        try:
            with io.TextIOWrapper(stream, self.encoding, newline=self.end) as text:
                yield from text
        except UnicodeError as error:
            raise UnreadableError(
                self.path,
                f"not {self.encoding.upper()} after line {self.number} ({error}); {self._remedy(None)}",
            ) from error

    def _likely(self, line: bytes) -> str:
        for other, said in ((UTF8, "UTF-8"), ("cp949", "CP949 (EUC-KR)")):
            try:
                line.decode(other)
            except UnicodeDecodeError:
                continue
            return f"it looks like {said}: {self._remedy(other)}"
        return self._remedy(None)


def _cut(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines that end with a carriage return."""
    rest = b""
    while block := stream.read(_BLOCK):
        *lines, rest = (rest + block).split(b"\r")
        yield from (line + b"\r" for line in lines)
    if rest:
        yield rest


def numbered(path: Path) -> Iterator[tuple[int, str]]:
    """Each line of a UTF-8 file with its number, from 1, and its line end; a byte order mark is taken off.

    Raises NaruError for a file that cannot be read, and for the first line that is not UTF-8.
    """
    lines = Lines(path)
    for line in lines:
        if lines.undecodable is not None:
            raise NaruError(f"{path}:{lines.number}: {lines.undecodable}")
        yield lines.number, line


def placed(path: Path) -> Iterator[tuple[str, str]]:
    """`file:line` and text of each line that is not blank. NaruError when it cannot be read as UTF-8."""
    for number, raw in numbered(path):
        line = raw.strip("\r\n")
        if line.strip():
            yield f"{path}:{number}", line


def columns(line: str, *counts: int) -> list[str] | None:
    """The cells of a line at its tabs, or else its blanks, whichever gives a right number; else None.

    Tabs come first because an id may hold blanks: a file of a folder corpus is named as its author liked.
    """
    for cells in (line.split("\t"), line.split()):
        if len(cells) in counts and all(cells):
            return cells
    return None


def column(what: str, name: str) -> str:
    """The name, which may stand in a column. NaruError for one that is empty or has a tab or a line end."""
    if not name or any(mark in name for mark in "\t\r\n"):
        raise NaruError(
            f"The {what} {name!r} cannot stand in a TREC run file or qrels, which split at tabs and line ends. "
            "Give the record another id, or leave out the file."
        )
    return name
