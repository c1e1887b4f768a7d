"""A corpus at hand while mining: its distinct texts on disk, found by place and by what they say."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from typing import IO

from naru.documents import Document, Passage
from naru.errors import NaruError
from naru.text import normalize


def key(text: str) -> int:
    """64 bits that two texts share when they differ only in case, blanks and what `naru.text.normalize` levels.

    NaruError for a lone surrogate.
    """
    same = "".join(normalize(text).text.lower().split())
    return int.from_bytes(hashlib.blake2b(same.encode(), digest_size=8).digest(), "little")


BLANK = key("")


class Texts:
    """Texts in a file, by their place; memory holds eight bytes a text."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, text: str) -> int:
        """Append a text, before the first is read; returns its place."""
        self._ends.append(self._ends[-1] + self._file.write(text.encode()))
        return len(self) - 1

    def __getitem__(self, place: int) -> str:
        if not 0 <= place < len(self):
            raise IndexError(f"text {place} of {len(self)}")
        self._file.seek(self._ends[place])
        return self._file.read(self._ends[place + 1] - self._ends[place]).decode()


class Passages:
    """The passages of a corpus as the encoder reads them (title, line break, text), each text once.

    `skipped` counts those left out: blank, or saying what an earlier one says.
    """

    def __init__(self, file: IO[bytes], positives: Iterable[Iterable[int]]) -> None:
        """`positives` holds the keys that `find` can be asked for."""
        self.texts = Texts(file)
        self.skipped = 0
        self._seen: set[int] = {BLANK}
        self._places: dict[int, list[int]] = {one: [] for keys in positives for one in keys}

    def __len__(self) -> int:
        return len(self.texts)

    def find(self, positive: int) -> list[int]:
        """Places of the passages that say what a positive says, with their title or without, in order."""
        return self._places[positive]

    def distinct(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Take a corpus in, and give back the documents that stay. NaruError names one that cannot be read."""
        for document in documents:
            full = Passage(document.id, document.text, document.title).full_text
            try:
                whole, text = key(full), key(document.text)
            except NaruError as error:
                raise NaruError(f"Document {document.id!r}: {error}") from error
            if whole in self._seen or text == BLANK:
                self.skipped += 1
                continue
            self._seen.add(whole)
            place = self.texts.add(full)
            for one in {whole, text} & self._places.keys():
                self._places[one].append(place)
            yield document
