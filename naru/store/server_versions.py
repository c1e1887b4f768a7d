"""The versions of a collection on a Qdrant server: their names, the alias that points at one, what each is.

A version is the Qdrant collection NAME__v<time>-<random>; the alias NAME points at the published one.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from qdrant_client import QdrantClient, models

from naru.store.connection import ATTEMPTS, Connection

STAMP = "%Y%m%dT%H%M%S"
_ABANDONED = timedelta(days=1)
"""A build this old that was never published has died: nobody else may be building for that long."""
_ABOUT = UUID("0d0c7b9e-3a6f-5a57-8f0e-6e6172752122")


def about_id(part: int) -> UUID:
    return uuid5(_ABOUT, str(part))


def about(connection: Connection, version: str) -> dict[str, Any] | None:
    records = retrieve(connection, version, [str(about_id(0))], ["about"])
    return json.loads(records[0].payload["about"]) if records and records[0].payload else None


RELEVANCE = -1
"""Which of a version's points about itself holds the calibration."""


def relevance(connection: Connection, version: str) -> str | None:
    records = retrieve(connection, version, [str(about_id(RELEVANCE))], ["relevance"])
    return records[0].payload["relevance"] if records and records[0].payload else None


def keep_relevance(connection: Connection, version: str, text: str) -> None:
    point = models.PointStruct(id=str(about_id(RELEVANCE)), vector={}, payload={"relevance": text})
    connection.ask(lambda client: client.upsert(version, [point], wait=True))


def retrieve(connection: Connection, version: str, ids: list[str], fields: list[str]) -> list[models.Record]:
    return connection.ask(
        lambda client: client.retrieve(version, list(ids), with_payload=fields, with_vectors=False)
    )


def alias_map(client: QdrantClient) -> dict[str, str]:
    return {alias.alias_name: alias.collection_name for alias in client.get_aliases().aliases}


def aliases(connection: Connection) -> dict[str, str]:
    return connection.ask(alias_map)


def is_version(name: str, collection: str) -> bool:
    return re.fullmatch(rf"{re.escape(name)}__v\d{{8}}T\d{{6}}-[0-9a-f]{{6}}", collection) is not None


def mark_published(connection: Connection, version: str) -> None:
    """From now on `sweep` may remove the version, once another one is published."""
    part: list[int | str | UUID] = [str(about_id(0))]
    connection.ask(lambda client: client.set_payload(version, {"published": True}, points=part, wait=True))


def was_published(connection: Connection, version: str) -> bool:
    records = retrieve(connection, version, [str(about_id(0))], ["published"])
    return bool(records and (records[0].payload or {}).get("published"))


def sweep(connection: Connection, name: str, keep: tuple[str | None, ...]) -> None:
    """Delete the collection's versions that others have replaced, and dead builds, but for those to keep.

    Several processes may publish and sweep at once: a build that is not published yet is left alone, however near it is,
    and what the alias points at is asked last, so a version found published and not pointed at is out of use for good.
    """
    there = connection.ask(lambda client: client.get_collections().collections)
    versions = [one.name for one in there if is_version(name, one.name) and one.name not in keep]
    over = [one for one in versions if _abandoned(name, one) or was_published(connection, one)]
    current = aliases(connection).get(name)
    for version in over:
        if version != current:
            drop(connection, version)


def _abandoned(name: str, version: str) -> bool:
    begun = datetime.strptime(version.removeprefix(f"{name}__v")[:15], STAMP).replace(tzinfo=UTC)
    return datetime.now(UTC) - begun > _ABANDONED


def drop(connection: Connection, version: str, attempts: int = ATTEMPTS) -> None:
    connection.ask(lambda client: client.delete_collection(version), attempts)
