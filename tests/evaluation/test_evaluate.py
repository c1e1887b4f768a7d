"""An evaluation end to end, over a searcher that counts shared words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from evaluation.evaluate import evaluate
from evaluation.measures import MEASURES
from naru.beir import Beir
from naru.documents import Hit, Passage
from naru.errors import NaruError

PASSAGES = [
    Passage("d1", "카드 분실 신고"),
    Passage("d2", "카드 환불 안내"),
    Passage("d3", "환불 신청"),
]


@dataclass
class Answer:
    hits: list[Hit]
    answerable: float | None = None


class Words:
    """Ranks by shared words; mode "lexical" as it should be, "semantic" backwards."""

    def search(self, query: str, *, mode: str = "hybrid", limit: int = 10, anyway: bool = False) -> Answer:
        shared = [(len(set(query.split()) & set(one.text.split())), one) for one in PASSAGES]
        found = sorted((pair for pair in shared if pair[0]), key=lambda pair: -pair[0])
        if mode == "semantic":
            found.reverse()
        return Answer(
            [
                Hit(one, rank, score, 0.5, None, None)
                for rank, (score, one) in enumerate(found[:limit], start=1)
            ]
        )


def retrieve(ids: Sequence[str]) -> list[Passage]:
    return [passage for passage in PASSAGES if passage.id in ids]


@pytest.fixture
def beir(tmp_path: Path) -> Beir:
    queries = {"q1": "카드 분실", "q2": "카드 환불 안내", "q3": "없는 말", "q4": "카드 발급"}
    (tmp_path / "qrels").mkdir()
    (tmp_path / "queries.jsonl").write_text(
        "".join(json.dumps({"_id": name, "text": text}) + "\n" for name, text in queries.items()), "utf-8"
    )
    (tmp_path / "qrels" / "test.tsv").write_text("q1\td1\t1\nq2\td3\t1\nq3\tgone\t1\nq4\td1\t0\n", "utf-8")
    (tmp_path / "qrels" / "none.tsv").write_text("q4\td1\t0\n", "utf-8")
    return Beir(tmp_path)


def test_evaluate(beir: Beir) -> None:
    steps: list[tuple[int, int]] = []
    found = evaluate(
        Words(),
        beir,
        "test",
        modes=("lexical", "semantic"),
        retrieve=retrieve,
        progress=lambda done, total: steps.append((done, total)),
    )
    # q1 has its passage at rank 1, q2 at rank 2 (after d2), q3 nowhere; q4 has no answer.
    said = found.to_json()
    assert said["queries"] == 3
    assert (said["no_answer"], said["missing"]) == (1, 1)
    assert list(said["modes"]) == ["lexical", "semantic"]
    assert list(said["modes"]["lexical"]) == list(MEASURES)
    assert said["modes"]["lexical"]["RR@10"] == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert said["modes"]["semantic"]["RR@10"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    json.dumps(said)
    assert found.missing == ["gone"]
    assert found.runs["lexical"]["q4"] == [("d1", 1), ("d2", 1)]
    assert steps == [(done, 8) for done in range(1, 9)]


def test_json_says_only_what_there_is(beir: Beir, tmp_path: Path) -> None:
    (tmp_path / "qrels" / "test.tsv").write_text("q1\td1\t1\n", "utf-8")
    assert evaluate(Words(), beir, "test").to_json() == {
        "queries": 1,
        "modes": {"hybrid": dict.fromkeys(MEASURES, 1.0)},
    }


def test_table(beir: Beir) -> None:
    shown = StringIO()
    Console(width=120, file=shown).print(
        evaluate(Words(), beir, "test", modes=("lexical",), retrieve=retrieve).table()
    )
    assert "test: 3 queries (1 more have no answer)" in shown.getvalue()
    assert "1 relevant document is not in the collection: 'gone'." in shown.getvalue()
    assert "nDCG@10" in shown.getvalue()
    assert "0.4444" in shown.getvalue()


def test_errors(beir: Beir) -> None:
    with pytest.raises(NaruError, match="limit is 10; expected at least 100"):
        evaluate(Words(), beir, "test", limit=10)
    with pytest.raises(NaruError, match="none of its 1 queries has an answer"):
        evaluate(Words(), beir, "none")
    with pytest.raises(NaruError, match="no split 'dev'; expected one of: none, test"):
        evaluate(Words(), beir, "dev")
