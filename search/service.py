"""The HTTP service: its app, and the process that serves it."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import files
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

from naru import __version__
from naru.errors import NaruError
from naru.settings import ServiceSettings
from naru.store import Store
from search.catalog import Catalog
from search.edges import BodyLimit, BrowserHeaders
from search.failures import answer_failures
from search.following import Following
from search.routes import routes
from search.workers import ClientGoneError, Workers

MAX_BODY = 1 << 20
"""Bytes of a request."""

GRACE = 30
"""Seconds that requests under way have to finish after SIGTERM."""

Examples = Mapping[str, Sequence[str]]
"""Collection name -> queries worth trying on it."""


def create_app(catalog: Catalog, settings: ServiceSettings, examples: Examples | None = None) -> FastAPI:
    """The service over a catalog, which may be filled later: until then it answers 503, not ready."""
    workers = Workers(settings.concurrency, settings.queue)

    @asynccontextmanager
    async def working(app: FastAPI) -> AsyncIterator[None]:
        yield
        workers.close()

    app = FastAPI(
        title="naru",
        summary="Korean semantic search that knows when it has no answer.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=working,
    )
    app.add_middleware(BodyLimit, most=MAX_BODY)
    app.add_middleware(BrowserHeaders)
    if settings.cors_origins:  # outermost, so that refusals can be read there too
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type"],
            expose_headers=["Retry-After"],
        )
    answer_failures(app)
    app.include_router(routes(catalog, workers, examples or {}))
    _add_pages(app)

    @app.exception_handler(ClientGoneError)
    async def client_gone(request: Request, error: ClientGoneError) -> Response:
        return Response(status_code=499)

    return app


def _add_pages(app: FastAPI) -> None:
    """The search page, and Swagger UI from our own files: FastAPI's /docs loads it from a CDN."""
    page = Path(str(files("search"))) / "page"
    swagger = Path(str(files("fastapi_offline"))) / "static"

    @app.head("/", include_in_schema=False)
    @app.get("/", include_in_schema=False)
    async def search_page() -> FileResponse:
        return FileResponse(page / "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(page / "docs.html")

    app.mount("/page", StaticFiles(directory=page), name="page")
    app.mount("/swagger", StaticFiles(directory=swagger), name="swagger")


def serve_store(
    store: Store,
    settings: ServiceSettings,
    *,
    encoder: str | None = None,
    threads: int | None = None,
    examples: Examples | None = None,
) -> None:
    """Serve every collection of a store until SIGINT or SIGTERM, each as it is published meanwhile.

    `encoder` replaces the bundle that each collection names; `threads` are the cores one encoding may use.
    NaruError: the port is taken, the store is empty, or a collection cannot be opened with its encoder.
    """
    catalog = Catalog()
    with Following(store, catalog, encoder=encoder, threads=threads) as following:
        serve(
            create_app(catalog, settings, examples),
            settings.host,
            settings.port,
            opening=following.start,
        )


def serve(app: FastAPI, host: str, port: int, *, opening: Callable[[], None] = lambda: None) -> None:
    """Serve an app until SIGINT or SIGTERM, then finish what is under way; port 0 takes a free one.

    `opening` runs beside the server once the port is ours; the address is printed after it. NaruError: the
    port cannot be had. What `opening` raises ends the server and is raised here.
    """
    with _listening(host, port) as listener, _signals_end_only_the_server():
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE, server_header=False)
        )
        raised: list[BaseException] = []

        def open_then_announce() -> None:
            try:
                opening()
                print(f"naru answers at {_url(listener)}  (Ctrl+C to stop)", flush=True)
            except BaseException as error:
                raised.append(error)
                server.should_exit = True

        thread = threading.Thread(target=open_then_announce, name="naru-opening")
        thread.start()
        server.run(sockets=[listener])
        thread.join()
        if raised:
            raise raised[0]


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise NaruError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. Stop what listens there, or choose "
            "another address with --host or another port with --port (0 takes a free one)."
        ) from error
    with listener:
        yield listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _signals_end_only_the_server() -> Iterator[None]:
    """uvicorn sends itself the signal again when it has stopped; here the caller still has to clean up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
