"""Vectors kept from build to build: what was embedded once is not embedded again, also where a build was killed.

One file a collection and encoder, of records (hash of the text, checksum, vector). Records are appended as they are made; a
build that was published leaves those that it used. One build at a time has the file: another does without.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Self
from zlib import crc32

import numpy as np
import numpy.typing as npt

from naru.store import Vector

Keys = npt.NDArray[np.uint64]
Encode = Callable[[list[str]], Vector]
_BLOCK = 1 << 14  # records copied at once


class Remembered:
    """The vectors that one encoder made of a collection's texts; without a folder none are kept."""

    def __init__(self, folder: Path | None, fingerprint: str, dimension: int) -> None:
        self._folder = folder
        self._name = f"{fingerprint[:32]}.vectors"
        self._record = np.dtype([("key", "<u8"), ("crc", "<u4"), ("vector", "<f4", (dimension,))])
        self._lock: IO[bytes] | None = None
        self._file: IO[bytes] | None = None
        self._known: Any = np.empty(0, self._record)
        self._keys: Keys = np.empty(0, np.uint64)
        self._order: npt.NDArray[np.intp] = np.empty(0, np.intp)
        self._used: list[Keys] = []
        self.reused = 0

    def __enter__(self) -> Self:
        if self._folder is not None:
            try:
                self._open(self._folder)
            except OSError:  # it is a convenience: a build goes on without
                self._close()
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def vectors(self, texts: Sequence[str], encode: Encode) -> tuple[Vector, list[str]]:
        """float32 [len(texts), dimension] of these texts: `encode` makes those that are not known. And the texts that were
        known."""
        keys = np.array([_key(text) for text in texts], np.uint64)
        made = np.empty(len(texts), self._record)
        known = self._recall(keys, made)
        fresh = np.flatnonzero(~known)
        if len(fresh):
            made["vector"][fresh] = encode([texts[int(place)] for place in fresh])
            made["key"][fresh] = keys[fresh]
            made["crc"][fresh] = [crc32(made["vector"][place].tobytes()) for place in fresh]
            self._append(made[fresh])
        self._used.append(keys)
        self.reused += int(known.sum())
        return made["vector"].copy(), [text for text, there in zip(texts, known, strict=True) if there]

    def keep_used(self) -> None:
        """Forget all but what this build used, and what other encoders made."""
        if self._folder is None or self._file is None:
            return
        self._file.flush()
        path = self._folder / self._name
        records: Any = np.memmap(path, self._record, "r")
        _, first = np.unique(
            records["key"][::-1], return_index=True
        )  # of equal keys the last, which is whole
        places = np.sort(len(records) - 1 - first)
        places = places[np.isin(records["key"][places], np.concatenate(self._used))]
        if len(places) < len(records):
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                for start in range(0, len(places), _BLOCK):
                    records[places[start : start + _BLOCK]].tofile(file)
            part.replace(path)
        for other in self._folder.iterdir():
            if other.suffix in (".vectors", ".part") and other != path:
                other.unlink()

    def _open(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / "lock").open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        self._file = (folder / self._name).open("ab")
        whole = self._file.tell() // self._record.itemsize
        self._file.truncate(whole * self._record.itemsize)  # a kill may have cut the last record
        if whole:
            self._known = np.memmap(folder / self._name, self._record, "r")
            keys = np.array(self._known["key"])
            self._order = np.argsort(keys, kind="stable")
            self._keys = keys[self._order]

    def _recall(self, keys: Keys, made: Any) -> npt.NDArray[np.bool_]:
        """Which of the keys are known, by records that are whole; their vectors are put into `made`."""
        known = np.zeros(len(keys), np.bool_)
        last = np.searchsorted(self._keys, keys, "right") - 1
        for place in np.flatnonzero(last >= 0):
            record = self._known[self._order[last[place]]]
            if record["key"] == keys[place] and crc32(record["vector"].tobytes()) == record["crc"]:
                made[place], known[place] = record, True
        return known

    def _append(self, records: Any) -> None:
        if self._file is None:
            return
        try:
            records.tofile(self._file)
            self._file.flush()
        except OSError:  # the disk is full: the build says so where it matters
            self._file = None

    def _close(self) -> None:
        for file in (self._file, self._lock):
            if file is not None:
                file.close()
        self._file = self._lock = None


def _key(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
