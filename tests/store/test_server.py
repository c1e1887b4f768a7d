"""What only a server has: connections that fail, keys, versions, and other people's collections."""

from __future__ import annotations

import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from qdrant_client import models

from naru.documents import Passage
from naru.errors import NaruError
from naru.store import Manifest, Point, Store, connection, open_store

Points = Callable[..., list[Point]]


@pytest.fixture
def store(qdrant: Any) -> Iterator[Store]:
    opened = open_store(qdrant.url)
    yield opened
    opened.close()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def publish(store: Store, points: list[Point], manifest: Manifest) -> None:
    with store.build("demo", 16) as build:
        build.add(points)
        build.publish(manifest)


def test_a_stumbling_server_is_asked_again(
    qdrant: Any, store: Store, some_points: Points, manifest: Manifest
) -> None:
    with store.build("demo", 16) as build:
        qdrant.failures = [503, None, 429, 500]
        build.add(some_points(20))
        assert qdrant.failures == []
        assert qdrant.asked[-5:] != qdrant.asked[-6:-1] or len(set(qdrant.asked[-5:])) == 1
        qdrant.failures = [None, 502]
        build.publish(manifest)
    qdrant.failures = [None, 504]
    collection = store.open("demo")
    assert collection.count() == 20
    qdrant.failures = [None]
    query = some_points(1)[0]
    hits = collection.search(
        __import__("naru.store", fromlist=["Request"]).Request(
            __import__("naru.store", fromlist=["Scores"]).Scores(0, 1, 1), query.dense, query.bm25, 5, 5
        )
    )
    assert hits[0].passage.id == "p0000"


def test_a_server_that_stays_down_is_an_error(
    qdrant: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_FIRST_PAUSE", 0.001)
    qdrant.failures = [503] * 100
    with pytest.raises(NaruError, match=r"answered HTTP 503 \(6 attempts\): .*as planned"):
        store.names()
    assert len(qdrant.failures) == 94
