"""Morphemes of normalised text. The only importer of Mecab.

Mecab-ko gives one node for what contraction has welded together (됐 = 되 + 었) and for compound nouns; its
`expression` names the parts, which come out here as morphemes of their own. Offsets are found by walking the
text, since python-mecab-ko's own are off after leading blanks.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from mecab import MeCab, MeCabError
from mecab.types import Feature
from mecab.utils import create_lattice

from naru.errors import NaruError


class Morpheme(NamedTuple):
    """One morpheme: its form (a lemma where Mecab's expression gives one), part of speech, place in the text
    (welded parts share their node's place), the reading of Hanja, and how its node is written."""

    form: str
    tag: str
    start: int
    end: int
    reading: str | None
    node: str


class Node(NamedTuple):
    """One of Mecab's own nodes: its place in the text, and the tags of the first and the last morpheme welded in it."""

    start: int
    end: int
    first: str
    last: str


_PIECE = 2000
_SENTENCE_ENDS = ("\n", ". ", "? ", "! ")
_PART = re.compile(r"([^/+]+)/([A-Z]+)/")
_HANJA = re.compile("[一-\u9fff㐀-\u4dbf]")
_USER_WORD = re.compile(r"[가-힣A-Za-z0-9]+")


class _Said(NamedTuple):
    """What Mecab says of a node: its tag, whether it is a compound, its reading, and the parts of its expression."""

    tag: str
    compound: bool
    reading: str | None
    parts: tuple[tuple[str, str], ...] | None


@lru_cache(maxsize=1 << 16)
def _said(feature: str) -> _Said:
    """A few thousand features make up most of what is written: each is read once."""
    read = Feature._from_feature(feature)
    parts = None if read.expression is None else tuple(_PART.findall(read.expression))
    return _Said(read.pos, read.type == "Compound", read.reading, parts)


class _Mecab(MeCab):  # type: ignore[misc]  # it has no types
    """python-mecab-ko without its own `Morpheme`, which costs as much as the analysis."""

    def read(self, sentence: str) -> list[tuple[str, _Said]]:
        """How each node is written, and what is said of it."""
        lattice = create_lattice(sentence)
        if not self._tagger.parse(lattice):
            raise MeCabError(self._tagger.what())
        return [(node.surface, _said(node.feature)) for _, node in lattice]


class Tagger:
    """Mecab with a system dictionary and, optionally, the user's own nouns."""

    def __init__(self, user_words: Iterable[str] = ()) -> None:
        words = sorted(set(user_words))
        if not words:
            self._mecab = _Mecab()
            return
        with tempfile.TemporaryDirectory(prefix="naru-dictionary-") as folder:
            self._mecab = _Mecab(user_dictionary_path=_compile(words, Path(folder)))

    def tag(self, text: str) -> list[Morpheme]:
        """Morphemes in order. `text` is normalised: no NUL (Mecab would stop there), no surrogates."""
        morphemes: list[Morpheme] = []
        for start, surface, said in self._found(text):
            end = start + len(surface)
            if said.parts is None:
                reading = said.reading if _HANJA.search(surface) else None
                morphemes.append(Morpheme(surface, said.tag, start, end, reading, surface))
            elif said.compound:
                morphemes += _compound(surface, said.parts, start)
            else:
                morphemes += [Morpheme(form, tag, start, end, None, surface) for form, tag in said.parts]
        return morphemes

    def nodes(self, text: str) -> list[Node]:
        """The nodes of a text in order, compounds whole. `text` is normalised, as for `tag`."""
        nodes = []
        for start, surface, said in self._found(text):
            tags = said.tag.split("+")
            nodes.append(Node(start, start + len(surface), tags[0], tags[-1]))
        return nodes

    def _found(self, text: str) -> Iterator[tuple[int, str, _Said]]:
        """Where each node starts, how it is written, and what Mecab says of it."""
        cursor = 0
        for surface, said in chain.from_iterable(map(self._mecab.read, _pieces(text))):
            start = text.find(surface, cursor)
            if start < 0:
                raise AssertionError(f"this is a bug: Mecab's {surface!r} is not in the text after {cursor}")
            cursor = start + len(surface)
            yield start, surface, said


def _pieces(text: str) -> Iterator[str]:
    """The text cut after sentences, else at a blank: Mecab's time grows with the square of what it is given."""
    start = 0
    while len(text) - start > _PIECE:
        limit = start + _PIECE
        end = 1 + max(text.rfind(mark, start, limit) for mark in _SENTENCE_ENDS)
        end = end or 1 + text.rfind(" ", start, limit) or limit
        yield text[start:end]
        start = end
    yield text[start:]


def _compound(surface: str, parts: tuple[tuple[str, str], ...], start: int) -> list[Morpheme]:
    """A compound's parts, each in its own place where the parts spell the whole."""
    if "".join(form for form, _ in parts) != surface:
        end = start + len(surface)
        return [Morpheme(form, tag, start, end, None, surface) for form, tag in parts]
    morphemes = []
    for form, tag in parts:
        morphemes.append(Morpheme(form, tag, start, start + len(form), None, form))
        start += len(form)
    return morphemes


def _compile(words: list[str], folder: Path) -> Path:
    """The user's nouns as a Mecab dictionary. The tagger maps it at load, so the file may go afterwards."""
    rows = []
    for word in words:
        if _USER_WORD.fullmatch(word) is None:
            raise NaruError(
                f"User word {word!r}: expected one word of Hangul, Latin letters and digits, without blanks."
            )
        closed = "T" if "가" <= word[-1] <= "힣" and (ord(word[-1]) - 0xAC00) % 28 else "F"
        rows.append(f"{word},{_NOUN_LEFT},{_NOUN_RIGHT[closed]},{_NOUN_COST},NNP,*,{closed},{word},*,*,*,*\n")
    source, target = folder / "user.csv", folder / "user.dic"
    source.write_text("".join(rows), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mecab",
        "dict-index",
        "-u",
        str(target),
        "-f",
        "utf-8",
        "-t",
        "utf-8",
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not target.exists():
        raise NaruError(f"Mecab could not compile the user dictionary:\n{done.stdout}{done.stderr}")
    return target


# Connection ids of NNP in mecab-ko-dic 2.1.1 (left-id.def, right-id.def) and a cost that beats any split.
_NOUN_LEFT = 1786
_NOUN_RIGHT = {"T": 3546, "F": 3545}
_NOUN_COST = -2000


@lru_cache(maxsize=1)
def plain_tagger() -> Tagger:
    """The tagger without user words, made once: loading maps 80 MB and takes milliseconds."""
    return Tagger()


def dictionary_version() -> str:
    return f"mecab-ko-dic {version('python-mecab-ko-dic')}"
