"""Collections in a folder, searched in this process by Qdrant Edge.

    STORE/naru-store.json               the format of the folder
    STORE/NAME/...                      as versions.py lays it out
    STORE/.cache/NAME/                  what makes the next build cheaper; may be removed
    STORE/NAME/<version>/manifest.json  dimension, count and the manifest's facts
    STORE/NAME/<version>/statistics.npz
    STORE/NAME/<version>/shard/         Qdrant Edge

Edge's index building holds the interpreter's lock, so it runs in a process of its own (optimise.py), on a
version that nobody searches yet. A build writes no log: it is thrown away when its process dies.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import qdrant_edge as edge

from naru.bm25 import Statistics
from naru.documents import Passage
from naru.errors import NaruError, UnavailableError
from naru.filters import Filter
from naru.store import Description, Manifest, Point, Published, Request, Scored, ranking
from naru.store import payload as payloads
from naru.store.edge_words import PASSAGE, filter_of, found_of, point_of, query_of
from naru.store.points import MOST_INDEXES, batches, check_count, check_name, range_fields
from naru.store.versions import Lease, Versions

FORMAT = 1
_WRITE_FIX = "See that the disk has room; the version before stays published."
_AGAIN = "Build it again with `naru index`."
_PAGE = 512
_INDEXES = {"numbers": edge.PayloadSchemaType.Float, "moments": edge.PayloadSchemaType.Datetime}


class EdgeStore:
    """A folder of collections. Opening one writes nothing; the first build makes the folder."""

    def __init__(self, folder: Path) -> None:
        self.location = str(folder)
        self._folder = folder
        self._check()

    def names(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return sorted(path.parent.name for path in self._folder.glob("*/CURRENT"))

    def open(self, name: str) -> EdgeCollection:
        versions = Versions(self._folder / check_name(name))
        lease = versions.take_current()
        if lease is None:
            raise self._unknown(name)
        try:
            return EdgeCollection(name, versions, lease)
        except BaseException:
            lease.release()
            raise

    def published(self, name: str) -> Published | None:
        versions = Versions(self._folder / check_name(name))
        version = versions.current()
        return None if version is None else Published(version, versions.calibration())

    def describe(self, name: str) -> Description | None:
        versions = Versions(self._folder / check_name(name))
        while (version := versions.current()) is not None:
            try:
                facts, _, count = _header(versions.folder / version)
            except NaruError:
                if version != versions.current():
                    continue  # replaced while we looked
                raise
            return Description(count, facts, versions.relevance())
        return None

    def build(self, name: str, dimension: int) -> EdgeBuild:
        self._make()
        return EdgeBuild(Versions(self._folder / check_name(name)), dimension)

    def delete(self, name: str) -> None:
        versions = Versions(self._folder / check_name(name))
        if versions.current() is None:
            raise self._unknown(name)
        versions.withdraw()
        shutil.rmtree(self.cache(name), ignore_errors=True)

    def cache(self, name: str) -> Path:
        return self._folder / ".cache" / check_name(name)

    def close(self) -> None:
        """Nothing to do: what is open belongs to its collection or build."""

    def _unknown(self, name: str) -> NaruError:
        there = ", ".join(self.names()) or "none"
        return NaruError(
            f"No collection {name!r} in {self.location}; there: {there}. "
            f"Build it with `naru index CORPUS --store {self.location} --collection {name}`."
        )

    def _check(self) -> None:
        marker = self._folder / "naru-store.json"
        if not self._folder.exists():
            return
        if not self._folder.is_dir():
            raise NaruError(f"{self._folder} is a file; a store is a folder (or http://, https://, grpc://).")
        if not marker.exists():
            if any(self._folder.iterdir()):
                raise NaruError(
                    f"{self._folder} is a folder with other things in it and no naru-store.json. "
                    "Name an empty folder, a new one, or an existing store."
                )
            return
        try:
            found = json.loads(marker.read_text("utf-8"))["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise NaruError(
                f"{marker} is damaged: {error}. Build the store again with `naru index`."
            ) from error
        if found != FORMAT:
            raise NaruError(
                f"{marker} has format {found!r}; this version of naru reads format {FORMAT}. "
                "Use the version that wrote it, or build the store again with `naru index`."
            )

    def _make(self) -> None:
        self._check()
        self._folder.mkdir(parents=True, exist_ok=True)
        marker = self._folder / "naru-store.json"
        if not marker.exists():
            part = self._folder / f".naru-store-{os.getpid()}"
            part.write_text(json.dumps({"format": FORMAT}) + "\n", "utf-8")
            part.replace(marker)


class EdgeCollection:
    """One published version, held by this process until it is closed."""

    def __init__(self, name: str, versions: Versions, lease: Lease) -> None:
        self.name = name
        self.location = str(versions.folder.parent)
        self._versions = versions
        self._lease = lease
        self.manifest, self.dimension, count = _manifest(lease.folder)
        self._shard = _load(lease.folder / "shard")
        if (stored := self._shard.info().points_count) != count:
            self._shard.close()
            raise NaruError(
                f"{lease.folder} is damaged: it holds {stored:,} passages, its manifest names {count:,}. {_AGAIN}"
            )

    def search(self, request: Request) -> list[Scored]:
        asked = ranking.channels(request, self.dimension)
        if not asked:
            return []
        with self._readable():
            hits = self._shard.query(query_of(request, asked))
        return ranking.scored(request, map(found_of, hits))

    def retrieve(self, ids: Sequence[str]) -> list[Passage]:
        keys = [payloads.point_id(id) for id in ids]
        with self._readable():
            records = self._shard.retrieve(list(dict.fromkeys(keys)), with_payload=PASSAGE, with_vector=False)
        found = {record.id: payloads.passage(record.payload or {}) for record in records}
        return [found[key] for key in keys if key in found]

    def passages(self) -> Iterator[Passage]:
        offset = None
        while True:
            with self._readable():
                records, offset = self._shard.scroll(
                    edge.ScrollRequest(offset=offset, limit=_PAGE, with_payload=PASSAGE, with_vector=False)
                )
            for record in records:
                yield payloads.passage(record.payload or {})
            if offset is None:
                return

    def count(self, filter: Filter | None = None) -> int:
        with self._readable():
            return self._shard.count(edge.CountRequest(exact=True, filter=filter_of(filter)))

    def _readable(self) -> AbstractContextManager[None]:
        return _plain_errors(self._lease.folder / "shard", "read", _AGAIN, UnavailableError)

    def relevance(self) -> str | None:
        return self._versions.relevance()

    def keep_relevance(self, text: str) -> None:
        self._versions.keep_relevance(text)

    def close(self) -> None:
        """Let go of the version; a version that was replaced meanwhile is removed."""
        if self._lease.file < 0:
            return
        self._shard.close()
        self._lease.release()
        if self._versions.current() != self._lease.folder.name:
            self._versions.sweep()


class EdgeBuild:
    """A version being made in a hidden folder, by the one process that holds it."""

    def __init__(self, versions: Versions, dimension: int) -> None:
        self._versions = versions
        self._dimension = dimension
        self._added = 0
        self._indexed: set[str] = set()
        self._lease = versions.start()
        self._path = self._lease.folder / "shard"
        try:
            self._path.mkdir()
            with _plain_errors(self._path, "written", _WRITE_FIX):
                self._shard = edge.EdgeShard.create(
                    str(self._path),
                    edge.EdgeConfig(
                        vectors={
                            "dense": edge.EdgeVectorParams(size=dimension, distance=edge.Distance.Cosine)
                        },
                        sparse_vectors={"bm25": edge.EdgeSparseVectorParams()},
                        wal_enabled=False,
                    ),
                )
            self._index(payloads.TERMS, edge.PayloadSchemaType.Keyword)
        except BaseException:
            self._lease.release()
            versions.sweep()
            raise

    def add(self, points: Iterable[Point]) -> None:
        self._open()
        for batch in batches(points, self._dimension, count=512, size=1 << 26):
            for kind, schema in _INDEXES.items():
                for key in range_fields(batch, kind):
                    self._index(key, schema)
            upsert = edge.UpdateOperation.upsert_points([point_of(entry) for entry in batch])
            with _plain_errors(self._path, "written", _WRITE_FIX):
                self._shard.update(upsert)
            self._added += len(batch)

    def publish(self, manifest: Manifest) -> None:
        self._open()
        with _plain_errors(self._path, "written", _WRITE_FIX):
            self._shard.flush()
            self._shard.close()
        self._optimise()
        shard = _load(self._path)
        stored = shard.info().points_count
        shard.close()
        check_count(self._added, stored)
        header = {"format": FORMAT, "dimension": self._dimension, "count": stored, "facts": manifest.facts}
        folder = self._lease.folder
        (folder / "manifest.json").write_text(
            json.dumps(header, ensure_ascii=False, indent=1) + "\n", "utf-8"
        )
        (folder / "statistics.npz").write_bytes(manifest.statistics.to_bytes())
        self._versions.publish(self._lease)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lease.file < 0:
            return
        try:
            with _plain_errors(self._path, "closed", _WRITE_FIX):
                self._shard.close()
        except NaruError:
            if error is None:
                raise
            # What is wrong with the folder, `error` says already.
        finally:
            self._lease.release()
            self._versions.sweep()

    def _open(self) -> None:
        if self._lease.file < 0:
            raise ValueError("this build is over: it was published or left; begin another with Store.build")

    def _index(self, key: str, schema: edge.PayloadSchemaType) -> None:
        if key not in self._indexed and len(self._indexed) < MOST_INDEXES:
            self._indexed.add(key)
            with _plain_errors(self._path, "written", _WRITE_FIX):
                self._shard.update(edge.UpdateOperation.create_field_index(key, schema))

    def _optimise(self) -> None:
        # The child keeps our lock open: should we be killed, nobody sweeps the folder while it works.
        script = Path(__file__).with_name("optimise.py")
        done = subprocess.run(
            [sys.executable, "-P", str(script), str(self._path)],
            pass_fds=[self._lease.file],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.strip()[-2000:] or "it said nothing"
            if done.returncode == -signal.SIGBUS:
                said = "the disk is full, as it seems"
            raise NaruError(
                f"Optimising the new version in {self._path} ended with status {done.returncode}: {said}. "
                "The version before it stays published."
            )


def _manifest(folder: Path) -> tuple[Manifest, int, int]:
    """The manifest, the dimension and the number of passages of a version."""
    facts, dimension, count = _header(folder)
    path = folder / "statistics.npz"
    with _plain_errors(path, "read", _AGAIN):
        return Manifest(facts, Statistics.from_bytes(path.read_bytes())), dimension, count


def _header(folder: Path) -> tuple[dict[str, Any], int, int]:
    """The facts, the dimension and the number of passages of a version."""
    path = folder / "manifest.json"
    with _plain_errors(path, "read", _AGAIN):
        header = json.loads(path.read_text("utf-8"))
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']!r}, this version of naru reads {FORMAT}")
        return dict(header["facts"]), int(header["dimension"]), int(header["count"])


def _load(path: Path) -> edge.EdgeShard:
    with _plain_errors(path, "opened", _AGAIN):
        return edge.EdgeShard.load(str(path))


@contextmanager
def _plain_errors(path: Path, done: str, fix: str, kind: type[NaruError] = NaruError) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, NaruError):
        raise
    except BaseException as error:  # Edge raises nothing more exact, and panics beside Exception
        raise kind(f"{path} cannot be {done}: {error}. {fix}") from error
