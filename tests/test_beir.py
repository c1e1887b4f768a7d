"""Judged queries: what the files say, and where they are wrong."""

from __future__ import annotations

from pathlib import Path

import ir_measures
import pytest

from naru.beir import Beir, passages, read_qrels, read_queries, write_qrels
from naru.errors import NaruError

DATA = Path(__file__).parents[2] / "shared" / "data" / "beir"

QUERIES = (
    '{"_id": "q1", "text": "카드 분실"}\n{"_id": "q2", "text": "환불"}\n{"_id": "q3", "text": "우주선"}\n'
)
QRELS = "query-id\tcorpus-id\tscore\nq3\td 1\t0\nq1\td 1\t2\nq1\td2\t0\n"


def folder(path: Path, qrels: str = QRELS, queries: str = QUERIES) -> Beir:
    (path / "qrels").mkdir(exist_ok=True)
    (path / "queries.jsonl").write_text(queries, "utf-8")
    (path / "qrels" / "test.tsv").write_text(qrels, "utf-8")
    return Beir(path)


def complaint(path: Path, qrels: str = QRELS, queries: str = QUERIES, split: str = "test") -> str:
    with pytest.raises(NaruError) as raised:
        folder(path, qrels, queries).split(split)
    return str(raised.value)


def test_a_split_holds_the_queries_it_judges(tmp_path: Path) -> None:
    split = folder(tmp_path).split("test")
    assert split.queries == {"q3": "우주선", "q1": "카드 분실"}
    assert split.qrels == {"q3": {"d 1": 0}, "q1": {"d 1": 2, "d2": 0}}
    assert split.answerable == {"q1": {"d 1": 2, "d2": 0}}
    assert split.no_answer == ["q3"]


def test_what_describes_a_query(tmp_path: Path) -> None:
    lines = '{"_id": "q1", "text": "a", "area": "b", "metadata": {"kind": ["x", "y"]}}\n{"id": 2, "text": "c", "metadata": 3}'
    (tmp_path / "queries.jsonl").write_text(lines, "utf-8")
    found = read_queries(tmp_path / "queries.jsonl")
    assert {query: dict(one.metadata) for query, one in found.items()} == {
        "q1": {"area": "b", "kind": ["x", "y"]},
        "2": {"metadata": 3},
    }


def test_trec_qrels_are_read_back_here_and_by_ir_measures(tmp_path: Path) -> None:
    qrels = {"q1": {"d1": 2, "d2": 0}, "q2": {"d1": -1}}
    write_qrels(qrels, tmp_path / "out")
    assert (tmp_path / "out").read_text("utf-8").splitlines()[0] == "q1\t0\td1\t2"
    assert read_qrels(tmp_path / "out") == qrels
    read = ir_measures.read_trec_qrels(str(tmp_path / "out"))
    assert [(one.query_id, one.doc_id, one.relevance) for one in read] == [
        ("q1", "d1", 2),
        ("q1", "d2", 0),
        ("q2", "d1", -1),
    ]
    with pytest.raises(NaruError, match=r"document id .* cannot stand in a TREC run file or qrels"):
        write_qrels({"q": {"a\tb": 1}}, tmp_path / "out")
    with pytest.raises(NaruError, match="the judgements cannot be written there"):
        write_qrels(qrels, tmp_path / "no" / "out")


@pytest.mark.parametrize(
    "content",
    [
        "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t-1\n",
        "\ufeffq1\td1\t1\r\n\r\nq1\td2\t-1",
        "q1 0 d1 1\nq1 0 d2 -1\n",
        "q1\t0\td1\t1\nq1\t0\td2\t-1\nq1\t0\td2\t-1\n",
    ],
)
def test_qrels_of_beir_and_of_trec(tmp_path: Path, content: str) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text(content, "utf-8")
    assert read_qrels(path) == {"q1": {"d1": 1, "d2": -1}}


@pytest.mark.parametrize(
    ("qrels", "said"),
    [
        ("", ": no judgements"),
        ("query-id\tcorpus-id\tscore\n", ": no judgements"),
        ("q1\td1\t1\nq1\td2\n", ":2: got 'q1\\td2'; expected query-id, corpus-id, score"),
        ("q1\td1\t1\nq1\td2\thigh\n", ":2: the score is 'high'; expected a whole number"),
        ("q1\td1\t0.5\n", ":1: the score is '0.5'; expected a whole number"),
        ("q1\td1\t1\nq1\td1\t0\n", ":2: 'q1' and 'd1' are judged 0 here and 1 further up"),
        ("q1\td1\t1\nq8\td1\t1\nq9\td1\t1\n", ": judges 2 queries that"),
    ],
)
def test_bad_qrels(tmp_path: Path, qrels: str, said: str) -> None:
    message = complaint(tmp_path, qrels)
    assert message.startswith(f"{tmp_path / 'qrels' / 'test.tsv'}{said}")


def test_unknown_queries_are_named(tmp_path: Path) -> None:
    message = complaint(tmp_path, "".join(f"x{number}\td1\t1\n" for number in range(9)))
    assert "does not hold: 'x0', 'x1', 'x2', 'x3', 'x4', …. Add them" in message


@pytest.mark.parametrize(
    ("queries", "said"),
    [
        ("{\n", ":1: not JSON"),
        ('{"_id": "q1", "text": "a"}\n["q2"]\n', ":2: got '[\"q2\"]'; expected an object"),
        ('{"text": "a"}\n', ":1: '_id' is None; expected text that is not blank"),
        ('{"_id": "q1", "text": " "}\n', ":1: 'text' is ' '; expected text that is not blank"),
        ('{"_id": 1, "text": "a"}\n{"_id": "1", "text": "b"}\n', ":2: the query '1' is there twice"),
    ],
)
def test_bad_queries(tmp_path: Path, queries: str, said: str) -> None:
    assert complaint(tmp_path, queries=queries).startswith(f"{tmp_path / 'queries.jsonl'}{said}")


def test_queries_in_another_encoding(tmp_path: Path) -> None:
    beir = folder(tmp_path)
    (tmp_path / "queries.jsonl").write_bytes(QUERIES.encode("cp949"))
    with pytest.raises(NaruError, match=r"queries\.jsonl:1: byte .* is not UTF-8; it looks like CP949"):
        beir.split("test")


def test_an_unknown_split_names_the_others(tmp_path: Path) -> None:
    assert "no split 'dev'; expected one of: test." in complaint(tmp_path, split="dev")


def test_not_a_beir_folder(tmp_path: Path) -> None:
    with pytest.raises(NaruError, match=r"no queries\.jsonl; expected a BEIR folder"):
        Beir(tmp_path)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data/beir, which is not part of the project")
@pytest.mark.parametrize(
    ("name", "splits"),
    [
        ("korquad-dev", {"calibrate": 2962, "test": 2812}),
        ("law", {"dev": 897, "test": 1761}),
        ("welfare", {"calibrate": 1278, "test": 1992}),
    ],
)
def test_real_sets(name: str, splits: dict[str, int]) -> None:
    beir = Beir(DATA / name)
    assert {split: len(beir.split(split).answerable) for split in beir.splits} == splits


def test_passages_are_streamed_with_their_titles(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "a", "title": "분실", "text": "전화하세요"}\n{"id": 2, "text": "환불"}\n'
        '{"_id": "c", "title": "제목뿐", "text": ""}\n',
        "utf-8",
    )
    assert list(passages(tmp_path)) == [("a", "분실\n전화하세요"), ("2", "환불"), ("c", "제목뿐")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "환불"}', r"corpus\.jsonl:2: '_id' is None"),
        ('{"_id": "b", "title": " ", "text": ""}', r"corpus\.jsonl:2: 'title' is ' '"),
        ('{"_id": "b", "title": 7, "text": "환불"}', r"corpus\.jsonl:2: 'title' is 7"),
        ('{"_id": "b", "text": null}', r"corpus\.jsonl:2: 'text' is ''"),
        ('{"_id": "a", "text": "환불"}', r"corpus\.jsonl:2: the passage 'a' is there twice"),
    ],
)
def test_a_passage_that_is_none_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "corpus.jsonl").write_text(f'{{"_id": "a", "text": "전화"}}\n{line}\n', "utf-8")
    with pytest.raises(NaruError, match=message):
        list(passages(tmp_path))
