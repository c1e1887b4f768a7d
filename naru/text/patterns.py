"""What is written in many ways but means one thing: statute references, amounts, measures, dates, phone
numbers and names with punctuation in them, each also emitted in one canonical form.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple


class Canonical(NamedTuple):
    """Canonical tokens for `text[start:end]`; when `whole`, its morphemes mean nothing and are left out."""

    tokens: tuple[str, ...]
    start: int
    end: int
    whole: bool


_UNIT_NAMES = {
    "kg": "킬로그램 킬로 키로그램 키로 kg",
    "g": "그램 g",
    "mg": "밀리그램 mg",
    "km": "킬로미터 키로미터 km",
    "m": "미터 m",
    "cm": "센티미터 센티 센치 cm",
    "mm": "밀리미터 mm",
    "l": "리터 l",
    "ml": "밀리리터 ml cc",
    "%": "퍼센트 프로 %",
    "m2": "제곱미터 평방미터 m2",
    "gb": "기가바이트 기가 gb",
    "mb": "메가바이트 메가 mb",
    "kw": "킬로와트 kw",
    "kwh": "킬로와트시 kwh",
}
_UNITS = {name: unit for unit, names in _UNIT_NAMES.items() for name in names.split()}
_UNIT = "|".join(sorted((re.escape(name) for name in _UNITS), key=len, reverse=True))

# Quantifiers are possessive and starts are anchored, so that no input makes a pattern backtrack for long.
_NUMBER = r"(?<![\d.,])(?>\d{1,3}(?:,\d{3})++(?!\d)|\d++)(?:\.\d++)?"
_BRANCH = r"(?: ?[의之] ?\d++)?"
_STATUTE = re.compile(
    rf"§ ?\d++(?:[의之]\d++)?(?: ?\d++항)?"
    rf"|[제第] ?\d++ ?[조條]{_BRANCH}(?: ?[제第]? ?\d++ ?[항項])?(?: ?[제第]? ?\d++ ?[호號])?"
    rf"|(?<!\d)\d++ ?[조條]{_BRANCH} ?[제第]? ?\d++ ?[항項](?: ?[제第]? ?\d++ ?[호號])?"
    rf"|(?<=[법률령칙] )\d++[조條](?:[의之] ?\d++)?(?! ?\d*+[원억만])"
    rf"|[제第] ?\d++ ?[항項號](?: ?[제第] ?\d++ ?[호號])?"
)
_STATUTE_PART = re.compile(r"(\d+) ?([조條항項호號])?(?: ?[의之] ?(\d+))?")
_PART_NAMES = {"조": "조", "條": "조", "항": "항", "項": "항", "호": "호", "號": "호"}

_AMOUNT = re.compile(
    rf"(?:(?:{_NUMBER})\s?+[천백십]?+\s?+[조억만]?+\s?+){{1,6}}원(?!인|칙|래|본|고|장|서|작|금|가|자|형)"
)
_AMOUNT_PART = re.compile(rf"({_NUMBER})\s?([천백십])?\s?([조억만])?")
_SCALE = {"십": 10, "백": 100, "천": 1000, "만": 10**4, "억": 10**8, "조": 10**12}

_DATE = re.compile(
    r"(?<!\d)(?:['‘’](?P<short>\d{2})|(?P<year>(?:19|20)\d{2}))"
    r"(?:\s?년\s?(?P<m1>\d{1,2})\s?월(?:\s?(?P<d1>\d{1,2})\s?일)?"
    r"|(?P<mark>[./-])\s?(?P<m2>\d{1,2})(?:(?P=mark)\s?(?P<d2>\d{1,2}))(?!\d))"
)
_PHONE = re.compile(r"(?<![\d-])(?:0\d{1,2}-\d{3,4}-\d{4}|1[568]\d{2}-\d{4})(?![\d-])")
_MEASURE = re.compile(rf"(?<![A-Za-z])(?P<number>{_NUMBER})\s?(?P<unit>{_UNIT})(?![A-Za-z])", re.IGNORECASE)
_GROUPED = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])")
_PUNCTUATED = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Za-z](?:\+\+|#)|\.[A-Za-z]{2,}+|[A-Za-z0-9]++(?:[-/&.'·][A-Za-z0-9]++)++)"
)
_EVENT = re.compile(r"(?<!\d)(\d{1,2})[.·](\d{1,2}) ?(?=[가-힣]{2})")


def canonical(text: str) -> list[Canonical]:
    """Everything in normalised text that has a canonical form, by place. Spans of two kinds may overlap."""
    if not any(character.isdigit() or (character.isascii() and character.isalpha()) for character in text):
        return []
    found = [*_statutes(text), *_amounts(text), *_dates(text), *_numbers(text), *_names(text)]
    return sorted(found, key=lambda item: (item.start, item.end))


def _statutes(text: str) -> Iterator[Canonical]:
    for match in _STATUTE.finditer(text):
        tokens = []
        for number, part, branch in _STATUTE_PART.findall(match.group()):
            name = f"제{_ordinal(number)}{_PART_NAMES.get(part, '조')}"
            tokens.append(f"{name}의{_ordinal(branch)}" if branch else name)
        yield Canonical(tuple(tokens), *match.span(), whole=True)


def _ordinal(digits: str) -> str:
    """Without leading zeros; as it is where it is no number of anything (Python reads at most 4,300 digits)."""
    return str(int(digits)) if len(digits) <= 100 else digits


def _amounts(text: str) -> Iterator[Canonical]:
    for match in _AMOUNT.finditer(text):
        total, group = 0.0, 0.0
        for number, small, large in _AMOUNT_PART.findall(match.group()):
            group += float(number.replace(",", "")) * _SCALE.get(small, 1)
            if large:
                total, group = total + group * _SCALE[large], 0.0
        if math.isfinite(total + group):
            yield Canonical((f"{round(total + group)}원",), *match.span(), whole=False)


def _dates(text: str) -> Iterator[Canonical]:
    for match in _DATE.finditer(text):
        part = match.groupdict()
        year = int(part["year"] or f"20{part['short']}")
        month, day = int(part["m1"] or part["m2"]), int(part["d1"] or part["d2"] or 0)
        try:
            date(year, month, day or 1)
        except ValueError:
            continue
        month_only = f"{year}-{month:02}"
        tokens = [f"{month_only}-{day:02}", month_only] if day else [month_only]
        if part["short"]:
            tokens.append(str(year))
        yield Canonical(tuple(tokens), *match.span(), whole=False)
    for match in _EVENT.finditer(text):
        yield Canonical((f"{match[1]}.{match[2]}",), match.start(), match.end(2), whole=False)


def _numbers(text: str) -> Iterator[Canonical]:
    for match in _PHONE.finditer(text):
        yield Canonical((match.group().replace("-", ""),), *match.span(), whole=False)
    for match in _GROUPED.finditer(text):
        yield Canonical((match.group().replace(",", ""),), *match.span(), whole=True)
    for match in _MEASURE.finditer(text):
        number = match["number"].replace(",", "")
        yield Canonical((number + _UNITS[match["unit"].lower()],), *match.span(), whole=False)


def _names(text: str) -> Iterator[Canonical]:
    for match in _PUNCTUATED.finditer(text):
        name = match.group().lower()
        joined = re.sub(r"[^a-z0-9]", "", name)
        if not any(character.isalpha() for character in name):
            continue
        tokens = (name, joined) if len(joined) > 1 and not name.startswith(".") else (name,)
        yield Canonical(tokens, *match.span(), whole=False)
