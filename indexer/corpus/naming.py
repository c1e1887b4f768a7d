"""Which fields of a record are its id, its title and its text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# What the fields are often called where they are not called as ours, the surest first.
_OFTEN = {
    "text": ("본문", "내용", "답변", "content", "contents", "body", "passage", "document", "answer"),
    "title": ("제목", "질문", "subject", "question", "name"),
    "id": ("번호", "아이디", "문서번호", "doc_id", "docid", "pid", "key"),
}


@dataclass(frozen=True, slots=True)
class Naming:
    """The names of a record's fields. `id` None: `id`, or BEIR's `_id`. Where records are `numbered`, a record's line
    (its row, where there are no lines) is its id and no field is. ValueError for both a name and numbers."""

    id: str | None = None
    title: str = "title"
    text: str = "text"
    numbered: bool = False

    def __post_init__(self) -> None:
        if self.id is not None and self.numbered:
            raise ValueError(f"ids are in the field {self.id!r} or they are numbers, not both")

    @property
    def ids(self) -> tuple[str, ...]:
        """The fields that may hold the id."""
        if self.numbered:
            return ()
        return ("id", "_id") if self.id is None else (self.id,)

    @property
    def own(self) -> frozenset[str]:
        """The fields that are not metadata."""
        return frozenset((*self.ids, self.title, self.text))

    def among(self, columns: Iterable[str]) -> bool:
        """Whether columns hold a text, and an id where they must."""
        there = set(columns)
        return self.text in there and (self.numbered or not there.isdisjoint(self.ids))

    @property
    def expected(self) -> str:
        """The columns that there must be, for a message."""
        return repr(self.text) if self.numbered else f"{self.ids[0]!r} and {self.text!r}"

    def hint(self, columns: Iterable[str]) -> str:
        """The flags of `naru index` that would name these columns, guessed where their names are common ones; empty
        where nothing is missing."""
        there = list(columns)
        found = {
            ours: next((name for name in there if name.lower() in often), None)
            for ours, often in _OFTEN.items()
        }
        flags = [] if self.text in there else [f"--text {found['text'] or 'FIELD'}"]
        if found["title"] is not None and self.title not in there:
            flags.append(f"--title {found['title']}")
        if not self.numbered and set(self.ids).isdisjoint(there):
            flags.append("--number-rows" if found["id"] is None else f"--id {found['id']}")
        return f" Say which fields hold them: {' '.join(flags)}" if flags else ""
