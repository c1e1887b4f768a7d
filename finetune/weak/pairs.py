"""Weak retrieval pairs from an encyclopedia: a title, or a sentence put as a question, and the passage it belongs to."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

SENTENCE = re.compile(r"(?<=[다요음임함됨까][.?!])\s+")
# Particles at the end of a word of two syllables or more; the longest first.
PARTICLE = re.compile(
    r"(?<=[가-힣]{2})(?:에서는|으로는|에게는|까지는|에서|으로|에게|까지|부터|에는|과의|와의|은|는|이|가|을|를|의|에|로|와|과|도)$"
)
PARENTHESES = re.compile(r"\s*\([^()]*\)")
YEAR = re.compile(r"(?:기원전 )?\d{3,4}년(?:\s*\d{1,2}월)?(?:\s*\d{1,2}일)?(?:경|에)?")
NUMBER = re.compile(r"\d[\d,.]*\s*(명|개|번|살|세|km|m|원|달러|곳|차례|대|척|회|위|층|권|편|종|호)")
# Sentence endings and how a question ends in their place; the first that fits is used.
ENDINGS = (
    (re.compile(r"(?:이었|였)다\.?$"), ("였나요?", "였는가?", "였어?", "")),
    (
        re.compile(r"([았었했됐렸졌켰났왔갔])다\.?$"),
        (r"\1나요?", r"\1는가?", r"\1어?", r"\1습니까?", r"\1지"),
    ),
    (re.compile(r"([한된간진난])다\.?$"), (r"\1가요?", r"\1가?", r"\1다는데 맞나요?")),
    (re.compile(r"([있없])다\.?$"), (r"\1나요?", r"\1는가?", r"\1어?", r"\1습니까?")),
    (re.compile(r"이다\.?$"), ("인가요?", "인가?", "이야?", "")),
    (re.compile(r"다\.?$"), ("나요?", "는지", "는가?")),
    (re.compile(r"요\.?$"), ("요?", "요", "죠?")),
)
FINAL_BIEUP = 17  # ㅂ among the 28 finals of a syllable in Unicode
POLITE = re.compile(r"([가-힣])니다\.?$")
POLITER = ((re.compile(r"으?세요\.?$"), "다"), (re.compile(r"(?:이에|예)요\.?$"), "이다"))
WH = (
    "누구인가요?",
    "무엇인가요?",
    "어디인가?",
    "무엇인가?",
    "뭐야?",
    "누구인가?",
    "어디야?",
    "이름은?",
    "무엇이라고 하는가?",
)


# What people put behind a few words.
ASKED = "방법 얼마 언제 어디서 되나요 돼요? 가능해요? 하려면 알려줘".split()
MARKS = ".,·'\"‘’“”()[]<>?!"


@dataclass(frozen=True)
class Paragraph:
    title: str
    heading: str
    text: str


def title_pair(paragraph: Paragraph, rng: random.Random) -> tuple[str, str] | None:
    """Title and heading -> text; half of the time without the title in the text, so that words do not suffice."""
    heading = paragraph.heading
    query = f"{paragraph.title} {heading}" if heading else paragraph.title
    text = paragraph.text
    if rng.random() < 0.5:
        text = text.replace(PARENTHESES.sub("", paragraph.title), "").strip()
    return (degrade(query, rng), text) if len(text) >= 30 else None


def sentence_pair(paragraph: Paragraph, rng: random.Random) -> tuple[str, str] | None:
    """A sentence as people would ask for it -> title and the rest of its paragraph (now and then all of it).

    None when the paragraph has fewer than two sentences.
    """
    sentences = [s for s in SENTENCE.split(paragraph.text) if len(s) >= 15]
    if len(sentences) < 2:
        return None
    at = rng.randrange(len(sentences))
    query = degrade(ask(sentences[at], rng), rng)
    whole = rng.random() < 0.3
    rest = " ".join(s for i, s in enumerate(sentences) if whole or i != at)
    document = f"{paragraph.title}\n{rest}" if rng.random() < 0.5 else rest
    return query, document


def keyword_pair(paragraph: Paragraph, rng: random.Random) -> tuple[str, str] | None:
    """Two to four words of a sentence, and of the title half of the time -> the paragraph, mostly with its title.

    None when there are fewer than two words of two characters or more.
    """
    text = rng.choice(SENTENCE.split(paragraph.text))
    if rng.random() < 0.5:
        text = f"{paragraph.title} {text}"
    words = [PARTICLE.sub("", word.strip(MARKS)) for word in text.split()]
    words = [word for word in words if len(word) > 1]
    if len(words) < 2:
        return None
    chosen = rng.sample(words, min(len(words), rng.randint(2, 4)))
    if rng.random() < 0.7:
        chosen.sort(key=words.index)
    if rng.random() < 0.4:
        chosen.append(rng.choice(ASKED))
    titled = paragraph.title and rng.random() < 0.7
    return " ".join(chosen), f"{paragraph.title}\n{paragraph.text}" if titled else paragraph.text


def ask(sentence: str, rng: random.Random) -> str:
    """A sentence as a question by rules: a part of it, a wh-word for one of its facts, an interrogative ending."""
    sentence = plain(PARENTHESES.sub("", sentence).strip())
    words = sentence.split()
    if len(words) > 10:  # a question holds about ten words: keep a run that reaches the end or the start
        keep = rng.randint(5, 10)
        words = words[-keep:] if rng.random() < 0.7 else words[:keep]
    sentence = " ".join(words)
    for pattern, replacement in ((YEAR, "언제"), (NUMBER, r"몇 \1")):
        if pattern.search(sentence) and rng.random() < 0.6:
            sentence = pattern.sub(replacement, sentence, count=1)
            break
    else:
        if len(words) > 4 and rng.random() < 0.5:  # the answer leaves, and a wh-word asks for it
            del words[rng.randrange(len(words) - 1)]
            stem = re.sub(r"(?:이다|였다|이었다|다)\.?$", "", " ".join(words))
            return f"{stem} {rng.choice(WH)}" if rng.random() < 0.5 else " ".join(words)
    for pattern, forms in ENDINGS:
        if pattern.search(sentence):
            return pattern.sub(rng.choice(forms), sentence)
    return sentence


def plain(sentence: str) -> str:
    """A polite ending as the dictionary gives the verb, which other endings follow: 끝납니다 -> 끝나다, 받으세요 -> 받다."""
    if found := POLITE.search(sentence):
        last = found[1]
        if last == "습":
            return f"{sentence[: found.start()]}다"
        if (ord(last) - ord("가")) % 28 == FINAL_BIEUP:
            return f"{sentence[: found.start()]}{chr(ord(last) - FINAL_BIEUP)}다"
    for pattern, ending in POLITER:
        sentence = pattern.sub(ending, sentence)
    return sentence


def degrade(query: str, rng: random.Random) -> str:
    """A query as typed: particles dropped (3 in 10), spaces dropped (2 in 10), a word lost (1 in 10)."""
    words = query.rstrip(".").split()
    if len(words) > 1 and rng.random() < 0.3:
        words = [PARTICLE.sub("", word) for word in words]
    if len(words) > 3 and rng.random() < 0.1:
        del words[rng.randrange(len(words))]
    if rng.random() < 0.2:
        share = rng.choice((0.3, 1.0))
        return "".join(word if rng.random() < share else f"{word} " for word in words).strip()
    return " ".join(words)
