"""Moments and days as people and files write them: ISO 8601, and dates as they are written in Korean."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?P<time>[T ].*)?", re.ASCII)
# 2024.03.01, 2024. 3. 1.(금), 2024/3/1, 2024-3-1, 2024년 3월 1일 14:30
_WRITTEN = re.compile(
    r"(?P<year>\d{4})(?:"
    r"\s*(?P<mark>[./-])\s*(?P<month>\d{1,2})\s*(?P=mark)\s*(?P<day>\d{1,2})\s*\.?"
    r"|년\s*(?P<korean_month>\d{1,2})월\s*(?P<korean_day>\d{1,2})일"
    r")(?:\s*\([월화수목금토일]\))?(?:\s+(?P<time>\d{1,2}:\d{2}(?::\d{2})?))?",
    re.ASCII,
)


def read_moment(text: str) -> datetime | date | None:
    """The moment that a text names, or the day where it names no time; None when it names neither.

    A number of eight digits is a number.
    """
    iso = _ISO.fullmatch(text)
    try:
        if iso is not None:
            return datetime.fromisoformat(text) if iso["time"] else date.fromisoformat(text)
        written = _WRITTEN.fullmatch(text.strip())
        if written is None:
            return None
        month, day = written["month"] or written["korean_month"], written["day"] or written["korean_day"]
        named = date(int(written["year"]), int(month), int(day))
        if written["time"] is None:
            return named
        return datetime.combine(named, time.fromisoformat(written["time"].zfill(5)))
    except ValueError:
        return None


def first_of(day: date) -> datetime:
    """The beginning of a day, in UTC."""
    return datetime.combine(day, time.min, UTC)


def last_of(day: date) -> datetime:
    """The last microsecond of a day, in UTC."""
    return datetime.combine(day, time.max, UTC)
