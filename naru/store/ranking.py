"""What every engine's search shares: which channels a request asks, and the true scores of what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from naru.bm25 import SparseVector
from naru.documents import Passage
from naru.errors import NaruError
from naru.store import Request, Scored, Vector
from naru.store import payload as payloads


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to find candidates: the vector's name, the query in it, and its weight in the logit."""

    name: str
    query: Vector | SparseVector
    weight: float


@dataclass(frozen=True, slots=True)
class Found:
    """A hit as the engine gives it back: its passage, logit and stored vectors."""

    passage: Passage
    logit: float
    dense: Vector
    bm25: SparseVector

    @classmethod
    def of(cls, payload: Mapping[str, Any], logit: float, vectors: Mapping[str, Any]) -> Self:
        """From what both engines return: a point without tokens has no bm25 vector."""
        sparse = vectors.get("bm25")
        return cls(
            passage=payloads.passage(payload),
            logit=logit,
            dense=np.array(vectors["dense"], np.float32),
            bm25=SparseVector(
                np.array(sparse.indices if sparse else (), np.uint32),
                np.array(sparse.values if sparse else (), np.float32),
            ),
        )


def channels(request: Request, dimension: int) -> list[Channel]:
    """The channels that can supply candidates; a query without tokens leaves bm25 out.

    NaruError: the query vector has another dimension than the collection. ValueError: a weight without its
    query vector, no weight at all, or a limit below 1.
    """
    asked: list[Channel] = []
    if request.limit < 1 or request.prefetch < 1:
        raise ValueError(f"limit and prefetch are at least 1, got {request.limit} and {request.prefetch}")
    if request.scores.semantic is None and request.scores.lexical is None:
        raise ValueError("a request needs a semantic weight, a lexical weight, or both")
    if request.scores.semantic is not None:
        if request.dense is None:
            raise ValueError("a request with a semantic weight needs a dense query vector")
        if request.dense.shape != (dimension,):
            raise NaruError(
                f"The query vector has shape {request.dense.shape}, the collection's passages have dimension "
                f"{dimension}. Search with the encoder that the collection was built with."
            )
        asked.append(Channel("dense", request.dense, request.scores.semantic))
    if request.scores.lexical is not None:
        if request.bm25 is None:
            raise ValueError("a request with a lexical weight needs a bm25 query vector")
        if len(request.bm25):
            asked.append(Channel("bm25", request.bm25, request.scores.lexical))
    return asked


def candidates(request: Request) -> int:
    """How many candidates each channel supplies: `prefetch`, of a single channel at least `limit`."""
    hybrid = request.scores.semantic is not None and request.scores.lexical is not None
    return request.prefetch if hybrid else max(request.prefetch, request.limit)


def variables(asked: list[Channel]) -> list[str]:
    """The names under which an engine's formula finds the scores of its prefetches, in their order."""
    return [f"$score[{place}]" for place in range(len(asked))]


def scored(request: Request, found: Iterable[Found]) -> list[Scored]:
    """Best first by logit, ties by passage id. Cosine and bm25 score are computed from the stored vectors,
    so a passage that only one channel found has its true score in the other as well."""
    scores = request.scores
    query: Vector | None = None
    if scores.semantic is not None and request.dense is not None:
        query = request.dense / (np.linalg.norm(request.dense) or 1.0)
    hits = []
    for one in found:
        semantic = None if query is None else float(one.dense @ query)
        lexical = None
        if scores.lexical is not None and request.bm25 is not None:
            lexical = one.bm25.dot(request.bm25)
        if scores.semantic is None and not lexical:
            continue
        hits.append(Scored(one.passage, one.logit, semantic, lexical))
    return sorted(hits, key=lambda hit: (-hit.logit, hit.passage.id))
