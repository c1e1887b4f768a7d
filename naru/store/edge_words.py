"""naru's points, requests and filters in the words of Qdrant Edge, and its answers in naru's."""

from __future__ import annotations

from typing import Any, cast

import qdrant_edge as edge

from naru.bm25 import SparseVector
from naru.filters import Filter
from naru.store import Request, ranking
from naru.store import payload as payloads
from naru.store.conditions import Dialect, condition
from naru.store.points import Entry
from naru.store.ranking import Channel, Found

PASSAGE = edge.PayloadSelector.Include(payloads.ORIGINAL)
"""The part of a payload that makes up the passage."""

_DIALECT: Dialect[Any] = Dialect(
    all_of=lambda parts: edge.Filter(must=parts),
    any_of=lambda parts: edge.Filter(should=parts),
    none_of=lambda parts: edge.Filter(must_not=parts),
    terms=lambda terms: edge.FieldCondition(payloads.TERMS, match=edge.MatchAny(terms)),
    numbers=lambda key, bounds: edge.FieldCondition(key, range=edge.RangeFloat(**bounds)),
    moments=lambda key, bounds: edge.FieldCondition(key, range=edge.RangeDateTime(**bounds)),
)


def filter_of(filter: Filter | None) -> edge.Filter | None:
    return None if filter is None else edge.Filter(must=[condition(filter, _DIALECT)])


def point_of(entry: Entry) -> edge.Point:
    point = entry.point
    vectors: dict[str, Any] = {"dense": point.dense}
    if len(point.bm25):
        vectors["bm25"] = _sparse(point.bm25)
    return edge.Point(payloads.point_id(point.passage.id), vectors, entry.payload)


def query_of(request: Request, asked: list[Channel]) -> edge.QueryRequest:
    """Both channels' nearest form the candidates; each channel scores all of them; the formula combines."""
    limit = ranking.candidates(request)
    keep = filter_of(request.filter)
    pool = [edge.Prefetch(limit=limit, query=_nearest(channel), filter=keep) for channel in asked]
    if len(asked) > 1:
        pool = [
            edge.Prefetch(limit=len(asked) * limit, query=_nearest(channel), prefetches=pool)
            for channel in asked
        ]
    return edge.QueryRequest(
        limit=request.limit,
        prefetches=pool,
        query=_formula(request.scores.bias, asked),
        with_payload=PASSAGE,
        with_vector=True,
    )


def found_of(hit: edge.ScoredPoint) -> Found:
    return Found.of(hit.payload or {}, hit.score, cast(dict[str, Any], hit.vector))


def _nearest(channel: Channel) -> edge.Query:
    query = channel.query
    vector = _sparse(query) if isinstance(query, SparseVector) else query
    return edge.Query.Nearest(cast(Any, vector), using=channel.name)


def _formula(bias: float, asked: list[Channel]) -> edge.Formula:
    parts = [
        edge.Expression.Mult([edge.Expression.Constant(channel.weight), edge.Expression.Variable(score)])
        for score, channel in zip(ranking.variables(asked), asked, strict=True)
    ]
    return edge.Formula(
        edge.Expression.Sum([edge.Expression.Constant(bias), *parts]),
        defaults=dict.fromkeys(ranking.variables(asked), 0.0),
    )


def _sparse(vector: SparseVector) -> edge.SparseVector:
    return edge.SparseVector(cast(Any, vector.indices), cast(Any, vector.values))
