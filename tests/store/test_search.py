"""Every store ranks as the formula says, worked out here by brute force."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from naru.bm25 import SparseVector, statistics_of
from naru.documents import Passage
from naru.errors import NaruError
from naru.filters import Equals, Not, Range
from naru.store import Collection, Manifest, Point, Request, Scored, Scores, open_store

POINTS = 300
HYBRID = Scores(-2.0, 3.5, 4.5)
SEMANTIC = Scores(0.5, 6.0, None)
LEXICAL = Scores(-1.0, None, 5.0)


@pytest.fixture(scope="module")
def points(some_points: Callable[..., list[Point]]) -> list[Point]:
    return some_points(POINTS, seed=1)


@pytest.fixture(scope="module")
def collection(location: str, points: list[Point]) -> Iterator[Collection]:
    store = open_store(location)
    with store.build("search-test", 16) as build:
        build.add(points)
        build.publish(Manifest({}, statistics_of([])))
    opened = store.open("search-test")
    yield opened
    opened.close()
    store.delete("search-test")
    store.close()


def a_request(points: list[Point], seed: int, scores: Scores, limit: int, prefetch: int) -> Request:
    rng = np.random.default_rng(1000 + seed)
    dense = points[seed].dense + rng.normal(size=16).astype(np.float32) * 0.3
    tokens = np.sort(rng.choice(60, 4, replace=False)).astype(np.uint32)
    return Request(
        scores,
        (dense / np.linalg.norm(dense)).astype(np.float32),
        SparseVector(tokens, rng.uniform(0.01, 0.1, 4).astype(np.float32)),
        limit,
        prefetch,
    )


def by_brute_force(points: list[Point], request: Request, keep: Callable[[Point], bool]) -> list[Scored]:
    kept = [point for point in points if keep(point)]
    scores, query, terms = request.scores, request.dense, request.bm25
    assert query is not None
    assert terms is not None
    weights = dict(zip(terms.indices.tolist(), terms.values.tolist(), strict=True))
    cosine = [float(point.dense.astype(np.float64) @ query.astype(np.float64)) for point in kept]
    shared = [
        [
            weights[token] * value
            for token, value in zip(point.bm25.indices.tolist(), point.bm25.values.tolist(), strict=True)
            if token in weights
        ]
        for point in kept
    ]
    lexical = [sum(products) for products in shared]
    found: set[int] = set()
    hybrid = scores.semantic is not None and scores.lexical is not None
    most = request.prefetch if hybrid else max(request.prefetch, request.limit)
    if scores.semantic is not None:
        found |= set(sorted(range(len(kept)), key=lambda i: -cosine[i])[:most])
    if scores.lexical is not None:
        sharing = [i for i in range(len(kept)) if shared[i]]
        found |= set(sorted(sharing, key=lambda i: -lexical[i])[:most])
    hits = [
        Scored(
            kept[i].passage,
            scores.bias + (scores.semantic or 0) * cosine[i] + (scores.lexical or 0) * lexical[i],
            None if scores.semantic is None else cosine[i],
            None if scores.lexical is None else lexical[i],
        )
        for i in found
    ]
    return sorted(hits, key=lambda hit: (-hit.logit, hit.passage.id))[: request.limit]


def assert_same(got: list[Scored], expected: list[Scored]) -> None:
    assert [hit.passage for hit in got] == [hit.passage for hit in expected]
    for field in ("logit", "semantic", "lexical"):
        pairs = [
            (getattr(one, field), getattr(other, field)) for one, other in zip(got, expected, strict=True)
        ]
        for one, other in pairs:
            assert one == pytest.approx(other, abs=1e-5), field


@pytest.mark.parametrize("scores", [HYBRID, SEMANTIC, LEXICAL], ids=["hybrid", "semantic", "lexical"])
@pytest.mark.parametrize(("limit", "prefetch"), [(10, 20), (60, 30), (3, 3), (500, 500)])
def test_ranks_as_the_formula_says(
    collection: Collection, points: list[Point], scores: Scores, limit: int, prefetch: int
) -> None:
    for seed in range(8):
        request = a_request(points, seed, scores, limit, prefetch)
        expected = by_brute_force(points, request, lambda point: True)
        assert len(expected) >= 3
        assert_same(collection.search(request), expected)


@pytest.mark.parametrize("scores", [HYBRID, SEMANTIC, LEXICAL], ids=["hybrid", "semantic", "lexical"])
def test_candidates_come_from_what_the_filter_keeps(
    collection: Collection, points: list[Point], scores: Scores
) -> None:
    for seed in range(8):
        odd = replace(a_request(points, seed, scores, 10, 12), filter=Equals("odd", True))
        assert_same(
            collection.search(odd), by_brute_force(points, odd, lambda p: bool(p.passage.metadata["odd"]))
        )
        few = replace(odd, filter=Not(Range("place", gte=5)))
        hits = collection.search(few)
        assert_same(hits, by_brute_force(points, few, lambda p: p.passage.metadata["place"] < 5))  # type: ignore[operator]
        assert scores.semantic is None or len(hits) == 5


def test_a_query_without_tokens_is_searched_by_meaning_alone(
    collection: Collection, points: list[Point]
) -> None:
    empty = SparseVector(np.zeros(0, np.uint32), np.zeros(0, np.float32))
    request = replace(a_request(points, 5, HYBRID, 10, 10), bm25=empty)
    got = collection.search(request)
    assert_same(got, by_brute_force(points, request, lambda point: True))
    assert {hit.lexical for hit in got} == {0.0}
    assert collection.search(replace(request, scores=LEXICAL)) == []


def test_tokens_that_no_passage_has_find_nothing(collection: Collection, points: list[Point]) -> None:
    request = a_request(points, 5, LEXICAL, 10, 10)
    foreign = SparseVector(np.array([99_999], np.uint32), np.array([1.0], np.float32))
    assert collection.search(replace(request, bm25=foreign)) == []
    assert collection.search(replace(request, bm25=foreign, filter=Equals("odd", True))) == []


def test_equal_logits_are_ordered_by_passage_id(
    location: str, some_points: Callable[..., list[Point]], manifest: Manifest
) -> None:
    model = some_points(1)[0]
    store = open_store(location)
    with store.build("ties", 16) as build:
        build.add(replace(model, passage=Passage(id, "같은 글")) for id in ("b", "c", "a", "e", "d"))
        build.publish(manifest)
    collection = store.open("ties")
    request = Request(HYBRID, model.dense, model.bm25, 10, 10)
    assert [hit.passage.id for hit in collection.search(request)] == ["a", "b", "c", "d", "e"]
    collection.close()
    store.delete("ties")
    store.close()


def test_threads_may_search_at_once(collection: Collection, points: list[Point]) -> None:
    requests = [a_request(points, seed, HYBRID, 10, 20) for seed in range(24)]
    alone = [collection.search(request) for request in requests]
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(collection.search, requests))
    for mine, theirs in zip(together, alone, strict=True):
        assert [hit.passage for hit in mine] == [hit.passage for hit in theirs]
        # The last bit of a float32 sum may depend on where its array lies in memory.
        assert [hit.logit for hit in mine] == pytest.approx([hit.logit for hit in theirs], abs=1e-5)


def test_a_vector_of_another_encoder_is_refused(collection: Collection, points: list[Point]) -> None:
    request = replace(a_request(points, 0, HYBRID, 10, 10), dense=np.ones(8, np.float32))
    with pytest.raises(NaruError, match=r"shape \(8,\).*dimension 16"):
        collection.search(request)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"scores": Scores(0, None, None)}, "weight"),
        ({"dense": None}, "dense query vector"),
        ({"bm25": None}, "bm25 query vector"),
        ({"limit": 0}, "at least 1"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    collection: Collection, points: list[Point], change: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        collection.search(replace(a_request(points, 0, HYBRID, 10, 10), **change))  # type: ignore[arg-type]
