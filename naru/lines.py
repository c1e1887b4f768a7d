"""Lines of UTF-8 text files, for readers that name file and line in their messages; columns of the field's plain files
(queries, qrels, runs)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from naru.errors import NaruError


def numbered(path: Path) -> Iterator[tuple[int, str]]:
    """Each line with its number, from 1, and its line end; a byte order mark is taken off.

    Raises NaruError for a file that cannot be read, and for the first line that is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                try:
                    yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise NaruError(
                        f"{path}:{number}: not UTF-8: byte 0x{raw[error.start]:02x} at {error.start} of the line; save "
                        "the file as UTF-8 (CP949 and UTF-16 are the usual suspects)."
                    ) from error
    except OSError as error:
        raise NaruError(f"{path}: cannot be read: {error.strerror or error}.") from error


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
