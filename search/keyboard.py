"""Queries typed with the keyboard on the wrong layout: zkem for 카드."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter

import numpy as np

from naru.bm25 import Statistics, token_id
from naru.text import Analyzer, Normalized, Token
from naru.text.jamo import from_keystrokes

_start = attrgetter("start")
_KEYSTROKES = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{3,}(?![A-Za-z0-9])")


@dataclass(frozen=True, slots=True)
class Mistyped:
    """A query as it was meant: what was `typed` in Latin and `read` as Hangul, the whole query with it, and
    its tokens, placed in the query as typed."""

    typed: str
    read: str
    query: str
    tokens: list[Token]


def mistyped(
    query: str, tokens: Sequence[Token], analyzer: Analyzer, statistics: Statistics
) -> Mistyped | None:
    """Hangul for the Latin words of a query that the collection does not know, where it knows the Hangul.

    A word that the collection has (API) is never read otherwise; one that it lacks finds nothing as it is,
    so its Hangul takes its place. None where there is no such word.
    """
    typed, hangul = [], []
    placed = sorted(tokens, key=_start)

    def inside(start: int, end: int) -> Iterator[Token]:
        for place in range(bisect_left(placed, start, key=_start), bisect_left(placed, end, key=_start)):
            if placed[place].end <= end:
                yield placed[place]

    @cache
    def spelled(keys: str) -> str | None:
        """The Hangul of some keys, with Caps Lock off where it was on, if the collection has all its words."""
        for said in dict.fromkeys([keys, keys.lower()]):
            text = from_keystrokes(said)
            terms = [token for token in analyzer.query_tokens(text or "") if token.namespace == "term"]
            if _known(terms, statistics, all):
                return text
        return None

    def meant(match: re.Match[str]) -> str:
        text = spelled(match.group())
        if text is None or _known(inside(*match.span()), statistics, any):
            return match.group()
        typed.append(match.group())
        hangul.append(text)
        return text

    places = list(range(len(query) + 1))
    rewritten = Normalized(query, places[:-1], places[1:]).rewrite(_KEYSTROKES, meant)
    if not typed:
        return None
    read = []
    for token in analyzer.query_tokens(rewritten.text):
        start, end = rewritten.span(token.start, token.end)
        read.append(token._replace(start=start, end=end))
    return Mistyped(" ".join(typed), " ".join(hangul), rewritten.text, read)


def _known(
    tokens: Iterable[Token], statistics: Statistics, how_many: Callable[[Iterable[object]], bool]
) -> bool:
    """Whether the collection has `how_many` (any or all) of some words; not of none."""
    ids = [token_id(token.namespace, token.text) for token in tokens if token.namespace in ("term", "word")]
    return bool(ids) and how_many(statistics.frequency(np.array(ids, np.uint32)) > 0)
