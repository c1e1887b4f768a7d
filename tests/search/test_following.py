"""A service that follows its store: what is published while it serves is what it answers from."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from evaluation.calibrate import Calibration
from indexer.build import Plan, index
from naru.bundle import EncoderInfo, fingerprint, write_description
from naru.documents import Document
from naru.encoder import Encoder
from naru.errors import ReplacedError
from naru.settings import ServiceSettings
from naru.store import Store, open_store
from search.catalog import Catalog
from search.following import Following
from search.routes import answered
from search.service import create_app
from search.wire import SearchIn

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]

FIRST = Document("card-1", "카드를 잃어버렸다면 분실신고 전용번호로 전화해 주세요.", "카드 분실 신고")
SECOND = Document("card-2", "카드 분실신고는 이제 앱에서 합니다.", "카드 분실 신고")
THIRD = Document("card-3", "카드 분실신고는 이제 아무 데서나 합니다.", "카드 분실 신고")


@pytest.fixture(params=["folder", ":memory:"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "data") if request.param == "folder" else ":memory:")
    yield opened
    opened.close()


def publish(store: Store, bundle: Path, *documents: Document, name: str = "help") -> None:
    index(documents, store, Encoder(bundle), Plan(name, "tests", str(bundle)), lambda stage, done: None)


def found(client: httpx.Client, name: str = "help") -> Any:
    answer = client.post("/v1/search", json={"query": "카드 분실", "collection": name})
    assert answer.status_code == 200, answer.text
    return [hit["id"] for hit in answer.json()["hits"]]


def test_every_publish_is_followed_without_a_failed_request(store: Store, bundle: Path, serve: Serve) -> None:
    publish(store, bundle, FIRST)
    catalog = Catalog()
    asked: list[list[str]] = []
    over = threading.Event()
    with (
        Following(store, catalog, every=1e6) as following,
        serve(create_app(catalog, ServiceSettings())) as client,
    ):
        following.start()

        def ask() -> None:
            while not over.is_set():
                asked.append(found(client))

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            for document in (FIRST, SECOND, THIRD):  # a server forgets all but the last two versions
                publish(store, bundle, document)
                following.look()
                assert found(client) == [document.id]
        finally:
            over.set()
            asking.join()
    assert {tuple(ids) for ids in asked} <= {("card-1",), ("card-2",), ("card-3",)}
    assert asked


def test_a_search_whose_version_is_taken_away_under_it_is_answered_by_the_latest(bundle: Path) -> None:
    store, catalog = open_store(":memory:"), Catalog()
    publish(store, bundle, FIRST)
    with Following(store, catalog, every=1e6) as following:
        following.start()
        first = catalog.find("help")
        asked = SearchIn(query="카드", highlight="off")
        for document in (SECOND, THIRD):
            publish(store, bundle, document)
        with pytest.raises(ReplacedError, match="open the collection again"):
            answered(catalog, first, asked)
        following.look()
        assert [hit.id for hit in answered(catalog, first, asked).hits] == ["card-3"]


def test_it_looks_by_itself(
    store: Store, bundle: Path, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(store, bundle, FIRST)
    catalog = Catalog()
    with (
        Following(store, catalog, every=0.01) as following,
        serve(create_app(catalog, ServiceSettings())) as client,
    ):
        following.start()
        publish(store, bundle, SECOND)
        publish(store, bundle, THIRD, name="new")
        assert wait_until(lambda: "new" in catalog.searchers)
        assert wait_until(lambda: found(client) == ["card-2"])
        store.delete("new")
        assert wait_until(lambda: "new" not in catalog.searchers)
    said = capsys.readouterr().err
    assert "naru: 'help' is served as it was published now" in said
    assert "naru: 'new' was deleted" in said


def test_a_calibration_is_followed(store: Store, bundle: Path, fitted: Calibration, serve: Serve) -> None:
    publish(store, bundle, FIRST)
    catalog = Catalog()
    with (
        Following(store, catalog, every=1e6) as following,
        serve(create_app(catalog, ServiceSettings())) as client,
    ):
        following.start()
        searcher = catalog.find("help")
        basis = fitted.relevance.basis
        assert basis is not None
        here = replace(basis, passages=1, sketch=searcher.provenance.sketch)
        searcher.collection.keep_relevance(replace(fitted.relevance, basis=here).to_json())
        following.look()
        assert client.post("/v1/search", json={"query": "카드 분실"}).json()["calibrated"] is True
        assert catalog.find("help").collection is searcher.collection


def test_a_version_with_a_new_calibration_stays_open(
    store: Store, bundle: Path, fitted: Calibration, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.following.RETIRED", 0.0)
    publish(store, bundle, FIRST)
    catalog = Catalog()
    with (
        Following(store, catalog, every=1e6) as following,
        serve(create_app(catalog, ServiceSettings())) as client,
    ):
        following.start()
        catalog.find("help").collection.keep_relevance(fitted.relevance.to_json())
        following.look()
        following.look()
        assert found(client) == ["card-1"]


def test_an_encoder_that_was_exported_anew_is_opened_anew(
    store: Store, bundle: Path, tmp_path: Path, serve: Serve
) -> None:
    again = tmp_path / "bundle"
    copytree(bundle, again)
    publish(store, again, FIRST)
    catalog = Catalog()
    with (
        Following(store, catalog, every=1e6) as following,
        serve(create_app(catalog, ServiceSettings())) as client,
    ):
        following.start()
        other = replace(EncoderInfo.read(again, None), query_prefix="카드 ", fingerprint="")
        write_description(again, [replace(other, fingerprint=fingerprint(again, other))])
        publish(store, again, SECOND)
        following.look()
        assert found(client) == ["card-2"]


def test_what_cannot_be_opened_is_told_once_and_the_version_before_stays(
    store: Store, bundle: Path, tmp_path: Path, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(store, bundle, FIRST)
    catalog = Catalog()
    with (
        Following(store, catalog, every=1e6) as following,
        serve(create_app(catalog, ServiceSettings())) as client,
    ):
        following.start()
        moved = Plan("help", "tests", str(tmp_path / "gone"))
        index([SECOND], store, Encoder(bundle), moved, lambda stage, done: None)
        following.look()
        following.look()
        assert found(client) == ["card-1"]
        assert capsys.readouterr().err.count("'help' is not served") == 1
        publish(store, bundle, THIRD)
        following.look()
        assert found(client) == ["card-3"]


def test_whatever_goes_wrong_it_goes_on_looking(
    store: Store,
    bundle: Path,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish(store, bundle, FIRST)
    catalog = Catalog()

    def away() -> list[str]:
        raise ValueError("the store is out of its mind")  # not even a NaruError

    with (
        Following(store, catalog, every=0.01) as following,
        serve(create_app(catalog, ServiceSettings())) as client,
    ):
        following.start()
        for document in (SECOND, THIRD):  # told each time that it happens, not only the first
            with monkeypatch.context() as patched:
                patched.setattr(store, "names", away)
                assert wait_until(lambda: "out of its mind" in capsys.readouterr().err)
            publish(store, bundle, document)
            assert wait_until(lambda one=document: found(client) == [one.id])


def test_what_another_process_has_open_for_a_moment_is_served_after_it(
    bundle: Path, tmp_path: Path, serve: Serve
) -> None:
    store = open_store(str(tmp_path / "data"))
    publish(store, bundle, FIRST)
    catalog = Catalog()
    with (
        Following(store, catalog, every=1e6, again=0.0) as following,
        serve(create_app(catalog, ServiceSettings())) as client,
    ):
        following.start()
        publish(store, bundle, SECOND)
        with contextlib.closing(store.open("help")):  # `naru search` right after `naru index`
            following.look()
            assert found(client) == ["card-1"]
        following.look()
        assert found(client) == ["card-2"]


def wait_until(true: Callable[[], bool]) -> bool:
    over = threading.Event()
    return any(true() or over.wait(0.02) for _ in range(500))
