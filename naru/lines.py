"""Numbered lines of a UTF-8 text file, for readers that name file and line in their messages."""

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
