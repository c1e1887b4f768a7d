"""Passage -> payload and back: what an engine keeps beside a passage's vectors.

The metadata is kept as JSON text, so it comes back unchanged, and once more in a form that every engine
filters alike:

    terms     one keyword a value with its type, '"year"=number:2024', and one a field that is there, '"year"'
    numbers   field -> its numbers as float64, for ranges
    moments   field -> the moments and days that its texts name (naru.moments) as ISO 8601 in UTC, for ranges (a text
              without an offset is read as UTC)

Engines disagree on booleans, on 1 and 1.0, and on field names with dots; keywords have none of these. Names and texts
are composed (NFC) there, so that a filter finds what macOS wrote.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from naru.documents import Metadata, Passage, Scalar
from naru.errors import NaruError
from naru.moments import first_of, read_moment

TERMS = "terms"
ORIGINAL = ["id", "title", "text", "metadata"]
"""The payload fields that make up the passage again."""

_NAMESPACE = uuid.UUID("6ba1d1a0-5c0e-5b7e-9c53-6e6172752121")
_LONGEST_TERM = 256


def point_id(passage_id: str) -> uuid.UUID:
    """The engine's id of a passage: a UUID (version 5) of its own id, which may be any text."""
    digest = hashlib.sha1(_NAMESPACE.bytes + passage_id.encode("utf-8", "surrogatepass")).digest()
    return uuid.UUID(bytes=digest[:16], version=5)


def payload(passage: Passage) -> dict[str, Any]:
    """What is stored for a passage. NaruError names the passage and the field that cannot be stored."""
    try:
        made = {
            "id": passage.id,
            "title": passage.title,
            "text": passage.text,
            "metadata": json.dumps(dict(passage.metadata), ensure_ascii=False),
            **_searchable(passage.metadata),
        }
        for name in ORIGINAL:
            made[name].encode()
    except UnicodeEncodeError as error:
        raise NaruError(
            f"Passage {passage.id!r}: a lone surrogate ({error.object[error.start]!r}) in its text or "
            "metadata cannot be stored as UTF-8. Remove it from the corpus."
        ) from error
    except NaruError as error:
        raise NaruError(f"Passage {passage.id!r}: {error}") from error
    return made


def passage(stored: Mapping[str, Any]) -> Passage:
    return Passage(stored["id"], stored["text"], stored["title"], json.loads(stored["metadata"]))


def numbers_key(field: str) -> str:
    return f"numbers.{_path(field)}"


def moments_key(field: str) -> str:
    return f"moments.{_path(field)}"


def exists_term(field: str) -> str:
    return _short(json.dumps(_composed(field), ensure_ascii=False))


def value_term(field: str, value: Scalar | datetime) -> str:
    """The keyword of one value of a field; equal values of one type, and only they, share it."""
    if isinstance(value, bool):
        said = f"bool:{'true' if value else 'false'}"
    elif isinstance(value, int | float):
        _finite(value, field)
        said = f"number:{int(value) if value == int(value) else value!r}"
    elif isinstance(value, datetime):
        said = f"moment:{utc(value)}"
    elif isinstance(value, str):
        said = f"text:{_composed(value)}"
    else:
        raise NaruError(
            f"field {field!r} got {value!r} ({type(value).__name__}); "
            "expected text, a number, a boolean or a datetime."
        )
    return _short(f"{json.dumps(_composed(field), ensure_ascii=False)}={said}")


def utc(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds, the one spelling of a moment; a naive one is read as UTC.

    NaruError where its offset takes it out of the years 1 to 9999.
    """
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC).isoformat(timespec="microseconds")
    except OverflowError:
        raise NaruError(f"The moment {moment.isoformat()} lies outside the years 1 to 9999 in UTC.") from None


def _searchable(metadata: Metadata) -> dict[str, Any]:
    terms: dict[str, None] = {}
    numbers: dict[str, list[float]] = {}
    moments: dict[str, list[str]] = {}
    for field, held in metadata.items():
        for value in held if isinstance(held, list) else [held]:
            if value is None:
                continue
            terms[value_term(field, value)] = terms[exists_term(field)] = None
            if isinstance(value, str):
                moment = _moment(value)
                if moment is not None:
                    terms[value_term(field, moment)] = None
                    moments.setdefault(_path(field), []).append(utc(moment))
            elif not isinstance(value, bool):
                numbers.setdefault(_path(field), []).append(float(value))
    return {TERMS: list(terms), "numbers": numbers, "moments": moments}


def _composed(text: str) -> str:
    """NFC: what macOS writes decomposed is found by what people type."""
    return unicodedata.normalize("NFC", text)


def _moment(text: str) -> datetime | None:
    """The moment a text names, that a day begins with; None when it names none between the years 1 and 9999 UTC."""
    moment = read_moment(text)
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        return first_of(moment)
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return None


def _finite(value: int | float, field: str) -> None:
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise NaruError(f"field {field!r} got a number that is not finite or is beyond 1.7e308.")


def _path(field: str) -> str:
    """A field name as one step of an engine's JSON path: whatever is not an ASCII letter or digit is
    spelt as _hex_, so no two fields share a path."""
    return "f" + re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found[0]):x}_", _composed(field))


def _short(term: str) -> str:
    """Long values are kept by their digest: an index of keywords is no place for a page of text."""
    encoded = term.encode()
    if len(encoded) <= _LONGEST_TERM:
        return term
    return f"digest:{hashlib.blake2b(encoded, digest_size=20).hexdigest()}"
