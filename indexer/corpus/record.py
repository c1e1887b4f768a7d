"""What makes a row of any format a document: an id, a text, perhaps a title, filterable metadata."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal

from indexer.corpus.naming import Naming, composed
from naru.documents import Document, Scalar
from naru.errors import NaruError

_EXACT = 2**53


def document(fields: Mapping[str, object], naming: Naming, line: int) -> Document:
    """The document that the fields of the record on a line say. NaruError, without the place, when they say none.

    Metadata: null is left out, nested objects are flattened with dots (`a.b`), the fields of an object named
    `metadata` (BEIR) stand beside the others, dates and times become ISO 8601 text. Names of fields are in NFC.
    """
    fields = _composed(fields)
    metadata: dict[str, Scalar | list[Scalar] | None] = {}
    for name, value in _flattened(fields, naming):
        if name in metadata:
            raise NaruError(f"field {name!r} is there twice, once in an object; rename one of them.")
        metadata[name] = value
    hint = naming.hint(fields) if line == 1 else ""  # later ones have been named right before
    name = str(line) if naming.numbered else _id(fields, naming, hint)
    return Document(name, _text(fields, naming.text, hint), _title(fields, naming.titles), metadata)


def _composed(fields: Mapping[str, object]) -> Mapping[str, object]:
    made: dict[str, object] = {}
    for name, value in fields.items():
        if composed(name) in made:
            raise NaruError(f"field {name!r} is there twice, in two Unicode forms; rename one of them.")
        made[composed(name)] = value
    return made


def _id(fields: Mapping[str, object], naming: Naming, hint: str) -> str:
    there = [name for name in naming.ids if fields.get(name) is not None]
    if not there:
        if empty := [name for name in naming.ids if name in fields]:
            raise NaruError(f"{empty[0]!r} is empty; expected text that names the record.")
        names = " (or '_id')" if naming.id is None else ""
        raise NaruError(
            f"no {naming.ids[0]!r}{names} among {_names(fields)}; expected text that names the record.{hint}"
        )
    name, value = there[0], fields[there[0]]
    if fields[there[-1]] != value:
        raise NaruError(
            f"'id' is {value!r} and '_id' is {fields[there[-1]]!r}; expected one of them, or the same."
        )
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        if not value.is_integer() or abs(value) >= _EXACT:
            raise NaruError(
                f"{name!r} is {value!r}; expected text or a whole number (as a float, below 2**53)."
            )
        return str(int(value))  # a column of whole numbers with gaps, as pandas writes it
    if not isinstance(value, str):
        raise NaruError(f"{name!r} is {_kind(value)}; expected text or a whole number.")
    if not value.strip():
        raise NaruError(f"{name!r} is blank ({value!r}); expected text that names the record.")
    return _unicode(name, value)


def _text(fields: Mapping[str, object], name: str, hint: str) -> str:
    value = fields.get(name)
    if value is None and name in fields:
        raise NaruError(f"{name!r} is empty; expected the text to search. Fill it in or remove the record.")
    if value is None:
        raise NaruError(f"no {name!r} among {_names(fields)}; expected the text to search.{hint}")
    if not isinstance(value, str):
        raise NaruError(f"{name!r} is {_kind(value)}; expected text.")
    if not value.strip():
        raise NaruError(f"{name!r} is blank; expected the text to search. Fill it in or remove the record.")
    return _unicode(name, value)


def _title(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NaruError(f"{name!r} is {_kind(value)}; expected text, or no title.")
    return _unicode(name, value)


def _flattened(fields: Mapping[str, object], naming: Naming) -> Iterator[tuple[str, Scalar | list[Scalar]]]:
    own = naming.own
    for name, value in fields.items():
        if name in own:
            continue
        if name == "metadata" and isinstance(value, Mapping):
            yield from _values("", value)
        else:
            yield from _values(name, value)


def _values(name: str, value: object) -> Iterator[tuple[str, Scalar | list[Scalar]]]:
    if value is None:
        return
    if isinstance(value, Mapping):
        for inner, held in value.items():
            yield from _values(composed(f"{name}.{inner}" if name else str(inner)), held)
    elif isinstance(value, list | tuple):
        yield _unicode(name, name), [_scalar(name, one) for one in value if one is not None]
    else:
        yield _unicode(name, name), _scalar(name, value)


def _scalar(name: str, value: object) -> Scalar:
    if isinstance(value, str):
        return _unicode(name, value)
    if isinstance(value, bool):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        return _finite(name, value)
    raise NaruError(
        f"field {name!r} holds {_kind(value)}; expected text, a number, a boolean, a date or time, "
        "or a list of these."
    )


def _finite(name: str, value: int | float | Decimal) -> int | float:
    try:
        as_float = float(value)
    except OverflowError:
        as_float = math.inf
    if not math.isfinite(as_float):
        raise NaruError(f"field {name!r} holds a number that is not finite or beyond 1.7e308; leave it out.")
    return value if isinstance(value, int) else as_float


def _unicode(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise NaruError(
            f"{name!a} holds half a surrogate pair (U+{ord(value[error.start]):04X}) at character "
            f"{error.start}: not valid Unicode. Write the whole character, or drop it."
        ) from error
    return value


def _names(fields: Mapping[str, object]) -> str:
    return ", ".join(map(repr, fields)) or "no fields"


def _kind(value: object) -> str:
    kinds = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), f"a value of type {type(value).__name__}")
