"""The demo corpus keeps what its README says."""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from evaluation.beir import Beir
from indexer.corpus import Corpus

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
