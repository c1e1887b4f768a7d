"""What several commands are told in the same words."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Mode(StrEnum):
    hybrid = "hybrid"
    semantic = "semantic"
    lexical = "lexical"


def _some(what: str) -> Callable[[str | None], str | None]:
    """A callback that raises BadParameter for nothing at all: a shell variable that is not set would else stand for the
    default."""

    def check(said: str | None) -> str | None:
        if said is not None and not said.strip():
            raise typer.BadParameter(f"{said!r} names no {what}. Leave the option out for the default.")
        return said

    return check


StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="A folder, or the URL of a Qdrant server. (default: naru-data)",
        callback=_some("store: expected a folder or a URL"),
    ),
]
AskedOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="A folder, the URL of a Qdrant server, or that of a running naru service. (default: naru-data)",
        callback=_some("store: expected a folder or a URL"),
    ),
]
CollectionOption = Annotated[
    str | None,
    typer.Option(
        "--collection",
        help="Which collection; optional if the store has only one.",
        callback=_some("collection"),
    ),
]
EncoderOption = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        help="An encoder bundle. (default: the bundled naru-mini)",
        callback=_some("encoder"),
    ),
]
RelevanceOption = Annotated[
    Path | None,
    typer.Option("--relevance", help="A calibration file, in place of the one kept with the collection."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
