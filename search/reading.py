"""A query as it is searched: its tokens, with Hangul in the place of what was typed on the wrong layout."""

from __future__ import annotations

from dataclasses import dataclass

from naru.bm25 import Statistics, Terms
from naru.errors import NaruError
from naru.text import Analyzer, Token, terms_of
from search import notes
from search.keyboard import mistyped

MAX_QUERY = 10_000
"""Characters; far beyond any question, and what one analysis may cost is bounded by it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A query's tokens, its text, and notes on what was done to it."""

    tokens: list[Token]
    query: str
    notes: list[notes.Note]

    @property
    def terms(self) -> Terms:
        """What is looked for in passages, by namespace."""
        return terms_of(self.tokens)


def check_query(query: str) -> None:
    """NaruError: it is empty or overlong."""
    if not query.strip():
        raise NaruError("The query is empty: type at least one word.")
    if len(query) > MAX_QUERY:
        raise NaruError(f"The query has {len(query):,} characters; at most {MAX_QUERY:,} are searched.")


def read_query(query: str, analyzer: Analyzer, statistics: Statistics) -> Reading:
    """The query as the collection with these `statistics` is asked. NaruError: it is empty or overlong."""
    check_query(query)
    tokens = analyzer.query_tokens(query)
    hangul = mistyped(query, tokens, analyzer, statistics)
    if hangul is None:
        return Reading(tokens, query, [])
    return Reading(hangul.tokens, hangul.query, [notes.mistyped(hangul.typed, hangul.read)])
