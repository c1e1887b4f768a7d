"""Where inflected verbs meet: stems, their -아/어 forms, and verbs joined with an auxiliary.

잃어버리셨나요 reaches Mecab as 잃 + 어 + 버리, 잃어버렸을 as the lemma 잃어버리. So the joined lemma is also
emitted for the first, and the first stem for the second; then both carry both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from naru.text import jamo
from naru.text.morphemes import Morpheme, plain_tagger

AUXILIARIES = ("버리", "주", "보", "놓", "두", "드리")
_CONNECTIVES = ("아", "어", "여")


def connective_forms(stem: str) -> tuple[str, ...]:
    """The forms that -아/어 can give a stem, regular first, then each irregular class.

    Which class a verb belongs to is no property of its spelling, so the caller picks by what is written.
    """
    head, last = stem[:-1], stem[-1]
    if not jamo.is_syllable(last):
        return (stem + "어",)
    lead, vowel, tail = jamo.split(last)
    ending = "아" if vowel in "ㅏㅑㅗ" else "어"
    if tail:
        forms = [stem + ending]
        if tail == "ㅂ":
            forms += [head + jamo.join(lead, vowel) + glide for glide in "워와"]
        if tail == "ㄷ":
            forms.append(head + jamo.join(lead, vowel, "ㄹ") + ending)
        if tail == "ㅅ":
            forms.append(head + jamo.join(lead, vowel) + ending)
        return tuple(forms)
    if last == "하":
        return head + "해", head + "하여"
    contracted = {"ㅗ": "ㅘ", "ㅜ": "ㅝ", "ㅣ": "ㅕ", "ㅚ": "ㅙ"}.get(vowel)
    forms = [head + jamo.join(lead, contracted)] if contracted else []
    if vowel in "ㅏㅓㅐㅔㅕ":
        forms.append(stem)
    if vowel == "ㅡ":
        before = jamo.split(head[-1]) if head and jamo.is_syllable(head[-1]) else None
        drop = "ㅏ" if before and before.vowel in "ㅏㅗ" else "ㅓ"
        forms.append(head + jamo.join(lead, drop))
        if last == "르" and before and not before.tail:
            doubled = jamo.join(before.lead, before.vowel, "ㄹ")
            forms.insert(0, head[:-1] + doubled + jamo.join("ㄹ", drop))
    return tuple(forms) + (stem + ending,)


def joined(morphemes: Sequence[Morpheme], place: int) -> tuple[str, int] | None:
    """The lemma of the verb at `place` joined with the auxiliary after it, and where that auxiliary stands.

    None where the verb is not followed by -아/어 and one of AUXILIARIES.
    """
    if place + 2 >= len(morphemes):
        return None
    verb, ending, auxiliary = morphemes[place : place + 3]
    if verb.tag not in ("VV", "VA") or ending.tag != "EC" or ending.form not in _CONNECTIVES:
        return None
    if auxiliary.form not in AUXILIARIES or auxiliary.tag not in ("VX", "VV"):
        return None
    written = verb.node if verb.node == ending.node else verb.node + ending.node
    forms = connective_forms(verb.form)
    form = next((form for form in forms if written.startswith(form)), forms[0])
    return form + auxiliary.form, place + 2


@lru_cache(maxsize=1 << 14)
def first_stem(lemma: str) -> str | None:
    """The verb inside a lemma that ends in an auxiliary (잃어버리 -> 잃, 도와주 -> 돕), if there is one."""
    for auxiliary in AUXILIARIES:
        head = lemma.removesuffix(auxiliary)
        if head == lemma or not head:
            continue
        parts = plain_tagger().tag(head)
        if len(parts) == 2 and parts[0].tag in ("VV", "VA") and parts[1].form in _CONNECTIVES:
            return parts[0].form
    return None


def lemmas(morphemes: Sequence[Morpheme]) -> Iterator[tuple[str, int, int]]:
    """The further lemmas of a run of morphemes, each with the places of its first and last morpheme."""
    for place, morpheme in enumerate(morphemes):
        if morpheme.tag not in ("VV", "VA"):
            continue
        if (pair := joined(morphemes, place)) is not None:
            yield pair[0], place, pair[1]
        elif (stem := first_stem(morpheme.form)) is not None:
            yield stem, place, place
