"""What the readers of all formats yield."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from naru.errors import NaruError


@dataclass(frozen=True, slots=True)
class Row:
    """One record as its file holds it. `line` counts from 1 (rows where there are no lines)."""

    file: str
    line: int
    fields: Mapping[str, object]
    raw: object
    """The record to show when it is rejected: its text, or its fields."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that cannot be had, and why."""

    file: str
    line: int
    reason: str
    raw: object

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


class Reader(Protocol):
    """One location in one format, read anew by each iteration. `size` and `position` share a unit (bytes, rows or files);
    size is None when not known."""

    @property
    def size(self) -> int | None: ...

    @property
    def position(self) -> int: ...

    def __iter__(self) -> Iterator[Row | Bad]: ...


class Header(Protocol):
    """What is asked of the columns of a table or of Parquet."""

    def fits(self, columns: Sequence[str]) -> bool:
        """Whether these can be the columns: it tells which delimiter splits them."""

    def check(self, columns: Sequence[str], where: str) -> None:
        """NaruError, beginning with the place, for columns that will not do."""


class AnyColumns:
    """Columns of whatever names."""

    def fits(self, columns: Sequence[str]) -> bool:
        return True

    def check(self, columns: Sequence[str], where: str) -> None:
        pass


Skip = Callable[[Bad], None]
"""Called with a record that cannot be read; where it returns, reading goes on with the next one."""


def refuse(bad: Bad) -> None:
    """Raises NaruError for the record."""
    raise NaruError(f"{bad.place}: {bad.reason}")
