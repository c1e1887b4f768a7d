"""The places that the contract suite runs over, and the points it puts there."""

from __future__ import annotations

import json
import os
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from pydantic_core import to_jsonable_python
from qdrant_client import models
from qdrant_client.local.qdrant_local import QdrantLocal

from naru.bm25 import SparseVector, Statistics
from naru.documents import Passage
from naru.store import Manifest, Point, Store, open_store

DIMENSION = 16


class QdrantOverHttp(ThreadingHTTPServer):
    """Qdrant's REST routes, as far as naru asks them, over qdrant-client's in-memory engine: what the client
    sends is real HTTP and real JSON. Not a Qdrant server: indexes, clusters and limits are missing.

    `failures` are served first, one a request: an HTTP status, or None to drop the connection unanswered;
    `api_key` is demanded when set.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.engine = QdrantLocal(":memory:")
        self.turn = threading.Lock()
        self.failures: list[int | None] = []
        self.api_key: str | None = None
        self.version = "1.20.0"
        self.largest = 0
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        self.shutdown()
        self.server_close()

    def answer(self, route: str, name: str, body: bytes) -> Any:
        engine = self.engine
        match route:
            case "GET /":
                return {"title": "qdrant", "version": self.version}
            case "GET /aliases":
                return engine.get_aliases()
            case "POST /collections/aliases":
                swap = models.ChangeAliasesOperation.model_validate_json(body)
                return engine.update_collection_aliases(swap.actions)
            case "GET /collections":
                return engine.get_collections()
            case "PUT /collections/*":
                wanted = models.CreateCollection.model_validate_json(body)
                return engine.create_collection(name, wanted.vectors, wanted.sparse_vectors)
            case "GET /collections/*":
                return engine.get_collection(name)
            case "GET /collections/*/exists":
                return {"exists": engine.collection_exists(name)}
            case "DELETE /collections/*":
                return engine.delete_collection(name)
            case "PUT /collections/*/index":
                models.CreateFieldIndex.model_validate_json(body)
                return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)
            case "PUT /collections/*/points":
                return engine.upsert(name, models.PointsList.model_validate_json(body).points)
            case "POST /collections/*/points":
                points = models.PointRequest.model_validate_json(body)
                return engine.retrieve(name, points.ids, points.with_payload, points.with_vector)
            case "POST /collections/*/points/payload":
                change = models.SetPayload.model_validate_json(body)
                return engine.set_payload(name, change.payload, change.points)
            case "POST /collections/*/points/query":
                query = models.QueryRequest.model_validate_json(body)
                return engine.query_points(
                    name,
                    query=query.query,
                    prefetch=query.prefetch,
                    limit=query.limit,
                    with_payload=query.with_payload,
                    with_vectors=query.with_vector,
                )
            case "POST /collections/*/points/scroll":
                scroll = models.ScrollRequest.model_validate_json(body)
                records, following = engine.scroll(
                    name, scroll.filter, scroll.limit, None, scroll.offset, scroll.with_payload
                )
                return models.ScrollResult(points=records, next_page_offset=following)
            case "POST /collections/*/points/count":
                count = models.CountRequest.model_validate_json(body)
                return engine.count(name, count.filter, True)
        raise LookupError(f"no route {route}")


class _Handler(BaseHTTPRequestHandler):
    server: QdrantOverHttp
    protocol_version = "HTTP/1.1"

    def _reply(self) -> None:
        path = self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.largest = max(self.server.largest, len(body))
        name = re.match(r"/collections/(?!aliases$)([^/]+)", path)
        route = f"{self.command} {path.replace(name[1], '*', 1) if name else path}"
        self.server.asked.append(route)
        if self.server.failures:
            failure = self.server.failures.pop(0)
            if failure is None:
                self.close_connection = True
                return
            self._send(failure, {"status": {"error": "as planned"}})
        elif self.server.api_key not in (None, self.headers.get("api-key")):
            self._send(401, {"status": {"error": "Must provide an API key"}})
        else:
            try:
                with self.server.turn:
                    result = self.server.answer(route, unquote(name[1]) if name else "", body)
            except ValueError as error:
                self._send(404 if "not found" in str(error) else 400, {"status": {"error": str(error)}})
            else:
                said = result if route == "GET /" else {"result": result, "status": "ok", "time": 0.0}
                self._send(200, to_jsonable_python(said))

    def _send(self, status: int, said: Any) -> None:
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _reply  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def qdrant() -> Iterator[QdrantOverHttp]:
    server = QdrantOverHttp()
    yield server
    server.stop()


@pytest.fixture(
    scope="module", params=["edge", "memory", "http", pytest.param("server", marks=pytest.mark.server)]
)
def location(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a store is, for each kind of store."""
    if request.param == "edge":
        yield str(tmp_path_factory.mktemp("store"))
    elif request.param == "memory":
        yield ":memory:"
    elif request.param == "http":
        server = QdrantOverHttp()
        yield server.url
        server.stop()
    else:
        url = os.environ.get("NARU_TEST_QDRANT_URL")
        if not url:
            pytest.skip("NARU_TEST_QDRANT_URL names no Qdrant server")
        yield url


@pytest.fixture
def store(location: str) -> Iterator[Store]:
    opened = open_store(location)
    yield opened
    opened.close()


@pytest.fixture
def name(store: Store) -> Iterator[str]:
    """A collection name that nobody else has; what is published under it is deleted afterwards."""
    unique = f"시험-{uuid.uuid4().hex[:12]}"
    yield unique
    if unique in store.names():
        store.delete(unique)


@pytest.fixture
def manifest() -> Manifest:
    ids = np.array([3, 5, 2**32 - 1], np.uint32)
    statistics = Statistics(3, (7.5, 2.25, 1.0, 0.0), ids, np.array([1, 3, 2], np.uint32))
    return Manifest({"encoder": {"fingerprint": "가나다"}, "passages": 3, "share": 0.1}, statistics)


def some_points(count: int, seed: int = 0) -> list[Point]:
    """Random unit vectors and random tokens out of 60, so that most pairs share some and some share none."""
    rng = np.random.default_rng(seed)
    points = []
    for place in range(count):
        dense = rng.normal(size=DIMENSION).astype(np.float32)
        tokens = np.sort(rng.choice(60, rng.integers(1, 9), replace=False)).astype(np.uint32)
        points.append(
            Point(
                Passage(
                    f"p{place:04}", f"본문 {place}", f"제목 {place}", {"place": place, "odd": place % 2 == 1}
                ),
                dense / np.linalg.norm(dense),
                SparseVector(tokens, rng.uniform(0.1, 2.0, len(tokens)).astype(np.float32)),
            )
        )
    return points


@pytest.fixture(name="some_points", scope="session")
def _some_points() -> Callable[..., list[Point]]:
    return some_points
