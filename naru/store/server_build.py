"""A collection version being made on a Qdrant server, under a name that no alias has yet."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from qdrant_client import QdrantClient, models

from naru.errors import NaruError
from naru.store import Manifest, Point
from naru.store import payload as payloads
from naru.store.connection import ATTEMPTS, Connection
from naru.store.points import MOST_INDEXES, batches, check_count, range_fields
from naru.store.server_versions import (
    STAMP,
    about_id,
    alias_map,
    aliases,
    drop,
    keep_relevance,
    mark_published,
    relevance,
    sweep,
)
from naru.store.server_words import point_of

FORMAT = 1
_PART = 1 << 20
_INDEXES = {"numbers": models.PayloadSchemaType.FLOAT, "moments": models.PayloadSchemaType.DATETIME}


class ServerBuild:
    """A version being made under a name that no alias has yet."""

    def __init__(self, name: str, dimension: int, connection: Connection) -> None:
        self._name = name
        self._version = f"{name}__v{datetime.now(UTC).strftime(STAMP)}-{secrets.token_hex(3)}"
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
            self._upsert([models.PointStruct(id=about_id(place), vector={}, payload={"statistics": part})])
        about = {
            "format": FORMAT,
            "dimension": self._dimension,
            "count": self._added,
            "parts": len(parts),
            "facts": manifest.facts,
        }
        self._upsert([models.PointStruct(id=about_id(0), vector={}, payload={"about": json.dumps(about)})])
        before = aliases(self._connection).get(self._name)
        calibration = None if before is None else relevance(self._connection, before)
        if calibration is not None:
            keep_relevance(self._connection, self._version, calibration)
        self._connection.ask(self._swap)
        self._over = True
        mark_published(self._connection, self._version)
        sweep(self._connection, self._name, keep=(self._version, before))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._over:
            self._over = True
            try:
                drop(self._connection, self._version, attempts=ATTEMPTS if error is None else 1)
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
        if self._name in alias_map(client):
            steps.append(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._name)))
        create = models.CreateAlias(collection_name=self._version, alias_name=self._name)
        client.update_collection_aliases([*steps, models.CreateAliasOperation(create_alias=create)])
