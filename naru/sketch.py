"""How much of one collection is in another, from a few hundred hashes of each.

A sketch is the `size` (SIZE, where no other is given) smallest 64-bit hashes of a collection's passages (bottom-k: Cohen
and Kaplan, 2007). Of the SIZE smallest of two sketches together, the share that both hold estimates |A and B| / |A or B|,
with a standard error of at most .03; of collections of up to SIZE passages it is exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from heapq import heappush, heappushpop

SIZE = 256

Sketch = tuple[str, ...]
"""Hashes in hexadecimal, ascending."""


class Sketcher:
    """Takes passages one by one, in constant memory. The order makes no difference."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._least: list[int] = []  # negated: the greatest of them is on top
        self._held: set[int] = set()

    def add(self, title: str, text: str) -> None:
        number = -_hash(title, text)
        if number in self._held:
            return
        if len(self._least) < self._size:
            heappush(self._least, number)
            self._held.add(number)
        elif number > self._least[0]:
            self._held.add(number)
            self._held.remove(heappushpop(self._least, number))

    def sketch(self) -> Sketch:
        return tuple(f"{-number:016x}" for number in sorted(self._least, reverse=True))


def _hash(title: str, text: str) -> int:
    digest = blake2b(f"{title}\0{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def sketched(passages: Iterable[tuple[str, str]], size: int = SIZE) -> Sketch:
    """Of (title, text) pairs."""
    sketcher = Sketcher(size)
    for title, text in passages:
        sketcher.add(title, text)
    return sketcher.sketch()


def shared(one: Sketch, two: Sketch) -> float:
    """The estimated share in [0, 1] that two collections have in common of all that either holds. ValueError: one is empty,
    or holds more than SIZE."""
    if not one or not two or max(len(one), len(two)) > SIZE:
        raise ValueError(f"sketches of {len(one)} and {len(two)} hashes; expected 1 to {SIZE}")
    least = sorted({*one, *two})[:SIZE] if max(len(one), len(two)) == SIZE else [*{*one, *two}]
    both = {*one} & {*two}
    return sum(each in both for each in least) / len(least)


def held(sketch: Sketch, passages: Iterable[tuple[str, str]], size: int = SIZE) -> float | None:
    """About what share in [0, 1] of these (title, text) pairs is in the collection of a sketch of that size; exact where that
    has fewer passages. Of those above the greatest hash of a full sketch nothing is known; None where it is so of all."""
    hashes = {_hash(title, text) for title, text in passages}
    if len(sketch) == size:
        hashes = {one for one in hashes if one <= int(sketch[-1], 16)}
    return len(hashes & {int(one, 16) for one in sketch}) / len(hashes) if hashes else None
