"""A folder of Markdown and text files: each file a document, its path below the folder the id."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from indexer.corpus.lines import Lines
from indexer.corpus.record import Bad, Row
from naru.errors import NaruError

_MARKDOWN = (".md", ".markdown")
_KNOWN = (*_MARKDOWN, ".txt")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(?P<title>.*?)(?:[ \t]+#+)?[ \t]*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")


class TextFolder:
    """Files in the order of their paths; hidden ones are passed over, links to folders not followed.

    The title is the first heading of a Markdown file, else the file's name without its extension. A heading
    that opens the file is taken out of the text, which would otherwise say it twice.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self._path = path
        self._encoding = encoding
        self._files = sorted(_files(path))
        self.size = len(self._files)
        self.position = 0
        if not self._files:
            raise NaruError(
                f"{path}: nothing to read; expected {', '.join(_KNOWN)} files, a BEIR folder (corpus.jsonl), "
                "or a saved Hugging Face dataset. Another kind of file is named itself, not its folder."
            )

    def __iter__(self) -> Iterator[Row | Bad]:
        self.position = 0
        by_id: dict[str, Path] = {}
        for path in self._files:
            identity = unicodedata.normalize("NFC", path.relative_to(self._path).as_posix())
            first = by_id.setdefault(identity, path)
            if first != path:
                reason = f"another file has the same name in another Unicode form ({identity}); rename one."
                yield Bad(str(path), 1, reason, identity)
            else:
                yield self._row(path, identity)
            self.position += 1

    def _row(self, path: Path, identity: str) -> Row | Bad:
        lines = Lines(path, self._encoding)
        text = []
        for line in lines:
            if lines.undecodable is not None:
                return Bad(str(path), lines.number, lines.undecodable, line.rstrip("\r\n"))
            text.append(line)
        title = unicodedata.normalize("NFC", path.stem)
        body = "".join(text)
        if path.suffix.lower() in _MARKDOWN and (found := _heading(text)) is not None:
            place, title = found
            rest = "".join(text[place + 1 :])
            if rest.strip() and not "".join(text[:place]).strip():
                body = rest
        return Row(str(path), 1, {"id": identity, "title": title, "text": body.strip()}, body)


def _files(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise NaruError(
            f"{error.filename}: cannot be read: {error.strerror}. Give the right to read it, or move it."
        )

    for path, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and name.lower().endswith(_KNOWN):
                yield Path(path) / name


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
