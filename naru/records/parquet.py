"""Parquet, a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from naru.errors import NaruError
from naru.records.row import Bad, Header, Row

_BATCH = 1024


class ParquetFile:
    """Rows by number, from 1. Timestamps are read to the microsecond."""

    def __init__(self, path: Path, header: Header) -> None:
        self._path = path
        self.position = 0
        try:
            with pq.ParquetFile(path) as file:
                self.size: int = file.metadata.num_rows
                names = file.schema_arrow.names
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error
        header.check(names, str(path))

    def __iter__(self) -> Iterator[Row | Bad]:
        self.position = 0
        try:
            with pq.ParquetFile(self._path) as file:
                for batch in file.iter_batches(_BATCH):
                    yield from self._rows(_to_microseconds(batch))
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error

    def _rows(self, batch: pa.RecordBatch) -> Iterator[Row | Bad]:
        try:
            whole = batch.to_pylist()
        except (OverflowError, ValueError):
            whole = None  # one of them is bad: each by itself
        for place in range(batch.num_rows):
            self.position += 1
            if whole is None:
                yield self._row(batch.slice(place, 1))
            else:
                yield Row(str(self._path), self.position, whole[place], whole[place])

    def _row(self, batch: pa.RecordBatch) -> Row | Bad:
        """Of a batch of one row."""
        fields: dict[str, object] = {}
        reason = ""
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            try:
                fields[name] = column[0].as_py()
            except (OverflowError, ValueError) as error:
                fields[name] = " ".join(str(column).split())
                reason = reason or (
                    f"{name!r} holds what Python has no date or time for ({error}); expected the years 1 to 9999, to "
                    "the microsecond. Correct it, or leave it empty."
                )
        if reason:
            return Bad(str(self._path), self.position, reason, fields)
        return Row(str(self._path), self.position, fields, fields)

    def _unreadable(self, error: Exception) -> NaruError:
        return NaruError(f"{self._path}: cannot be read as Parquet: {error}")


def _to_microseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Nanoseconds have no datetime in Python."""
    for place, column in enumerate(batch.schema):
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            coarse = batch.column(place).cast(pa.timestamp("us", column.type.tz), safe=False)
            batch = batch.set_column(place, column.name, coarse)
    return batch
