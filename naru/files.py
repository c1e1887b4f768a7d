"""Files that appear whole: whoever opens one finds what was there before, or all of what is there now."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(path: Path, encoding: str = "utf-8") -> Iterator[IO[str]]:
    """A text file to write, line ends as given, that takes its place when the block ends well; else nothing is left of it.

    OSError where it cannot be written: there is no such folder, the disk is full.
    """
    fresh = _beside(path)
    try:
        with fresh.open("w", encoding=encoding, newline="") as file:
            yield file
        _swap(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def publish(path: Path, content: str | bytes) -> None:
    """Write a whole file, as `replacing` does; text is UTF-8."""
    fresh = _beside(path)
    try:
        fresh.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        _swap(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def _swap(fresh: Path, path: Path) -> None:
    file = os.open(fresh, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
    fresh.replace(path)
