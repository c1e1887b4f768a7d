"""A query as it is searched: its tokens, with Hangul in the place of what was typed on the wrong layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from naru.bm25 import Statistics, Terms
from naru.errors import NaruError
from naru.text import Analyzer, Token
from search.answer import Note
from search.keyboard import mistyped

MAX_QUERY = 10_000
"""Characters; far beyond any question, and what one analysis may cost is bounded by it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A query's tokens, its text, and notes on what was done to it."""

    tokens: list[Token]
    query: str
    notes: list[Note]

    @property
    def terms(self) -> Terms:
        """What is looked for in passages, by namespace."""
        return terms_of(self.tokens)


def read_query(query: str, analyzer: Analyzer, statistics: Statistics) -> Reading:
    """The query as the collection with these `statistics` is asked. NaruError: it is empty or overlong."""
    if not query.strip():
        raise NaruError("The query is empty: type at least one word.")
    if len(query) > MAX_QUERY:
        raise NaruError(f"The query has {len(query):,} characters; at most {MAX_QUERY:,} are searched.")
    tokens = analyzer.query_tokens(query)
    hangul = mistyped(query, tokens, analyzer, statistics)
    if hangul is None:
        return Reading(tokens, query, [])
    message = f"Searched for {hangul.read!r}: {hangul.typed!r} looks typed on an English layout."
    note = Note("keyboard", message, {"typed": hangul.typed, "read": hangul.read})
    return Reading(hangul.tokens, hangul.query, [note])


def terms_of(tokens: Sequence[Token]) -> Terms:
    """The texts of tokens by namespace, in order."""
    terms: dict[str, list[str]] = {}
    for token in tokens:
        terms.setdefault(token.namespace, []).append(token.text)
    return terms
