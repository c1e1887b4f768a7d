"""Training data of every format and shape."""

from __future__ import annotations

import json
import math
import unicodedata
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finetune.data import Rows, read
from finetune.held.splitting import held_out
from finetune.recipe import Source
from finetune.rows.texts import clean
from finetune.shapes import Shape
from naru.errors import NaruError


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    return write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def of(path: Path, **options: Any) -> Rows:
    return read(Source("s", path.name, **options), path.parent, seed=1)


PAIR = {"query": "도서관 언제 열어요", "document": "아홉 시에 엽니다"}


@pytest.mark.parametrize(
    ("names", "shape", "columns"),
    [
        (["query", "document"], Shape.PAIRS, ["query", "document"]),
        (["Anchor", "Positive"], Shape.PAIRS, ["query", "document"]),
        (["question", "answer"], Shape.PAIRS, ["query", "document"]),
        (["anchor", "positive", "negative"], Shape.TRIPLETS, ["query", "document", "negative"]),
        (["질문", "답변"], Shape.PAIRS, ["query", "document"]),
        (["query", "document", "hard_negative"], Shape.TRIPLETS, ["query", "document", "negative"]),
        (
            ["query", "passage", "negative_1", "negative_2"],
            Shape.TRIPLETS,
            ["query", "document", "negative", "negative_2"],
        ),
        (["sentence1", "sentence2", "score"], Shape.SCORED, ["sentence1", "sentence2", "score"]),
        (["sentence1", "sentence2", "similarity"], Shape.SCORED, ["sentence1", "sentence2", "score"]),
        (["premise", "hypothesis", "label"], Shape.LABELLED, ["sentence1", "sentence2", "label"]),
        (["sentence", "label"], Shape.CLASSED, ["sentence", "label"]),
        (["text"], Shape.SENTENCES, ["sentence"]),
        (["source", "target"], Shape.PARALLEL, ["source", "target"]),
        (["question1", "question2", "is_duplicate"], Shape.LABELLED, ["sentence1", "sentence2", "label"]),
        (["sentence1", "sentence2", "labels"], Shape.LABELLED, ["sentence1", "sentence2", "label"]),
        (["query", "document", "relevance"], Shape.LABELLED, ["sentence1", "sentence2", "label"]),
        (["sentence1", "sentence2", "relatedness_score"], Shape.SCORED, ["sentence1", "sentence2", "score"]),
        (["text", "labels"], Shape.CLASSED, ["sentence", "label"]),
        (["text", "target"], Shape.CLASSED, ["sentence", "label"]),
        (["text", "label", "source", "target"], Shape.CLASSED, ["sentence", "label"]),
        (["질문", "정답", "오답"], Shape.TRIPLETS, ["query", "document", "negative"]),
        (["질문", "답변", "오답1", "오답2"], Shape.TRIPLETS, ["query", "document", "negative", "negative_2"]),
    ],
)
def test_shapes_are_recognised_by_columns(
    names: list[str], shape: Shape, columns: list[str], tmp_path: Path
) -> None:
    numbers = {"score", "similarity", "label", "labels", "is_duplicate", "relevance", "relatedness_score"}
    records = [{name: at if name in numbers else f"{name} {at}" for name in names} for at in (0, 1)]
    rows = of(jsonl(tmp_path / "data.jsonl", *records))
    assert (rows.shape, rows.dataset.column_names) == (shape, columns)
    assert [rows.places[at] for at in (0, 1)] == [f"{tmp_path / 'data.jsonl'}:{line}" for line in (1, 2)]
    if shape is not Shape.CLASSED:
        assert rows.dataset[1][columns[0]] == f"{names[0]} 1"


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    records = [
        {"query": f"질문 {at}", "document": f'답 "{at}", 그리고\t끝' if at else "답\n두 줄"}
        for at in range(3)
    ]
    lines = [f'{r["query"]},"{r["document"].replace(chr(34), chr(34) * 2)}"' for r in records]
    files = {
        jsonl(tmp_path / "a.jsonl", *records): [1, 2, 3],
        write(tmp_path / "a.json", json.dumps(records, ensure_ascii=False, indent=0)): [2, 6, 10],
        write(tmp_path / "a.csv", "\ufeffquery,document\r\n" + "\r\n".join(lines) + "\r\n"): [2, 4, 5],
    }
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet")
    files[tmp_path / "a.parquet"] = [1, 2, 3]
    datasets.Dataset.from_list(records).save_to_disk(str(tmp_path / "saved"))
    files[tmp_path / "saved"] = [1, 2, 3]
    for path, places in files.items():
        rows = of(path, split=None)
        assert list(rows.dataset) == records, path
        assert rows.places.lines.tolist() == places, path


def test_quotes_of_a_tsv_are_quotes(tmp_path: Path) -> None:
    path = write(
        tmp_path / "sts.tsv",
        'sentence1\tsentence2\tscore\n"예"라고 했다\t아니라고 "했다\t2.5\n\n가\t나\t5.0\n',
    )
    rows = of(path)
    assert rows.dataset[0] == {"sentence1": '"예"라고 했다', "sentence2": '아니라고 "했다', "score": 0.5}
    assert rows.places.lines.tolist() == [2, 4]
    quoted = write(tmp_path / "quoted.tsv", 'query\tdocument\n물음\t"답\t하나"\n')
    assert of(quoted).dataset[0] == {"query": "물음", "document": "답\t하나"}


def test_klue_s_nested_labels(tmp_path: Path) -> None:
    row = {"guid": "1", "sentence1": "가", "sentence2": "나", "labels": {"label": 3.7, "binary-label": 1}}
    path = write(
        tmp_path / "klue.json", json.dumps([row, {**row, "labels": {"label": 0.0, "binary-label": 0}}])
    )
    scored = of(path)
    assert scored.shape is Shape.SCORED
    assert scored.dataset["score"][:] == pytest.approx([0.74, 0])
    labelled = of(path, shape="labelled-pairs", columns={"label": "labels.binary-label"})
    assert (labelled.shape, labelled.dataset["label"][:]) == (Shape.LABELLED, [1, 0])


def test_lists_of_positives_and_negatives_become_rows_and_columns(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "lists.jsonl",
        {"query": "q", "positives": ["a", "b"], "negatives": ["x", "y", "z"]},
        {"query": "r", "positives": [{"title": "제목", "text": "글"}], "negatives": ["u", "v"]},
    )
    rows = of(path)
    assert list(rows.dataset) == [
        {"query": "q", "document": "a", "negative": "x", "negative_2": "y"},
        {"query": "q", "document": "b", "negative": "x", "negative_2": "y"},
        {"query": "r", "document": "제목\n글", "negative": "u", "negative_2": "v"},
    ]
    assert rows.places.lines.tolist() == [1, 1, 2]
    assert rows.notes == ["2 to 3 negatives a row: the first 2 are used"]


def test_texts_are_composed_and_trimmed(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "nfd.jsonl", {**PAIR, "query": unicodedata.normalize("NFD", " 도서관 ")})
    assert of(path).dataset[0]["query"] == "도서관"


@pytest.mark.parametrize(
    ("scores", "given", "read_as", "note"),
    [
        ([0, 0.5, 1], None, [0, 0.5, 1], "scores 0..1"),
        ([0, 2.5, 5], None, [0, 0.5, 1], "scores 0..5 read as 0..1"),
        ([1, 3, 5], [1, 5], [0, 0.5, 1], "scores 1..5 read as 0..1"),
        ([0, 5, 7], None, [0, 1, 1.4], "scores 0..5 read as 0..1"),
        ([0, 3, 1.5], None, [0, 0.6, 0.3], "scores 0..5 read as 0..1"),
        ([0.0, 3.0, 1.0], None, [0, 1, 1 / 3], "scores 0..3, by the highest grade, read as 0..1"),  # pandas
        ([0, 1, 3], [0, 5], [0, 0.2, 0.6], "scores 0..5 read as 0..1"),
        ([0, 1, 2, 3], None, [0, 1 / 3, 2 / 3, 1], "scores 0..3, by the highest grade, read as 0..1"),
    ],
)
def test_scores_are_brought_to_one_scale(
    scores: list[float], given: list[float] | None, read_as: list[float], note: str, tmp_path: Path
) -> None:
    records = [{"sentence1": f"가{s}", "sentence2": f"나{s}", "score": s} for s in scores]
    rows = of(jsonl(tmp_path / "s.jsonl", *records), score_range=given)
    assert rows.dataset["score"][:] == pytest.approx(read_as)
    assert rows.notes == [note]


def test_a_score_without_end_is_no_number(tmp_path: Path) -> None:
    rows = [{"sentence1": f"가{at}", "sentence2": "나", "score": at / 40} for at in range(40)]
    made = of(jsonl(tmp_path / "a.jsonl", *rows, {"sentence1": "다", "sentence2": "라", "score": "inf"}))
    assert math.isnan(made.dataset["score"][40])


def test_labels_tell_the_shape(tmp_path: Path) -> None:
    def shape(*labels: Any) -> tuple[Shape, list[Any], tuple[str, ...]]:
        records = [{"sentence1": f"가{at}", "sentence2": "나", "label": one} for at, one in enumerate(labels)]
        rows = of(jsonl(tmp_path / "l.jsonl", *records))
        return rows.shape, rows.dataset[rows.dataset.column_names[-1]][:], rows.classes

    assert shape(True, False) == (Shape.LABELLED, [1, 0], ())
    assert shape(1.0, 0.0) == (Shape.LABELLED, [1, 0], ())
    assert shape("neutral", "entailment") == (Shape.CLASSED_PAIRS, [1, 0], ("entailment", "neutral"))
    assert shape(2, 10, 1) == (Shape.CLASSED_PAIRS, [1, 2, 0], ("1", "2", "10"))
    assert shape(0.25, 0.5)[0] is Shape.SCORED


def test_grades_below_zero_are_classes(tmp_path: Path) -> None:
    rows = [{"sentence1": f"가{at}", "sentence2": "나", "label": at % 5 - 1} for at in range(40)]
    assert of(jsonl(tmp_path / "a.jsonl", *rows)).shape is Shape.CLASSED_PAIRS


def test_a_beir_folder_gives_pairs_or_triplets(tmp_path: Path) -> None:
    folder = tmp_path / "beir"
    jsonl(folder / "queries.jsonl", {"_id": "q1", "text": "하나"}, {"_id": "q2", "text": "둘"})
    jsonl(folder / "corpus.jsonl", {"_id": "d1", "title": "제목", "text": "글"}, {"_id": "d2", "text": "말"})
    write(folder / "qrels" / "train.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t2\n")
    rows = of(folder)
    assert rows.shape is Shape.PAIRS
    assert next(iter(rows.dataset)) == {"query": "하나", "document": "제목\n글"}
    assert rows.places[1] == f"{folder / 'qrels' / 'train.tsv'}:3"
    write(folder / "qrels" / "dev.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t0\n")
    rows = of(folder, split="dev")
    assert list(rows.dataset) == [{"query": "하나", "document": "제목\n글", "negative": "말"}]
    jsonl(folder / "queries.jsonl", {"id": "q1", "text": "하나"})  # as indexing and evaluation read it, too
    write(folder / "qrels" / "trec.tsv", "q1 0 d1 1\n")
    assert list(of(folder, split="trec").dataset) == [{"query": "하나", "document": "제목\n글"}]
    with pytest.raises(NaruError, match=r"no split 'test'\. There are: dev, train, trec"):
        of(folder, split="test")
    write(folder / "qrels" / "dev.tsv", "query-id\tcorpus-id\tscore\nq1\td9\t1\n")
    with pytest.raises(NaruError, match=r"dev\.tsv:2: document 'd9' is not in corpus\.jsonl"):
        of(folder, split="dev")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"query": "가", "document": "나"}\n{"query": \n', r"a\.jsonl:2: not JSON"),
        ("a.jsonl", '["가"]\n', r"a\.jsonl:1: got .* expected one object a line"),
        ("a.json", '[{"query": "가", "document": "나"},\n{"query"]', r"a\.json:2: not JSON"),
        ("a.json", '[{"query": "가", "document": "나"}', r"a\.json:1: the array does not end"),
        ("a.json", "{}", "expected one array of objects"),
        ("a.csv", "query,document\n가,나\n가,나,다\n", r"a\.csv:3: 3 cells, but the header has 2"),
        ("a.csv", 'query,document\n가,"나\n', r"a\.csv:2: not CSV"),
        ("a.csv", "", r"a\.csv: is empty"),
        ("a.csv", "query,document\n", r"a\.csv: has no rows"),
        ("a.csv", "물음,답\n가,나\n", r"its columns are '물음', '답'; no shape .* is recognised"),
        ("a.xlsx", "", "cannot tell how to read it"),
        ("a.parquet", "no", r"a\.parquet: cannot be read as Parquet"),
    ],
)
def test_what_cannot_be_read_is_named_by_file_and_line(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(NaruError, match=message):
        of(write(tmp_path / name, text))


def test_other_encodings_are_named(tmp_path: Path) -> None:
    with pytest.raises(NaruError, match=r"a\.csv:2: byte 15 .* is not UTF-8; .* save the file as UTF-8"):
        of(write(tmp_path / "a.csv", "query,document\n가,나\n", "cp949"))


def test_columns_of_other_names_are_said_in_the_recipe(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "물음,답\n가,나\n")
    assert list(of(path, columns={"query": "물음", "document": "답"}).dataset) == [
        {"query": "가", "document": "나"}
    ]
    with pytest.raises(NaruError, match=r"no column '질문' \(named for query\)"):
        of(path, columns={"query": "질문", "document": "답"})
    with pytest.raises(NaruError, match="columns names 'ask', none of ours"):
        of(path, columns={"ask": "물음"})
    with pytest.raises(NaruError, match="scored-pairs want score"):
        of(jsonl(tmp_path / "p.jsonl", PAIR), shape="scored-pairs")


def test_a_hub_data_set_that_cannot_be_reached_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    with pytest.raises(NaruError, match="hf://no-one/nothing: no data set could be opened"):
        read(Source("s", "hf://no-one/nothing"), tmp_path, 0)


def test_rows_are_capped_at_random_and_held_out_by_query(tmp_path: Path) -> None:
    records = [{"query": f"물음 {at // 2}", "document": f"답 {at}"} for at in range(200)]
    path = jsonl(tmp_path / "many.jsonl", *records)
    some = of(path, rows=50)
    assert (len(some), len(set(some.places.lines.tolist()))) == (50, 50)
    assert list(some.dataset) == list(of(path, rows=50).dataset)
    assert some.places.lines.tolist() != list(range(1, 51))
    rest, apart = held_out(of(path), 0.2, seed=3)
    assert (len(rest), len(apart)) == (160, 40)
    assert set(rest.dataset["query"][:]).isdisjoint(apart.dataset["query"][:])
    assert apart.dataset[0]["document"] == f"답 {apart.places.lines[0] - 1}"
    with pytest.raises(NaruError, match="nothing can be held out"):
        held_out(of(jsonl(tmp_path / "one.jsonl", PAIR)), 0.2, seed=3)


def test_a_cap_draws_by_seed_and_name_and_keeps_the_order_of_the_file(tmp_path: Path) -> None:
    jsonl(tmp_path / "many.jsonl", *({"query": f"물음 {at}", "document": f"답 {at}"} for at in range(200)))

    def lines(name: str, seed: int) -> list[int]:
        found: list[int] = read(Source(name, "many.jsonl", rows=50), tmp_path, seed).places.lines.tolist()
        return found

    assert lines("a", 1) == sorted(lines("a", 1))
    assert lines("a", 1) != lines("a", 2)
    assert lines("a", 1) != lines("b", 1)


def test_a_reader_of_weak_pairs_draws_by_seed(data: Path) -> None:
    made = [
        read(Source("wiki", "train/wiki_paragraphs.parquet", reader="wiki_sentences"), data, seed).dataset[:]
        for seed in (1, 1, 2)
    ]
    assert made[0] == made[1] != made[2]


def read_lines(folder: Path, *lines: str, name: str = "a.jsonl") -> Rows:
    (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return read(Source("a", name), folder, 0)


def test_a_topic_beside_question_and_answer_is_no_label(tmp_path: Path) -> None:
    rows = read_lines(tmp_path, '{"질문": "가", "답변": "나", "category": "카드"}')
    assert rows.shape is Shape.PAIRS
    assert rows.columns == "질문 as query, 답변 as document; not read: category"
    assert read_lines(tmp_path, '{"sentence": "가", "category": "카드"}').shape is Shape.CLASSED


@pytest.mark.parametrize("name", ["text", "content", "내용", "답변"])
def test_a_document_beside_a_query_and_headers_in_any_form(tmp_path: Path, name: str) -> None:
    header = unicodedata.normalize("NFD", f"질문\t{name}")
    rows = read_lines(tmp_path, header, "가\t나", name="a.tsv")
    assert (rows.shape, rows.dataset[0]) == (Shape.PAIRS, {"query": "가", "document": "나"})


@pytest.mark.parametrize(
    "names",
    ["negative,negative_1", "negative,negative.1", "negative 1,negative 2", "hard-negative,negative_2"],
)
def test_every_negative_is_read_however_it_is_numbered(tmp_path: Path, names: str) -> None:
    rows = read_lines(tmp_path, f"query,document,{names}", "가,나,다,라", name="a.csv")
    assert rows.dataset[0] == {"query": "가", "document": "나", "negative": "다", "negative_2": "라"}


def test_listed_negatives_come_beside_single_ones(tmp_path: Path) -> None:
    rows = read_lines(
        tmp_path, '{"query": "가", "document": "나", "negative": "다", "negatives": ["라", "마"]}'
    )
    assert rows.dataset[0] == {
        "query": "가", "document": "나", "negative": "다", "negative_2": "라", "negative_3": "마"
    }  # fmt: skip


def test_a_column_that_comes_late_is_not_lost(tmp_path: Path) -> None:
    lines = ['{"query": "가", "document": "나"}'] * 120 + [
        '{"query": "가", "document": "나", "negative": "다"}'
    ]
    with pytest.raises(NaruError, match=r"a\.jsonl:121: the column 'negative' first occurs here"):
        read_lines(tmp_path, *lines)
    lines[-1] = '{"query": "가", "document": "나", "note": "다"}'
    assert len(read_lines(tmp_path, *lines)) == 121


@pytest.mark.parametrize(
    ("labels", "told"), [(["0", "1"], False), (["1", "2"], True), (["O", "X"], True), (["짧은", "긴"], False)]
)
def test_two_classes_of_pairs_that_may_be_verdicts_are_told(
    tmp_path: Path, labels: list[str], told: bool
) -> None:
    lines = [
        json.dumps(
            {"sentence1": f"가{at}", "sentence2": f"나{at}", "label": labels[at % 2]}, ensure_ascii=False
        )
        for at in range(20)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    rows = read(Source("a", "a.jsonl", shape="classed-pairs"), tmp_path, 0)
    assert any("are read as two classes" in note for note in rows.notes) is told


@pytest.mark.parametrize(
    "value", ['["가", "나"]', '"\\ud83d 카드"', '"\u200b"', '"\u200b \u3164 \u200b"', "null"]
)
def test_what_is_no_text_is_empty(tmp_path: Path, value: str) -> None:
    rows = read_lines(tmp_path, f'{{"query": {value}, "document": "나"}}')
    assert rows.dataset[0] == {"query": "", "document": "나"}


def test_blanks_within_what_is_unseen_are_no_text(tmp_path: Path) -> None:
    assert clean("\u200b 글 \ufeff") == "글"
    assert clean(math.nan) == ""


def test_what_is_no_json_number_is_named_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(NaruError, match=r"a\.jsonl:1: not JSON that can be read: NaN is not a JSON number"):
        read_lines(tmp_path, '{"query": "가", "document": NaN}')


@pytest.mark.parametrize(
    ("labels", "shape"),
    [
        (["0", "1"] * 30 + ["2"], Shape.LABELLED),
        (["0", "1", "2"] * 20, Shape.CLASSED_PAIRS),
        (["0", "1", "2", "3", "4", "5"] * 10, Shape.SCORED),
        (["예", "아니오"] * 10, Shape.CLASSED_PAIRS),
    ],
)
def test_a_slip_makes_no_other_shape(tmp_path: Path, labels: list[str], shape: Shape) -> None:
    lines = [
        f'{{"sentence1": "가{at}", "sentence2": "나", "label": "{label}"}}' for at, label in enumerate(labels)
    ]
    assert read_lines(tmp_path, *lines).shape is shape


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"query": "가"}]\n[{"query": "나"}]', r"a\.json:2: there is more behind the array"),
        ('{"train": [{"query": "가"}], "test": [{"query": "나"}]}', r"2 of them \(train, test\)"),
        ('{"query": "[가"}\n{"query": "나"}', r"One object a line is \.jsonl"),
    ],
)
def test_json_that_would_be_cut_off_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(NaruError, match=said):
        read(Source("a", "a.json"), tmp_path, 0)


def test_an_array_within_an_object_behind_other_brackets(tmp_path: Path) -> None:
    text = '{"title": "[v1]", "tags": ["a"],\n"data": [\n{"query": "가", "document": "나"}]}'
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    rows = read(Source("a", "a.json"), tmp_path, 0)
    assert (len(rows), rows.places[0].rpartition(":")[2]) == (1, "3")


def test_a_blank_line_within_a_cell_stays(tmp_path: Path) -> None:
    rows = read_lines(tmp_path, "query,document", '가,"나', "", '다"', "", "라,마", name="a.csv")
    assert [row["document"] for row in rows.dataset] == ["나\n\n다", "마"]
    assert rows.places[1].endswith(":6")


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NaruError, match=r"a\.csv:1: the header names 'negative' twice"):
        read_lines(tmp_path, "query,document,negative,negative", "가,나,다,라", name="a.csv")


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("ok", [1, 0, 1], "0 and 1"),
        ("ok", ["True", "", "False"], "0 and 1"),
        ("class", [1, 1, 1], "0 and 1"),
        ("human", [0.5, 5, 3.25], "numbers from 0 to 5"),
        ("human", [0.5, 6, 3.25], ""),
        ("id", [1, 2, 3], ""),
        ("topic", ["1", "카드", "0"], ""),
        ("note", [None, "", None], ""),
    ],
)
def test_a_verdict_on_pairs_is_not_left_unread(
    tmp_path: Path, name: str, values: list[Any], said: str
) -> None:
    records = [
        {"query": f"물음 {at}", "document": f"답 {at}", name: value} for at, value in enumerate(values)
    ]
    path = jsonl(tmp_path / "a.jsonl", *records)
    if said:
        with pytest.raises(
            NaruError, match=rf"a\.jsonl: the column '{name}' holds {said} .*shape = \"pairs\""
        ):
            of(path)
        assert of(path, columns={"label": name}).shape in (Shape.LABELLED, Shape.SCORED)
    else:
        assert of(path).shape is Shape.PAIRS
    assert of(path, shape="pairs").shape is Shape.PAIRS


def test_few_grades_of_relevance_are_no_classes(tmp_path: Path) -> None:
    grades = [0, 1, 2, 2, 1, 0]
    records = [
        {"query": f"물음 {at}", "document": f"답 {at}", "relevance": one} for at, one in enumerate(grades)
    ]
    rows = of(jsonl(tmp_path / "a.jsonl", *records))
    assert (rows.shape, rows.dataset["score"][:]) == (Shape.SCORED, [grade / 2 for grade in grades])
    assert rows.notes[0].startswith("scores 0..2, by the highest grade, read as 0..1")


@pytest.mark.parametrize("name", ["label", "relevance", "score"])
def test_grades_of_trec_reach_the_top_of_the_scale(tmp_path: Path, name: str) -> None:
    lines = [f"물음 {at},답 {at},{at % 4}" for at in range(12)]
    rows = read_lines(tmp_path, f"query,document,{name}", *lines, name="a.csv")
    assert (rows.shape, max(rows.dataset["score"][:])) == (Shape.SCORED, 1)


def test_lists_in_cells_are_lists(tmp_path: Path) -> None:
    cells = ['"[""나"", ""나\'""]"', '"[""라"", ""[마]""]"']
    for names in ("positives,hard_negatives", "pos,neg", "positive_passages,negatives"):
        rows = read_lines(tmp_path, f"query,{names}", f"가,{','.join(cells)}", "다,[],[]", name="a.csv")
        assert list(rows.dataset) == [
            {"query": "가", "document": "나", "negative": "라", "negative_2": "[마]"},
            {"query": "가", "document": "나'", "negative": "라", "negative_2": "[마]"},
        ]
    rows = read_lines(tmp_path, "query,positives", "가,나", "다,", name="a.csv")
    assert [row["document"] for row in rows.dataset] == ["나", ""]
    rows = read_lines(tmp_path, "query,document,negative", "가,[속보] 나,[사진] 다", name="a.csv")
    assert rows.dataset[0] == {"query": "가", "document": "[속보] 나", "negative": "[사진] 다"}


@pytest.mark.parametrize("name", ["positives", "negatives", "neg"])
def test_a_list_of_pandas_is_named_by_line(tmp_path: Path, name: str) -> None:
    other = "negatives" if name == "positives" else "document"
    lines = [f"query,{other},{name}", '가,나,"[""다""]"', "라,마,\"['바', '사']\""]
    with pytest.raises(NaruError, match=rf"a\.csv:3: {name} is \"\['바', '사'\]\", expected .* json\.dumps"):
        read_lines(tmp_path, *lines, name="a.csv")


def test_a_negative_that_is_a_list_is_read(tmp_path: Path) -> None:
    rows = read_lines(tmp_path, '{"query": "가", "document": "나", "negative": ["다", "라"]}')
    assert rows.dataset[0] == {"query": "가", "document": "나", "negative": "다", "negative_2": "라"}


def test_a_file_has_no_splits(tmp_path: Path) -> None:
    with pytest.raises(NaruError, match=r"a\.jsonl: a file has no splits, and split 'dev' is asked of it"):
        of(jsonl(tmp_path / "a.jsonl", PAIR), split="dev")
