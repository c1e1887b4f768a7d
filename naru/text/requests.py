"""Where a question only asks: the polite end of a sentence, which says nothing of what is asked about.

    출소 후 지원받을 수 있는 프로그램이 | 있나요?        재해보상금 신청 방법을 | 알려주세요

Passages full of 있다, 수 and 알리다 answer such ends by chance. On the calibrate parts of four sets (docs/results.md,
"What a question only asks") they are worth leaving out at the end of an asking sentence, and nowhere else: in headings
and statutes the same words tell passages apart.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
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


def asking(text: str, terms: Sequence[Placed]) -> set[int]:
    """The places of a text that only ask: of each asking sentence all from its last terms on, as far as they are ASKING.

    `terms` are in the order of their places; some are parts of others (of a lemma).
    """
    starts = [one.start for one in terms]
    within = {place for one in terms if one.text in ASKING for place in range(one.start, one.end)}
    places = set[int]()
    for sentence in _SENTENCE.finditer(text):
        if not _ASKS.search(sentence[0]):
            continue
        first = None
        for number in range(
            bisect_left(starts, sentence.end()) - 1, bisect_left(starts, sentence.start()) - 1, -1
        ):
            one = terms[number]
            if one.text in ASKING:
                first = one.start if first is None else min(first, one.start)
            elif one.start not in within or one.end - 1 not in within:
                break
        if first is not None:
            places.update(range(first, sentence.end()))
    return places
