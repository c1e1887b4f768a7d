"""The demo keeps what its README says, and `naru demo` knows when the corpus has no answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from evaluation.calibrate import calibrate
from indexer.corpus import Corpus
from naru.__main__ import app
from naru.beir import Beir
from naru.relevance import MODES, Relevance
from naru.store import open_store
from search import Searcher

DEMO = Path(str(files("naru.demo")))
PASSAGES = {document.id: document for document in Corpus(DEMO)}
SPLITS = {name: Beir(DEMO).split(name) for name in ("train", "calibrate", "test")}


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DEMO / name).read_text("utf-8").splitlines()]


def test_passages_are_many_distinct_and_of_readable_length() -> None:
    assert len(PASSAGES) >= 300
    assert len({document.text for document in PASSAGES.values()}) == len(PASSAGES)
    assert len({document.title for document in PASSAGES.values()}) == len(PASSAGES)
    for document in PASSAGES.values():
        assert 80 <= len(document.text) <= 400, document.id
        assert set(document.metadata) == {"category", "date"}, document.id


def test_no_two_passages_are_alike() -> None:
    """No pair shares half of its character 5-grams."""
    grams = {name: {one.text[i : i + 5] for i in range(len(one.text) - 4)} for name, one in PASSAGES.items()}
    names = list(grams)
    for place, left in enumerate(names):
        for right in names[:place]:
            shared = len(grams[left] & grams[right]) / min(len(grams[left]), len(grams[right]))
            assert shared < 0.5, (left, right)


def test_queries_are_many_and_enough_have_no_answer() -> None:
    queries = rows("queries.jsonl")
    assert len(queries) >= 800
    assert len({query["text"] for query in queries}) == len(queries)
    unanswered = [query for query in queries if not query["metadata"]["answerable"]]
    assert len(unanswered) >= 250
    assert sum(query["metadata"]["about_the_corpus"] for query in unanswered) > len(unanswered) / 2


def test_splits_share_no_query_and_no_relevant_passage() -> None:
    queries = Counter(query for split in SPLITS.values() for query in split.qrels)
    assert set(queries.values()) == {1}
    assert len(queries) == len(rows("queries.jsonl"))
    relevant = Counter(
        passage
        for split in SPLITS.values()
        for passage in {
            name for judged in split.qrels.values() for name, grade in judged.items() if grade > 0
        }
    )
    assert set(relevant.values()) == {1}


def test_some_queries_have_several_answers() -> None:
    assert sum(len(judged) > 1 for split in SPLITS.values() for judged in split.answerable.values()) >= 100


@pytest.mark.parametrize("name", SPLITS)
def test_judgements_name_passages_and_agree_with_the_queries(name: str) -> None:
    split = SPLITS[name]
    said = {query["_id"]: query["metadata"] for query in rows("queries.jsonl")}
    assert all(passage in PASSAGES for judged in split.qrels.values() for passage in judged)
    assert set(split.answerable) == {query for query in split.qrels if said[query]["answerable"]}
    assert all(said[query]["split"] == name for query in split.qrels)


def test_triplets_come_from_the_train_split_only() -> None:
    triplets = rows("triplets.jsonl")
    assert len(triplets) >= 400
    train = SPLITS["train"]
    texts = {f"{one.title}\n{one.text}": one.id for one in PASSAGES.values()}
    elsewhere = {
        passage
        for name in ("calibrate", "test")
        for judged in SPLITS[name].answerable.values()
        for passage in judged
    }
    by_text = {text: query for query, text in train.queries.items()}
    for triplet in triplets:
        judged = train.qrels[by_text[triplet["query"]]]
        assert judged[texts[triplet["document"]]] > 0
        assert texts[triplet["hard_negative"]] not in judged
        assert texts[triplet["hard_negative"]] not in elsewhere


def ask_demo(store: Path, *options: str) -> str:
    """What `naru demo` prints, without serving."""
    done = CliRunner().invoke(app, ["demo", "--no-serve", "--store", str(store), *options])
    assert done.exit_code == 0, done.output
    return done.output


@contextmanager
def opened(store: Path, encoder: str | None = None) -> Iterator[Searcher]:
    with Searcher.open(open_store(str(store)), "demo", encoder) as searcher:
        yield searcher


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    store = tmp_path_factory.mktemp("demo") / "store"
    return store, ask_demo(store)


def test_it_knows_what_it_can_answer(demo: tuple[Path, str]) -> None:
    store, printed = demo
    assert printed.count("답을 찾지 못했습니다") == 1
    with opened(store) as searcher:
        nonsense = searcher.search("김치찌개 맛있게 끓이는 법")
        assert (nonsense.calibrated, nonsense.answered, nonsense.hits) == (True, False, ())
        for query, title in {
            "현금영수증폰번호잘못적었어요": "나루몰 현금영수증 신청과 번호 수정",
            "돈을 엉뚱한 사람한테 보냈어요": "착오송금 반환 요청하기",
        }.items():
            found = searcher.search(query)
            assert found.answered
            assert found.hits[0].passage.title == title
            assert found.hits[0].probability > 0.75
            assert f"{query}\n 1. " in printed
            assert title in printed


def test_its_calibration_is_what_fitting_to_its_judgements_gives(demo: tuple[Path, str]) -> None:
    with opened(demo[0]) as searcher:
        fitted = calibrate(searcher, SPLITS["calibrate"]).relevance
        kept = searcher.relevance
    assert kept.basis is not None
    assert fitted.basis is not None
    assert kept.basis.judgements == fitted.basis.judgements
    for mode in kept.modes:  # the encoder's last bits differ between processors
        ours, again = kept.fit(mode), fitted.fit(mode)
        assert (ours.scores.bias, ours.rivalry) == pytest.approx((again.scores.bias, again.rivalry), abs=0.1)
        assert type(ours.map) is type(again.map)
        assert ours.answering is not None
        assert again.answering is not None
        assert ours.answering.threshold == pytest.approx(again.answering.threshold, abs=0.05)


def test_a_calibration_of_ones_own_stays(demo: tuple[Path, str]) -> None:
    store, _ = demo
    with opened(store) as searcher:
        said = searcher.relevance
        own = Relevance({mode: replace(said.fit(mode), rivalry=2.0) for mode in MODES}, said.basis).to_json()
        searcher.collection.keep_relevance(own)
    ask_demo(store)
    with opened(store) as searcher:
        assert searcher.collection.relevance() == own


def test_another_encoder_is_not_given_its_calibration(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NARU__ENCODER__PATH", str(tiny_bundle))
    printed = ask_demo(tmp_path / "store", "--english")
    assert "not calibrated" in printed
    assert "No answer found" not in printed
    with opened(tmp_path / "store", str(tiny_bundle)) as searcher:
        assert searcher.collection.relevance() is None
