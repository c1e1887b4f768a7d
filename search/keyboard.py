"""Queries typed with the keyboard on the wrong layout: zkem for 카드."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from naru.bm25 import Statistics, token_id
from naru.text import Analyzer, Token
from naru.text.jamo import from_keystrokes

_KEYSTROKES = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{3,}(?![A-Za-z0-9])")


@dataclass(frozen=True, slots=True)
class Mistyped:
    """The Latin letters as typed, the Hangul they stand for, and its tokens, placed in the typed query."""

    typed: str
    text: str
    tokens: list[Token]


def mistyped(
    query: str, tokens: Sequence[Token], analyzer: Analyzer, statistics: Statistics
) -> Mistyped | None:
    """Hangul for the Latin words of a query that the collection does not know, where it knows the Hangul.

    A word that the collection has (API) is never read otherwise, and the query itself stays searched.
    """
    typed, hangul, added = [], [], []
    for match in _KEYSTROKES.finditer(query):
        if _known(
            [token for token in tokens if token.start >= match.start() and token.end <= match.end()],
            statistics,
        ):
            continue
        text = from_keystrokes(match.group())
        if text is None:
            continue
        read = analyzer.query_tokens(text)
        if not _known(read, statistics):
            continue
        typed.append(match.group())
        hangul.append(text)
        added += [token._replace(start=match.start(), end=match.end()) for token in read]
    return Mistyped(" ".join(typed), " ".join(hangul), added) if added else None


def _known(tokens: Sequence[Token], statistics: Statistics) -> bool:
    ids = [token_id(token.namespace, token.text) for token in tokens if token.namespace in ("term", "word")]
    return bool(ids) and bool((statistics.frequency(np.array(ids, np.uint32)) > 0).any())
