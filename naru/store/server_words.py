"""naru's points, requests and filters in the words of qdrant-client, and its answers in naru's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from qdrant_client import models

from naru.bm25 import SparseVector
from naru.filters import Filter
from naru.store import Request, ranking
from naru.store import payload as payloads
from naru.store.conditions import Dialect, condition
from naru.store.points import Entry
from naru.store.ranking import Channel, Found

_DIALECT: Dialect[Any] = Dialect(
    all_of=lambda parts: models.Filter(must=parts),
    any_of=lambda parts: models.Filter(should=parts),
    none_of=lambda parts: models.Filter(must_not=parts),
    terms=lambda terms: models.FieldCondition(key=payloads.TERMS, match=models.MatchAny(any=terms)),
    numbers=lambda key, bounds: models.FieldCondition(key=key, range=models.Range(**bounds)),
    moments=lambda key, bounds: models.FieldCondition(key=key, range=models.DatetimeRange(**bounds)),
)


@dataclass(frozen=True, slots=True)
class Query:
    """The arguments of QdrantClient.query_points that a search decides."""

    prefetch: list[models.Prefetch]
    formula: models.FormulaQuery


def filter_of(filter: Filter | None, without: Sequence[UUID] = ()) -> models.Filter:
    """The points that satisfy the filter, less those with the given ids."""
    return models.Filter(
        must=[] if filter is None else [condition(filter, _DIALECT)],
        must_not=[models.HasIdCondition(has_id=list(without))] if without else [],
    )


def point_of(entry: Entry) -> models.PointStruct:
    point = entry.point
    vectors: dict[str, Any] = {"dense": point.dense.tolist()}
    if len(point.bm25):
        vectors["bm25"] = _sparse(point.bm25)
    return models.PointStruct(id=payloads.point_id(point.passage.id), vector=vectors, payload=entry.payload)


def query_of(request: Request, asked: list[Channel]) -> Query:
    """Both channels' nearest form the candidates; each channel scores all of them; the formula combines."""
    limit = ranking.candidates(request)
    keep = None if request.filter is None else filter_of(request.filter)
    pool = [
        models.Prefetch(limit=limit, query=_nearest(channel), using=channel.name, filter=keep)
        for channel in asked
    ]
    if len(asked) > 1:
        pool = [
            models.Prefetch(
                limit=len(asked) * limit, query=_nearest(channel), using=channel.name, prefetch=pool
            )
            for channel in asked
        ]
    return Query(pool, _formula(request.scores.bias, asked))


def found_of(hit: models.ScoredPoint) -> Found:
    return Found.of(hit.payload or {}, hit.score, cast(dict[str, Any], hit.vector))


def _nearest(channel: Channel) -> list[float] | models.SparseVector:
    query = channel.query
    return _sparse(query) if isinstance(query, SparseVector) else cast(list[float], query.tolist())


def _formula(bias: float, asked: list[Channel]) -> models.FormulaQuery:
    parts: list[models.Expression] = [bias]
    for score, channel in zip(ranking.variables(asked), asked, strict=True):
        parts.append(models.MultExpression(mult=[channel.weight, score]))
    return models.FormulaQuery(
        formula=models.SumExpression(sum=parts), defaults=dict.fromkeys(ranking.variables(asked), 0.0)
    )


def _sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())
