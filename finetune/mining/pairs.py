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
    """A query and the text of a passage that answers it, and where it stands ("faq.csv:3"). Pairs of one query share
    their positives."""

    query: str
    document: str
    place: str = ""


class Row(NamedTuple):
    """A pair: its query as written, the query's number, and its positive's key; its document has the row's place."""

    text: str
    query: int
    positive: int


class Pairs:
    """All pairs: `rows`, the distinct `queries`, for each the keys of its `positives`, and the `documents` on disk."""

    def __init__(self, pairs: Iterable[Pair], file: IO[bytes], skip_bad_rows: bool = False) -> None:
        """NaruError for a pair with a blank text or one that is not valid Unicode, unless those are skipped (`bad` counts
        them), and for no pairs."""
        self.rows: list[Row] = []
        self.queries: list[str] = []
        self.positives: list[set[int]] = []
        self.documents = Texts(file)
        self.bad = 0
        numbers: dict[int, int] = {}
        for number, pair in enumerate(pairs, start=1):
            try:
                query, positive = _keys(pair)
            except NaruError as error:
                if skip_bad_rows:
                    self.bad += 1
                    continue
                raise NaruError(
                    f"{pair.place or f'Pair {number}'}: {error} Mend the pair, or leave out all such pairs with "
                    "--skip-bad-rows."
                ) from error
            known = numbers.setdefault(query, len(numbers))
            if known == len(self.queries):
                self.queries.append(pair.query)
                self.positives.append(set())
            self.positives[known].add(positive)
            self.rows.append(Row(pair.query, known, positive))
            self.documents.add(pair.document)
        if not self.rows:
            left = f" ({self.bad:,} left out: blank, or not valid Unicode)" if self.bad else ""
            raise NaruError(
                f"No pairs to mine for{left}; expected at least one query with a document that answers it."
            )

    def as_corpus(self) -> Iterator[Document]:
        """The documents of the pairs, where there is no other corpus to mine."""
        return (Document(str(place), self.documents[place]) for place in range(len(self.documents)))


def _keys(pair: Pair) -> tuple[int, int]:
    """The keys of its query and its document; NaruError for one that is no text."""
    query, positive = key(pair.query), key(pair.document)
    if BLANK in (query, positive):
        raise NaruError(f"its {'query' if query == BLANK else 'document'} is blank; expected text.")
    return query, positive
