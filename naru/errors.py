"""How commands end otherwise than done: with something the user can mend, or stopped as asked."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable


class NaruError(Exception):
    """What went wrong, where, what was got, what was expected, and the fix, in one readable message.

    The command line prints it and exits with status 1; the service turns it into a JSON error.
    """


class UnavailableError(NaruError):
    """Nothing is wrong with what was asked: something it needs does not answer now. The service says 503."""


class ReplacedError(UnavailableError):
    """The version of a collection that was opened is gone: others took its place. Opened again, it answers."""


class Stopped(SystemExit):
    """The end of a command that stopped as it was asked to, with all saved, and has said so itself."""


def suggested(word: str, known: Iterable[str]) -> str:
    """ "Did you mean 'steps'? Known here: ..." for a word that is not among the known ones."""
    known = list(known)
    letters = {
        unicodedata.normalize("NFD", name): name for name in known
    }  # a syllable may be near another, too
    near = difflib.get_close_matches(unicodedata.normalize("NFD", word), letters, n=1)
    guess = f"Did you mean {letters[near[0]]!r}? " if near else ""
    return f"{guess}Known here: {', '.join(known) or 'none'}."
