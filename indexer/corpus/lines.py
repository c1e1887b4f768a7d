"""Decoded lines of a file, plain or gzipped, that remember where they are and which could not be decoded."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from naru.errors import NaruError

_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Encodings of which a line cannot be cut out as bytes: wide ones, and those that shift state.
_WHOLE = ("utf-16", "utf-32", "utf-7", "iso2022", "hz")
_BLOCK = 1 << 16
_ENDS = re.compile(r"[\r\n]+")


class UnreadableError(NaruError):
    """A file that cannot be read at all, and why; `reason` is without its name."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason


class Lines:
    """The lines with their line ends. A byte order mark is taken off.

    Only a line feed ends a line, or `returns`: a carriage return too, in a file where it alone ends the first line,
    outside quotes ("CSV (Macintosh)"); `end` says which it is. A line that cannot be decoded comes with replacement
    characters, and `undecodable` says why until it is set to None again. UnreadableError for a file that cannot be read at
    all.
    """

    def __init__(self, path: Path, encoding: str, *, returns: bool = False) -> None:
        self.path = path
        self.encoding = encoding
        self.number = 0
        self.end = "\n"
        self.undecodable: str | None = None
        self._returns = returns
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

    def _closed(self, error: OSError) -> UnreadableError:
        if self.path.is_symlink() and not self.path.exists():
            return UnreadableError(self.path, "is a link to nowhere; mend or remove it.")
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
                    raise UnreadableError(self.path, "is UTF-16, not UTF-8: pass `--encoding utf-16`.")
                line = raw.removeprefix(codecs.BOM_UTF8)
            try:
                text = line.decode(self.encoding)
            except UnicodeDecodeError as error:
                at = offset + len(raw) - len(line) + error.start
                got = f"byte {at} of the file (0x{line[error.start]:02x}) is not {self.encoding}"
                self.undecodable = f"{got}; {self._fix(line)}"
                text = line.decode(self.encoding, "replace")
            offset += len(raw)
            yield text

    def _whole(self, stream: IO[bytes]) -> Iterator[str]:
        try:
            with io.TextIOWrapper(stream, self.encoding, newline=self.end) as text:
                yield from text
        except UnicodeError as error:
            raise UnreadableError(
                self.path, f"not {self.encoding} after line {self.number} ({error}); pass its `--encoding`."
            ) from error

    def _fix(self, line: bytes) -> str:
        for other, said in (("utf-8", "UTF-8"), ("cp949", "CP949 (EUC-KR)")):
            try:
                line.decode(other)
            except UnicodeDecodeError:
                continue
            return f"it looks like {said}: pass `--encoding {other}`."
        return "pass its encoding with `--encoding NAME`, or mend the line."


def _cut(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines that end with a carriage return."""
    rest = b""
    while block := stream.read(_BLOCK):
        *lines, rest = (rest + block).split(b"\r")
        yield from (line + b"\r" for line in lines)
    if rest:
        yield rest
