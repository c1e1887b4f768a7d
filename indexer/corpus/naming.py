"""Which fields of a record are its id, its title and its text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from naru.errors import NaruError, suggested

# What the fields are often called where they are not called as ours, the surest first.
_OFTEN = {
    "text": ("본문", "내용", "답변", "content", "contents", "body", "passage", "document", "answer"),
    "title": ("제목", "질문", "subject", "question", "name"),
    "id": ("번호", "아이디", "문서번호", "doc_id", "docid", "pid", "key"),
}


@dataclass(frozen=True, slots=True)
class Naming:
    """The names of a record's fields, in NFC. `id` None: `id`, or BEIR's `_id`. `title` None: `title`, where there is
    one; a title that is named must be a field of some record. Where records are `numbered`, a record's line (its row,
    where there are no lines) is its id and no field is. ValueError for both a name and numbers."""

    id: str | None = None
    title: str | None = None
    text: str = "text"
    numbered: bool = False

    def __post_init__(self) -> None:
        for name in ("id", "title", "text"):
            if (said := getattr(self, name)) is not None:
                object.__setattr__(self, name, composed(said))
        if self.id is not None and self.numbered:
            raise ValueError(f"ids are in the field {self.id!r} or they are numbers, not both")

    @property
    def ids(self) -> tuple[str, ...]:
        """The fields that may hold the id."""
        if self.numbered:
            return ()
        return ("id", "_id") if self.id is None else (self.id,)

    @property
    def titles(self) -> str:
        """The field that may hold the title."""
        return "title" if self.title is None else self.title

    @property
    def own(self) -> frozenset[str]:
        """The fields that are not metadata."""
        return frozenset((*self.ids, self.titles, self.text))

    def among(self, columns: Iterable[str]) -> bool:
        """Whether columns hold a text, and an id where they must."""
        there = {*map(composed, columns)}
        return self.text in there and (self.numbered or not there.isdisjoint(self.ids))

    def expect_title(self, columns: Iterable[str], where: str) -> None:
        """NaruError where these are all the fields there are, and none is the title that was named."""
        there = [composed(name) for name in columns if name]
        if self.title is not None and self.title not in there:
            raise NaruError(
                f"{where}: --title {self.title}: there is no such field. {suggested(self.title, there)}"
            )

    @property
    def expected(self) -> str:
        """The columns that there must be, for a message."""
        return repr(self.text) if self.numbered else f"{self.ids[0]!r} and {self.text!r}"

    def hint(self, columns: Iterable[str]) -> str:
        """The flags of `naru index` that would name these columns, guessed where their names are common ones; empty
        where nothing is missing."""
        there = [*map(composed, columns)]
        found = {
            ours: next((name for name in there if name.lower() in often), None)
            for ours, often in _OFTEN.items()
        }
        flags = [] if self.text in there else [f"--text {found['text'] or 'FIELD'}"]
        if found["title"] is not None and self.titles not in there:
            flags.append(f"--title {found['title']}")
        if not self.numbered and set(self.ids).isdisjoint(there):
            flags.append("--number-rows" if found["id"] is None else f"--id {found['id']}")
        return f" Say which fields hold them: {' '.join(flags)}" if flags else ""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a table or Parquet must have columns for. Its title may be missing where there are `several` locations."""

    naming: Naming
    several: bool

    def fits(self, columns: Sequence[str]) -> bool:
        return self.naming.text in map(composed, columns)

    def check(self, columns: Sequence[str], where: str) -> None:
        if not self.naming.among(columns):
            raise NaruError(
                f"{where}: the columns are {', '.join(map(repr, columns))}; expected {self.naming.expected} among them (of "
                f"CSV: split by a comma, a semicolon or a tab).{self.naming.hint(columns)}"
            )
        if not self.several:
            self.naming.expect_title(columns, where)


class Fields:
    """The fields that the records had, until one of them is the title that was named."""

    _MOST = 1000

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._names: dict[str, None] = {}

    def see(self, names: Iterable[str]) -> None:
        if self._naming.title is not None and self._naming.title not in self._names:
            there = dict.fromkeys(map(composed, names))
            if len(self._names) < self._MOST or self._naming.title in there:
                self._names |= there

    def check(self, where: str) -> None:
        """NaruError where no record had the title that was named."""
        self._naming.expect_title(self._names, where)


def composed(name: str) -> str:
    """A field's name in NFC: the same word typed on macOS comes decomposed."""
    return unicodedata.normalize("NFC", name)
