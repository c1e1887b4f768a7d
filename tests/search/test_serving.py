"""The service as a process: its port, its start, its end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from naru.bundle import EncoderInfo, fingerprint, write_description
from naru.errors import NaruError
from naru.settings import ServiceSettings
from naru.store import open_store
from search.service import serve, serve_store

SERVE_STORE = """
import sys
from naru.settings import ServiceSettings
from naru.store import open_store
from search.service import serve_store
serve_store(open_store(sys.argv[1]), ServiceSettings(port=0))
print("the end")
"""

SERVE_SLOWLY = """
import sys, time
from fastapi import FastAPI
from search.service import serve
app = FastAPI()
@app.get("/slow")
def slow():
    print("begun", flush=True)
    time.sleep(1.5)
    return "done"
serve(app, "127.0.0.1", 0)
print("the end")
"""


@pytest.fixture(scope="module")
def location(new_store: Callable[[], str]) -> str:
    """A store of these tests' own: one process at a time can have one open."""
    return new_store()


@contextmanager
def process(script: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that serves, and the address that it printed."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            assert running.stdout is not None
            line = running.stdout.readline()
            assert line.startswith("naru answers at http://127.0.0.1:"), line + running.stdout.read()
            yield running, line.split()[3]
        finally:
            running.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_store_is_served_until_a_signal(location: str, number: signal.Signals) -> None:
    with process(SERVE_STORE, location) as (running, url):
        names = [one["name"] for one in httpx.get(f"{url}/v1/collections").json()["collections"]]
        assert names == ["cards", "help"]
        found = httpx.post(f"{url}/v1/search", json={"query": "여권 사진", "collection": "help"}).json()
        assert found["hits"][0]["id"] == "passport-1"
        running.send_signal(number)
        rest, _ = running.communicate(timeout=20)
        assert (running.returncode, rest) == (0, "the end\n")


def test_requests_under_way_finish_after_sigterm() -> None:
    with process(SERVE_SLOWLY) as (running, url), ThreadPoolExecutor(1) as pool:
        answer = pool.submit(httpx.get, f"{url}/slow", timeout=20)
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        running.terminate()
        assert answer.result().json() == "done"
        rest, _ = running.communicate(timeout=20)
        assert (running.returncode, rest) == (0, "the end\n")


def test_the_service_loads_neither_torch_nor_transformers(location: str) -> None:
    script = SERVE_STORE + "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    with process(script, location) as (running, url):
        assert httpx.get(f"{url}/readyz").status_code == 200
        running.terminate()
        assert running.communicate(timeout=20)[0] == "the end\n[]\n"


def test_a_taken_port_is_named_before_anything_is_opened() -> None:
    def never() -> None:
        raise AssertionError("opened before the port was ours")

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NaruError, match=rf"127\.0\.0\.1:{port}.*in use.*--port"):
            serve(FastAPI(), "127.0.0.1", port, opening=never)


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(NaruError, match=r"Cannot listen on 192\.0\.2\.1:8080"):
        serve(FastAPI(), "192.0.2.1", 8080)


def test_it_answers_while_its_collections_are_being_opened(capsys: pytest.CaptureFixture[str]) -> None:
    app = FastAPI()

    @app.get("/livez")
    def livez() -> str:
        return "live"

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    seen: list[str] = []

    def opening() -> None:
        seen.append(_get_when_up(f"http://127.0.0.1:{port}/livez"))
        raise NaruError("a collection cannot be opened")

    with pytest.raises(NaruError, match="a collection cannot be opened"):
        serve(app, "127.0.0.1", port, opening=opening)
    assert seen == ["live"]
    assert capsys.readouterr().out == ""


def _get_when_up(url: str) -> str:
    for _ in range(500):
        try:
            answer: str = httpx.get(url, timeout=5).json()
            return answer
        except httpx.ConnectError:
            time.sleep(0.01)
    raise AssertionError(f"{url} never answered")


def test_an_empty_store_is_refused(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "nothing"))
    with pytest.raises(NaruError, match=r"no collection in .*nothing.*naru index"):
        serve_store(store, ServiceSettings(port=0))


def test_another_encoder_is_refused_at_start(location: str, bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for file in bundle.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    info = replace(EncoderInfo.read(other), query_prefix="query: ")
    write_description(other, [replace(info, fingerprint=fingerprint(other, info))])
    with pytest.raises(NaruError, match=r"was indexed with encoder .*, this is encoder"):
        serve_store(open_store(location), ServiceSettings(port=0), encoder=str(other))
