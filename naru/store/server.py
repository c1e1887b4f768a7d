"""Collections on a Qdrant server or cluster, or in Qdrant inside this process (`:memory:`).

The collection NAME is an alias of NAME__v<version>; publishing swaps it. The manifest lives in the version
itself, as points without vectors, so a server's snapshot of a version is whole: one says what the version is
made from, the others hold the statistics in parts. The version before the current one is kept until the
next publish, for the processes that have it open.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid5

from qdrant_client import QdrantClient, models

from naru.bm25 import Statistics
from naru.documents import Passage
from naru.errors import NaruError
from naru.filters import Filter
from naru.store import Manifest, Point, Request, Scored, ranking
from naru.store import payload as payloads
from naru.store.connection import ATTEMPTS, Connection
from naru.store.points import MOST_INDEXES, batches, check_count, check_name, range_fields
from naru.store.server_words import filter_of, found_of, point_of, query_of

FORMAT = 1
_PAGE = 512
_PART = 1 << 20
_PARTS_AT_ONCE = 8
_ABANDONED = timedelta(days=1)
"""A build this old without a manifest has died: nobody else may be building for that long."""
_ABOUT = UUID("0d0c7b9e-3a6f-5a57-8f0e-6e6172752122")
_INDEXES = {"numbers": models.PayloadSchemaType.FLOAT, "moments": models.PayloadSchemaType.DATETIME}
_STAMP = "%Y%m%dT%H%M%S"


class ServerStore:
    """A server's collections that naru made."""

    def __init__(self, location: str, *, api_key: str | None, timeout: float, wait: float) -> None:
        self.location = location
        self._connection = Connection(location, api_key, timeout, wait)

    def names(self) -> list[str]:
        return sorted(
            name for name, version in _aliases(self._connection).items() if _is_version(name, version)
        )

    def open(self, name: str) -> ServerCollection:
        version = _aliases(self._connection).get(check_name(name))
        if version is None or not _is_version(name, version):
            raise self._unknown(name)
        return ServerCollection(name, version, self._connection)

    def build(self, name: str, dimension: int) -> ServerBuild:
        version = _aliases(self._connection).get(check_name(name))
        there = self._connection.ask(lambda client: client.get_collections().collections)
        if name in (one.name for one in there) or (version is not None and not _is_version(name, version)):
            raise NaruError(
                f"The Qdrant server at {self.location} has a {name!r} that naru did not make. "
                "Choose another name."
            )
        return ServerBuild(name, dimension, self._connection)

    def delete(self, name: str) -> None:
        if check_name(name) not in self.names():
            raise self._unknown(name)
        self._connection.ask(
            lambda client: client.update_collection_aliases(
                [models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=name))]
                if name in _alias_map(client)
                else []
            )
        )
        _sweep(self._connection, name, keep=())

    def close(self) -> None:
        self._connection.close()

    def _unknown(self, name: str) -> NaruError:
        there = ", ".join(self.names()) or "none"
        return NaruError(
            f"No collection {name!r} at {self.location}; there: {there}. "
            f"Build it with `naru index CORPUS --store {self.location} --collection {name}`."
        )


class ServerCollection:
    """One published version, read by its own name, so that a publish does not change it underneath."""

    def __init__(self, name: str, version: str, connection: Connection) -> None:
        self.name = name
        self._version = version
        self._connection = connection
        about = _about(connection, version)
        if about is None or about["format"] != FORMAT:
            raise NaruError(
                f"The collection {version!r} at {connection.location} has "
                f"{'no manifest' if about is None else 'format ' + repr(about['format'])}; "
                f"this version of naru reads format {FORMAT}. Build {name!r} again with `naru index`."
            )
        self.dimension = int(about["dimension"])
        self._count = int(about["count"])
        self._apart = [_about_id(part) for part in range(about["parts"] + 1)]
        self.manifest = Manifest(about["facts"], Statistics.from_bytes(self._statistics()))

    def search(self, request: Request) -> list[Scored]:
        asked = ranking.channels(request, self.dimension)
        if not asked:
            return []
        query = query_of(request, asked)
        answer = self._connection.ask(
            lambda client: client.query_points(
                self._version,
                prefetch=query.prefetch,
                query=query.formula,
                limit=request.limit,
                score_threshold=request.threshold,
                with_payload=payloads.ORIGINAL,
                with_vectors=True,
            )
        )
        return ranking.scored(request, map(found_of, answer.points))

    def retrieve(self, ids: Sequence[str]) -> list[Passage]:
        keys = [str(payloads.point_id(id)) for id in ids]
        records = _retrieve(self._connection, self._version, list(dict.fromkeys(keys)), payloads.ORIGINAL)
        found = {str(record.id): payloads.passage(record.payload or {}) for record in records}
        return [found[key] for key in keys if key in found]

    def passages(self) -> Iterator[Passage]:
        offset: Any = None
        while True:
            records, offset = self._page(offset)
            for record in records:
                yield payloads.passage(record.payload or {})
            if offset is None:
                return

    def count(self, filter: Filter | None = None) -> int:
        if filter is None:
            return self._count
        keep = filter_of(filter, without=self._apart)
        return self._connection.ask(
            lambda client: client.count(self._version, count_filter=keep, exact=True).count
        )

    def close(self) -> None:
        """Nothing to let go of: the connection is the store's."""

    def _page(self, offset: Any) -> tuple[list[models.Record], Any]:
        return self._connection.ask(
            lambda client: client.scroll(
                self._version,
                scroll_filter=filter_of(None, without=self._apart),
                limit=_PAGE,
                offset=offset,
                with_payload=payloads.ORIGINAL,
                with_vectors=False,
            )
        )

    def _statistics(self) -> bytes:
        parts: dict[str, str] = {}
        wanted = [str(part) for part in self._apart[1:]]
        for start in range(0, len(wanted), _PARTS_AT_ONCE):
            some = wanted[start : start + _PARTS_AT_ONCE]
            for record in _retrieve(self._connection, self._version, some, ["statistics"]):
                parts[str(record.id)] = (record.payload or {})["statistics"]
        missing = len(wanted) - len(parts)
        if missing:
            raise NaruError(
                f"The collection {self._version!r} at {self._connection.location} lacks {missing} of "
                f"{len(wanted)} parts of its statistics. Build {self.name!r} again with `naru index`."
            )
        return base64.b64decode("".join(parts[part] for part in wanted))


class ServerBuild:
    """A version being made under a name that no alias has yet."""

    def __init__(self, name: str, dimension: int, connection: Connection) -> None:
        self._name = name
        self._version = f"{name}__v{datetime.now(UTC).strftime(_STAMP)}-{secrets.token_hex(3)}"
        self._dimension = dimension
        self._connection = connection
        self._added = 0
        self._indexed: set[str] = set()
        self._over = False
        connection.ask(self._create)
        self._index(payloads.TERMS, models.PayloadSchemaType.KEYWORD)

    def add(self, points: Iterable[Point]) -> None:
        self._open()
        for batch in batches(points, self._dimension, count=512, size=8 << 20):
            for kind, schema in _INDEXES.items():
                for key in range_fields(batch, kind):
                    self._index(key, schema)
            self._upsert([point_of(entry) for entry in batch])
            self._added += len(batch)

    def publish(self, manifest: Manifest) -> None:
        self._open()
        self._wait()
        check_count(self._added, self._connection.ask(lambda c: c.count(self._version, exact=True).count))
        statistics = base64.b64encode(manifest.statistics.to_bytes()).decode("ascii")
        parts = [statistics[start : start + _PART] for start in range(0, len(statistics), _PART)]
        for place, part in enumerate(parts, 1):
            self._upsert([models.PointStruct(id=_about_id(place), vector={}, payload={"statistics": part})])
        about = {
            "format": FORMAT,
            "dimension": self._dimension,
            "count": self._added,
            "parts": len(parts),
            "facts": manifest.facts,
        }
        self._upsert([models.PointStruct(id=_about_id(0), vector={}, payload={"about": json.dumps(about)})])
        before = _aliases(self._connection).get(self._name)
        self._connection.ask(self._swap)
        self._over = True
        _sweep(self._connection, self._name, keep=(self._version, before))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._over:
            self._over = True
            try:
                _drop(self._connection, self._version, attempts=ATTEMPTS if error is None else 1)
            except NaruError:
                if error is None:
                    raise
                # The server is gone, which `error` says better; a later build sweeps the version.

    def _open(self) -> None:
        if self._over:
            raise ValueError("this build is over: it was published or left; begin another with Store.build")

    def _create(self, client: QdrantClient) -> None:
        if not client.collection_exists(self._version):
            client.create_collection(
                self._version,
                vectors_config={
                    "dense": models.VectorParams(size=self._dimension, distance=models.Distance.COSINE)
                },
                sparse_vectors_config={"bm25": models.SparseVectorParams()},
            )

    def _index(self, key: str, schema: models.PayloadSchemaType) -> None:
        if key in self._indexed or len(self._indexed) == MOST_INDEXES or self._connection.in_memory:
            return
        self._indexed.add(key)
        self._connection.ask(
            lambda client: client.create_payload_index(self._version, key, field_schema=schema, wait=True)
        )

    def _upsert(self, points: list[models.PointStruct]) -> None:
        self._connection.ask(lambda client: client.upsert(self._version, points, wait=True))

    def _wait(self) -> None:
        """Until the server has built its indexes (green); grey means that it waits for a nudge to go on."""
        pause = 0.05
        while True:
            info = self._connection.ask(lambda client: client.get_collection(self._version))
            if info.status == models.CollectionStatus.GREEN:
                return
            if info.status == models.CollectionStatus.RED:
                raise NaruError(
                    f"Qdrant at {self._connection.location} failed to index {self._version!r}: "
                    f"{info.optimizer_status}. See the server's log; the version before stays published."
                )
            if info.status == models.CollectionStatus.GREY:
                self._connection.ask(
                    lambda client: client.update_collection(
                        self._version, optimizers_config=models.OptimizersConfigDiff()
                    )
                )
            time.sleep(pause)
            pause = min(2 * pause, 2.0)

    def _swap(self, client: QdrantClient) -> None:
        steps: list[Any] = []
        if self._name in _alias_map(client):
            steps.append(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._name)))
        create = models.CreateAlias(collection_name=self._version, alias_name=self._name)
        client.update_collection_aliases([*steps, models.CreateAliasOperation(create_alias=create)])


def _about_id(part: int) -> UUID:
    return uuid5(_ABOUT, str(part))


def _about(connection: Connection, version: str) -> dict[str, Any] | None:
    records = _retrieve(connection, version, [str(_about_id(0))], ["about"])
    return json.loads(records[0].payload["about"]) if records and records[0].payload else None


def _retrieve(connection: Connection, version: str, ids: list[str], fields: list[str]) -> list[models.Record]:
    return connection.ask(
        lambda client: client.retrieve(version, list(ids), with_payload=fields, with_vectors=False)
    )


def _alias_map(client: QdrantClient) -> dict[str, str]:
    return {alias.alias_name: alias.collection_name for alias in client.get_aliases().aliases}


def _aliases(connection: Connection) -> dict[str, str]:
    return connection.ask(_alias_map)


def _is_version(name: str, collection: str) -> bool:
    return re.fullmatch(rf"{re.escape(name)}__v\d{{8}}T\d{{6}}-[0-9a-f]{{6}}", collection) is not None


def _sweep(connection: Connection, name: str, keep: tuple[str | None, ...]) -> None:
    """Delete the collection's versions but for those to keep and for builds that may be alive."""
    there = connection.ask(lambda client: client.get_collections().collections)
    for version in (one.name for one in there if _is_version(name, one.name) and one.name not in keep):
        begun = datetime.strptime(version.removeprefix(f"{name}__v")[:15], _STAMP).replace(tzinfo=UTC)
        if datetime.now(UTC) - begun > _ABANDONED or _about(connection, version) is not None:
            _drop(connection, version)


def _drop(connection: Connection, version: str, attempts: int = ATTEMPTS) -> None:
    connection.ask(lambda client: client.delete_collection(version), attempts)
