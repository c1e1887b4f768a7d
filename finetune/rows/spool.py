"""Rows on disk instead of in memory: an Arrow file of this process, gone when it ends.

What a killed process left is removed by the next one: a folder is alive as long as its lock is held, and the operating
system lets go of it (flock) however a process ends.
"""

from __future__ import annotations

import atexit
import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets.table import MemoryMappedTable

from naru.errors import NaruError

CHUNK = 4096  # rows written at once
PREFIX = "naru-rows-"
YOUNG = 60  # seconds: a folder just made may not hold its lock yet
_numbers = count()


@cache
def _folder() -> Path:
    _sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = (folder / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    atexit.register(lock.close)  # the last one registered runs first
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _sweep(parent: Path) -> None:
    """Remove the folders of processes that are gone."""
    for lock in parent.glob(f"{PREFIX}*/lock"):
        try:
            if time.time() - lock.stat().st_mtime < YOUNG:
                continue
            with lock.open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:  # alive, of another user, or gone by now
            continue


def stored(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> Path:
    """Write rows to a new file of this process. NaruError when the disk is full."""
    path = _folder() / f"{next(_numbers)}.arrow"
    try:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
            chunk: list[Mapping[str, Any]] = []
            for row in rows:
                chunk.append(row)
                if len(chunk) == CHUNK:
                    writer.write_batch(pa.RecordBatch.from_pylist(chunk, schema))
                    chunk = []
            if chunk:
                writer.write_batch(pa.RecordBatch.from_pylist(chunk, schema))
    except OSError as error:
        raise NaruError(
            f"{path}: cannot be written: {error.strerror or error}; TMPDIR may name another place."
        ) from error
    return path


def opened(path: Path) -> MemoryMappedTable:
    """The rows of such a file, memory-mapped."""
    return MemoryMappedTable.from_file(str(path))
