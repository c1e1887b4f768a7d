"""What is searched and what is found: Document, Passage, Hit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Scalar = str | bool | int | float
Metadata = Mapping[str, "Scalar | list[Scalar] | None"]
"""A document's filterable fields. A datetime is written as ISO 8601 text."""


@dataclass(frozen=True, slots=True)
class Document:
    """One record of a corpus, as the user wrote it."""

    id: str
    text: str
    title: str = ""
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passage:
    """One indexed unit: what a hit points at. Its id is unique in the collection."""

    id: str
    text: str
    title: str = ""
    metadata: Metadata = field(default_factory=dict)

    @property
    def full_text(self) -> str:
        """Title and text as the encoder reads them: the title, a line break, the text."""
        return f"{self.title}\n{self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class Hit:
    """One ranked passage with the scores behind its place.

    `logit` orders hits; `probability` is its calibrated (or prior) form. `semantic` is the true cosine in
    [-1, 1], `lexical` the share in [0, 1] of what the query could reach; a mode that does not use a
    channel leaves its score None.
    """

    passage: Passage
    rank: int
    logit: float
    probability: float
    semantic: float | None
    lexical: float | None
