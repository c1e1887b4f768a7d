"""Lists of words that a user gives: stopwords, nouns to keep whole."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from naru.errors import NaruError


def read_words(path: Path | None) -> tuple[str, ...]:
    """The words of a file, one a line; blank lines and lines that start with # do not count. No file, no words.

    NaruError where it cannot be read as UTF-8.
    """
    if path is None:
        return ()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise NaruError(f"{path}: cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise NaruError(f"{path}: not UTF-8 ({error}): save the file as UTF-8.") from None
    composed = (unicodedata.normalize("NFC", line).strip() for line in lines)
    return tuple(line for line in composed if line and not line.startswith("#"))
