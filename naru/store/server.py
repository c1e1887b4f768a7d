"""Collections on a Qdrant server or cluster, or in Qdrant inside this process (`:memory:`).

The collection NAME is an alias of NAME__v<version>; publishing swaps it. The manifest lives in the version
itself, as points without vectors, so a server's snapshot of a version is whole: one says what the version is
made from, the others hold the statistics in parts. The version before the current one is kept until the
next publish, for the processes that have it open.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from qdrant_client import models

from naru.bm25 import Statistics
from naru.documents import Passage
from naru.errors import NaruError
from naru.filters import Filter
from naru.store import Description, Manifest, Published, Request, Scored, ranking
from naru.store import payload as payloads
from naru.store.connection import Connection
from naru.store.points import check_name, unknown
from naru.store.server_build import FORMAT, ServerBuild
from naru.store.server_versions import (
    RELEVANCE,
    about,
    about_id,
    alias_map,
    aliases,
    drop,
    is_version,
    keep_relevance,
    relevance,
    retrieve,
    sweep,
)
from naru.store.server_words import filter_of, found_of, query_of

_PAGE = 512
_PARTS_AT_ONCE = 8


class ServerStore:
    """A server's collections that naru made."""

    def __init__(self, location: str, *, api_key: str | None, timeout: float, wait: float) -> None:
        self.location = location
        self._connection = Connection(location, api_key, timeout, wait)

    def names(self) -> list[str]:
        return sorted(
            name for name, version in aliases(self._connection).items() if is_version(name, version)
        )

    def open(self, name: str) -> ServerCollection:
        name = check_name(name)
        version = self._version(name)
        if version is None:
            raise unknown(self, name)
        return ServerCollection(name, version, self._connection)

    def published(self, name: str) -> Published | None:
        version = self._version(check_name(name))
        if version is None:
            return None
        text = relevance(self._connection, version)
        return Published(version, None if text is None else sha256(text.encode()).hexdigest())

    def describe(self, name: str) -> Description | None:
        name = check_name(name)
        version = self._version(name)
        if version is None:
            return None
        said = _about(self._connection, name, version)
        return Description(int(said["count"]), said["facts"], relevance(self._connection, version))

    def build(self, name: str, dimension: int) -> ServerBuild:
        name = check_name(name)
        version = aliases(self._connection).get(name)
        there = self._connection.ask(lambda client: client.get_collections().collections)
        if name in (one.name for one in there) or (version is not None and not is_version(name, version)):
            raise NaruError(
                f"The Qdrant server at {self.location} has a {name!r} that naru did not make. "
                "Choose another name."
            )
        return ServerBuild(name, dimension, self._connection)

    def delete(self, name: str) -> None:
        name = check_name(name)
        version = self._version(name)
        if version is None:
            raise unknown(self, name)
        self._connection.ask(
            lambda client: client.update_collection_aliases(
                [models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=name))]
                if name in alias_map(client)
                else []
            )
        )
        drop(self._connection, version)
        sweep(self._connection, name, keep=())
        if (cache := self.cache(name)) is not None:
            shutil.rmtree(cache, ignore_errors=True)

    def cache(self, name: str) -> Path | None:
        """Below $XDG_CACHE_HOME, else ~/.cache: what is embedded here is not embedded here again."""
        if self.location == ":memory:":
            return None
        try:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        except RuntimeError:  # no home
            return None
        return base / "naru" / sha256(self.location.encode()).hexdigest()[:16] / check_name(name)

    def close(self) -> None:
        self._connection.close()

    def _version(self, name: str) -> str | None:
        """The published version of a collection that naru made."""
        version = aliases(self._connection).get(name)
        return version if version is not None and is_version(name, version) else None


class ServerCollection:
    """One published version, read by its own name, so that a publish does not change it underneath."""

    def __init__(self, name: str, version: str, connection: Connection) -> None:
        self.name = name
        self.location = connection.location
        self._version = version
        self._connection = connection
        said = _about(connection, name, version)
        self.dimension = int(said["dimension"])
        self._count = int(said["count"])
        self._apart = [about_id(part) for part in range(said["parts"] + 1)]
        self._aside = [*self._apart, about_id(RELEVANCE)]
        self.manifest = Manifest(said["facts"], Statistics.from_bytes(self._statistics()))

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
                with_payload=payloads.ORIGINAL,
                with_vectors=True,
            )
        )
        return ranking.scored(request, map(found_of, answer.points))

    def retrieve(self, ids: Sequence[str]) -> list[Passage]:
        keys = [str(payloads.point_id(id)) for id in ids]
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Passage] = {}
        for start in range(0, len(wanted), _PAGE):
            batch = wanted[start : start + _PAGE]
            records = retrieve(self._connection, self._version, batch, payloads.ORIGINAL)
            found |= {str(record.id): payloads.passage(record.payload or {}) for record in records}
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
        keep = filter_of(filter, without=self._aside)
        return self._connection.ask(
            lambda client: client.count(self._version, count_filter=keep, exact=True).count
        )

    def relevance(self) -> str | None:
        return relevance(self._connection, self._version)

    def keep_relevance(self, text: str) -> None:
        # To what is published now: it may be another version than when this one was opened.
        version = aliases(self._connection).get(self.name)
        if version is None:
            raise NaruError(
                f"The collection {self.name!r} at {self.location} was deleted meanwhile; its calibration is not kept."
            )
        keep_relevance(self._connection, version, text)

    def close(self) -> None:
        """Nothing to let go of: the connection is the store's."""

    def _page(self, offset: Any) -> tuple[list[models.Record], Any]:
        return self._connection.ask(
            lambda client: client.scroll(
                self._version,
                scroll_filter=filter_of(None, without=self._aside),
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
            for record in retrieve(self._connection, self._version, some, ["statistics"]):
                parts[str(record.id)] = (record.payload or {})["statistics"]
        missing = len(wanted) - len(parts)
        if missing:
            raise NaruError(
                f"The collection {self._version!r} at {self._connection.location} lacks {missing} of "
                f"{len(wanted)} parts of its statistics. Build {self.name!r} again with `naru index`."
            )
        return base64.b64decode("".join(parts[part] for part in wanted))


def _about(connection: Connection, name: str, version: str) -> dict[str, Any]:
    said = about(connection, version)
    if said is None or said["format"] != FORMAT:
        raise NaruError(
            f"The collection {version!r} at {connection.location} has "
            f"{'no manifest' if said is None else 'format ' + repr(said['format'])}; "
            f"this version of naru reads format {FORMAT}. Build {name!r} again with `naru index`."
        )
    return said
