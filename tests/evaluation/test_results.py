"""Results query by query: what is written, and what is read back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from evaluation.evaluate import Evaluation, assess
from evaluation.results import read_measured, write_results
from naru.beir import Split
from naru.errors import NaruError

QRELS = {"a": {"1": 2, "2": 1}, "b": {"3": 1}, "none": {"1": 0}}
RUNS = {
    "hybrid": {"a": [("9", 3.0), ("2", 1.5)], "b": [("3", 1.0)], "none": [("1", 0.1)]},
    "lexical": {"a": [("1", 3.0)], "none": []},
}


@pytest.fixture
def evaluation() -> Evaluation:
    split = Split("test", {"a": "카드, 분실", "b": "여권", "none": "우주선"}, QRELS)
    return assess(split, RUNS, measures=("P@1", "RR@10"))


def test_a_row_a_system_and_query(evaluation: Evaluation, tmp_path: Path) -> None:
    write_results(evaluation, tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert rows[0] == {
        "system": "hybrid",
        "query": "a",
        "text": "카드, 분실",
        "relevant": 2,
        "rank": 2,
        "top": "9",
        "score": 3.0,
        "P@1": 0.0,
        "RR@10": 0.5,
    }
    assert [(row["system"], row["query"], row["rank"], row["P@1"]) for row in rows[1:]] == [
        ("hybrid", "b", 1, 1.0),
        ("hybrid", "none", None, None),
        ("lexical", "a", 1, 1.0),
        ("lexical", "b", None, 0.0),
        ("lexical", "none", None, None),
    ]
    write_results(evaluation, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 6
    assert (table[0]["text"], table[0]["RR@10"], table[5]["top"]) == ("카드, 분실", "0.5", "")


def test_read_back(evaluation: Evaluation, tmp_path: Path) -> None:
    write_results(evaluation, tmp_path / "out.jsonl")
    read = read_measured(f"{tmp_path / 'out.jsonl'}#lexical", None, None)
    assert read.measured == evaluation.measured["lexical"]
    assert read.texts == {"a": "카드, 분실", "b": "여권"}
    one = read_measured(f"{tmp_path / 'out.jsonl'}#hybrid", None, ["RR@10"])
    assert one.measured.means == {"RR@10": 0.75}


def test_errors(evaluation: Evaluation, tmp_path: Path) -> None:
    write_results(evaluation, tmp_path / "out.jsonl")
    with pytest.raises(NaruError, match=r"out\.jsonl#NAME with one of: hybrid, lexical"):
        read_measured(str(tmp_path / "out.jsonl"), None, None)
    with pytest.raises(NaruError, match="no nDCG@3 of hybrid for the query 'a'; it has: P@1, RR@10"):
        read_measured(f"{tmp_path / 'out.jsonl'}#hybrid", None, ["nDCG@3"])
    with pytest.raises(NaruError, match=r"ends in \.csv or \.jsonl"):
        write_results(evaluation, tmp_path / "out.txt")
    with pytest.raises(NaruError, match="the results cannot be written there"):
        write_results(evaluation, tmp_path / "no" / "out.csv")
    (tmp_path / "bad.jsonl").write_text('{"id": "a", "text": "b"}\n', "utf-8")
    with pytest.raises(NaruError, match=r"bad\.jsonl:1: got .*; expected an object with system and query"):
        read_measured(str(tmp_path / "bad.jsonl"), None, None)
    (tmp_path / "bad.jsonl").write_text("{\n", "utf-8")
    with pytest.raises(NaruError, match=r"bad\.jsonl:1: not JSON"):
        read_measured(str(tmp_path / "bad.jsonl"), None, None)
