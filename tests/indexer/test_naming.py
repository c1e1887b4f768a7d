"""Fields that are named: one that is nowhere is told, and both Unicode forms of a name are one."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from indexer.corpus import Corpus, Naming
from naru.documents import Document
from naru.errors import NaruError, suggested

NAMING = Naming(id="번호", title="질문", text="답변")
RECORD = {"번호": "1", "질문": "카드?", "답변": "신고하세요.", "분류": "카드"}
EXPECTED = [Document("1", "신고하세요.", "카드?", {"분류": "카드"})]


def decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def saved(path: Path, *records: dict[str, Any]) -> Path:
    """Records in the format that the file's name says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(records)), path)
    elif path.suffix == ".csv":
        rows = [list(records[0]), *(list(record.values()) for record in records)]
        path.write_text("".join(",".join(row) + "\n" for row in rows), "utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(records, ensure_ascii=False), "utf-8")
    else:
        lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        path.write_text("".join(lines), "utf-8")
    return path


def complaint(*corpora: Path, naming: Naming) -> str:
    with pytest.raises(NaruError) as raised:
        list(Corpus(*corpora, naming=naming))
    return str(raised.value)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl", "a.json"])
class TestEveryFormat:
    @pytest.mark.parametrize("flags", ["NFC", "NFD"])
    @pytest.mark.parametrize("fields", ["NFC", "NFD"])
    def test_names_in_any_unicode_form_are_one(
        self, tmp_path: Path, name: str, flags: Any, fields: Any
    ) -> None:
        names = [unicodedata.normalize(flags, one) for one in ("번호", "질문", "답변")]
        record = {unicodedata.normalize(fields, key): value for key, value in RECORD.items()}
        naming = Naming(id=names[0], title=names[1], text=names[2])
        assert list(Corpus(saved(tmp_path / name, record), naming=naming)) == EXPECTED

    def test_a_title_that_is_nowhere_is_told(self, tmp_path: Path, name: str) -> None:
        path = saved(tmp_path / name, RECORD)
        said = complaint(path, naming=Naming(id="번호", title="질뮨", text="답변"))
        assert said.startswith(str(path))
        assert said.endswith(
            "--title 질뮨: there is no such field. Did you mean '질문'? Known here: 번호, 질문, 답변, 분류."
        )
        assert list(Corpus(path, naming=NAMING)) == EXPECTED

    def test_a_title_that_nobody_named_need_not_be(self, tmp_path: Path, name: str) -> None:
        path = saved(tmp_path / name, {"id": "1", "text": "글"})
        assert list(Corpus(path)) == [Document("1", "글")]
        assert "--title title: there is no such field" in complaint(path, naming=Naming(title="title"))

    def test_it_need_not_be_in_every_corpus(self, tmp_path: Path, name: str) -> None:
        naming = Naming(title="질문")
        with_it = saved(tmp_path / f"b{name}", {"id": "1", "text": "글", "질문": "?"})
        without = saved(tmp_path / name, {"id": "2", "text": "글"})
        for corpora in ([with_it, without], [without, with_it]):
            assert sorted(one.title for one in Corpus(*corpora, naming=naming)) == ["", "?"]
        also = saved(tmp_path / f"c{name}", {"id": "3", "text": "글"})
        assert "--title 질문: there is no such field. Known here: id, text." in complaint(
            without, also, naming=naming
        )


def test_the_header_tells_before_the_records(tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet"):
        path = saved(tmp_path / name, {"id": "1", "text": " "})
        assert "no such field" in complaint(path, naming=Naming(title="질문"))


def test_a_column_of_empty_cells_is_there(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.csv", {"id": "1", "text": "글", "질문": ""})
    assert list(Corpus(path, naming=Naming(title="질문"))) == [Document("1", "글")]


def test_a_title_that_a_late_record_has_is_there(tmp_path: Path) -> None:
    records = [{"id": str(number), "text": "글", f"field {number}": "x"} for number in range(2000)]
    path = saved(tmp_path / "a.jsonl", *records, {"id": "last", "text": "글", "질문": "?"})
    assert [one.title for one in Corpus(path, naming=Naming(title="질문"))][-1] == "?"


def test_names_of_metadata_are_composed(tmp_path: Path) -> None:
    record = {"id": "1", "text": "글", decomposed("분류"): {decomposed("큰"): "카드"}}
    assert list(Corpus(saved(tmp_path / "a.jsonl", record))) == [Document("1", "글", "", {"분류.큰": "카드"})]
    twice = saved(tmp_path / "b.jsonl", {"id": "1", "text": "글", "분류": "a", decomposed("분류"): "b"})
    assert "is there twice, in two Unicode forms" in complaint(twice, naming=Naming())


def test_a_syllable_may_be_near_another() -> None:
    assert suggested("질뮨", ["질문", "답변"]).startswith("Did you mean '질문'? ")
    assert suggested("batch_sise", ["batch_size"]).startswith("Did you mean 'batch_size'? ")
    assert suggested("x", ()) == "Known here: none."
