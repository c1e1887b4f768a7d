"""Judged questions of a table as a BEIR folder."""

from __future__ import annotations

import json
from pathlib import Path
from unicodedata import normalize

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.judgements import PARTS, Fields, Question, dealt, read_judged, write_beir
from naru.beir import Beir
from naru.documents import Document
from naru.errors import NaruError

TABLE = """질문,번호,점수,분야
카드 잃어버렸어요,card-1,,카드
카드 잃어버렸어요,card-2,2,카드
카드 잃어버렸어요,card-3,0,카드
김치찌개 끓이는 법,,,요리
여권 잃어버림,pass-1,,여권
"""
KOREAN = Fields("질문", "번호", "점수")


def table(folder: Path, text: str, name: str = "judged.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_equal_questions_are_one_with_all_their_documents(tmp_path: Path) -> None:
    found = read_judged(table(tmp_path, TABLE), KOREAN)
    assert [one.text for one in found] == ["카드 잃어버렸어요", "김치찌개 끓이는 법", "여권 잃어버림"]
    assert [one.grades for one in found] == [{"card-1": 1, "card-2": 2, "card-3": 0}, {}, {"pass-1": 1}]
    assert found[0].answers == ["card-1", "card-2"]
    assert found[1].facts == {"분야": "요리"}


def test_old_excel_and_json_lines_are_read_alike(tmp_path: Path) -> None:
    old = read_judged(table(tmp_path, TABLE, encoding="cp949"), KOREAN, "cp949")
    rows = [
        {"query": "카드 잃어버렸어요", "document": "card-1", "score": 1},
        {"query": "김치찌개 끓이는 법", "document": None},
        {"query": "여권 잃어버림", "document": 7},
    ]
    lines = read_judged(table(tmp_path, "\n".join(map(json.dumps, rows)), "judged.jsonl"))
    assert [one.text for one in old] == [one.text for one in lines]
    assert [one.grades for one in lines] == [{"card-1": 1}, {}, {"7": 1}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("질문,번호\n가,나\n", r"csv:2: the columns are '질문', '번호'; expected 'query' and 'document'"),
        ("query,document\n ,나\n", r"csv:2: 'query' is ' '; expected a question"),
        ("query,document\n가,\n가,나\n", r"csv:2: '가' has no document here, and '나' elsewhere"),
        ("query,document,score\n가,나,1\n가,나,0\n", r"csv:3: '나' is graded 0 for '가', and 1 further up"),
        ("query,document,score\n가,나,yes\n", r"csv:2: 'score' is 'yes'; expected a whole number"),
        ("query,document,score\n가,나,0.5\n", r"csv:2: 'score' is '0\.5'; expected a whole number"),
        ("query,document\n", r"csv: no questions"),
    ],
)
def test_what_cannot_be_judgements_is_named_by_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(NaruError, match=said):
        read_judged(table(tmp_path, text))


def questions(answers: list[list[int]]) -> list[Question]:
    return [
        Question(f"질문 {number}", f"f:{number}", {f"d{one}": 1 for one in some})
        for number, some in enumerate(answers)
    ]


ANSWERS = st.lists(st.lists(st.integers(0, 30), max_size=3), min_size=1, max_size=60)


@given(ANSWERS)
def test_no_answer_is_in_two_parts_and_every_question_in_one(answers: list[list[int]]) -> None:
    asked = questions(answers)
    parts = dealt(asked, PARTS)
    assert sorted(number for numbers in parts.values() for number in numbers) == list(range(len(asked)))
    held = [{one for number in numbers for one in asked[number].answers} for numbers in parts.values()]
    assert sum(map(len, held)) == len(set().union(*held))


ONE_EACH = st.lists(st.lists(st.integers(0, 30), max_size=1), max_size=40)


@given(ANSWERS, ONE_EACH)
def test_rows_at_the_end_move_no_others(answers: list[list[int]], more: list[list[int]]) -> None:
    """Also where they ask again what is asked before: only what joins two answers moves questions."""
    before, after = dealt(questions(answers), PARTS), dealt(questions(answers + more), PARTS)
    for name, numbers in before.items():
        assert [number for number in after[name] if number < len(answers)] == numbers


def test_each_part_gets_its_share_of_both_kinds() -> None:
    asked = questions([[number] for number in range(60)] + [[] for _ in range(30)])
    for shares, with_answer in ((PARTS, [20, 20, 20]), ({"calibrate": 3, "test": 1}, [45, 15])):
        parts = dealt(asked, shares)
        assert [sum(number < 60 for number in numbers) for numbers in parts.values()] == with_answer
        without = [sum(number >= 60 for number in numbers) for numbers in parts.values()]
        assert without == pytest.approx([count / 2 for count in with_answer], abs=1)


def test_the_folder_is_one_that_calibration_reads(tmp_path: Path) -> None:
    found = read_judged(table(tmp_path, TABLE), KOREAN)
    corpus = [Document(name, "본문", "제목", {"쪽": 3}) for name in ("card-1", "card-2", "card-3", "pass-1")]
    write_beir(tmp_path / "judged", found, {"calibrate": [0, 1], "test": [2]}, corpus)
    beir = Beir(tmp_path / "judged")
    split = beir.split("calibrate")
    assert split.queries == {"q1": "카드 잃어버렸어요", "q2": "김치찌개 끓이는 법"}
    assert split.qrels == {"q1": {"card-1": 1, "card-2": 2, "card-3": 0}, "q2": {"card-1": 0}}
    assert split.no_answer == ["q2"]
    assert split.metadata["q1"] == {"분야": "카드"}
    assert beir.splits == ["calibrate", "test"]
    first = (tmp_path / "judged" / "corpus.jsonl").read_text("utf-8").splitlines()[0]
    assert json.loads(first) == {"_id": "card-1", "title": "제목", "text": "본문", "쪽": 3}


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    path = table(tmp_path, TABLE)
    found = read_judged(path, KOREAN)
    with pytest.raises(NaruError, match=r"csv:2: .* answered by 'card-1', .* which the corpus does not hold"):
        write_beir(tmp_path / "judged", found, dealt(found, PARTS), [Document("pass-1", "본문")])
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(NaruError, match="No question has a document"):
        write_beir(tmp_path / "judged", found[1:2], {"test": [0]})
    (tmp_path / "judged").mkdir()
    with pytest.raises(NaruError, match="is there already"):
        write_beir(tmp_path / "judged", found, dealt(found, PARTS))


def test_what_macos_writes_is_read_as_what_people_type(tmp_path: Path) -> None:
    text = "질문,번호\n카드 분실,card-1\n카드 분실,card-2\n"
    decomposed = "".join(
        normalize("NFD", line) if number < 2 else line
        for number, line in enumerate(text.splitlines(keepends=True))
    )
    [found] = read_judged(table(tmp_path, decomposed), Fields("질문", "번호"))
    assert (found.text, found.answers) == ("카드 분실", ["card-1", "card-2"])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"query": "가", "document": True}, "the document is True; expected the id of one"),
        ({"query": "가", "document": "a\tb"}, "has a tab or a line end in it"),
        ({"query": "가", "document": "나", "score": True}, "'score' is True; expected a whole number"),
    ],
)
def test_what_qrels_cannot_hold_is_refused(row: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(NaruError, match=said):
        read_judged(table(tmp_path, json.dumps(row), "judged.jsonl"))


def test_grades_below_zero_and_blanks_around_ids_are_read(tmp_path: Path) -> None:
    [found] = read_judged(table(tmp_path, "query,document,score\n가, 나 ,-1\n가,,\n"))
    assert (found.grades, found.answers) == ({"나": -1}, [])


def test_among_equal_parts_the_question_decides() -> None:
    dealt_to = {
        name
        for number in range(30)
        for name, numbers in dealt([Question(f"질문 {number}", "f:2", {"d": 1})], PARTS).items()
        if numbers
    }
    assert dealt_to == set(PARTS)


def test_a_large_group_is_dealt_where_most_is_lacking_after_it() -> None:
    asked = questions([[number] for number in range(8)] + [[8]] * 4)
    parts = dealt(asked, {"calibrate": 3, "test": 1})
    assert [len(numbers) for numbers in parts.values()] == [10, 2]


def test_questions_without_an_answer_stand_beside_a_document_of_the_corpus(tmp_path: Path) -> None:
    asked = [Question("김치찌개", "f:2")]
    write_beir(tmp_path / "judged", asked, {"test": [0]}, [Document("d1", "본문"), Document("d2", "본문")])
    assert Beir(tmp_path / "judged").split("test").qrels == {"q1": {"d1": 0}}


def test_fields_of_the_corpus_never_take_the_place_of_its_id_and_text(tmp_path: Path) -> None:
    document = Document("d1", "카드 분실 신고", "제목", {"_id": "x9", "text": "요약", "쪽": 3})
    write_beir(tmp_path / "judged", [Question("카드", "f:2", {"d1": 1})], {"test": [0]}, [document])
    said = json.loads((tmp_path / "judged" / "corpus.jsonl").read_text("utf-8"))
    assert said == {"_id": "d1", "title": "제목", "text": "카드 분실 신고", "쪽": 3}


def test_whole_numbers_of_tables_with_gaps_are_ids(tmp_path: Path) -> None:
    path = tmp_path / "judged.parquet"
    columns = {
        "query": ["가", "나"],
        "document": [7.0, None],
        "score": [2.0, None],
        "쪽": [float("nan"), 1.0],
    }
    pq.write_table(pa.table(columns), path)
    found = read_judged(path)
    assert [one.grades for one in found] == [{"7": 2}, {}]
    assert [one.facts for one in found] == [{}, {"쪽": 1.0}]


@pytest.mark.parametrize(
    "row", [{"query": "\ud800a", "document": "d1"}, {"query": "가", "document": "\ud800"}]
)
def test_what_is_no_unicode_is_named_by_line(row: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(NaruError, match=r"judged\.jsonl:1: "):
        read_judged(table(tmp_path, json.dumps(row), "judged.jsonl"))
