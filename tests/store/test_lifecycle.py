"""Collections come, change and go alike on every store."""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from naru.bm25 import SparseVector, Statistics
from naru.documents import Passage
from naru.errors import NaruError
from naru.filters import Equals
from naru.store import Description, Manifest, Point, Request, Scores, Store, open_store
from naru.store.points import batches

Points = Callable[..., list[Point]]


def publish(store: Store, name: str, points: list[Point], manifest: Manifest) -> None:
    with store.build(name, 16) as build:
        build.add(points)
        build.publish(manifest)


def ids(store: Store, name: str) -> set[str]:
    collection = store.open(name)
    found = {passage.id for passage in collection.passages()}
    assert collection.count() == len(found)
    collection.close()
    return found


def same(one: Statistics, other: Statistics) -> bool:
    return (
        one.documents == other.documents
        and one.average_lengths == other.average_lengths
        and np.array_equal(one.ids, other.ids)
        and np.array_equal(one.frequencies, other.frequencies)
    )


def test_publish_makes_a_build_visible_and_replaces_the_one_before(
    store: Store, name: str, some_points: Points, manifest: Manifest
) -> None:
    assert name not in store.names()
    with store.build(name, 16) as build:
        build.add(some_points(10))
        assert name not in store.names()
        with pytest.raises(NaruError, match="No collection"):
            store.open(name)
        build.publish(manifest)
        assert name in store.names()
    assert ids(store, name) == {f"p{n:04}" for n in range(10)}
    publish(store, name, some_points(4), manifest)
    assert ids(store, name) == {"p0000", "p0001", "p0002", "p0003"}


def test_a_build_left_unpublished_is_gone(
    store: Store, name: str, some_points: Points, manifest: Manifest
) -> None:
    publish(store, name, some_points(3), manifest)
    with store.build(name, 16) as build:
        build.add(some_points(7))
    assert ids(store, name) == {"p0000", "p0001", "p0002"}


def test_a_failure_in_the_middle_leaves_the_version_before(
    store: Store, name: str, some_points: Points, manifest: Manifest
) -> None:
    publish(store, name, some_points(3), manifest)

    def breaking() -> Iterator[Point]:
        yield from some_points(600)
        raise OSError("the corpus went away")

    with pytest.raises(OSError, match="the corpus went away"), store.build(name, 16) as build:
        build.add(breaking())
    assert ids(store, name) == {"p0000", "p0001", "p0002"}


def test_a_reader_of_the_version_before_goes_on(
    store: Store, name: str, some_points: Points, manifest: Manifest
) -> None:
    publish(store, name, some_points(5), manifest)
    reader = store.open(name)
    publish(store, name, some_points(2), replace(manifest, facts={"second": True}))
    query = some_points(1)[0]
    request = Request(Scores(0, 1, 1), query.dense, query.bm25, 10, 10)
    assert len(reader.search(request)) == 5
    assert reader.count() == 5
    assert reader.manifest.facts == manifest.facts
    second = store.open(name)
    assert second.manifest.facts == {"second": True}
    assert len(second.search(request)) == 2
    second.close()
    reader.close()


def test_a_published_build_takes_no_more(
    store: Store, name: str, some_points: Points, manifest: Manifest
) -> None:
    with store.build(name, 16) as build:
        build.publish(manifest)
        with pytest.raises(ValueError, match="build is over"):
            build.add(some_points(1))
        with pytest.raises(ValueError, match="build is over"):
            build.publish(manifest)
    assert ids(store, name) == set()


def test_manifest_and_statistics_come_back(store: Store, name: str, manifest: Manifest) -> None:
    with store.build(name, 16) as build:
        build.publish(manifest)
    collection = store.open(name)
    assert collection.name == name
    assert collection.manifest.facts == manifest.facts
    assert same(collection.manifest.statistics, manifest.statistics)
    collection.close()


def test_large_statistics_come_back(store: Store, name: str) -> None:
    """As large as no single message should be; random ids do not compress."""
    rng = np.random.default_rng(0)
    tokens = np.unique(rng.integers(0, 2**32, 700_000, dtype=np.uint32))
    frequencies = rng.integers(1, 2**32, len(tokens), dtype=np.uint32)
    statistics = Statistics(12, (1.0, 2.0, 3.0, 4.0), tokens, frequencies)
    assert len(statistics.to_bytes()) > 4_000_000
    with store.build(name, 16) as build:
        build.publish(Manifest({}, statistics))
    collection = store.open(name)
    assert same(collection.manifest.statistics, statistics)
    assert collection.count() == 0
    assert list(collection.passages()) == []
    collection.close()


def test_a_collection_is_described_while_it_is_open(
    store: Store, name: str, some_points: Points, manifest: Manifest
) -> None:
    assert store.describe(name) is None
    publish(store, name, some_points(3), manifest)
    with contextlib.closing(store.open(name)) as collection:
        assert store.describe(name) == Description(3, manifest.facts, None)
        collection.keep_relevance("{}")
        assert store.describe(name) == Description(3, manifest.facts, "{}")


def test_an_unknown_collection_names_those_there_are(
    store: Store, name: str, some_points: Points, manifest: Manifest
) -> None:
    publish(store, name, some_points(1), manifest)
    with pytest.raises(NaruError, match=f"No collection 'nowhere' .*there: .*{name}.*naru index"):
        store.open("nowhere")
    with pytest.raises(NaruError, match=f"No collection 'nowhere' .*there: .*{name}"):
        store.delete("nowhere")


def test_delete_takes_the_collection_away(
    store: Store, name: str, some_points: Points, manifest: Manifest
) -> None:
    publish(store, name, some_points(3), manifest)
    publish(store, name, some_points(4), manifest)
    store.delete(name)
    assert name not in store.names()
    with pytest.raises(NaruError, match="No collection"):
        store.open(name)
    publish(store, name, some_points(1), manifest)
    assert ids(store, name) == {"p0000"}


def test_collections_live_side_by_side(
    store: Store, name: str, some_points: Points, manifest: Manifest
) -> None:
    other = f"{name}__v"
    publish(store, name, some_points(3), manifest)
    publish(store, other, some_points(5), manifest)
    assert {name, other} <= set(store.names())
    assert store.names() == sorted(store.names())
    publish(store, name, some_points(2), manifest)
    assert len(ids(store, other)) == 5
    store.delete(name)
    assert len(ids(store, other)) == 5
    store.delete(other)


@pytest.mark.parametrize("bad", ["", ".", "..", ".hidden", "a/b", "a b", "-x", "x" * 101, "a\0b", "../up"])
def test_names_that_no_engine_could_keep_are_refused(store: Store, bad: str) -> None:
    for ask in (store.open, store.delete, lambda name: store.build(name, 16)):
        with pytest.raises(NaruError, match="cannot name a collection"):
            ask(bad)


def test_a_name_is_one_however_its_hangul_is_written(
    store: Store, name: str, some_points: Points, manifest: Manifest
) -> None:
    apart = unicodedata.normalize("NFD", name)
    publish(store, apart, some_points(3), manifest)
    assert name in store.names()
    for spelt in (name, apart):
        assert ids(store, spelt) == {"p0000", "p0001", "p0002"}
        collection = store.open(spelt)
        assert collection.name == name
        collection.keep_relevance("{}")
        collection.close()
        described, published = store.describe(spelt), store.published(spelt)
        assert described is not None
        assert described.passages == 3
        assert published is not None
        publish(store, spelt, some_points(3), manifest)
    store.delete(apart)
    assert name not in store.names()


def test_retrieve_keeps_the_order_and_leaves_out_the_unknown(
    store: Store, name: str, some_points: Points, manifest: Manifest
) -> None:
    points = some_points(30)
    publish(store, name, points, manifest)
    collection = store.open(name)
    wanted = ["p0007", "no such", "p0002", "p0029", "\ud800"]
    assert collection.retrieve(wanted) == [points[7].passage, points[2].passage, points[29].passage]
    assert collection.retrieve([]) == []
    collection.close()


def test_passages_stream_whole(store: Store, name: str, some_points: Points, manifest: Manifest) -> None:
    points = some_points(1300)
    publish(store, name, points, manifest)
    collection = store.open(name)
    assert sorted(collection.passages(), key=lambda p: p.id) == [point.passage for point in points]
    assert collection.count() == 1300
    assert collection.count(Equals("odd", True)) == 650
    collection.close()


def test_any_text_is_an_id(store: Store, name: str, some_points: Points, manifest: Manifest) -> None:
    texts = [
        "",
        " ",
        "한글",
        "a\nb",
        "nul\0",
        "💳",
        "1",
        "01",
        "x" * 5000,
        "#1/2?3",
        "\uac00",
        "\u1100\u1161",
    ]
    points = [
        replace(point, passage=Passage(id, f"글 {id}", "제목\0", {"메모": id}))
        for id, point in zip(texts, some_points(len(texts)), strict=True)
    ]
    publish(store, name, points, manifest)
    collection = store.open(name)
    assert collection.retrieve(texts) == [point.passage for point in points]
    collection.close()


def test_a_passage_without_tokens_is_found_by_meaning(
    store: Store, name: str, some_points: Points, manifest: Manifest
) -> None:
    first, second = some_points(2)
    bare = replace(first, bm25=SparseVector(np.zeros(0, np.uint32), np.zeros(0, np.float32)))
    publish(store, name, [bare, second], manifest)
    collection = store.open(name)
    hits = collection.search(Request(Scores(0, 1, 1), first.dense, second.bm25, 10, 10))
    assert {hit.passage.id: hit.lexical == 0 for hit in hits} == {"p0000": True, "p0001": False}
    collection.close()


def test_an_id_given_twice_is_refused(
    store: Store, name: str, some_points: Points, manifest: Manifest
) -> None:
    points = some_points(3)
    with store.build(name, 16) as build:
        build.add([*points, points[1]])
        with pytest.raises(NaruError, match="4 passages were added but 3 are stored"):
            build.publish(manifest)
    assert name not in store.names()


@pytest.mark.parametrize(
    ("dense", "complaint"),
    [
        (np.ones(8, np.float32), r"shape \(8,\).*dimension 16"),
        (np.full(16, np.nan, np.float32), "not finite"),
    ],
)
def test_a_vector_that_does_not_fit_is_refused(
    store: Store, name: str, some_points: Points, dense: np.ndarray, complaint: str
) -> None:
    point = replace(some_points(1)[0], dense=dense)
    with store.build(name, 16) as build, pytest.raises(NaruError, match=f"Passage 'p0000': .*{complaint}"):
        build.add([point])


def test_a_lone_surrogate_is_refused_by_name(store: Store, name: str, some_points: Points) -> None:
    point = replace(some_points(1)[0], passage=Passage("p9", "글 \ud800"))
    with store.build(name, 16) as build, pytest.raises(NaruError, match="Passage 'p9': a lone surrogate"):
        build.add([point])


def test_batches_are_bounded_in_points_and_in_bytes(some_points: Points) -> None:
    points = [replace(p, passage=Passage(p.passage.id, "가" * 1000)) for p in some_points(100)]
    by_count = list(batches(points, 16, count=30, size=1 << 30))
    assert [len(batch) for batch in by_count] == [30, 30, 30, 10]
    by_size = list(batches(points, 16, count=100, size=20_000))
    assert max(sum(entry.size for entry in batch) for batch in by_size) <= 20_000
    assert [entry.point.passage.id for batch in by_size for entry in batch] == [p.passage.id for p in points]
    alone = list(batches(points[:3], 16, count=100, size=10))
    assert [len(batch) for batch in alone] == [1, 1, 1]


@pytest.mark.parametrize("wrong", ["ftp://host/x", "http://", "http://host:port", "grpc://host:99999"])
def test_a_location_that_is_no_store_is_refused(wrong: str) -> None:
    with pytest.raises(NaruError, match="The store"):
        open_store(wrong)


def test_opening_a_folder_writes_nothing(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "new"))
    assert store.names() == []
    with pytest.raises(NaruError, match="there: none"):
        store.open("demo")
    assert not (tmp_path / "new").exists()


def test_a_calibration_is_kept_under_the_name_and_outlives_a_publish(
    store: Store, name: str, some_points: Points, manifest: Manifest
) -> None:
    publish(store, name, some_points(4), manifest)
    collection = store.open(name)
    assert collection.relevance() is None
    collection.keep_relevance("first")
    collection.keep_relevance('{"weights": "둘째"}')
    assert collection.relevance() == '{"weights": "둘째"}'
    collection.close()
    assert ids(store, name) == {f"p{n:04}" for n in range(4)}
    publish(store, name, some_points(3), manifest)
    collection = store.open(name)
    assert collection.relevance() == '{"weights": "둘째"}'
    collection.close()
    assert ids(store, name) == {f"p{n:04}" for n in range(3)}
    store.delete(name)
    publish(store, name, some_points(2), manifest)
    collection = store.open(name)
    assert collection.relevance() is None
    collection.close()


def test_a_calibration_of_a_collection_that_was_deleted_is_not_kept(
    store: Store, name: str, some_points: Points, manifest: Manifest
) -> None:
    publish(store, name, some_points(4), manifest)
    collection = store.open(name)
    store.delete(name)
    with pytest.raises(NaruError, match="was deleted"):
        collection.keep_relevance("late")
    collection.close()
    publish(store, name, some_points(2), manifest)
    again = store.open(name)
    assert again.relevance() is None
    again.close()
