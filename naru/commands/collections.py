"""naru collections and naru delete."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from naru import settings, terminal
from naru.commands.opening import opened_store
from naru.commands.options import JsonOption, StoreOption
from naru.errors import NaruError, no_collections


def collections(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the collections of a store."""
    from naru.listing import listed

    with opened_store(settings.load(), store) as opened:
        found = list(listed(opened))
        location = opened.location
    if as_json:
        typer.echo(json.dumps({"collections": [asdict(one) for one in found]}, ensure_ascii=False))
        return
    if not found:
        terminal.note(no_collections(location))
        return
    terminal.collections(found)
    for one in found:
        if one.trouble:
            terminal.note(f"{one.name}: {one.trouble}")
        elif one.void:
            terminal.note(f"{one.name}: {one.void}; run `naru calibrate` again.")


def delete(
    name: Annotated[str, typer.Argument(help="The collection to withdraw.")],
    store: StoreOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Withdraw a collection, its calibration too; a service stops answering from it within seconds."""
    with opened_store(settings.load(), store) as opened:
        if opened.published(name) is not None and not yes:
            if not sys.stdin.isatty():
                raise NaruError(
                    f"Not running in a terminal, so deletion cannot be confirmed: pass --yes to delete {name!r}."
                )
            typer.confirm(
                f"Delete {name!r} from {opened.location}? It cannot be undone.", abort=True, err=as_json
            )
        opened.delete(name)
        if as_json:
            typer.echo(json.dumps({"deleted": name, "store": opened.location}, ensure_ascii=False))
            return
        terminal.out.print(f"Deleted {name!r} from {opened.location}.", soft_wrap=True, markup=False)
