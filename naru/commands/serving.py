"""naru serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from naru import settings
from naru.commands.opening import opened_store
from naru.commands.options import EncoderOption, StoreOption


def serve(
    store: StoreOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    encoder: EncoderOption = None,
) -> None:
    """Serve every collection of a store over HTTP, with the search page at /."""
    serve_store(store, host, port, encoder)


def serve_store(
    store: str | None,
    host: str | None,
    port: int | None,
    encoder: str | None,
    examples: Mapping[str, Sequence[str]] | None = None,
) -> None:
    from search.service import serve_store as listen

    given = settings.load()
    flags = {"host": host, "port": port}
    service = given.service.model_copy(
        update={name: value for name, value in flags.items() if value is not None}
    )
    with opened_store(given, store) as opened:
        listen(opened, service, encoder=encoder, threads=given.encoder.threads, examples=examples)
