"""Which parts of a passage answer to the words of a query, and the part of it worth showing first."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from naru.bm25 import Statistics, token_id
from naru.documents import Passage
from naru.text import Analyzer, Token
from naru.text.analyzer import QUESTION_WORDS
from naru.text.morphemes import Morpheme
from naru.text.particles import LONGEST, is_chain

LEAST_IDF = 1.0
"""What a token must tell to be marked: below it, more than a third of the passages have it."""

READ = 4_000
"""Characters of a text that are analysed; what lies further on is never marked."""

RARE = 10
"""A form of a word that so many times fewer passages have is what Mecab took amiss, and not the word."""

WINDOW = 160
"""Characters of a snippet, without its ellipses."""

ELLIPSIS = "…"
_NAMESPACES = ("term", "word")
_LETTERS = re.compile(r"[가-힣A-Za-z0-9]+")
_EOJEOL = re.compile(r"\S+")
_SENTENCE_END = re.compile(r"[.!?。…][\"'”’)\]]*\s*\Z")

Key = tuple[str, str]
"""A token's namespace and text."""


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of code points."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a text, all marked or all not."""

    text: str
    match: bool


@dataclass(frozen=True, slots=True)
class Marked:
    """A text and its marked parts: ascending spans that neither overlap nor touch."""

    text: str
    spans: tuple[Span, ...] = ()

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The whole text cut at the marks, for a reader that counts characters in another unit."""
        pieces, last = [], 0
        for span in self.spans:
            pieces.append(Segment(self.text[last : span.start], False))
            pieces.append(Segment(self.text[span.start : span.end], True))
            last = span.end
        pieces.append(Segment(self.text[last:], False))
        return tuple(piece for piece in pieces if piece.text)


@dataclass(frozen=True, slots=True)
class Highlights:
    """A passage's title and text with the query's words marked, and the snippet of its text."""

    title: Marked
    text: Marked
    snippet: Marked


@dataclass(frozen=True, slots=True)
class _Found:
    """A token of the query found in a text."""

    span: Span
    key: Key


class Highlighter:
    """Marks one query's words in passages."""

    def __init__(
        self, tokens: Sequence[Token], analyzer: Analyzer, statistics: Statistics, query: str = ""
    ) -> None:
        """`tokens` and `query` are the query's, as `Answer` has them; `analyzer` and `statistics` the collection's.

        With the `query`, its words are found as they are written too, where Mecab cuts them otherwise in a text.
        """
        self._analyzer = analyzer
        normal, morphemes = analyzer.morphemes(query)
        ignored = determiners(morphemes)
        written = [Token("word", word, 0, 0) for word in words_of(normal, morphemes, statistics)]
        kept = [token for token in (*tokens, *written) if token.text not in ignored]
        self._weights = telling(kept, statistics)
        self._written = [word.text for word in written if ("word", word.text) in self._weights]

    def highlight(self, passage: Passage) -> Highlights:
        found = self._find(passage.text)
        return Highlights(
            title=Marked(passage.title, merged(one.span for one in self._find(passage.title))),
            text=Marked(passage.text, merged(one.span for one in found)),
            snippet=self._snippet(passage.text, found),
        )

    def _find(self, text: str) -> list[_Found]:
        if not self._weights:
            return []
        tokens = self._analyzer.words(text[:READ])
        found = [
            _Found(Span(token.start, token.end), (token.namespace, token.text))
            for token in tokens
            if (token.namespace, token.text) in self._weights
        ]
        return found + self._as_written(text[:READ])

    def _as_written(self, text: str) -> list[_Found]:
        """The query's words at the beginning of a text's words, with nothing behind them but particles."""
        lowered = text.lower()
        if len(lowered) == len(text):  # İ grows when lowered; its place must not move what follows
            text = lowered
        written = [word for word in self._written if word in text]
        eojeols = [(match.start(), match.group()) for match in _LETTERS.finditer(text)] if written else []
        return [
            _Found(Span(start, start + len(word)), ("word", word))
            for word in written
            for start, eojeol in eojeols
            if eojeol.startswith(word) and (len(eojeol) == len(word) or is_chain(eojeol[len(word) :]))
        ]

    def _snippet(self, text: str, found: Sequence[_Found]) -> Marked:
        near = text[: READ + WINDOW]  # nothing is found further on
        window = best_window(near, [(one.span, one.key, self._weights[one.key]) for one in found])
        before = ELLIPSIS if window.start > len(text) - len(text.lstrip()) else ""
        after = ELLIPSIS if window.end < len(text.rstrip()) else ""
        shift = len(before) - window.start
        inside = (
            Span(max(one.span.start, window.start) + shift, min(one.span.end, window.end) + shift)
            for one in found
            if one.span.start < window.end and one.span.end > window.start
        )
        return Marked(before + text[window.start : window.end] + after, merged(inside))


def determiners(morphemes: Iterable[Morpheme]) -> frozenset[str]:
    """Those of one syllable (이 카드, 새 주소), which tell nothing of what is asked."""
    return frozenset(one.form for one in morphemes if one.tag == "MM" and len(one.form) == 1)


def words_of(query: str, morphemes: Sequence[Morpheme], statistics: Statistics) -> list[str]:
    """The words of a normalised query of two letters or more as they are written, without particles; no verbs.

    이체한도 may be a word, or 이체한 and a particle: of the forms of an eojeol the longest that is a word in a tenth as
    many passages as the commonest; none that they lack.
    """
    found = []
    ordered = sorted(morphemes, key=lambda one: one.start)
    starts = [one.start for one in ordered]
    for match in _LETTERS.finditer(query):
        inside = ordered[bisect_left(starts, match.start()) : bisect_left(starts, match.end())]
        if any(one.tag[0] in "VE" for one in inside):
            continue
        eojeol = match.group().lower()
        cuts = range(len(eojeol) - 1, max(1, len(eojeol) - 1 - LONGEST), -1)
        forms = [eojeol] + [eojeol[:cut] for cut in cuts if is_chain(eojeol[cut:])]
        forms = [form for form in forms if len(form) > 1 and form not in QUESTION_WORDS]
        passages = statistics.frequency(np.array([token_id("word", form) for form in forms], np.uint32))
        if len(forms) and (most := passages.max()) > 0:
            found.append(forms[int((passages * RARE >= most).argmax())])
    return list(dict.fromkeys(found))


def telling(tokens: Iterable[Token], statistics: Statistics) -> dict[Key, float]:
    """The query's tokens worth marking, with their IDF: those that tell at least LEAST_IDF, or else the best.

    Tokens that the collection lacks are in no passage and are left out.
    """
    keys = list({(token.namespace, token.text) for token in tokens if token.namespace in _NAMESPACES})
    ids = np.array([token_id(*key) for key in keys], np.uint32)
    known = statistics.frequency(ids) > 0
    weights = {
        key: float(idf) for key, idf, there in zip(keys, statistics.idf(ids), known, strict=True) if there
    }
    least = min(LEAST_IDF, max(weights.values(), default=0.0))
    return {key: idf for key, idf in weights.items() if idf >= least}


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans that overlap or touch become one."""
    result: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if result and span.start <= result[-1].end:
            result[-1] = Span(result[-1].start, max(result[-1].end, span.end))
        else:
            result.append(span)
    return tuple(result)


def best_window(text: str, found: Sequence[tuple[Span, Key, float]], size: int = WINDOW) -> Span:
    """The part of a text, at most `size` characters from eojeol to eojeol, with the most weight found.

    A token counts once however often it occurs. Among equals: the beginning of the text, then the beginning
    of a sentence, then what has its matches in the middle. An eojeol longer than `size` is cut.
    """
    eojeols = [Span(*match.span()) for match in _EOJEOL.finditer(text)]
    if not eojeols:
        return Span(0, 0)
    if eojeols[-1].end - eojeols[0].start <= size:
        return Span(eojeols[0].start, eojeols[-1].end)
    found = sorted(found, key=lambda one: one[0].start)
    starts = [span.start for span, _, _ in found]
    reach = list(accumulate((span.end for span, _, _ in found), max))
    ends = [eojeol.end for eojeol in eojeols]

    best, best_worth = Span(0, 0), (-1.0, False, False, 0)
    for number, eojeol in enumerate(eojeols):
        last = bisect_right(ends, eojeol.start + size) - 1
        window = Span(eojeol.start, ends[last] if last >= number else eojeol.start + size)
        inside = [
            one
            for one in found[bisect_right(reach, window.start) : bisect_left(starts, window.end)]
            if one[0].start >= window.start and one[0].end <= window.end
        ]
        weight = round(sum({key: weight for _, key, weight in inside}.values()), 6)
        if weight >= best_worth[0]:
            margins = (
                (inside[0][0].start - window.start, window.end - inside[-1][0].end) if inside else (0, 0)
            )
            begins = (
                number == 0 or _SENTENCE_END.search(text, max(0, window.start - 8), window.start) is not None
            )
            worth = (weight, number == 0, begins, -abs(margins[0] - margins[1]))
            if worth > best_worth:
                best, best_worth = window, worth
        if window.end == ends[-1]:
            break
    return best
