"""Where collections live: the Store protocol and `open_store`.

A store holds named collections. A collection is built aside, point by point, and becomes visible under its
name in one step (`Build.publish`), replacing the version before it; a build that was not published is never
seen. What a collection was made from travels with it as a `Manifest`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from naru.bm25 import SparseVector, Statistics
from naru.documents import Passage
from naru.filters import Filter
from naru.relevance import Scores

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Point:
    """One passage with its two vectors: dense float32 [dimension], L2-normalised, and bm25."""

    passage: Passage
    dense: Vector
    bm25: SparseVector


@dataclass(frozen=True, slots=True)
class Request:
    """One search, ready for an engine: the `limit` best by logit of what both channels prefetch."""

    scores: Scores
    dense: Vector | None
    bm25: SparseVector | None
    limit: int
    prefetch: int
    filter: Filter | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """One found passage: its logit as the engine computed it and the true scores of both channels."""

    passage: Passage
    logit: float
    semantic: float | None
    lexical: float | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a collection version was made from, kept with it: JSON facts and the BM25 statistics."""

    facts: dict[str, Any]
    statistics: Statistics


class Collection(Protocol):
    """One published version, open for reading."""

    name: str
    location: str
    """The store's."""
    manifest: Manifest

    def search(self, request: Request) -> list[Scored]:
        """Best first by logit, ties by passage id."""

    def retrieve(self, ids: Sequence[str]) -> list[Passage]:
        """The passages with these ids, in this order; unknown ids are left out."""

    def passages(self) -> Iterator[Passage]:
        """All passages, streamed, in no stated order."""

    def count(self, filter: Filter | None = None) -> int: ...

    def relevance(self) -> str | None:
        """The calibration that was kept under this collection's name, as it was given; a publish leaves it."""

    def keep_relevance(self, text: str) -> None:
        """Keep a calibration in the place of the one before, in one step."""

    def close(self) -> None: ...


class Build(Protocol):
    """A version being made, invisible until published; leaving the context unpublished discards it."""

    def add(self, points: Iterable[Point]) -> None: ...

    def publish(self, manifest: Manifest) -> None:
        """Make the version whole (optimised, durable) and swap it in under its name, in one step."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Published:
    """What a collection is at a moment: words that change with every publish and with every calibration kept."""

    version: str
    calibration: str | None


@dataclass(frozen=True, slots=True)
class Description:
    """What a published collection holds, as its manifest says; `relevance` is the calibration kept with it."""

    passages: int
    facts: dict[str, Any]
    relevance: str | None


class Store(Protocol):
    location: str

    def names(self) -> list[str]:
        """The published collections, sorted."""

    def open(self, name: str) -> Collection:
        """The newest published version. NaruError when there is none (naming those there are)."""

    def published(self, name: str) -> Published | None:
        """What `open` would open, without opening it; None when there is no such collection."""

    def describe(self, name: str) -> Description | None:
        """Of the newest published version, without opening it, so that nobody needs to let go of it; None when there
        is no such collection. NaruError: its manifest cannot be read."""

    def build(self, name: str, dimension: int) -> Build: ...

    def delete(self, name: str) -> None: ...

    def cache(self, name: str) -> Path | None:
        """A folder of the collection's for what makes the next build of it cheaper, gone with it; None: there is none."""

    def close(self) -> None: ...


def open_store(
    location: str | Path, *, api_key: str | None = None, timeout: float = 60.0, wait: float = 0.0
) -> Store:
    """The store at a location: `http(s)://` or `grpc(s)://` a Qdrant server, `:memory:` Qdrant inside this
    process and gone with it, anything else a folder (Qdrant Edge).

    For servers: `api_key`, `timeout` in seconds for one request, and `wait` in seconds for a server that is
    still starting. NaruError: nobody answers there, or the folder is not a store.
    """
    location = str(location)
    if location == ":memory:" or "://" in location:
        from naru.store.server import ServerStore

        return ServerStore(location, api_key=api_key, timeout=timeout, wait=wait)
    from naru.store.edge import EdgeStore

    return EdgeStore(Path(location).expanduser())
