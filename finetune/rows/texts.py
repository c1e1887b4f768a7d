"""A text as it is trained on, and what two texts have in common that say the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

BLANK = "\u200b\u3164\ufeff" + "".join(filter(str.isspace, map(chr, range(0x3001))))
"""What people see nothing of: str.strip takes the second part alone."""
ENDINGS = "?!.…？！。 "  # of a text, with which it says the same
SURROGATE = re.compile("[\ud800-\udfff]")


def clean(value: Any) -> str:
    """A text as it is trained on: NFC, without blanks around it. Of an object (a passage of MIRACL) its title and text.

    Empty for what is no text: lists, bytes, NaN, invalid Unicode.
    """
    if isinstance(value, Mapping):
        value = "\n".join(str(value[key]) for key in ("title", "text") if value.get(key))
    if value is None or isinstance(value, list | bytes) or value != value:
        return ""
    text = unicodedata.normalize("NFC", str(value)).strip(BLANK)
    return "" if SURROGATE.search(text) else text


def same(text: str) -> str:
    """What two texts have in common that are the same but for case, blanks and the marks they end with."""
    plain = " ".join(text.casefold().split())
    return plain.rstrip(ENDINGS) or plain
