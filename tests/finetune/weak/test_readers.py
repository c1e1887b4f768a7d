from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finetune.data import Rows, read
from finetune.recipe import Source
from finetune.shapes import Shape
from finetune.weak.readers import READERS
from naru.errors import NaruError


def write(folder: Path, name: str, *rows: dict[str, object]) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / f"{name}.parquet")


def made(path: Path, reader: str, rows: int | None = None) -> Rows:
    return read(Source("s", path.name, reader=reader, rows=rows), path.parent, seed=1)


def listed(path: Path, reader: str, rows: int | None = None) -> list[dict[str, object]]:
    return list(made(path, reader, rows).dataset)


def test_scored_pairs_leave_out_what_the_evaluation_holds(data: Path) -> None:
    rows = made(data / "train" / "korsts_train.parquet", "similarity")
    assert (rows.shape, len(rows), rows.made) == (Shape.SCORED, 90, True)
    assert all(0 <= float(str(row["score"])) <= 1 for row in rows.dataset)


def test_translations_of_like_length_are_kept(tmp_path: Path) -> None:
    good = {"en": "Render a  component conditionally.", "ko": "컴포넌트를 조건에 따라\n렌더링합니다."}
    bad = [
        {"en": "Note", "ko": "참고"},  # short
        {"en": "See the guide on testing your components.", "ko": "참고하세요."},  # most of it is missing
        {
            "en": "Install it with npm.",
            "ko": "이 명령으로 최신 버전의 패키지를 설치할 수 있습니다.",
        },  # says more
        {"en": "npm install --save-dev @types/react", "ko": "npm install --save-dev 입니다"},  # hardly Korean
        {"en": "A block without a translation.", "ko": ""},
    ]
    write(tmp_path, "parallel", good, *bad)
    rows = made(tmp_path / "parallel.parquet", "translations")
    assert rows.shape is Shape.PARALLEL
    assert list(rows.dataset) == [
        {"source": "Render a component conditionally.", "target": "컴포넌트를 조건에 따라 렌더링합니다."}
    ]


def test_translated_similarity_gives_each_sentence_once_and_nothing_of_the_evaluation(tmp_path: Path) -> None:
    def row(first: str, second: str, in_eval: bool) -> dict[str, object]:
        return {
            "sentence1": first,
            "sentence2": second,
            "sentence1_en": f"en {first}",
            "sentence2_en": f"en {second}",
            "score": 1.0,
            "in_eval": in_eval,
        }

    write(tmp_path, "korsts_train", row("가", "나", False), row("나", "다", False), row("라", "마", True))
    rows = listed(tmp_path / "korsts_train.parquet", "translated_similarity")
    assert rows == [{"source": f"en {text}", "target": text} for text in "가나다"]


def test_rows_are_capped_and_the_same_for_the_same_seed(data: Path) -> None:
    path = data / "train" / "wiki_paragraphs.parquet"
    rows = listed(path, "wiki_sentences", rows=30)
    assert len(rows) == 30
    assert rows == listed(path, "wiki_sentences", rows=30)
    assert list(rows[0]) == ["query", "document"]


def test_judged_answers_carry_a_negative(tmp_path: Path) -> None:
    miracl = {"query": "q", "documents": ["d1", "d2"], "hard_negatives": ["n"], "match": ["", ""]}
    write(tmp_path, "miracl_train", miracl, {**miracl, "hard_negatives": []})
    write(tmp_path, "kobest_hellaswag", {"query": "h", "document": "e", "hard_negatives": ["x"]})
    rows = made(tmp_path, "judged_answers")
    assert rows.shape is Shape.TRIPLETS
    assert sorted(tuple(row.values()) for row in rows.dataset) == [
        ("h", "e", "x"),
        ("q", "d1", "n"),
        ("q", "d2", "n"),
    ]


def test_inference_needs_an_entailed_and_a_contradicting_sentence(tmp_path: Path) -> None:
    labels = ("entailment", "contradiction", "neutral")
    whole = [{"premise": "p", "hypothesis": label[0], "label": label} for label in labels]
    write(tmp_path, "klue_nli", *whole)
    write(tmp_path, "xnli_ko", {"premise": "lonely", "hypothesis": "h", "label": "entailment"})
    assert listed(tmp_path, "inference") == [{"query": "p", "document": "e", "negative": "c"}]


def test_paraphrases_come_from_one_group_and_from_pairs_marked_zero(tmp_path: Path) -> None:
    groups = [{"topic": "0", "group": g, "text": f"{g}-{i}"} for g in (1, 2) for i in range(3)]
    write(tmp_path, "parakqc", *groups)
    write(
        tmp_path,
        "question_pair",
        {"question1": "9-a", "question2": "9-b", "is_duplicate": 0},
        {"question1": "8-a", "question2": "7-b", "is_duplicate": 1},
    )
    rows = listed(tmp_path, "paraphrases")
    assert len(rows) == 7
    assert all(str(row["query"])[0] == str(row["document"])[0] for row in rows)
    assert all(row["query"] != row["document"] for row in rows)


def test_graded_pairs_know_shades(tmp_path: Path) -> None:
    labels = ("entailment", "contradiction", "neutral")
    write(tmp_path, "klue_nli", *({"premise": "p", "hypothesis": label, "label": label} for label in labels))
    write(tmp_path, "xnli_ko", {"premise": "x", "hypothesis": "neutral", "label": "neutral"})
    groups = [{"topic": t, "group": g, "text": f"{t}{g}-{i}"} for t in "ab" for g in (1, 2) for i in range(4)]
    write(tmp_path, "parakqc", *groups)
    by_score: dict[float, list[tuple[str, str]]] = {}
    for row in listed(tmp_path, "graded"):
        score = round(float(str(row["score"])), 2)
        by_score.setdefault(score, []).append((str(row["sentence1"]), str(row["sentence2"])))
    assert by_score[0.9] == [("p", "entailment")]
    assert by_score[0.25] == [("p", "contradiction")]
    assert len(by_score[0.5]) == 2
    assert all(a[:2] == b[:2] and a != b for a, b in by_score[1.0])
    assert all(a[0] != b[0] for a, b in by_score[0.05])
    assert all(a[0] == b[0] for a, b in by_score[0.35])


def test_mistyped_queries_are_otherwise_the_reader_s(data: Path) -> None:
    path = data / "train" / "law_pairs.parquet"
    plain = {str(row["document"]): row["query"] for row in listed(path, "law")}
    wrong = {str(row["document"]): row["query"] for row in listed(path, "typed_law")}
    assert plain.keys() == wrong.keys()
    changed = sum(plain[document] != wrong[document] for document in plain)
    assert 15 <= changed <= 55  # a third of 100


def test_a_missing_file_an_unknown_reader_and_an_empty_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(NaruError, match=r"No data file .*law_pairs\.parquet"):
        made(tmp_path / "law_pairs.parquet", "law")
    with pytest.raises(NaruError, match=r"Data 's': unknown reader 'lore'\. Known: answers, .*law"):
        made(tmp_path, "lore")
    assert "law" in READERS
    pq.write_table(pa.table({"query": pa.array([], pa.string()), "document": []}), tmp_path / "none.parquet")
    with pytest.raises(NaruError, match="found no row"):
        made(tmp_path / "none.parquet", "law")


def test_anybodys_documents_give_pairs_without_a_judgement(tmp_path: Path) -> None:
    text = "카드를 잃어버렸다면 신고가 먼저입니다. 접수되는 순간부터 승인이 막힙니다. 신고는 휴일에도 됩니다."
    file = tmp_path / "docs.csv"
    file.write_text(f"id,title,text\nc1,카드 분실 신고,{text}\nc2,,짧다\n", encoding="utf-8")
    rows = listed(file, "passages")
    assert made(file, "passages").shape is Shape.PAIRS
    assert 15 <= len(rows) <= 40
    assert all(set(str(row["document"])) <= set(f"카드 분실 신고\n{text}") for row in rows)
    assert len({tuple(row.values()) for row in rows}) == len(rows)


def test_documents_of_a_spreadsheet_say_which_columns_they_are(tmp_path: Path) -> None:
    answer = (
        "카드를 잃어버렸다면 신고가 먼저입니다. 접수되는 순간부터 승인이 막힙니다. 신고는 휴일에도 됩니다."
    )
    file = tmp_path / "faq.csv"
    file.write_text(f"번호,질문,답변\nc1,카드 분실 신고,{answer}\n", encoding="utf-8")
    with pytest.raises(NaruError, match=r"faq\.csv:2: has '번호', .*columns = \{text ="):
        made(file, "passages")
    columns = {"text": "답변", "title": "질문"}
    rows = read(Source("s", file.name, reader="passages", columns=columns), tmp_path, seed=1)
    documents = [str(row["document"]) for row in rows.dataset]
    assert any("카드 분실 신고" in document for document in documents)
    assert any("승인이 막힙니다" in document for document in documents)


def test_the_first_pairs_are_of_all_documents(tmp_path: Path) -> None:
    lines = [
        f'{{"title": "{name}", "text": "{name} 신고는 여기서 합니다. 전화로도 됩니다."}}'
        for name in "가나다라"
    ]
    file = tmp_path / "docs.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    texts = [str(row["document"]) for row in listed(file, "passages", rows=16)]
    assert all(any(name in text for text in texts) for name in "가나다라")


def test_documents_without_a_text_are_named_by_line(tmp_path: Path) -> None:
    file = tmp_path / "docs.jsonl"
    file.write_text('{"text": "가"}\n{"body": "나"}\n', encoding="utf-8")
    with pytest.raises(NaruError, match=r"docs\.jsonl:2: has 'body'; .*'text'"):
        listed(file, "passages")
