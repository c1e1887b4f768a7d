"""The pairs to mine for: which queries there are, and what answers each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple

from finetune.mining.passages import BLANK, Texts, key
from naru.documents import Document
from naru.errors import NaruError


@dataclass(frozen=True, slots=True)
class Pair:
    """A query and the text of a passage that answers it. Pairs of one query share their positives."""

    query: str
    document: str


class Row(NamedTuple):
    """A pair: its query as written, the query's number, and its positive's key; its document has the row's place."""

    text: str
    query: int
    positive: int


class Pairs:
    """All pairs: `rows`, the distinct `queries`, for each the keys of its `positives`, and the `documents` on disk."""

    def __init__(self, pairs: Iterable[Pair], file: IO[bytes]) -> None:
        """NaruError for a pair with a blank text or one that is not valid Unicode, and for no pairs."""
        self.rows: list[Row] = []
        self.queries: list[str] = []
        self.positives: list[set[int]] = []
        self.documents = Texts(file)
        numbers: dict[int, int] = {}
        for place, pair in enumerate(pairs, start=1):
            try:
                query, positive = key(pair.query), key(pair.document)
            except NaruError as error:
                raise NaruError(f"Pair {place}: {error}") from error
            if BLANK in (query, positive):
                what = "query" if query == BLANK else "document"
                raise NaruError(
                    f"Pair {place}: its {what} is blank; expected text. Mend the pair or leave it out."
                )
            number = numbers.setdefault(query, len(numbers))
            if number == len(self.queries):
                self.queries.append(pair.query)
                self.positives.append(set())
            self.positives[number].add(positive)
            self.rows.append(Row(pair.query, number, positive))
            self.documents.add(pair.document)
        if not self.rows:
            raise NaruError(
                "No pairs to mine for; expected at least one query with a document that answers it."
            )

    def as_corpus(self) -> Iterator[Document]:
        """The documents of the pairs, where there is no other corpus to mine."""
        return (Document(str(place), self.documents[place]) for place in range(len(self.documents)))
