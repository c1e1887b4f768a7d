"""A folder of Markdown, HTML and text files: each file a document, its path below the folder the id."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from indexer.corpus.html import read_page
from naru.errors import NaruError
from naru.lines import Lines, UnreadableError, pass_encoding
from naru.records import Bad, Row

_MARKDOWN = (".md", ".markdown")
_HTML = (".html", ".htm")
_KNOWN = (*_MARKDOWN, ".txt", *_HTML)
_GUESSES = ("utf-8", "cp949", "utf-16")  # the last only where a mark begins the file
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(?P<title>.*?)(?:[ \t]+#+)?[ \t]*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")


@dataclass(frozen=True, slots=True)
class Remarks:
    """What is worth knowing of folders that were read: how many files of `other` kinds were not, by ending; how many
    were `blank`; how many were read as `cp949`, which nobody had said they are."""

    other: Mapping[str, int]
    blank: int = 0
    cp949: int = 0

    def __add__(self, more: Remarks) -> Remarks:
        other = Counter(self.other) + Counter(more.other)
        return Remarks(other, self.blank + more.blank, self.cp949 + more.cp949)

    def sentences(self) -> Iterator[str]:
        if self.other:
            kinds = ", ".join(f"{ending} {count:,}" for ending, count in sorted(self.other.items()))
            yield f"{_count(sum(self.other.values()))} of other kinds not read: {kinds}."
        if self.blank:
            yield f"{_count(self.blank)} without any text passed over."
        if self.cp949:
            yield f"{_count(self.cp949)} read as CP949, not being UTF-8."


class TextFolder:
    """Files in the order of their paths; hidden and blank ones are passed over, links to folders not followed.

    The title is the first heading of a Markdown file, the title of a page, else the file's name without its
    extension. A heading that opens the file is taken out of the text, which would otherwise say it twice. Without
    an `encoding` each file is UTF-8, or else CP949, or else UTF-16 with its mark. A file that cannot be opened is bad.
    """

    def __init__(self, path: Path, encoding: str | None) -> None:
        self._path = path
        self._encodings = _GUESSES if encoding is None else (encoding,)
        self._other: Counter[str] = Counter()
        self._files = sorted(_files(path, self._other))
        self._blank = self._cp949 = 0
        self.size = len(self._files)
        self.position = 0
        if not self._files:
            kinds = f" among {', '.join(sorted(self._other))}" if self._other else ""
            raise NaruError(
                f"{path}: nothing to read{kinds}; expected {', '.join(_KNOWN)} files, a BEIR folder (corpus.jsonl), "
                "or a saved Hugging Face dataset. Another kind of file is named itself, not its folder."
            )

    @property
    def remarks(self) -> Remarks:
        """On what was read so far."""
        return Remarks(self._other, self._blank, self._cp949)

    def __iter__(self) -> Iterator[Row | Bad]:
        self.position = self._blank = self._cp949 = 0
        by_id: dict[str, Path] = {}
        for path in self._files:
            identity = unicodedata.normalize("NFC", path.relative_to(self._path).as_posix())
            first = by_id.setdefault(identity, path)
            if first != path:
                reason = f"another file has the same name in another Unicode form ({identity}); rename one."
                yield Bad(str(path), 1, reason, identity)
            elif (row := self._row(path, identity)) is not None:
                yield row
            self.position += 1

    def _row(self, path: Path, identity: str) -> Row | Bad | None:
        text = self._text(path)
        if isinstance(text, Bad):
            return text
        title = unicodedata.normalize("NFC", path.stem)
        body = "".join(text)
        if path.suffix.lower() in _HTML:
            try:
                found_title, body = read_page(body)
            except ValueError as error:
                return Bad(str(path), 1, f"not HTML that can be read: {error}", body)
            title = found_title or title
        elif path.suffix.lower() in _MARKDOWN and (found := _heading(text)) is not None:
            place, title = found
            rest = "".join(text[place + 1 :])
            if rest.strip() and not "".join(text[:place]).strip():
                body = rest
        if not body.strip():
            self._blank += 1
            return None
        return Row(str(path), 1, {"id": identity, "title": title, "text": body.strip()}, body)

    def _text(self, path: Path) -> list[str] | Bad:
        """The lines, in the first encoding that reads all of them; else what the first one says is wrong."""
        first: Bad | None = None
        for encoding in self._encodings:
            text = _decoded(path, encoding)
            if not isinstance(text, Bad):
                self._cp949 += first is not None and encoding == "cp949"
                return text
            first = first or text
        assert first is not None, "this is a bug: no encoding was tried"
        return first


def _decoded(path: Path, encoding: str) -> list[str] | Bad:
    text = []
    try:
        lines = Lines(path, encoding, remedy=pass_encoding)
        for line in lines:
            if lines.undecodable is not None:
                return Bad(str(path), lines.number, lines.undecodable, line.rstrip("\r\n"))
            text.append(line)
    except UnreadableError as error:
        return Bad(str(path), 1, error.reason, "")
    return text


def _count(files: int) -> str:
    return f"{files:,} file{'' if files == 1 else 's'}"


def _files(folder: Path, other: Counter[str]) -> Iterator[Path]:
    """Those that can be read; the endings of the others are counted."""

    def refuse(error: OSError) -> None:
        raise NaruError(
            f"{error.filename}: cannot be read: {error.strerror}. Give the right to read it, or move it."
        )

    for path, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.startswith("."):
                continue
            if name.lower().endswith(_KNOWN):
                yield Path(path) / name
            else:
                other[Path(name).suffix.lower() or "(no ending)"] += 1


def _heading(lines: list[str]) -> tuple[int, str] | None:
    """Line and title of the first heading outside fenced code."""
    fence = ""
    for place, line in enumerate(lines):
        opened = _FENCE.match(line)
        if opened:
            fence = "" if fence == opened[1] else fence or opened[1]
        elif not fence and (found := _HEADING.match(line.rstrip("\r\n"))) and found["title"]:
            return place, found["title"]
    return None
