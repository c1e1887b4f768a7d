"""What only the folder store has: processes that share a folder, and die."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from naru.errors import NaruError, UnavailableError
from naru.store import Manifest, Point, Store, open_store

Points = Callable[..., list[Point]]

# A process that begins a build (or opens the collection), says so, and then stays as it is.
OTHER = """
import sys, time
import numpy as np
from naru.bm25 import SparseVector
from naru.documents import Passage
from naru.store import Point, open_store

store = open_store(sys.argv[1])
if sys.argv[2] == "build":
    build = store.build("demo", 16)
    build.add(
        Point(
            Passage(str(n), "글"),
            np.ones(16, np.float32) / 4,
            SparseVector(np.array([n], np.uint32), np.ones(1, np.float32)),
        )
        for n in range(2000)
    )
else:
    collection = store.open("demo")
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(folder: Path) -> Store:
    return open_store(str(folder))


def publish(store: Store, points: list[Point], manifest: Manifest) -> None:
    with store.build("demo", 16) as build:
        build.add(points)
        build.publish(manifest)


def another(folder: Path, does: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(folder), does],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def versions(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "demo").iterdir() if path.is_dir())


def count(store: Store) -> int:
    collection = store.open("demo")
    try:
        return collection.count()
    finally:
        collection.close()


def test_a_killed_build_leaves_the_store_usable_and_is_cleaned_by_the_next(
    folder: Path, store: Store, some_points: Points, manifest: Manifest
) -> None:
    publish(store, some_points(3), manifest)
    builder = another(folder, "build")
    assert len([name for name in versions(folder) if name.startswith(".build-")]) == 1
    publish(store, some_points(4), manifest)
    assert len([name for name in versions(folder) if name.startswith(".build-")]) == 1, "it is alive"
    kill(builder)
    assert count(store) == 4
    with store.build("demo", 16) as build:
        build.add(some_points(5))
        assert len(versions(folder)) == 2
        build.publish(manifest)
    assert count(store) == 5
    assert len(versions(folder)) == 1


def test_a_collection_held_by_another_process_names_it(
    folder: Path, store: Store, some_points: Points, manifest: Manifest
) -> None:
    publish(store, some_points(3), manifest)
    reader = another(folder, "open")
    with pytest.raises(NaruError, match=rf"'demo'.* is held by process {reader.pid} \(.*Stop that process"):
        store.open("demo")
    publish(store, some_points(4), manifest)
    assert count(store) == 4
    kill(reader)
    publish(store, some_points(5), manifest)
    assert len(versions(folder)) == 1


def test_a_collection_held_by_this_process_says_so(
    store: Store, some_points: Points, manifest: Manifest
) -> None:
    publish(store, some_points(3), manifest)
    first = store.open("demo")
    with pytest.raises(NaruError, match=f"held by this process .*{os.getpid()}"):
        store.open("demo")
    first.close()
    first.close()
    assert count(store) == 3


def test_replaced_versions_go_when_nobody_holds_them(
    folder: Path, store: Store, some_points: Points, manifest: Manifest
) -> None:
    publish(store, some_points(1), manifest)
    reader = store.open("demo")
    publish(store, some_points(2), manifest)
    publish(store, some_points(3), manifest)
    assert len(versions(folder)) == 2
    assert reader.count() == 1
    reader.close()
    assert len(versions(folder)) == 1


def test_a_deleted_collection_serves_its_reader_to_the_end(
    folder: Path, store: Store, some_points: Points, manifest: Manifest
) -> None:
    publish(store, some_points(3), manifest)
    reader = store.open("demo")
    store.delete("demo")
    assert store.names() == []
    assert reader.count() == 3
    reader.close()
    assert not (folder / "demo").exists()


def test_a_publish_that_fails_leaves_the_version_before(
    folder: Path, store: Store, some_points: Points, manifest: Manifest
) -> None:
    publish(store, some_points(3), manifest)
    with store.build("demo", 16) as build:
        build.add(some_points(9))
        (shard,) = (folder / "demo").glob(".build-*/shard")
        shutil.rmtree(shard / "segments")
        (shard / "segments").write_text("the disk lost it")
        with pytest.raises(NaruError, match=r"shard cannot be written: .*stays published"):
            build.publish(manifest)
    assert count(store) == 3
    assert len(versions(folder)) == 1


def test_an_optimiser_that_fails_leaves_the_version_before(
    folder: Path, store: Store, some_points: Points, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, some_points(3), manifest)
    with store.build("demo", 16) as build:
        build.add(some_points(9))
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(NaruError, match=r"ended with status 1: .*stays published"):
            build.publish(manifest)
    assert count(store) == 3
    assert len(versions(folder)) == 1


def test_a_folder_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.hwp").write_text("내 논문")
    with pytest.raises(NaruError, match=r"no naru-store.json"):
        open_store(str(tmp_path))
    with pytest.raises(NaruError, match="is a file"):
        open_store(str(tmp_path / "thesis.hwp"))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.hwp"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(json.dumps({"format": 99}), "has format 99; .*reads format 1"), ("{", "damaged"), ("[]", "damaged")],
)
def test_a_store_of_another_format_is_refused(folder: Path, content: str, complaint: str) -> None:
    folder.mkdir()
    (folder / "naru-store.json").write_text(content)
    with pytest.raises(NaruError, match=complaint):
        open_store(str(folder))


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from naru.errors import NaruError; from naru.store import open_store\n"
        "try: open_store(sys.argv[1]).build('demo', 8)\n"
        "except NaruError as error: print('told:', error)"
    )

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    folder = tmp_path / "store"
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, str(folder)],
        preexec_fn=small,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "told: " in done.stdout, done
    assert "See that the disk has room" in done.stdout
    assert not (folder / "demo").exists()


def test_a_shard_that_cannot_be_read_is_no_fault_of_the_query(
    folder: Path, store: Store, some_points: Points, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, some_points(3), manifest)
    collection = store.open("demo")

    class Panicking:
        def count(self, request: object) -> int:
            raise BaseException("index out of bounds")  # as Edge's panics are, beside Exception

        def close(self) -> None: ...

    monkeypatch.setattr(collection, "_shard", Panicking())
    with pytest.raises(UnavailableError, match=r"shard cannot be read: index out of bounds.*naru index"):
        collection.count()
    collection.close()


def test_a_closed_collection_says_so(store: Store, some_points: Points, manifest: Manifest) -> None:
    publish(store, some_points(1), manifest)
    collection = store.open("demo")
    collection.close()
    with pytest.raises(NaruError, match="'demo' is closed: open it again"):
        collection.count()


def test_a_damaged_version_says_what_to_do(
    folder: Path, store: Store, some_points: Points, manifest: Manifest
) -> None:
    publish(store, some_points(3), manifest)
    (version,) = versions(folder)
    config = folder / "demo" / version / "shard" / "edge_config.json"
    config.write_text("{")
    with pytest.raises(NaruError, match=r"cannot be opened: .*naru index"):
        store.open("demo")
    for name, content, said in (
        ("manifest.json", b"{", "manifest.json cannot be read"),
        ("manifest.json", b'{"format": 99}', "its format is 99"),
        ("manifest.json", b'{"format": 1}', "manifest.json cannot be read: 'facts'"),
        ("statistics.npz", b"PK", "statistics.npz cannot be read"),
    ):
        path = folder / "demo" / version / name
        whole = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(NaruError, match=rf"{said}.*naru index"):
            store.open("demo")
        path.write_bytes(whole)
    (folder / "demo" / version).rename(folder / "elsewhere")
    with pytest.raises(NaruError, match=r"which is not there.*naru index"):
        store.open("demo")
    publish(store, some_points(4), manifest)
    assert count(store) == 4
