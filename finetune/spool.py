"""Rows on disk instead of in memory: an Arrow file of this process, gone when it ends."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets.table import MemoryMappedTable

from naru.errors import NaruError

CHUNK = 4096  # rows written at once
_numbers = count()


@cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="naru-rows-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


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
