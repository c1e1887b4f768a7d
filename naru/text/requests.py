"""Where a question only asks: the polite end of a sentence, which says nothing of what is asked about.

    출소 후 지원받을 수 있는 프로그램이 | 있나요?        재해보상금 신청 방법을 | 알려주세요

Passages full of 있다, 수 and 알리다 answer such ends by chance. On the calibrate parts of four sets (docs/results.md,
"What a question only asks") they are worth leaving out at the end of an asking sentence, and nowhere else: in headings
and statutes the same words tell passages apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

# Light verbs and bound nouns; verbs of telling, knowing and wishing.
ASKING = frozenset("하 되 있 수 것 거 알리 알려주 알 알아보 궁금 말 부탁 해주 가르치 가르쳐주 원하".split())

_SENTENCE = re.compile(r"[^.?!\n]+[.?!]*")
_ASKS = re.compile(r"(?:요|까|죠|니다|줘|나)[.?!~ ]*$")  # not the plain -다, which is how headings end


class Placed(Protocol):
    """A term with its place in the text."""

    @property
    def text(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


def asking(text: str, terms: Sequence[Placed]) -> Iterator[tuple[int, int]]:
    """The places [start, end) in a text that only ask: of each asking sentence its last terms, as far as they are ASKING.

    `terms` are in the order of their places; some cover others (a lemma and its parts).
    """
    for sentence in _SENTENCE.finditer(text):
        if not _ASKS.search(sentence[0]):
            continue
        inside = [one for one in terms if sentence.start() <= one.start < sentence.end()]
        start = None
        for one in reversed(inside):
            if one.text in ASKING:
                start = one.start if start is None else min(start, one.start)
            elif not any(
                other.text in ASKING and other.start <= one.start and one.end <= other.end for other in inside
            ):
                break
        if start is not None:
            yield start, sentence.end()
