"""What the service answers to: one function a route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

from fastapi import APIRouter, Request

from naru.errors import ReplacedError
from search.catalog import Catalog
from search.highlight import Highlighter
from search.searcher import Searcher
from search.wire import (
    CollectionOut,
    CollectionsOut,
    ErrorOut,
    Found,
    SearchIn,
    SearchOut,
    StatusOut,
    search_out,
)
from search.workers import Workers

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorOut, "description": description}
    for status, description in (
        (400, "The body is not JSON."),
        (404, "No such collection."),
        (413, "The body is too large."),
        (422, "The request is invalid; the message says what was expected."),
        (503, "Overloaded or not ready: try again after Retry-After seconds."),
    )
}


def routes(catalog: Catalog, workers: Workers, examples: Mapping[str, Sequence[str]]) -> APIRouter:
    """The routes over a catalog; `examples` are queries worth trying, by collection."""
    router = APIRouter()

    @router.post("/v1/search", tags=["search"], responses=_REFUSALS)
    async def search(request: Request, asked: SearchIn) -> SearchOut:
        """The passages of a collection that answer a query, best first, each with its probability; or that none
        does, with the near misses apart."""
        searcher = catalog.find(asked.collection)
        return await workers.run(lambda: answered(catalog, searcher, asked), _hung_up(request))

    @router.get("/v1/collections", tags=["search"], responses={503: _REFUSALS[503]})
    async def collections() -> CollectionsOut:
        """The collections served here, with the cut-offs that a search of each may name."""
        return CollectionsOut(
            collections=[
                _collection(name, searcher, tuple(examples.get(name, ())))
                for name, searcher in catalog.searchers.items()
            ]
        )

    @router.head("/livez", include_in_schema=False)
    @router.get("/livez", tags=["health"])
    async def livez() -> StatusOut:
        """The process is up."""
        return StatusOut(status="live")

    @router.head("/readyz", include_in_schema=False)
    @router.get("/readyz", tags=["health"], responses={503: _REFUSALS[503]})
    async def readyz() -> StatusOut:
        """The collections are open and searches will be answered."""
        _ = catalog.searchers
        return StatusOut(status="ready")

    return router


def answered(catalog: Catalog, searcher: Searcher, asked: SearchIn) -> SearchOut:
    """Again by what is served now, where publishes took the searcher's version away while it searched."""
    try:
        return _search(searcher, asked)
    except ReplacedError:
        latest = catalog.find(asked.collection)
        if latest is searcher:
            raise
        return _search(latest, asked)


def _search(searcher: Searcher, asked: SearchIn) -> SearchOut:
    started = perf_counter()
    answer = searcher.search(
        asked.query,
        mode=asked.mode,
        limit=asked.limit,
        filter=None if asked.filter is None else asked.filter.filter(),
        cutoff=asked.cutoff,
        anyway=asked.anyway,
    )
    marks = None
    if asked.highlight != "off":
        marks = Highlighter(answer.tokens, searcher.analyzer, searcher.statistics, answer.query)
    hits, near_misses = (
        [Found(hit, None if marks is None else marks.highlight(hit.passage)) for hit in found]
        for found in (answer.hits, answer.near_misses)
    )
    milliseconds = (perf_counter() - started) * 1e3
    return search_out(answer, hits, near_misses, searcher.collection.name, asked, milliseconds)


def _collection(name: str, searcher: Searcher, examples: tuple[str, ...]) -> CollectionOut:
    return CollectionOut(
        name=name,
        passages=searcher.provenance.passages,
        encoder=searcher.encoder.info.name,
        created=searcher.provenance.created,
        calibrated=searcher.relevance.calibrated,
        void=searcher.relevance.void,
        modes=tuple(searcher.relevance.modes),
        cutoffs={mode: fit.cutoffs for mode, fit in searcher.relevance.fits.items()},
        examples=examples,
    )


async def _hung_up(request: Request) -> None:
    """Ends when the client has closed the connection. The request's body has been read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
