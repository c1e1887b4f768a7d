"""A corpus on disk or on the Hub becomes a stream of documents; see `Corpus` for the formats.

Readers (`naru.records` for files) yield rows as their format holds them; what makes a row a document is in `record`, once
for all.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO

from indexer.corpus.folder import Remarks, TextFolder
from indexer.corpus.hub import HubDataset, is_dataset
from indexer.corpus.naming import Columns, Fields, Naming
from indexer.corpus.record import document
from naru.documents import Document
from naru.errors import NaruError
from naru.lines import UTF8, pass_encoding
from naru.records import KINDS, Bad, Reader, Row, open_records

__all__ = ["Corpus", "Naming"]

_BEIR = ("corpus.jsonl", "corpus.jsonl.gz")


class Corpus:
    """The documents at one or more locations, one after the other, streamed anew by each iteration.

    A location is a file (JSON lines, a JSON array, CSV or TSV, each also gzipped, or Parquet), a BEIR folder (its
    `corpus.jsonl`), a folder of Markdown, HTML and text files, a Hugging Face dataset saved in a folder, or
    `hf://OWNER/NAME[:SPLIT]`. A record has an `id` (or BEIR's `_id`), a `text`, perhaps a `title`, or what
    `naming` calls them; its other fields become metadata. `encoding` is that of JSON, tables and text files: UTF-8
    unless it is given, and in a folder of texts CP949, or UTF-16 with its mark, where a file is not UTF-8.

    The first bad record ends the iteration with a NaruError `file:line: what was got; what was expected`.
    With `rejects` it is written to that file instead, as a JSON line {file, line, reason, raw}, and the
    reading goes on; `rejected` counts these. An id must be unique over all locations; where records are
    numbered and there are several, it is FILE:LINE. A location without documents is a NaruError either way,
    and so is a file that cannot be read as what its name says, and a title that `naming` names and no record has.
    """

    def __init__(
        self,
        *locations: str | Path,
        encoding: str | None = None,
        rejects: Path | None = None,
        naming: Naming | None = None,
    ) -> None:
        try:
            " ".encode(encoding or UTF8)
        except LookupError as error:
            raise NaruError(
                f"Unknown encoding {encoding!r}; expected a name such as utf-8, cp949 or utf-16."
            ) from error
        if not locations:
            raise ValueError("a corpus has at least one location")
        self._locations = [str(location) for location in locations]
        self.rejected = 0
        self._rejects = rejects
        self._naming = naming or Naming()
        several = len(locations) > 1
        self._readers = [_reader(one, encoding, self._naming, several) for one in self._locations]
        self._bytes = [_bytes(one) for one in self._locations]

    @property
    def location(self) -> str:
        """Where the documents are, as a shell reads it."""
        return shlex.join(self._locations)

    @property
    def bytes(self) -> int | None:
        """What the locations hold on disk; None when not known."""
        return None if None in self._bytes else sum(size or 0 for size in self._bytes)

    @property
    def size(self) -> int | None:
        """How far `position` goes: bytes of a file, rows, or files of a folder; bytes on disk of several locations,
        which would else not add up. None when not known."""
        if len(self._readers) == 1:
            return self._readers[0].size
        return self.bytes

    @property
    def position(self) -> int:
        """How far the reading has come, for a progress bar."""
        if len(self._readers) == 1:
            return self._readers[0].position
        return sum(
            round((size or 0) * reader.position / max(reader.size or 0, 1))
            for reader, size in zip(self._readers, self._bytes, strict=True)
        )

    @property
    def remarks(self) -> Remarks:
        """On the folders of texts among the locations, as far as they were read."""
        return sum((one.remarks for one in self._readers if isinstance(one, TextFolder)), Remarks({}))

    def __iter__(self) -> Iterator[Document]:
        self.rejected = 0
        ids = _Ids(several=len(self._readers) > 1)
        fields = Fields(self._naming)
        with ExitStack() as stack:
            rejects = stack.enter_context(_open(self._rejects, self._locations)) if self._rejects else None
            for location, reader in zip(self._locations, self._readers, strict=True):
                yield from self._read(location, reader, ids, fields, rejects)
        fields.check(self.location)

    def _read(
        self, location: str, reader: Reader, ids: _Ids, fields: Fields, rejects: IO[str] | None
    ) -> Iterator[Document]:
        read, before = 0, self.rejected
        naming = Naming() if isinstance(reader, TextFolder) else self._naming
        for row in reader:
            if isinstance(row, Row) and naming is self._naming:
                fields.see(row.fields)
            found = ids.checked(row, naming)
            if isinstance(found, Document):
                read += 1
                yield found
            elif rejects is None:
                raise NaruError(f"{found.file}:{found.line}: {found.reason}")
            else:
                self.rejected += 1
                rejects.write(_rejected(found))
        if read:
            return
        if self.rejected > before:
            raise NaruError(
                f"{location}: not one of its {self.rejected - before} records could be read; "
                f"{self._rejects} says why for each."
            )
        raise NaruError(f"{location}: no records; expected at least one with an id and a text.")


class _Ids:
    """Makes rows documents, each id once. Where an id was is kept by its 64-bit hash, which costs less than the ids do:
    of ten million ids, two share a hash with a chance of 3 in a million."""

    _LINES = 1 << 40

    def __init__(self, *, several: bool) -> None:
        self._several = several
        self._files: list[str] = []
        self._places: dict[int, int] = {}

    def checked(self, row: Row | Bad, naming: Naming) -> Document | Bad:
        if isinstance(row, Bad):
            return row
        if not self._files or self._files[-1] != row.file:
            self._files.append(row.file)
        try:
            made = document(row.fields, naming, row.line)
        except NaruError as error:
            return Bad(row.file, row.line, str(error), row.raw)
        if self._several and naming.numbered:
            made = replace(made, id=f"{Path(row.file).name}:{row.line}")
        key = hash(made.id)
        first = self._places.get(key)
        if first is not None:
            return Bad(row.file, row.line, self._twice(made.id, row.file, first), row.raw)
        self._places[key] = (len(self._files) - 1) * self._LINES + row.line
        return made

    def _twice(self, id: str, file: str, first: int) -> str:
        place, line = divmod(first, self._LINES)
        where = f"on line {line}" if self._files[place] == file else f"in {self._files[place]}:{line}"
        return f"id {id!r} was {where} already; expected each id once. Rename or remove one."


def _rejected(bad: Bad) -> str:
    said = {"file": bad.file, "line": bad.line, "reason": bad.reason, "raw": bad.raw}
    return json.dumps(said, ensure_ascii=False, default=str) + "\n"


def _open(rejects: Path, locations: list[str]) -> IO[str]:
    try:
        if rejects.exists() and any(Path(one).exists() and rejects.samefile(one) for one in locations):
            raise NaruError(
                f"{rejects}: the rejected records would be written over the corpus itself; say --rejects OTHER."
            )
        # A lone surrogate leaves as its escape, which JSON reads back.
        return rejects.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise NaruError(f"{rejects}: cannot write the rejected records there: {error.strerror}.") from error


def _bytes(location: str) -> int | None:
    """What a location holds on disk, None where it is not there."""
    path = Path(location)
    if not path.is_dir():
        return path.stat().st_size if path.exists() else None
    return sum((Path(folder) / name).lstat().st_size for folder, _, names in os.walk(path) for name in names)


def _reader(location: str, given: str | None, naming: Naming, several: bool) -> Reader:
    if location.startswith("hf://"):
        return HubDataset.parse(location)
    path = Path(location)
    if path.is_dir():
        return _folder(path, given, naming, several)
    if not path.exists():
        raise NaruError(f"{path}: no such file or folder.")
    if not path.name.lower().endswith(KINDS):
        raise NaruError(
            f"{path}: unknown kind of corpus {''.join(path.suffixes) or '(no extension)'!r}; expected a file "
            f"{', '.join(KINDS)}, a folder of .md, .html and .txt files, a BEIR folder, or hf://OWNER/NAME."
        )
    return open_records(path, given or UTF8, Columns(naming, several), pass_encoding)


def _folder(path: Path, encoding: str | None, naming: Naming, several: bool) -> Reader:
    for name in _BEIR:
        if (path / name).is_file():
            return open_records(path / name, encoding or UTF8, remedy=pass_encoding)
    if is_dataset(path):
        return HubDataset(str(path), split="")
    if naming != Naming() and not several:
        raise NaruError(f"{path}: a folder of texts has no fields to name; each file's path is its id.")
    return TextFolder(path, encoding)
