"""One spelling for what people type in many, with the way back to the original string.

NFKC, except that compatibility jamo stay as they are (plain NFKC turns ㅋ into a conjoining letter);
controls become blanks, zero-width characters go; loose letters that form syllables are composed; what chat
spelling adds (laughing letters, stretched syllables) is taken off; 됬 and 되요 are spelled right.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from naru.errors import NaruError
from naru.text import jamo

# What every rule below leaves alone: most Korean text is one run of these.
_PLAIN = "\\t\\n -~가-힣一-\u9fff·‘’“”「」『』《》〈〉"
_SPECIAL = re.compile(f"[^{_PLAIN}]+")
_DELETED = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff\ufe0e\ufe0f")
_DOTS = str.maketrans({"ㆍ": "·", "・": "·", "‧": "·", "•": "·"})
_PARAGRAPH = re.compile(r"(?<=[조條\d]) ?[①-⑳]")
_STATUTE_BEFORE = re.compile(r"(?:§ ?\d++(?:의\d++)?|\d++ ?[조條](?:의 ?\d++)?)$")
_STATUTE_LENGTH = 32  # characters of an article's number, at most: what is looked at per mark stays bounded
_LOOSE = re.compile("[ㄱ-ㅣ]+")
_STRETCHED = re.compile(r"([가-힣])\1{2,}")
_LAUGHED = re.compile(
    "["
    + "".join(jamo.join(lead, vowel, "ㅋ") for lead in jamo.LEADS for vowel in jamo.VOWELS)
    + "](?<![엌녘])"
    "|[가-힣](?=[ㅋㅎ]{2})(?<![좋놓넣낳닿쌓땋찧빻])"  # stems whose own letter it is
)
_MISSPELT = re.compile("됬|되(?=요|서(?![가-힣]))")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Normalized:
    """Normalised text; character i came from `original[starts[i]:ends[i]]`."""

    text: str
    starts: list[int]
    ends: list[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where `text[start:end]` stands in the original string. Not for empty spans."""
        return self.starts[start], self.ends[end - 1]

    def rewrite(self, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str]) -> Normalized:
        """Every match replaced; where the length changes, each new character stands for the whole match."""
        text, starts, ends = [], [], []
        last = 0
        for match in pattern.finditer(self.text):
            new, (begin, end) = replace(match), match.span()
            if new == match.group():
                continue
            text += [self.text[last:begin], new]
            starts += self.starts[last:begin]
            ends += self.ends[last:begin]
            if len(new) == end - begin:
                starts += self.starts[begin:end]
                ends += self.ends[begin:end]
            elif new:
                starts += [self.starts[begin]] * len(new)
                ends += [self.ends[end - 1]] * len(new)
            last = end
        if not text and not last:
            return self
        text.append(self.text[last:])
        return Normalized("".join(text), starts + self.starts[last:], ends + self.ends[last:])


def normalize(original: str) -> Normalized:
    """The normal form of a text, with offsets into it. Raises NaruError on a lone surrogate."""
    if (bad := _SURROGATE.search(original)) is not None:
        raise NaruError(
            f"The text holds half a surrogate pair (U+{ord(bad.group()):04X}) at offset {bad.start()}: it is "
            "not valid Unicode. Decode the source with its right encoding, or drop that character."
        )
    size = len(original)
    result = Normalized(original, list(range(size)), list(range(1, size + 1)))
    result = result.rewrite(_PARAGRAPH, _paragraph)
    if _SPECIAL.search(result.text) is not None:
        result = _compatible(result)
        result = result.rewrite(_LOOSE, lambda match: jamo.compose(match.group()) or match.group())
    result = result.rewrite(_STRETCHED, lambda match: match.group(1))
    result = result.rewrite(_LAUGHED, _sober)
    return result.rewrite(_MISSPELT, lambda match: "됐" if match.group() == "됬" else "돼")


def _paragraph(match: re.Match[str]) -> str:
    """② after an article's number is its paragraph: 제3조 ② -> 제3조 2항."""
    mark = match.group().lstrip()
    start = max(0, match.start() - _STATUTE_LENGTH)
    if _STATUTE_BEFORE.search(match.string, start, match.start()) is None:
        return match.group()
    return f" {int(unicodedata.numeric(mark))}항"


def _compatible(text: Normalized) -> Normalized:
    """NFKC over each special run, one cluster at a time: a base character and the marks that join it."""

    def replace(match: re.Match[str]) -> str:
        return _compatible_cluster(match.group())

    return text.rewrite(_CLUSTERS, replace)


# A cluster is a leading jamo with its vowels and tails, or one character with its combining marks.
_MARKS = "".join(
    chr(code)
    for code in range(0x300, 0x3100)
    if unicodedata.combining(chr(code)) and not 0x1100 <= code < 0x1200
)
_CLUSTERS = re.compile(
    "[\u1100-\u115f\ua960-\ua97f][\u1160-\u11a7\ud7b0-\ud7c6]*[\u11a8-\u11ff\ud7cb-\ud7fb]*"
    f"|[가-힣][\u11a8-\u11ff]|[^{_MARKS}][{_MARKS}]+|[^{_PLAIN}]",
    re.DOTALL,
)


@lru_cache(maxsize=4096)
def _compatible_cluster(cluster: str) -> str:
    if cluster in _DELETED:
        return ""
    if "\u3131" <= cluster <= "\u318e":
        return cluster.translate(_DOTS)
    if len(cluster) == 1 and "\uffa0" <= cluster <= "\uffdc" and unicodedata.decomposition(cluster):
        # half-width letters: one step down to compatibility jamo, no further
        return chr(int(unicodedata.decomposition(cluster).split()[1], 16))
    if unicodedata.category(cluster[0]) in ("Cc", "Zl", "Zp"):
        return " "
    return unicodedata.normalize("NFKC", cluster).translate(_DOTS)


def _sober(match: re.Match[str]) -> str:
    """The syllable without the laughing letter that slid under it: 욬ㅋㅋ -> 요ㅋㅋ."""
    lead, vowel, tail = jamo.split(match.group())
    following = match.string[match.end() : match.end() + 1]
    return jamo.join(lead, vowel) if tail == "ㅋ" or (tail and tail == following) else match.group()
