"""Particles, alone and in chains (에서처럼, 까지만은): they leave the content words of the bare noun."""

from __future__ import annotations

import re

# Alone in an eojeol these can hardly be anything else; 의도 or 가로 are made of particles and are nouns.
_CERTAIN = (
    "에서부터 에게서부터 에게로 에게서 에서는 에서도 에서만 에게 에서 한테서 한테 께서 으로서 으로써 로서 로써 "
    "으로부터 으로 서부터 부터 까지 처럼 만큼 마저 조차 밖에 커녕 은커녕 는커녕 이라도 라도 이나마 나마 이라든지"
).split()
_FURTHER = (
    "이 가 을 를 은 는 의 에 께 로 와 과 하고 이랑 랑 이나 나 든지 든 이든지 이든 이야말로 야말로 이야 야 만 도 보다 "
    "대로 마다 같이 이란 란 이라고 라고 에다가 에다 더러 뿐 요 서 치고"
).split()


def _either(*words: str) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


LONGEST = 12
"""Letters of a chain: longer ones are no Korean, and take time that grows with each further letter by a share of itself."""

_CHAIN = re.compile(f"(?:{_either(*_CERTAIN, *_FURTHER)})+")
_ALONE = re.compile(f"(?:{_either(*_CERTAIN)})(?:{_either(*_CERTAIN, *_FURTHER)})*")


def is_chain(text: str) -> bool:
    """Whether `text`, which follows a particle, is nothing but further particles."""
    return len(text) <= LONGEST and _CHAIN.fullmatch(text) is not None


def stands_alone(eojeol: str) -> bool:
    """Whether a whole eojeol is particles only, without a noun in front."""
    return len(eojeol) <= LONGEST and _ALONE.fullmatch(eojeol) is not None
