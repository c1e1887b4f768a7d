"""A corpus on disk or on the Hub becomes a stream of documents; see `Corpus` for the formats.

Each reader yields rows as its format holds them; what makes a row a document is in `record`, once for all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Protocol

from indexer.corpus.folder import TextFolder
from indexer.corpus.hub import HubDataset, is_dataset
from indexer.corpus.jsonl import JsonArray, JsonLines
from indexer.corpus.naming import Naming
from indexer.corpus.parquet import ParquetFile
from indexer.corpus.record import Bad, Row, document
from indexer.corpus.table import Table
from naru.documents import Document
from naru.errors import NaruError

__all__ = ["Corpus", "Naming"]

_JSON_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_JSON = (".json", ".json.gz")
_TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_PARQUET = (".parquet",)
_BEIR = ("corpus.jsonl", "corpus.jsonl.gz")


class Reader(Protocol):
    """One format. `size` and `position` share a unit (bytes, rows or files); size is None when not known."""

    @property
    def size(self) -> int | None: ...

    @property
    def position(self) -> int: ...

    def __iter__(self) -> Iterator[Row | Bad]: ...


class Corpus:
    """The documents at a location, streamed anew by each iteration.

    A location is a file (JSON lines, a JSON array, CSV or TSV, each also gzipped, or Parquet), a BEIR folder (its
    `corpus.jsonl`), a folder of Markdown and text files, a Hugging Face dataset saved in a folder, or
    `hf://OWNER/NAME[:SPLIT]`. A record has an `id` (or BEIR's `_id`), a `text`, perhaps a `title`, or what
    `naming` calls them; its other fields become metadata. `encoding` is that of JSON, tables and text files.

    The first bad record ends the iteration with a NaruError `file:line: what was got; what was expected`.
    With `rejects` it is written to that file instead, as a JSON line {file, line, reason, raw}, and the
    reading goes on; `rejected` counts these. No documents at all is a NaruError either way, and so is a file
    that cannot be read as what its name says.
    """

    def __init__(
        self,
        location: str | Path,
        *,
        encoding: str = "utf-8",
        rejects: Path | None = None,
        naming: Naming | None = None,
    ) -> None:
        try:
            " ".encode(encoding)
        except LookupError as error:
            raise NaruError(
                f"Unknown encoding {encoding!r}; expected a name such as utf-8, cp949 or utf-16."
            ) from error
        self.location = str(location)
        self.rejected = 0
        self._rejects = rejects
        self._naming = naming or Naming()
        self._reader = _reader(self.location, encoding, self._naming)

    @property
    def size(self) -> int | None:
        """How far `position` goes: bytes of a file, rows, or files of a folder; None when not known."""
        return self._reader.size

    @property
    def position(self) -> int:
        """How far the reading has come, for a progress bar."""
        return self._reader.position

    def __iter__(self) -> Iterator[Document]:
        self.rejected = 0
        read = 0
        # Where each id was, by its 64-bit hash, which costs less than the ids do. Of ten million ids, two
        # share a hash with a chance of 3 in a million.
        lines: dict[int, int] = {}
        with ExitStack() as stack:
            rejects = stack.enter_context(_open(self._rejects, self.location)) if self._rejects else None
            for row in self._reader:
                found = _checked(row, lines, self._naming)
                if isinstance(found, Document):
                    read += 1
                    yield found
                elif rejects is None:
                    raise NaruError(f"{found.file}:{found.line}: {found.reason}")
                else:
                    self.rejected += 1
                    rejects.write(_rejected(found))
        if self.rejected and not read:
            raise NaruError(
                f"{self.location}: not one of its {self.rejected} records could be read; "
                f"{self._rejects} says why for each."
            )
        if not read:
            raise NaruError(f"{self.location}: no records; expected at least one with an id and a text.")


def _checked(row: Row | Bad, lines: dict[int, int], naming: Naming) -> Document | Bad:
    if isinstance(row, Bad):
        return row
    try:
        made = document(row.fields, naming, row.line)
    except NaruError as error:
        return Bad(row.file, row.line, str(error), row.raw)
    first = lines.setdefault(hash(made.id), row.line)
    if first != row.line:
        reason = f"id {made.id!r} was on line {first} already; expected each id once. Rename or remove one."
        return Bad(row.file, row.line, reason, row.raw)
    return made


def _rejected(bad: Bad) -> str:
    said = {"file": bad.file, "line": bad.line, "reason": bad.reason, "raw": bad.raw}
    return json.dumps(said, ensure_ascii=False, default=str) + "\n"


def _open(rejects: Path, location: str) -> IO[str]:
    try:
        if rejects.exists() and Path(location).exists() and rejects.samefile(location):
            raise NaruError(
                f"{rejects}: the rejected records would be written over the corpus itself; say --rejects OTHER."
            )
        # A lone surrogate leaves as its escape, which JSON reads back.
        return rejects.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise NaruError(f"{rejects}: cannot write the rejected records there: {error.strerror}.") from error


def _reader(location: str, encoding: str, naming: Naming) -> Reader:
    if location.startswith("hf://"):
        return HubDataset.parse(location)
    path = Path(location)
    if path.is_dir():
        return _folder(path, encoding, naming)
    if not path.exists():
        raise NaruError(f"{path}: no such file or folder.")
    name = path.name.lower()
    if name.endswith(_JSON_LINES):
        return JsonLines(path, encoding)
    if name.endswith(_JSON):
        return JsonArray(path, encoding)
    if name.endswith(_TABLES):
        return Table(path, encoding, naming)
    if name.endswith(_PARQUET):
        return ParquetFile(path, naming)
    raise NaruError(
        f"{path}: unknown kind of corpus {''.join(path.suffixes) or '(no extension)'!r}; expected a file "
        f"{', '.join(_JSON_LINES + _JSON + _TABLES + _PARQUET)}, a folder of .md and .txt files, a BEIR folder, or "
        "hf://OWNER/NAME."
    )


def _folder(path: Path, encoding: str, naming: Naming) -> Reader:
    for name in _BEIR:
        if (path / name).is_file():
            return JsonLines(path / name, encoding)
    if is_dataset(path):
        return HubDataset(str(path), split="")
    if naming != Naming():
        raise NaruError(f"{path}: a folder of texts has no fields to name; each file's path is its id.")
    return TextFolder(path, encoding)
