"""What the terminal says about an answer, in the two languages of the demo."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrases:
    """Sentences with places for numbers: `indexed` takes passages and seconds, `answerable` a percentage, `took` the
    mode, milliseconds and whether the probabilities are `calibrated` or a `prior`."""

    indexed: str
    missed: str
    nothing: str
    answerable: str
    took: str
    calibrated: str
    prior: str


ENGLISH = Phrases(
    indexed="Indexed {0:,} passages of a fictional Korean help desk in {1:.1f} s.",
    missed="No answer found. Near misses, similar but perhaps no answer:",
    nothing="Nothing found.",
    answerable="The collection holds an answer with probability {0}.",
    took="{0}, {1:.0f} ms, {2}",
    calibrated="calibrated",
    prior="not calibrated: probabilities are a prior",
)

KOREAN = Phrases(
    indexed="가상의 고객센터 도움말(나루은행, 나루시청, …) {0:,}건을 {1:.1f}초에 색인했습니다. (naru demo --english for English)",
    missed="답을 찾지 못했습니다. 비슷하지만 답이 아닐 수 있는 글:",
    nothing="찾은 글이 없습니다.",
    answerable="이 컬렉션에 답이 있을 확률은 {0}입니다.",
    took="{0} 검색, {1:.0f} ms, {2}",
    calibrated="보정한 확률",
    prior="보정하지 않은 확률(기본 가중치)",
)
