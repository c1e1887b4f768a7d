"""What only a server has: connections that fail, keys, versions, and other people's collections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from qdrant_client import models

from naru.documents import Passage
from naru.errors import NaruError
from naru.store import Manifest, Point, Request, Scores, Store, connection, open_store, server_build
from naru.store.server_versions import sweep

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


def versions(qdrant: Any) -> list[str]:
    return sorted(collection.name for collection in qdrant.engine.get_collections().collections)


def test_a_stumbling_server_is_asked_again(
    qdrant: Any, store: Store, some_points: Points, manifest: Manifest
) -> None:
    with store.build("demo", 16) as build:
        qdrant.failures = [503, None, 429]
        build.add(some_points(20))
        assert qdrant.failures == []
        qdrant.failures = [None, 502]
        build.publish(manifest)
    qdrant.failures = [None, 504]
    collection = store.open("demo")
    assert collection.count() == 20
    qdrant.failures = [None, 500]
    query = some_points(1)[0]
    hits = collection.search(Request(Scores(0, 1, 1), query.dense, query.bm25, 5, 20))
    assert hits[0].passage == query.passage
    assert qdrant.failures == []


def test_a_server_that_stays_down_is_an_error(
    qdrant: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_FIRST_PAUSE", 0.001)
    qdrant.failures = [503] * 100
    with pytest.raises(NaruError, match=r"answered HTTP 503 \(6 attempts\): .*as planned"):
        store.names()
    assert len(qdrant.failures) == 94


def test_a_refusal_is_not_repeated(qdrant: Any, store: Store) -> None:
    qdrant.failures = [400, 400]
    with pytest.raises(NaruError, match=r"answered HTTP 400: .*as planned"):
        store.names()
    assert len(qdrant.failures) == 1


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_nobody_listening_names_the_url_and_the_fix(scheme: str, free_port: int) -> None:
    url = f"{scheme}://127.0.0.1:{free_port}"
    with pytest.raises(NaruError, match=f"{url} cannot be reached: .*docker compose up"):
        open_store(url)


def test_something_else_that_answers_is_not_taken_for_qdrant() -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>nginx</html>")

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    with pytest.raises(NaruError, match="does not talk like a Qdrant server"):
        open_store(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


def test_a_server_too_old_for_formulas_is_refused(qdrant: Any) -> None:
    qdrant.version = "1.13.4"
    with pytest.raises(NaruError, match=r"has version 1\.13\.4; naru needs 1\.14"):
        open_store(qdrant.url)
    qdrant.version = "1.14.0"
    open_store(qdrant.url).close()


def test_the_api_key_is_sent_and_a_wrong_one_named(qdrant: Any) -> None:
    qdrant.api_key = "열쇠".encode().hex()
    store = open_store(qdrant.url, api_key=qdrant.api_key)
    assert store.names() == []
    store.close()
    for wrong in (None, "wrong"):
        with pytest.raises(NaruError, match="refused the API key"):
            open_store(qdrant.url, api_key=wrong)


def test_a_key_sent_in_the_clear_to_another_machine_is_warned_of(qdrant: Any) -> None:
    elsewhere = qdrant.url.replace("127.0.0.1", "0.0.0.0")
    with pytest.warns(UserWarning, match="insecure connection"):
        open_store(elsewhere, api_key="key").close()


def test_other_peoples_collections_are_left_alone(
    qdrant: Any, store: Store, some_points: Points, manifest: Manifest
) -> None:
    vectors = {"v": models.VectorParams(size=2, distance=models.Distance.COSINE)}
    qdrant.engine.create_collection("theirs", vectors)
    alias = models.CreateAlias(collection_name="theirs", alias_name="demo-alias")
    qdrant.engine.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
    publish(store, some_points(1), manifest)
    assert store.names() == ["demo"]
    for name in ("theirs", "demo-alias"):
        with pytest.raises(NaruError, match="No collection"):
            store.open(name)
        with pytest.raises(NaruError, match="No collection"):
            store.delete(name)
        with pytest.raises(NaruError, match="naru did not make"):
            store.build(name, 16)
    store.delete("demo")
    assert versions(qdrant) == ["theirs"]


def test_the_version_before_stays_for_its_readers_and_older_ones_go(
    qdrant: Any, store: Store, some_points: Points, manifest: Manifest
) -> None:
    publish(store, some_points(1), manifest)
    first = store.open("demo")
    publish(store, some_points(2), manifest)
    assert len(versions(qdrant)) == 2
    query = some_points(1)[0]
    request = Request(Scores(0, 1, 1), query.dense, query.bm25, 5, 5)
    assert len(first.search(request)) == 1
    publish(store, some_points(3), manifest)
    assert len(versions(qdrant)) == 2
    with pytest.raises(NaruError, match="open the collection again"):
        first.search(request)


def test_builds_that_died_long_ago_are_cleaned_and_young_ones_are_not(
    qdrant: Any, store: Store, some_points: Points, manifest: Manifest
) -> None:
    vectors = {"dense": models.VectorParams(size=16, distance=models.Distance.COSINE)}
    ages = {hours: datetime.now(UTC) - timedelta(hours=hours) for hours in (1, 30)}
    names = {hours: f"demo__v{age:%Y%m%dT%H%M%S}-abcdef" for hours, age in ages.items()}
    for name in names.values():
        qdrant.engine.create_collection(name, vectors)
    publish(store, some_points(1), manifest)
    assert names[1] in versions(qdrant)
    assert names[30] not in versions(qdrant)


def test_a_build_published_before_another_has_swept_stays(
    store: Store, some_points: Points, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[str] = []

    def late(*given: Any, **kept: Any) -> None:
        if not swept:
            swept.append("first")
            publish(store, some_points(2), manifest)
        sweep(*given, **kept)

    monkeypatch.setattr(server_build, "sweep", late)
    publish(store, some_points(1), manifest)
    assert store.open("demo").count() == 2


def test_a_build_about_to_be_published_is_not_swept(
    store: Store, some_points: Points, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap = server_build.ServerBuild._swap
    others: list[int] = []

    def late(build: server_build.ServerBuild, client: Any) -> None:
        if not others:
            others.append(2)
            publish(store, some_points(2), manifest)
        swap(build, client)

    monkeypatch.setattr(server_build.ServerBuild, "_swap", late)
    publish(store, some_points(1), manifest)
    assert others == [2]
    assert store.open("demo").count() == 1


def test_a_server_that_goes_away_does_not_hide_the_first_error(
    qdrant: Any, store: Store, some_points: Points
) -> None:
    def breaking() -> Iterator[Point]:
        yield from some_points(3)
        qdrant.failures = [None] * 100
        raise OSError("the corpus went away")

    with pytest.raises(OSError, match="the corpus went away"), store.build("demo", 16) as build:
        build.add(breaking())


def test_messages_stay_small_enough_for_a_server(
    qdrant: Any, store: Store, some_points: Points, manifest: Manifest
) -> None:
    points = [replace(p, passage=Passage(p.passage.id, "가나다라마" * 40_000)) for p in some_points(40)]
    publish(store, points, manifest)
    assert store.open("demo").count() == 40
    assert 1_000_000 < qdrant.largest < 9_000_000
