from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finetune.data import READERS, read_source
from finetune.recipe import Source
from naru.errors import NaruError


def write(folder: Path, name: str, *rows: dict[str, object]) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / f"{name}.parquet")


def read(folder: Path, reader: str, rows: int | None = None) -> list[dict[str, object]]:
    return list(read_source(Source("s", reader, 1.0, rows=rows), folder, seed=1))


def test_scored_pairs_leave_out_what_the_evaluation_holds(data: Path) -> None:
    rows = read(data / "train", "similarity")
    assert len(rows) == 90
    assert all(0 <= float(str(row["score"])) <= 1 for row in rows)


def test_rows_are_capped_and_the_same_for_the_same_seed(data: Path) -> None:
    rows = read(data / "train", "wiki_sentences", rows=30)
    assert len(rows) == 30
    assert rows == read(data / "train", "wiki_sentences", rows=30)
    assert list(rows[0]) == ["query", "document"]


def test_judged_answers_carry_a_negative(tmp_path: Path) -> None:
    miracl = {"query": "q", "documents": ["d1", "d2"], "hard_negatives": ["n"], "match": ["", ""]}
    write(tmp_path, "miracl_train", miracl, {**miracl, "hard_negatives": []})
    write(tmp_path, "kobest_hellaswag", {"query": "h", "document": "e", "hard_negatives": ["x"]})
    rows = read(tmp_path, "judged_answers")
    assert sorted(tuple(row.values()) for row in rows) == [
        ("h", "e", "x"),
        ("q", "d1", "n"),
        ("q", "d2", "n"),
    ]


def test_inference_needs_an_entailed_and_a_contradicting_sentence(tmp_path: Path) -> None:
    labels = ("entailment", "contradiction", "neutral")
    whole = [{"premise": "p", "hypothesis": label[0], "label": label} for label in labels]
    write(tmp_path, "klue_nli", *whole)
    write(tmp_path, "xnli_ko", {"premise": "lonely", "hypothesis": "h", "label": "entailment"})
    assert read(tmp_path, "inference") == [{"query": "p", "document": "e", "negative": "c"}]


def test_paraphrases_come_from_one_group_and_from_pairs_marked_zero(tmp_path: Path) -> None:
    groups = [{"topic": "0", "group": g, "text": f"{g}-{i}"} for g in (1, 2) for i in range(3)]
    write(tmp_path, "parakqc", *groups)
    write(
        tmp_path,
        "question_pair",
        {"question1": "9-a", "question2": "9-b", "is_duplicate": 0},
        {"question1": "8-a", "question2": "7-b", "is_duplicate": 1},
    )
    rows = read(tmp_path, "paraphrases")
    assert len(rows) == 7
    assert all(str(row["query"])[0] == str(row["document"])[0] for row in rows)
    assert all(row["query"] != row["document"] for row in rows)


def test_a_missing_file_an_unknown_reader_and_an_empty_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(NaruError, match=r"No data file .*law_pairs\.parquet"):
        read(tmp_path, "law")
    with pytest.raises(NaruError, match=r"Data 's': unknown reader 'lore'\. Known: answers, .*law"):
        read(tmp_path, "lore")
    write(tmp_path, "law_pairs", {"case_id": "1", "query": "q", "document": "d"})
    assert "law" in READERS
    with pytest.raises(NaruError, match="found no row"):
        read(tmp_path, "law", rows=0)
