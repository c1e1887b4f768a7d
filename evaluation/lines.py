"""Lines of the field's plain files (queries, qrels, runs): where each stands, and its columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from naru.errors import NaruError


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """`file:line` and text of each line that is not blank. NaruError when it cannot be read as UTF-8."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                where = f"{path}:{number}"
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n")
                except UnicodeDecodeError as error:
                    raise NaruError(
                        f"{where}: not UTF-8 ({error.reason}); save the file as UTF-8."
                    ) from error
                if line.strip():
                    yield where, line
    except OSError as error:
        raise NaruError(f"{path}: cannot be read: {error.strerror}.") from error


def columns(line: str, *counts: int) -> list[str] | None:
    """The cells of a line at its tabs, or else its blanks, whichever gives a right number; else None.

    Tabs come first because an id may hold blanks: a file of a folder corpus is named as its author liked.
    """
    for cells in (line.split("\t"), line.split()):
        if len(cells) in counts and all(cells):
            return cells
    return None
