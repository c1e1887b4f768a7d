"""How commands end otherwise than done: with something the user can mend, or stopped as asked."""

from __future__ import annotations

import difflib
import shlex
import unicodedata
from collections.abc import Iterable, Sequence


class NaruError(Exception):
    """What went wrong, where, what was got, what was expected, and the fix, in one readable message.

    The command line prints it and exits with status 1; the service turns it into a JSON error.
    """


def missing_extra(needs: str, extra: str) -> NaruError:
    """The error of what needs packages that a plain install leaves out; `needs` says what needs which."""
    return NaruError(f"{needs}: pip install '.[{extra}]' in the folder of naru, or make setup.")


class UnavailableError(NaruError):
    """Nothing is wrong with what was asked: something it needs does not answer now. The service says 503."""


class ReplacedError(UnavailableError):
    """The version of a collection that was opened is gone: others took its place. Opened again, it answers."""


class Stopped(SystemExit):
    """The end of a command that stopped as it was asked to, with all saved, and has said so itself."""


def suggested(word: str, known: Iterable[str]) -> str:
    """For a word that is not among the known ones: the nearest of them, if one is near, and all of them."""
    known = list(known)
    letters = {
        unicodedata.normalize("NFD", name): name for name in known
    }  # a syllable may be near another, too
    near = difflib.get_close_matches(unicodedata.normalize("NFD", word), letters, n=1)
    guess = f"Did you mean {letters[near[0]]!r}? " if near else ""
    return f"{guess}Known here: {', '.join(known) or 'none'}."


def index_command(store: str, collection: str = "NAME", corpus: str = "CORPUS") -> str:
    """The command that builds a collection, as a shell reads it; `corpus` is quoted already."""
    return f"naru index {corpus} --store {shlex.quote(store)} --collection {shlex.quote(collection)}"


def no_collections(store: str) -> str:
    """What to say of a store that holds no collection."""
    return f"There is no collection in {store}. Build one: {index_command(store)}"


def first_few(names: Sequence[str], most: int = 5) -> str:
    """The first few names, for a message."""
    return ", ".join(map(repr, names[:most])) + (", …" if len(names) > most else "")
