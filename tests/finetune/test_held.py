from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finetune.held import open_held
from finetune.recipe import Evaluation
from finetune.shapes import (
    LabelledPairs,
    Pairs,
    Parallel,
    Paraphrases,
    Reranking,
    Retrieval,
    ScoredPairs,
    Triplets,
)
from naru.errors import NaruError


def jsonl(path: Path, *records: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records), encoding="utf-8")


def test_a_beir_split_with_caps_keeps_what_is_relevant(data: Path) -> None:
    whole = open_held(Evaluation("p", "beir/places", "dev"), data).data
    assert isinstance(whole, Retrieval)
    assert (len(whole.queries), len(whole.corpus)) == (20, 100)
    some = open_held(Evaluation("p", "beir/places", "dev", queries=5, passages=12), data).data
    assert isinstance(some, Retrieval)
    assert list(some.queries) == ["q0", "q4", "q8", "q12", "q16"]
    assert {"d0", "d4", "d8", "d12", "d16"} <= set(some.corpus)
    assert len(some.corpus) == 12
    assert some.corpus["d0"].startswith("서울 도서관\n")


def test_pairs_triplets_scores_labels_and_classes(tmp_path: Path, data: Path) -> None:
    jsonl(tmp_path / "pairs.jsonl", *({"query": f"가{at}", "document": f"나{at}"} for at in range(9)))
    made = open_held(Evaluation("e", "pairs.jsonl", queries=3), tmp_path).data
    assert isinstance(made, Pairs)
    assert made.anchors == ["가0", "가4", "가8"]
    jsonl(tmp_path / "triplets.jsonl", {"query": "가", "document": "나", "negative": "다"})
    assert isinstance(open_held(Evaluation("e", "triplets.jsonl"), tmp_path).data, Triplets)
    assert isinstance(open_held(Evaluation("e", "sts/dev.tsv"), data).data, ScoredPairs)
    jsonl(
        tmp_path / "nli.jsonl",
        *(
            {"premise": f"가{label}", "hypothesis": "나", "label": label}
            for label in ("entailment", "neutral", "contradiction")
        ),
    )
    inference = open_held(Evaluation("e", "nli.jsonl"), tmp_path).data
    assert isinstance(inference, LabelledPairs)
    assert (inference.first, inference.labels) == (["가entailment", "가contradiction"], [1, 0])
    jsonl(tmp_path / "classes.jsonl", *({"sentence": f"글{at}", "label": at % 2} for at in range(4)))
    grouped = open_held(Evaluation("e", "classes.jsonl", shape="paraphrases"), tmp_path).data
    assert isinstance(grouped, Paraphrases)
    assert grouped.duplicates() == [("0", "2"), ("1", "3")]


def test_parallel_files_and_reranking(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_text("one\ntwo\n\n", encoding="utf-8")
    (tmp_path / "a.ko").write_text("하나\n둘\n셋\n", encoding="utf-8")
    made = open_held(Evaluation("e", "a.en,a.ko"), tmp_path).data
    assert isinstance(made, Parallel)
    assert (made.source, made.target) == (["one", "two"], ["하나", "둘"])
    (tmp_path / "a.ko").write_text("하나\n", encoding="utf-8")
    with pytest.raises(NaruError, match=r"a\.en has 3 lines, a\.ko has 1"):
        open_held(Evaluation("e", "a.en,a.ko"), tmp_path)
    jsonl(tmp_path / "r.jsonl", {"query": "가", "positives": ["나"], "negatives": ["다", "라"]})
    ranked = open_held(Evaluation("e", "r.jsonl", shape="reranking"), tmp_path).data
    assert isinstance(ranked, Reranking)
    assert ranked.rows[0].negatives == ["다", "라"]
    jsonl(tmp_path / "r.jsonl", {"query": "가", "positives": "나", "negatives": ["다"]})
    with pytest.raises(NaruError, match=r"r\.jsonl:1: reranking wants query, positives \(a list\)"):
        open_held(Evaluation("e", "r.jsonl", shape="reranking"), tmp_path)


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    jsonl(
        tmp_path / "same.jsonl", *({"sentence1": f"{at}", "sentence2": "나", "score": 1} for at in range(3))
    )
    with pytest.raises(NaruError, match=r"'e': .*every score is 1.*held_out = 0"):
        open_held(Evaluation("e", "same.jsonl"), tmp_path)
    jsonl(tmp_path / "plain.jsonl", {"text": "글"})
    with pytest.raises(NaruError, match="sentences cannot be evaluated"):
        open_held(Evaluation("e", "plain.jsonl"), tmp_path)
