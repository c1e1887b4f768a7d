"""Lines of the field's plain files (queries, qrels, runs): where each stands, its columns, and what may stand in one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from naru.errors import NaruError
from naru.lines import numbered


def lines(path: Path) -> Iterator[tuple[str, str]]:
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
