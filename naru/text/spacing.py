"""Queries typed without spaces, put as an encoder knows them: 카드잃어버렸는데어떻게해요 -> 카드 잃어버렸는데 어떻게 해요.

BM25 counts morphemes and needs no spaces; an encoder's subwords depend on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from naru.text.morphemes import Node, Tagger

LONG = 4
"""Characters of a run of nouns after which another noun begins a word: shorter ones are compounds, mostly."""

_STATUTE = "에관한"  # 집합건물의소유및관리에관한법률: such names are written without spaces
_STARTS = ("N", "VV", "VA", "VX", "M", "IC", "XR", "XPN", "SL", "SN", "SH")
_FOREIGN = ("SL", "SN", "SH")


def spaced(text: str, tagger: Tagger) -> str:
    """A normalised text, with the spaces that were left out.

    A particle or an ending with a word after it and no space between tells that one is missing. An eojeol with two
    such places is split, unless it names a statute, and every eojeol is where the text has more such places than
    spaces. Texts whose spaces are as they should be stay as they are.
    """
    eojeols = _eojeols(tagger.nodes(text))
    missing = [sum(map(_lacks_space, nodes, nodes[1:])) for nodes in eojeols]
    everywhere = sum(missing) > len(eojeols) - 1
    places = [
        place
        for nodes, gaps in zip(eojeols, missing, strict=True)
        if everywhere or (gaps > 1 and _STATUTE not in text[nodes[0].start : nodes[-1].end])
        for place in _words(nodes)
    ]
    return " ".join(text[start:end] for start, end in pairwise([0, *places, len(text)]))


def _eojeols(nodes: Sequence[Node]) -> list[list[Node]]:
    """The nodes of a text, split where it has spaces."""
    eojeols: list[list[Node]] = []
    for node in nodes:
        if not eojeols or eojeols[-1][-1].end != node.start:
            eojeols.append([])
        eojeols[-1].append(node)
    return eojeols


def _starts_word(before: Node, node: Node) -> bool:
    if not node.first.startswith(_STARTS) or before.last == "XPN":
        return False
    if node.first == "NNBC":  # a unit stays with its number: 3개월
        return before.last not in ("SN", "NR", "MM")
    return node.first not in _FOREIGN or before.last[0] != "S"  # E-1042, (주)


def _lacks_space(before: Node, node: Node) -> bool:
    return before.last[0] in "JE" and _starts_word(before, node)


def _words(nodes: Sequence[Node]) -> list[int]:
    """Where words begin within an eojeol, but for its first."""
    places: list[int] = []
    begun = nodes[0].start
    for before, node in pairwise(nodes):
        compound = node.first.startswith(("N", "XR")) and (
            before.last.startswith("N") or before.last in ("XSN", "XR", *_FOREIGN)
        )
        if _starts_word(before, node) and not (compound and node.start - begun < LONG):
            places.append(node.start)
            begun = node.start
    return places
