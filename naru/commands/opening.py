"""Stores, collections and encoders as the command line names them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from naru import settings
from naru.errors import NaruError, missing_extra, no_collections

if TYPE_CHECKING:
    from evaluation.sources import Encodes
    from naru.store import Store
    from search import Searcher


def any_encoder(name: str) -> Encodes:
    """An encoder bundle where there is one, else a model as training opens it: by preset, folder or name."""
    from naru.encoder import is_bundle, open_encoder

    threads = settings.load().encoder.threads
    if is_bundle(name):
        return open_encoder(name, threads=threads)
    try:
        from finetune.encoding import encoder_of
    except ImportError as error:
        what = f"{name} is no encoder bundle; a sentence-transformers model needs {error.name}"
        raise missing_extra(what, "finetune") from error
    return encoder_of(name, threads)


@contextmanager
def opened_store(given: settings.Settings, location: str | None) -> Iterator[Store]:
    """NaruError where the location is that of a running naru service: what it serves has a location of its own."""
    from naru.store import open_store

    if (service := service_at(location)) is not None:
        raise NaruError(
            f"{service} is a running naru service, which can be searched and evaluated; this needs the store that it "
            "serves: a folder, or the URL of a Qdrant server."
        )
    chosen = given.store
    where = chosen.location if location is None else location
    store = open_store(where, api_key=chosen.api_key, timeout=chosen.timeout, wait=chosen.wait)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def opened_searcher(
    location: str | None, collection: str | None, encoder: str | None, relevance: Path | None = None
) -> Iterator[Searcher]:
    from search import Searcher

    given = settings.load()
    with (
        opened_store(given, location) as store,
        Searcher.open(
            store,
            collection or only(store),
            encoder,
            relevance=relevance,
            threads=given.encoder.threads,
        ) as searcher,
    ):
        yield searcher


def service_asked(service: str | None, store: str | None) -> str | None:
    """The service to ask: that of --service, or the one that answers at --store. BadParameter for both options."""
    if service is not None and store is not None:
        raise typer.BadParameter("a service has its own store: give --service or --store.")
    return service if service is not None else service_at(store)


def service_at(location: str | None) -> str | None:
    """The location of a store, if a naru service answers there; None stands for that of the settings."""
    where = settings.load().store.location if location is None else location
    if not where.startswith(("http://", "https://")):
        return None
    from evaluation.sources import is_service

    return where if is_service(where) else None


def only(store: Store) -> str:
    names = store.names()
    if not names:
        raise NaruError(no_collections(store.location))
    if len(names) > 1:
        raise NaruError(
            f"{store.location} has several collections: say --collection with one of {', '.join(names)}."
        )
    return names[0]
