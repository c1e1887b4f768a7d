"""Text -> tokens in four namespaces, with their places in the original string.

term   morphemes that carry content, joined lemmas, canonical forms           카드  잃어버리  제3조  50000원
pair   neighbouring terms joined: compounds however they are spaced or cut    육아휴직  코로나19
word   an eojeol without its particles and endings                            육아휴직급여
char   bigrams of letters across blanks: what survives typos and bad spacing  육아 아휴 휴직
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from naru.bm25 import Terms
from naru.text import particles, patterns, stems
from naru.text.hanja import reading
from naru.text.morphemes import Morpheme, Tagger, dictionary_version, plain_tagger
from naru.text.normalize import Normalized, normalize
from naru.text.requests import asking
from naru.text.spacing import spaced

RULES = 3
"""The version of everything in this package that decides tokens: raised when any text gives other tokens."""

TITLE_WEIGHT = 3
CONTENT_TAGS = frozenset("NNG NNP NNB NNBC NR XR SL SN SH VV VA MAG XPN MM UNKNOWN".split())
QUESTION_WORDS = frozenset(
    "무엇 무어 뭐 뭘 어디 언제 누구 얼마 얼마나 어떻 어떠 어떤 어떻게 무슨 왜 어느".split()
)
_GRAMMAR_TAGS = frozenset("EP EF EC ETN ETM VCP VCN XSV XSA VX".split())
_KEPT = 256  # texts whose words are kept
_LOOSE = re.compile("[ㄱ-ㅣ]")
_EOJEOL = re.compile(r"\S+")
_LETTERS = re.compile(r"[가-힣A-Za-z0-9一-鿿]")


class Token(NamedTuple):
    """One token and the part of the original string that it stands for: `original[start:end]`."""

    namespace: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class AnalyzerSettings:
    """What a user may choose; part of the analyzer's fingerprint.

    `stopwords` leave **term** on top of the built-in rules; `user_words` are nouns that Mecab should keep
    whole; `characters` switches the **char** namespace, which about doubles the index.
    """

    stopwords: tuple[str, ...] = ()
    user_words: tuple[str, ...] = ()
    characters: bool = True


class _Piece(NamedTuple):
    """A term before its place is mapped back: `chained` ones make pairs with their neighbours."""

    text: str
    start: int
    end: int
    chained: bool


class Analyzer:
    """Korean analysis for indexing and for queries. Safe to share between threads."""

    def __init__(self, settings: AnalyzerSettings | None = None) -> None:
        self.settings = settings or AnalyzerSettings()
        self._stopwords = frozenset(word.lower() for word in self.settings.stopwords)
        self._tagger = Tagger(self.settings.user_words) if self.settings.user_words else plain_tagger()
        self._words = lru_cache(maxsize=_KEPT)(
            lambda text: tuple(self._tokens(text, questions=False, whole=False))
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 (first 16 hex digits) of the rules' version, the dictionary's and the settings."""
        state = {"rules": RULES, "dictionary": dictionary_version(), **asdict(self.settings)}
        return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:16]

    def tokens(self, text: str) -> list[Token]:
        """Every token of a text, namespace by namespace. NaruError when the text is not valid Unicode."""
        return self._tokens(text, questions=False)

    def words(self, text: str) -> tuple[Token, ...]:
        """The tokens of **term** and **word** alone: what is marked in a hit and matched with a query. Those of the last
        texts are kept, as one search looks at a passage twice and popular ones come back."""
        return self._words(text)

    def document(self, text: str, title: str = "") -> Terms:
        """The terms of a document; its title counts three times, in every namespace."""
        terms = terms_of(self.tokens(text))
        if title:
            for namespace, found in terms_of(self.tokens(title)).items():
                terms.setdefault(namespace, []).extend(found * TITLE_WEIGHT)
        return terms

    def query(self, text: str) -> Terms:
        """The terms of a query: question words leave **term**, and the polite end of a question leaves it, **pair** and
        **word**; when nothing is left, all morphemes count."""
        return terms_of(self.query_tokens(text))

    def query_tokens(self, text: str) -> list[Token]:
        """As `query`, with places: what a result page highlights."""
        return self._tokens(text, questions=True)

    def morphemes(self, text: str) -> tuple[str, list[Morpheme]]:
        """The normal form of a text, and its morphemes with their places in it."""
        normal = _LOOSE.sub(" ", normalize(text).text)
        return normal, self._tagger.tag(normal)

    def spaced(self, text: str) -> str:
        """The normal form of a query as an encoder reads it best: with the spaces that were left out."""
        return spaced(normalize(text).text, self._tagger)

    def _tokens(self, original: str, *, questions: bool, whole: bool = True) -> list[Token]:
        normal = normalize(original)
        found = patterns.canonical(normal.text)
        masked = _mask(normal.text, found)
        eojeols = _eojeols(masked, self._tagger.tag(masked))
        pieces = self._pieces(eojeols, found)
        terms, only_asked = pieces, set[int]()
        if questions:
            terms = [piece for piece in pieces if piece.text not in QUESTION_WORDS]
            only_asked = asking(normal.text, terms)
            left = [piece for piece in terms if piece.start not in only_asked]
            if not left:
                only_asked = set()
            terms = left or terms or pieces or [_piece(morpheme) for eojeol in eojeols for morpheme in eojeol]
        tokens = [Token("term", piece.text, *normal.span(piece.start, piece.end)) for piece in terms]
        if whole:
            tokens += _pairs(normal, terms)
        tokens += _words(normal, eojeols, only_asked)
        if whole and self.settings.characters:
            tokens += _characters(normal)
        return tokens

    def _pieces(
        self, eojeols: Sequence[Sequence[Morpheme]], found: Sequence[patterns.Canonical]
    ) -> list[_Piece]:
        pieces = []
        for canonical in found:
            pieces += [
                _Piece(text, canonical.start, canonical.end, canonical.whole) for text in canonical.tokens
            ]
        morphemes = [morpheme for eojeol in eojeols for morpheme in eojeol]
        for place, morpheme in enumerate(morphemes):
            if morpheme.tag not in CONTENT_TAGS and not _main_verb(morphemes, place):
                continue
            pieces.append(_piece(morpheme))
            if morpheme.reading is not None and (read := reading(morpheme.reading)) != morpheme.form:
                pieces.append(_Piece(read, morpheme.start, morpheme.end, False))
        for text, first, last in stems.lemmas(morphemes):
            pieces.append(_Piece(text, morphemes[first].start, morphemes[last].end, False))
        kept = [piece for piece in pieces if piece.text not in self._stopwords]
        return sorted(kept, key=lambda piece: piece.start)


def _piece(morpheme: Morpheme) -> _Piece:
    return _Piece(morpheme.form.lower(), morpheme.start, morpheme.end, True)


def terms_of(tokens: Iterable[Token]) -> dict[str, list[str]]:
    """The texts of tokens by namespace, in order."""
    terms: dict[str, list[str]] = {}
    for token in tokens:
        terms.setdefault(token.namespace, []).append(token.text)
    return terms


def _mask(text: str, found: Sequence[patterns.Canonical]) -> str:
    """The text with blanks over what has a canonical form only, so that Mecab cannot cut across it."""
    letters = list(text)
    for canonical in found:
        if canonical.whole:
            letters[canonical.start : canonical.end] = " " * (canonical.end - canonical.start)
    return _LOOSE.sub(" ", "".join(letters))


def _eojeols(text: str, morphemes: Sequence[Morpheme]) -> list[list[Morpheme]]:
    """Morphemes by eojeol, without the particles that Mecab took for something else."""
    eojeols: list[list[Morpheme]] = []
    place = 0
    for match in _EOJEOL.finditer(text):
        inside = []
        while place < len(morphemes) and morphemes[place].start < match.end():
            inside.append(morphemes[place])
            place += 1
        if particles.stands_alone(match.group()):
            continue
        for number, morpheme in enumerate(inside):
            if morpheme.tag[0] != "J" or morpheme.end >= match.end():
                continue
            if particles.is_chain(text[morpheme.end : match.end()]):
                inside = inside[: number + 1]
                break
        eojeols.append(inside)
    return eojeols


def _main_verb(morphemes: Sequence[Morpheme], place: int) -> bool:
    """Whether what Mecab calls an auxiliary has no verb before it to help: 들었어요 alone is a main verb."""
    return morphemes[place].tag == "VX" and (place == 0 or not morphemes[place - 1].tag.startswith("E"))


def _pairs(normal: Normalized, terms: Sequence[_Piece]) -> list[Token]:
    chain = [piece for piece in terms if piece.chained]
    return [
        Token("pair", left.text + right.text, *normal.span(left.start, max(left.end, right.end)))
        for left, right in pairwise(chain)
    ]


def _words(
    normal: Normalized, eojeols: Sequence[Sequence[Morpheme]], without: Collection[int] = ()
) -> list[Token]:
    """Those that do not begin at a place that is left out."""
    tokens = []
    for eojeol in eojeols:
        kept = [
            morpheme
            for morpheme in eojeol
            if (morpheme.tag not in _GRAMMAR_TAGS and morpheme.tag[0] not in "JS")
            or morpheme.tag in ("SL", "SN", "SH")
        ]
        if kept and kept[0].start not in without:
            span = normal.span(kept[0].start, kept[-1].end)
            tokens.append(Token("word", "".join(morpheme.form for morpheme in kept).lower(), *span))
    return tokens


def _characters(normal: Normalized) -> list[Token]:
    text = normal.text.lower()
    if len(text) != len(normal.text):  # İ grows when lowered; its place must not move what follows
        text = normal.text
    places = [match.start() for match in _LETTERS.finditer(text)]
    return [
        Token("char", text[left] + text[right], *normal.span(left, right + 1))
        for left, right in pairwise(places)
    ]
