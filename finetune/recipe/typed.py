"""What is typed after --data and --evaluation: [NAME=]PATH[:SPLIT]. A path that is there wins over what its marks mean."""

from __future__ import annotations

from pathlib import Path


def parts(given: str, here: Path | None = None) -> tuple[str, str, str | None]:
    """(name or "", path, split or None); the path made absolute where it is relative to `here`, with two files of
    parallel lines each of them: "a.txt,b.txt"."""
    start = here or Path()
    name, equals, rest = given.partition("=")
    if not equals or (start / given).exists():
        name, rest = "", given
    if rest.startswith("hf://"):
        return name, rest, None
    path, _, split = rest.rpartition(":")
    if not path or "/" in split or "." in split or (start / rest).exists():
        path, split = rest, ""
    if here is not None:
        several = [path] if (here / path).exists() else path.split(",")
        path = ",".join(str((here / one).absolute()) for one in several)
    return name, path, split or None
