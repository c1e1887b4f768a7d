"""Parquet, a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from indexer.corpus.naming import Naming
from indexer.corpus.record import Bad, Row
from naru.errors import NaruError

_BATCH = 1024


class ParquetFile:
    """Rows by number, from 1. Timestamps are read to the microsecond."""

    def __init__(self, path: Path, naming: Naming) -> None:
        self._path = path
        self.position = 0
        try:
            with pq.ParquetFile(path) as file:
                self.size: int = file.metadata.num_rows
                names = file.schema_arrow.names
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error
        if not naming.among(names):
            raise NaruError(
                f"{path}: the columns are {', '.join(map(repr, names))}; expected {naming.expected} among them."
                f"{naming.hint(names)}"
            )

    def __iter__(self) -> Iterator[Row | Bad]:
        self.position = 0
        try:
            with pq.ParquetFile(self._path) as file:
                for batch in file.iter_batches(_BATCH):
                    for fields in _to_microseconds(batch).to_pylist():
                        self.position += 1
                        yield Row(str(self._path), self.position, fields, fields)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> NaruError:
        return NaruError(f"{self._path}: cannot be read as Parquet: {error}")


def _to_microseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Nanoseconds have no datetime in Python."""
    for place, column in enumerate(batch.schema):
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            coarse = batch.column(place).cast(pa.timestamp("us", column.type.tz), safe=False)
            batch = batch.set_column(place, column.name, coarse)
    return batch
