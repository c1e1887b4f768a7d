"""What every engine's build shares: which points may be added, in batches of which size, under which name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from naru.errors import NaruError, index_command
from naru.store import Point, Store
from naru.store import payload as payloads

MOST_INDEXES = 16
"""Fields indexed for ranges; further ones are filtered by looking at every passage."""

_LONGEST_NAME = 200  # bytes; file systems take 255, and versions are named after it
_NAME = re.compile(r"\w[\w.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A point, checked, with the payload to store; `size` is about its bytes as JSON."""

    point: Point
    payload: dict[str, Any]
    size: int


def check_name(name: str) -> str:
    """A collection's name in NFC, as it is kept. NaruError where it could not name a folder or a server's collection."""
    name = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(name) or len(name.encode()) > _LONGEST_NAME or name == "naru-store.json":
        raise NaruError(
            f"{name!r} cannot name a collection; expected 1 to 100 letters, digits, '_', '-' or '.' (66 where all are "
            "Hangul), beginning with a letter, a digit or '_'."
        )
    return name


def unknown(store: Store, name: str) -> NaruError:
    """The error of a name that no collection of the store has."""
    there = ", ".join(store.names()) or "none"
    return NaruError(
        f"No collection {name!r} in {store.location}; there: {there}. "
        f"Build it with `{index_command(store.location, name)}`."
    )


def batches(points: Iterable[Point], dimension: int, count: int, size: int) -> Iterator[list[Entry]]:
    """The points in order, at most `count` and about `size` bytes of JSON a batch.

    NaruError names the passage whose vector has another dimension or is not finite, or that cannot be stored.
    """
    batch: list[Entry] = []
    held = 0
    for point in points:
        entry = _entry(point, dimension)
        if batch and (len(batch) == count or held + entry.size > size):
            yield batch
            batch, held = [], 0
        batch.append(entry)
        held += entry.size
    if batch:
        yield batch


def range_fields(batch: list[Entry], kind: str) -> list[str]:
    """The payload paths of the fields that can be asked for ranges; kind is "numbers" or "moments"."""
    return sorted({f"{kind}.{field}" for entry in batch for field in entry.payload[kind]})


def check_count(added: int, stored: int) -> None:
    """NaruError when passages shared an id, so that some of those added are not there."""
    if added != stored:
        raise NaruError(
            f"{added} passages were added but {stored} are stored: a passage id must be unique in its "
            "collection. The version before stays published."
        )


def _entry(point: Point, dimension: int) -> Entry:
    if point.dense.shape != (dimension,):
        raise NaruError(
            f"Passage {point.passage.id!r}: its vector has shape {point.dense.shape}, "
            f"the collection is built with dimension {dimension}."
        )
    if not (np.isfinite(point.dense).all() and np.isfinite(point.bm25.values).all()):
        raise NaruError(f"Passage {point.passage.id!r}: its vectors hold numbers that are not finite.")
    made = payloads.payload(point.passage)
    characters = sum(len(made[name]) for name in payloads.ORIGINAL) + sum(map(len, made[payloads.TERMS]))
    return Entry(point, made, 4 * characters + 24 * len(point.dense) + 36 * len(point.bm25) + 200)
