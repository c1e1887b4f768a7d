"""Collections in a folder, searched in this process by Qdrant Edge.

STORE/naru-store.json               the format of the folder
STORE/NAME/...                      as versions.py lays it out
STORE/.cache/NAME/                  what makes the next build cheaper; may be removed
STORE/NAME/<version>/manifest.json  dimension, count and the manifest's facts
STORE/NAME/<version>/statistics.npz
STORE/NAME/<version>/shard/         Qdrant Edge
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import qdrant_edge as edge

from naru.documents import Passage
from naru.errors import NaruError, UnavailableError
from naru.filters import Filter
from naru.store import Description, Published, Request, Scored, ranking
from naru.store import payload as payloads
from naru.store.edge_build import EdgeBuild
from naru.store.edge_files import AGAIN, FORMAT, load_shard, plain_errors, read_header, read_manifest
from naru.store.edge_words import PASSAGE, filter_of, found_of, query_of
from naru.store.points import check_name, unknown
from naru.store.versions import Lease, Versions

_PAGE = 512


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
        name = check_name(name)
        versions = Versions(self._folder / name)
        lease = versions.take_current()
        if lease is None:
            raise unknown(self, name)
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
                facts, _, count = read_header(versions.folder / version)
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
            raise unknown(self, name)
        versions.withdraw()
        shutil.rmtree(self.cache(name), ignore_errors=True)

    def cache(self, name: str) -> Path:
        return self._folder / ".cache" / check_name(name)

    def close(self) -> None:
        """Nothing to do: what is open belongs to its collection or build."""

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
        self.manifest, self.dimension, count = read_manifest(lease.folder)
        self._shard = load_shard(lease.folder / "shard")
        if (stored := self._shard.info().points_count) != count:
            self._shard.close()
            raise NaruError(
                f"{lease.folder} is damaged: it holds {stored:,} passages, its manifest names {count:,}. {AGAIN}"
            )

    def search(self, request: Request) -> list[Scored]:
        asked = ranking.channels(request, self.dimension)
        if not asked:
            return []
        query = query_of(request, asked)
        with self._readable():
            hits = self._shard.query(query)
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
        request = edge.CountRequest(exact=True, filter=filter_of(filter))
        with self._readable():
            return self._shard.count(request)

    def _readable(self) -> AbstractContextManager[None]:
        if self._lease.file < 0:
            raise NaruError(f"The collection {self.name!r} is closed: open it again to ask it.")
        return plain_errors(self._lease.folder / "shard", "read", AGAIN, UnavailableError)

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
