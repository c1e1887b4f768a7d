from __future__ import annotations

import json
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finetune.data import read
from finetune.held import Held, Lesson, lesson_from
from finetune.held.files import open_held
from finetune.held.splitting import held_out
from finetune.measuring.lessons import compared
from finetune.recipe import Evaluation, Loss, Model, Source
from finetune.rows.texts import same
from finetune.shapes import (
    Data,
    LabelledPairs,
    Pairs,
    Parallel,
    Paraphrases,
    Reranking,
    Retrieval,
    ScoredPairs,
    Shape,
    Triplets,
)
from naru.errors import NaruError


def jsonl(path: Path, *records: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records), encoding="utf-8")


def measured(evaluation: Evaluation, root: Path) -> Data:
    held = open_held(evaluation, root)
    assert isinstance(held, Held)
    return held.data


def test_a_beir_split_with_caps_keeps_what_is_relevant(data: Path) -> None:
    whole = measured(Evaluation("p", "beir/places", "dev"), data)
    assert isinstance(whole, Retrieval)
    assert (len(whole.queries), len(whole.corpus)) == (20, 100)
    some = measured(Evaluation("p", "beir/places", "dev", queries=5, passages=12), data)
    assert isinstance(some, Retrieval)
    assert list(some.queries) == ["q0", "q4", "q8", "q12", "q16"]
    assert {"d0", "d4", "d8", "d12", "d16"} <= set(some.corpus)
    assert len(some.corpus) == 12
    assert some.corpus["d0"].startswith("서울 도서관\n")


def test_only_answers_make_a_query_and_passages_are_composed(tmp_path: Path) -> None:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    jsonl(folder / "queries.jsonl", {"_id": "q1", "text": "가"}, {"_id": "q2", "text": "나"})
    title = unicodedata.normalize("NFD", "한글")
    jsonl(folder / "corpus.jsonl", *({"_id": f"d{at}", "title": title, "text": f"글 {at} "} for at in (1, 2)))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t0\nq2\td2\t1\n")
    made = measured(Evaluation("e", "beir"), tmp_path)
    assert isinstance(made, Retrieval)
    assert (made.queries, made.judgements) == ({"q2": "나"}, {"q2": {"d2": 1}})
    assert made.corpus["d1"] == "한글\n글 1"


def test_pairs_triplets_scores_labels_and_classes(tmp_path: Path, data: Path) -> None:
    jsonl(tmp_path / "pairs.jsonl", *({"query": f"가{at}", "document": f"나{at}"} for at in range(9)))
    made = measured(Evaluation("e", "pairs.jsonl", queries=3), tmp_path)
    assert isinstance(made, Pairs)
    assert made.anchors == ["가0", "가4", "가8"]
    jsonl(tmp_path / "triplets.jsonl", {"query": "가", "document": "나", "negative": "다"})
    assert isinstance(measured(Evaluation("e", "triplets.jsonl"), tmp_path), Triplets)
    assert isinstance(measured(Evaluation("e", "sts/dev.tsv"), data), ScoredPairs)
    jsonl(
        tmp_path / "nli.jsonl",
        *(
            {"premise": f"가{label}", "hypothesis": "나", "label": label}
            for label in ("entailment", "neutral", "contradiction")
        ),
    )
    inference = measured(Evaluation("e", "nli.jsonl"), tmp_path)
    assert isinstance(inference, LabelledPairs)
    assert (inference.first, inference.labels) == (["가entailment", "가contradiction"], [1, 0])
    jsonl(tmp_path / "classes.jsonl", *({"sentence": f"글{at}", "label": at % 2} for at in range(4)))
    grouped = measured(Evaluation("e", "classes.jsonl", shape="paraphrases"), tmp_path)
    assert isinstance(grouped, Paraphrases)
    assert grouped.duplicates() == [("0", "2"), ("1", "3")]


def test_parallel_files_and_reranking(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_text("one\ntwo\n\n", encoding="utf-8")
    (tmp_path / "a.ko").write_text("하나\n둘\n셋\n", encoding="utf-8")
    made = measured(Evaluation("e", "a.en,a.ko"), tmp_path)
    assert isinstance(made, Parallel)
    assert (made.source, made.target) == (["one", "two"], ["하나", "둘"])
    (tmp_path / "a.ko").write_text("하나\n", encoding="utf-8")
    with pytest.raises(NaruError, match=r"a\.en has 3 lines, a\.ko has 1"):
        open_held(Evaluation("e", "a.en,a.ko"), tmp_path)
    jsonl(tmp_path / "r.jsonl", {"query": "가", "positives": ["나"], "negatives": ["다", "라"]})
    ranked = measured(Evaluation("e", "r.jsonl", shape="reranking"), tmp_path)
    assert isinstance(ranked, Reranking)
    assert ranked.rows[0].negatives == ["다", "라"]
    (tmp_path / "r.csv").write_text('query,positives,negatives\n가,"[""나""]","[""다""]"\n', encoding="utf-8")
    table = open_held(Evaluation("e", "r.csv", shape="reranking"), tmp_path).data
    assert isinstance(table, Reranking)
    assert (table.rows[0].positives, table.rows[0].negatives) == (["나"], ["다"])
    for blank in ({"query": " "}, {"positives": ["나", ""]}, {"negatives": ["\u200b"]}):
        jsonl(tmp_path / "r.jsonl", {"query": "가", "positives": ["나"], "negatives": ["다"]} | blank)
        with pytest.raises(NaruError, match=r"r\.jsonl:1: a text is empty, or no text\."):
            open_held(Evaluation("e", "r.jsonl", shape="reranking"), tmp_path)
    jsonl(tmp_path / "r.jsonl", {"query": "가", "positives": "나", "negatives": ["다"]})
    with pytest.raises(NaruError, match=r"r\.jsonl:1: reranking wants query, positives \(a list\)"):
        open_held(Evaluation("e", "r.jsonl", shape="reranking"), tmp_path)


def test_parallel_texts_are_asked_with_their_sources() -> None:
    held = Held("e", Parallel(["One?", "two"], ["하나", "둘"]))
    assert list(held.questions()) == ["one", "two"]


def test_triplets_without_a_negative_cannot_be_measured(tmp_path: Path) -> None:
    jsonl(
        tmp_path / "t.jsonl",
        {"query": "가", "document": "나", "negative": "다"},
        {"query": "라", "document": "마", "negative": ""},
    )
    with pytest.raises(NaruError, match=r"t\.jsonl:2: negative is empty, or no text\."):
        open_held(Evaluation("e", "t.jsonl"), tmp_path)


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    jsonl(
        tmp_path / "same.jsonl", *({"sentence1": f"{at}", "sentence2": "나", "score": 1} for at in range(3))
    )
    with pytest.raises(NaruError, match=r"'e': .*every score is 1.*held_out = 0"):
        open_held(Evaluation("e", "same.jsonl"), tmp_path)
    jsonl(tmp_path / "plain.jsonl", {"text": "글"})
    with pytest.raises(NaruError, match="sentences cannot be evaluated"):
        open_held(Evaluation("e", "plain.jsonl"), tmp_path)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"query": "나", "document": ""}, "document is empty"),
        ({"sentence": "나", "label": ""}, "label is none"),
        ({"sentence1": "나", "sentence2": "다", "score": 9}, "score is no number, or out of range"),
    ],
)
def test_what_is_evaluated_on_is_whole(row: dict[str, Any], reason: str, tmp_path: Path) -> None:
    whole = [
        dict(row, **{name: f"글 {at}" for name in ("document", "label") if name in row}) for at in range(40)
    ]
    if "score" in row:
        whole = [dict(row, sentence1=f"글 {at}", score=at / 40) for at in range(40)]
    jsonl(tmp_path / "e.jsonl", *whole, row)
    with pytest.raises(NaruError, match=rf"e\.jsonl:41: {reason}.*mend it"):
        open_held(Evaluation("e", "e.jsonl"), tmp_path)


def test_sentences_are_measured_against_a_teacher(tmp_path: Path) -> None:
    jsonl(tmp_path / "plain.jsonl", *({"text": f"글 {at}"} for at in range(5)))
    asked = Evaluation("e", "plain.jsonl", shape="teacher-vectors", teacher="m", queries=3)
    made = open_held(asked, tmp_path)
    assert isinstance(made, Lesson)
    assert (made.size, made.teacher, made.shape, list(made.questions())) == (
        3,
        "m",
        Shape.TEACHER,
        ["글 0", "글 2", "글 4"],
    )
    (tmp_path / "a.en").write_text("one\ntwo\n", encoding="utf-8")
    (tmp_path / "a.ko").write_text("하나\n둘\n", encoding="utf-8")
    parallel = open_held(replace(asked, path="a.en,a.ko"), tmp_path)
    assert isinstance(parallel, Lesson)
    assert parallel.rows.dataset[:] == {"source": ["one", "two"], "target": ["하나", "둘"]}
    jsonl(tmp_path / "pairs.jsonl", {"query": "가", "document": "나"})
    with pytest.raises(NaruError, match="a teacher reads sentences, or texts with their translations"):
        open_held(replace(asked, path="pairs.jsonl"), tmp_path)


@pytest.mark.parametrize(
    ("loss", "model", "shape"),
    [
        (Loss("mse", {"teacher": "m"}), Model("x"), Shape.TEACHER),
        (Loss("mse", {"teacher": "m", "projection": True}), Model("x"), Shape.SCORED),
        (Loss("mse", {"teacher": "m"}, [32, 16]), Model("x"), Shape.SCORED),
        (Loss("mse", {"teacher": "m"}), Model("x", pca=0.9), Shape.SCORED),
        (Loss("relational", {"teacher": "m"}), Model("x"), Shape.SCORED),
    ],
)
def test_vectors_are_compared_where_the_model_is_to_have_them(
    loss: Loss, model: Model, shape: Shape, tmp_path: Path
) -> None:
    jsonl(tmp_path / "plain.jsonl", {"text": "글"})
    rows = read(Source("e", "plain.jsonl"), tmp_path, seed=0)
    assert lesson_from(rows, loss, model).shape == shape


def test_whitening_changes_vectors_too(tmp_path: Path) -> None:
    jsonl(tmp_path / "plain.jsonl", {"text": "글"})
    plain = read(Source("e", "plain.jsonl"), tmp_path, seed=0)
    assert lesson_from(plain, Loss("mse", {"teacher": "m"}), Model("x", whitening=0.5)).shape == Shape.SCORED


def test_neighbours_and_strangers_are_scored_by_the_teacher_s_cosines() -> None:
    vectors = np.asarray(
        [[2, 0], [0, 1], [3, 4], [0, 2]], np.float32
    )  # cosines of 0: 0, .6, 0; of 2: .6, .8, .8
    made = compared(["a", "b", "c", "d"], ["A", "B", "C", "D"], vectors)
    pairs = list(zip(made.first, made.second, made.scores, strict=True))
    nearest, following = pairs[:4], pairs[4:]
    assert nearest == [
        ("a", "C", pytest.approx(0.6)),
        ("b", "D", pytest.approx(1)),
        ("c", "B", pytest.approx(0.8)),
        ("d", "B", pytest.approx(1)),
    ]
    assert [(a, b) for a, b, _ in following] == [("a", "B"), ("b", "C"), ("c", "D"), ("d", "A")]
    assert [score for *_, score in following] == pytest.approx([0, 0.8, 0.8, 0])


@pytest.mark.parametrize(("classes", "groups", "of_each"), [(2, 2, 48), (100, 100, 10), (700, 500, 2)])
def test_a_few_sentences_of_each_class_are_compared(
    classes: int, groups: int, of_each: int, tmp_path: Path
) -> None:
    lines = [{"sentence": f"글 {at}", "label": f"분류 {at % classes}"} for at in range(3000)]
    jsonl(tmp_path / "c.jsonl", *lines)
    made = measured(Evaluation("e", "c.jsonl", shape="paraphrases"), tmp_path)
    assert isinstance(made, Paraphrases)
    assert [len(group) for group in made.groups] == [of_each] * groups
    assert measured(Evaluation("e", "c.jsonl", shape="paraphrases"), tmp_path) == made
    rest, apart = held_out(read(Source("c", "c.jsonl"), tmp_path, 0), 0.5, 0)
    assert len(apart) <= 1000
    assert len(rest) + len(apart) == 3000
    assert max(Counter(apart.dataset["label"][:]).values()) == min(of_each, 3000 // classes // 2)


def test_two_sentences_of_a_class_are_held_out_where_two_are_left(tmp_path: Path) -> None:
    sizes = {"둘": 2, "셋": 3, "넷": 4, "열": 10}
    jsonl(
        tmp_path / "c.jsonl",
        *({"sentence": f"{name} {at}", "label": name} for name, of in sizes.items() for at in range(of)),
    )
    _, apart = held_out(read(Source("c", "c.jsonl"), tmp_path, 0), 0.1, 0)
    assert Counter(text.split()[0] for text in apart.dataset["sentence"]) == {"넷": 2, "열": 2}


def test_a_question_written_in_two_ways_is_on_one_side(tmp_path: Path) -> None:
    lines = [{"query": f"물음 {at // 2}{'?' * (at % 2)}", "document": f"답 {at}"} for at in range(80)]
    jsonl(tmp_path / "a.jsonl", *lines)
    rest, apart = held_out(read(Source("a", "a.jsonl"), tmp_path, 0), 0.5, 0)
    sides = [{same(text) for text in side.dataset["query"]} for side in (rest, apart)]
    assert (len(rest), len(apart)) == (40, 40)
    assert sides[0].isdisjoint(sides[1])
    again = held_out(read(Source("a", "a.jsonl"), tmp_path, 0), 0.5, 1)[1]
    assert again.places.lines.tolist() != apart.places.lines.tolist()


def test_something_is_left_to_train_on(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", *({"query": f"물음 {at}", "document": "답"} for at in range(2)))
    assert [len(side) for side in held_out(read(Source("a", "a.jsonl"), tmp_path, 0), 0.9, 0)] == [1, 1]
