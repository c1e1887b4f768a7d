"""Building a collection in a folder: a version that nobody sees until it is whole.

Edge's index building holds the interpreter's lock, so it runs in a process of its own (optimise.py), on a version that
nobody searches yet. A build writes no log: it is thrown away when its process dies.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import qdrant_edge as edge

from naru.errors import NaruError
from naru.store import Manifest, Point
from naru.store import payload as payloads
from naru.store.edge_files import WRITE_FIX, load_shard, plain_errors, write_manifest
from naru.store.edge_words import point_of
from naru.store.points import MOST_INDEXES, batches, check_count, range_fields
from naru.store.versions import Versions

_INDEXES = {"numbers": edge.PayloadSchemaType.Float, "moments": edge.PayloadSchemaType.Datetime}


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
            with plain_errors(self._path, "written", WRITE_FIX):
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
            with plain_errors(self._path, "written", WRITE_FIX):
                self._shard.update(upsert)
            self._added += len(batch)

    def publish(self, manifest: Manifest) -> None:
        self._open()
        with plain_errors(self._path, "written", WRITE_FIX):
            self._shard.flush()
            self._shard.close()
        self._optimise()
        shard = load_shard(self._path)
        stored = shard.info().points_count
        shard.close()
        check_count(self._added, stored)
        write_manifest(self._lease.folder, manifest, self._dimension, stored)
        self._versions.publish(self._lease)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lease.file < 0:
            return
        try:
            with plain_errors(self._path, "closed", WRITE_FIX):
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
            with plain_errors(self._path, "written", WRITE_FIX):
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
