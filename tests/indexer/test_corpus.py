"""Corpora on disk: what each format holds comes out, and what is wrong is named with its place."""

from __future__ import annotations

import csv
import gzip
import json
import os
import tempfile
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.corpus import Corpus, Naming
from indexer.corpus.folder import Remarks
from naru.documents import Document
from naru.errors import NaruError

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "beir"

CARD = Document("1", "카드를 잃어버렸어요", "분실", {"year": 2024})


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def jsonl(path: Path, *records: object) -> Path:
    return write(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def complaint(*locations: Path | str, **options: object) -> str:
    with pytest.raises(NaruError) as raised:
        list(Corpus(*locations, **options))  # type: ignore[arg-type]
    return str(raised.value)


class TestNaming:
    FAQ = "질문,답변,분류\n카드를 잃어버렸어요,앱에서 신고하세요.,카드\n비밀번호를 잊었어요,영업점에 오세요.,계정\n"

    def test_fields_of_other_names_and_records_without_an_id(self, tmp_path: Path) -> None:
        path = write(tmp_path / "faq.csv", self.FAQ)
        assert list(Corpus(path, naming=Naming(title="질문", text="답변", numbered=True))) == [
            Document("2", "앱에서 신고하세요.", "카드를 잃어버렸어요", {"분류": "카드"}),
            Document("3", "영업점에 오세요.", "비밀번호를 잊었어요", {"분류": "계정"}),
        ]

    def test_a_named_id_leaves_the_others_as_metadata(self, tmp_path: Path) -> None:
        path = jsonl(
            tmp_path / "a.jsonl", {"번호": 7, "본문": "글", "id": "x"}, {"번호": 8, "본문": "또", "질문": "?"}
        )
        found = list(Corpus(path, naming=Naming(id="번호", text="본문", title="질문")))
        assert found == [Document("7", "글", "", {"id": "x"}), Document("8", "또", "?")]

    def test_parquet(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"본문": ["글", "또"]}), tmp_path / "a.parquet")
        found = list(Corpus(tmp_path / "a.parquet", naming=Naming(text="본문", numbered=True)))
        assert found == [Document("1", "글"), Document("2", "또")]

    def test_the_delimiter_is_that_which_makes_the_text_a_column(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", "번호;본문\n1;하나, 둘\n")
        assert list(Corpus(path, naming=Naming(id="번호", text="본문"))) == [Document("1", "하나, 둘")]

    def test_the_complaint_guesses_the_flags(self, tmp_path: Path) -> None:
        said = complaint(write(tmp_path / "faq.csv", self.FAQ))
        assert said.endswith("--text 답변 --title 질문 --number-rows")
        assert complaint(jsonl(tmp_path / "a.jsonl", {"key": "1", "x": "글"})).endswith(
            "--text FIELD --id key"
        )
        pq.write_table(pa.table({"번호": ["1"], "text": ["글"]}), tmp_path / "a.parquet")
        assert complaint(tmp_path / "a.parquet").endswith(": --id 번호")

    def test_a_later_record_is_told_what_it_lacks_and_no_more(self, tmp_path: Path) -> None:
        path = jsonl(tmp_path / "a.jsonl", {"id": "1", "text": "글"}, {"id": "2", "내용": "글"})
        assert complaint(path) == f"{path}:2: no 'text' among 'id', '내용'; expected the text to search."

    def test_a_folder_of_texts_has_no_fields(self, tmp_path: Path) -> None:
        write(tmp_path / "a.md", "# 제목")
        assert "no fields to name" in complaint(tmp_path, naming=Naming(text="본문"))

    def test_an_id_and_numbers_exclude_each_other(self) -> None:
        with pytest.raises(ValueError, match="not both"):
            Naming(id="번호", numbered=True)


class TestJsonLines:
    @pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.JSONL"])
    def test_reads_records(self, tmp_path: Path, name: str) -> None:
        path = jsonl(tmp_path / name, {"id": "1", "title": "분실", "text": CARD.text, "year": 2024})
        assert list(Corpus(path)) == [CARD]

    def test_beir_folder(self, tmp_path: Path) -> None:
        jsonl(
            tmp_path / "corpus.jsonl",
            {"_id": "1", "title": "분실", "text": CARD.text, "metadata": {"year": 2024}},
        )
        jsonl(tmp_path / "queries.jsonl", {"_id": "q", "text": "카드"})
        assert list(Corpus(tmp_path)) == [CARD]

    def test_gzipped_beir_folder(self, tmp_path: Path) -> None:
        line = json.dumps({"_id": "1", "text": "글"})
        write(tmp_path / "corpus.jsonl.gz", gzip.compress(line.encode()))
        assert list(Corpus(tmp_path)) == [Document("1", "글")]

    def test_mark_blank_lines_and_windows_line_ends(self, tmp_path: Path) -> None:
        path = write(
            tmp_path / "a.jsonl", b'\xef\xbb\xbf{"id": "1", "text": "a"}\r\n\r\n{"id": "2", "text": "b"}'
        )
        assert [document.id for document in Corpus(path)] == ["1", "2"]

    def test_metadata(self, tmp_path: Path) -> None:
        record = {
            "id": 7,
            "text": "글",
            "title": None,
            "open": True,
            "rate": 1.5,
            "tags": ["a", None, "b"],
            "none": None,
        }
        nested = {"place": {"city": "서울", "at": {"x": 1}}, "metadata": {"kind": "faq"}, "empty": []}
        assert list(Corpus(jsonl(tmp_path / "a.jsonl", record | nested))) == [
            Document(
                "7",
                "글",
                "",
                {
                    "open": True,
                    "rate": 1.5,
                    "tags": ["a", "b"],
                    "place.city": "서울",
                    "place.at.x": 1,
                    "kind": "faq",
                    "empty": [],
                },
            )
        ]

    def test_position_reaches_size(self, tmp_path: Path) -> None:
        path = jsonl(tmp_path / "a.jsonl", *({"id": str(number), "text": "글" * 999} for number in range(99)))
        corpus = Corpus(path)
        assert (corpus.size, corpus.position) == (path.stat().st_size, 0)
        documents = iter(corpus)
        next(documents)
        assert 0 < corpus.position < path.stat().st_size / 2
        assert len(list(documents)) == 98
        assert corpus.position == corpus.size

    def test_each_iteration_starts_anew(self, tmp_path: Path) -> None:
        corpus = Corpus(jsonl(tmp_path / "a.jsonl", {"id": "1", "text": "글"}))
        assert list(corpus) == list(corpus)

    def test_nul_is_text(self, tmp_path: Path) -> None:
        assert (
            next(iter(Corpus(write(tmp_path / "a.jsonl", r'{"id": "1", "text": "a\u0000b"}')))).text == "a\0b"
        )


GOOD = '{"id": "1", "text": "글"}\n'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": "2", "text": "글"', "not JSON: Expecting ',' delimiter at character 23, near"),
        ("카드 분실", "not JSON: Expecting value at character 0, near '카드 분실'"),
        ("[" * 100_000, "not JSON that can be read"),
        ('{"id": "2", "text": "글", "n": NaN}', "NaN is not a JSON number"),
        ('["2", "글"]', "expected one object a line"),
        ('{"id": "2"}', "no 'text' among 'id'"),
        ('{"id": "2", "text": null}', "'text' is empty; expected the text to search."),
        ('{"id": null, "text": "글"}', "'id' is empty; expected text that names the record."),
        ('{"id": "2", "text": " \\n\\t　"}', "'text' is blank"),
        ('{"id": "2", "text": ["글"]}', "'text' is a list; expected text"),
        ('{"text": "글"}', "no 'id' (or '_id') among 'text'"),
        ('{"id": " ", "text": "글"}', "'id' is blank"),
        ('{"id": true, "text": "글"}', "'id' is a boolean; expected text or a whole number"),
        ('{"id": 2.5, "text": "글"}', "'id' is 2.5; expected text or a whole number"),
        (
            '{"id": 1e300, "text": "글"}',
            "'id' is 1e+300; expected text or a whole number (as a float, below 2**53)",
        ),
        ('{"id": 1.0, "text": "또"}', "id '1' was on line 1 already"),
        ('{"id": "2", "_id": "3", "text": "글"}', "'id' is '2' and '_id' is '3'"),
        ('{"id": "2", "title": 3, "text": "글"}', "'title' is a number; expected text"),
        ('{"id": "2", "text": "글", "a": [[1]]}', "field 'a' holds a list"),
        ('{"id": "2", "text": "글", "a": [{"b": 1}]}', "field 'a' holds an object"),
        ('{"id": "2", "text": "글", "a": {"b": 1}, "a.b": 2}', "field 'a.b' is there twice"),
        ('{"id": "2", "text": "글", "a": 1e999}', "field 'a' holds a number that is not finite"),
        ('{"id": "2", "text": "글", "a": 1%s}' % ("0" * 400), "field 'a' holds a number that is not finite"),
        ('{"id": "2", "text": "글\\ud800"}', "'text' holds half a surrogate pair (U+D800) at character 1"),
        ('{"id": "\\udc00", "text": "글"}', "'id' holds half a surrogate pair"),
        ('{"id": "2", "text": "글", "a": {"\\udc00": 1}}', "half a surrogate pair"),
        ('{"id": 1, "text": "또"}', "id '1' was on line 1 already; expected each id once"),
    ],
)
def test_a_bad_record_is_named_or_rejected(tmp_path: Path, line: str, said: str) -> None:
    path = write(tmp_path / "a.jsonl", GOOD + "\n" + line + "\n" + GOOD.replace("1", "9"))
    message = complaint(path)
    assert message.startswith(f"{path}:3: ")
    assert said in message
    message.encode()

    corpus = Corpus(path, rejects=tmp_path / "rejects.jsonl")
    assert [document.id for document in corpus] == ["1", "9"]
    (rejected,) = map(json.loads, (tmp_path / "rejects.jsonl").read_text("utf-8").splitlines())
    assert rejected == {
        "file": str(path),
        "line": 3,
        "reason": message.removeprefix(f"{path}:3: "),
        "raw": line,
    }
    assert corpus.rejected == 1


def test_rejected_records_are_counted_by_reading_and_by_location(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "a", "text": "글"}\n{"id": "b"}\n', encoding="utf-8")
    (tmp_path / "b.jsonl").write_text("\n", encoding="utf-8")
    corpus = Corpus(tmp_path / "a.jsonl", rejects=tmp_path / "r.jsonl")
    for _ in range(2):
        assert len(list(corpus)) == 1
        assert corpus.rejected == 1
    with pytest.raises(NaruError, match=r"b\.jsonl: no records"):
        list(Corpus(tmp_path / "a.jsonl", tmp_path / "b.jsonl", rejects=tmp_path / "r.jsonl"))


class TestEncoding:
    TEXT = '{"id": "1", "text": "plain"}\n{"id": "2", "text": "분실 신고"}\n'

    def test_cp949_is_named_with_its_fix(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.jsonl", self.TEXT.encode("cp949"))
        at = self.TEXT.encode("cp949").index("분".encode("cp949"))
        message = complaint(path)
        assert message.startswith(f"{path}:2: byte {at} of the file (0xba) is not UTF-8")
        assert message.endswith("it looks like CP949 (EUC-KR): pass `--encoding cp949`.")
        assert [document.text for document in Corpus(path, encoding="cp949")] == ["plain", "분실 신고"]

    def test_utf8_read_as_cp949(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.jsonl", '{"id": "1", "text": "똠방각하 펲시콜라 쀍"}')
        assert "it looks like UTF-8" in complaint(path, encoding="cp949")

    def test_bytes_that_are_neither(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.jsonl", b'{"id": "1", "text": "\xff\xff"}')
        assert "pass its encoding with `--encoding NAME`" in complaint(path)

    def test_undecodable_lines_can_be_rejected(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.jsonl", b'{"id": "1", "text": "\xff"}\n' + GOOD.encode())
        assert [document.id for document in Corpus(path, rejects=tmp_path / "r.jsonl")] == ["1"]

    @pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
    def test_utf16_as_spreadsheets_save_it(self, tmp_path: Path, name: str) -> None:
        path = write(tmp_path / name, 'id\ttext\n1\t"두\n줄"\n'.encode("utf-16"))
        assert "is UTF-16, not UTF-8: pass `--encoding utf-16`" in complaint(path)
        assert list(Corpus(path, encoding="utf-16")) == [Document("1", "두\n줄")]

    def test_not_utf16(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.jsonl", GOOD)
        assert "not UTF-16 after line 0" in complaint(path, encoding="utf-16")

    @pytest.mark.parametrize("name", ["utf-99", "base64"])
    def test_unknown(self, tmp_path: Path, name: str) -> None:
        assert f"Unknown encoding '{name}'" in complaint(write(tmp_path / "a.jsonl", GOOD), encoding=name)


class TestTable:
    @pytest.mark.parametrize(
        ("name", "mark"), [("a.csv", ","), ("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", "\t")]
    )
    def test_delimiters(self, tmp_path: Path, name: str, mark: str) -> None:
        rows = [
            ["id", "title", "text", "memo"],
            ["1", "a", f'말 "인용"{mark}\n둘째 줄', ""],
            ["2", "", "글", "007"],
        ]
        with (tmp_path / name).open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file, delimiter=mark).writerows(rows)
        assert list(Corpus(tmp_path / name)) == [
            Document("1", f'말 "인용"{mark}\n둘째 줄', "a"),
            Document("2", "글", "", {"memo": "007"}),
        ]

    def test_a_saved_index_and_blank_lines(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", "\n,id,text\n\n0,a,글\n\n")
        assert list(Corpus(path)) == [Document("a", "글")]

    @pytest.mark.parametrize(
        ("content", "line", "said"),
        [
            ("a,b\n1,2\n", 1, "the columns are 'a', 'b'; expected 'id' and 'text' among them"),
            ("id,text,text\n1,2,3\n", 1, "the header names 'text' twice"),
            ('id,text\n1,"a\nb"\n2\n', 4, "1 cells, but the header has 2"),
            (
                'id,text\n1,글\n2,"열린\n따옴표\n',
                3,
                "not CSV: unexpected end of data (the quote that opens on line 3",
            ),
            ('id,text\n1,"a"b\n', 2, "not CSV"),
            ("id,text\n1,글\n1,또\n", 3, "id '1' was on line 2 already"),
            ("id,text\n1,\n", 2, "'text' is empty; expected the text to search."),
            ("id,text\n,글\n", 2, "'id' is empty; expected text that names the record."),
            ("id,te\rxt\n1,글\n", 1, "the columns are 'id', 'te'"),
            ('id,text,"열린\n1,글,\n', 1, "the header is not CSV: unexpected end of data"),
        ],
    )
    def test_errors(self, tmp_path: Path, content: str, line: int, said: str) -> None:
        path = write(tmp_path / "a.csv", content)
        message = complaint(path)
        assert message.startswith(f"{path}:{line}: ")
        assert said in message

    def test_bad_rows_are_rejected_as_written(self, tmp_path: Path) -> None:
        rows = ["id,text", "1,좋은 글", '2,"a"b', "3", '4,"둘\n\udcff"', "5,끝"]
        path = write(tmp_path / "a.csv", "\n".join(rows).encode("utf-8", "surrogateescape"))
        corpus = Corpus(path, rejects=tmp_path / "r.jsonl")
        assert [document.id for document in corpus] == ["1", "5"]
        rejected = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text("utf-8").splitlines()]
        assert [(one["line"], one["raw"]) for one in rejected] == [(3, '2,"a"b'), (4, "3"), (5, '4,"둘\n�"')]
        assert "is not UTF-8" in rejected[2]["reason"]


texts = st.text(st.characters(exclude_categories=["Cs"])).filter(str.strip)


@given(st.lists(st.tuples(texts, texts), min_size=1, unique_by=lambda row: row[0]))
def test_any_text_survives(rows: list[tuple[str, str]]) -> None:
    expected = [Document(identity, text) for identity, text in rows]
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "a.jsonl"
        jsonl(lines, *({"id": identity, "text": text} for identity, text in rows))
        assert list(Corpus(lines)) == expected
        for name, mark in (("a.csv", ","), ("a.tsv", "\t")):
            with (Path(folder) / name).open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, delimiter=mark, quoting=csv.QUOTE_ALL).writerows([("id", "text"), *rows])
            assert list(Corpus(Path(folder) / name)) == expected


class TestParquet:
    def test_types(self, tmp_path: Path) -> None:
        moment = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
        table = pa.table(
            {
                "id": pa.array([1, 2]),
                "text": ["글", "둘째"],
                "title": pa.array(["제목", None]).dictionary_encode(),
                "day": [date(2024, 5, 6), None],
                "moment": [moment, None],
                "exact": pa.array([1_700_000_000_123_456_789, None], pa.timestamp("ns")),
                "price": [Decimal("1.50"), None],
                "tags": [["a", "b"], None],
                "place": [{"city": "서울"}, None],
                "metadata": [{"open": True}, None],
            }
        )
        pq.write_table(table, tmp_path / "a.parquet")
        corpus = Corpus(tmp_path / "a.parquet")
        assert corpus.size == 2
        assert list(corpus) == [
            Document(
                "1",
                "글",
                "제목",
                {
                    "day": "2024-05-06",
                    "moment": "2024-05-06T07:08:09+00:00",
                    "exact": "2023-11-14T22:13:20.123456",
                    "price": 1.5,
                    "tags": ["a", "b"],
                    "place.city": "서울",
                    "open": True,
                },
            ),
            Document("2", "둘째"),
        ]
        assert corpus.position == 2

    def test_bad_row(self, tmp_path: Path) -> None:
        table = pa.table({"id": ["1", "2", "3"], "text": ["글", None, "끝"], "blob": [None, None, b"x"]})
        pq.write_table(table, tmp_path / "a.parquet")
        assert complaint(tmp_path / "a.parquet").startswith(f"{tmp_path / 'a.parquet'}:2: 'text' is empty")
        assert len(list(Corpus(tmp_path / "a.parquet", rejects=tmp_path / "r.jsonl"))) == 1
        lines = (tmp_path / "r.jsonl").read_text("utf-8").splitlines()
        assert "field 'blob' holds a value of type bytes" in json.loads(lines[1])["reason"]

    def test_other_columns(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"key": ["1"], "text": ["글"]}), tmp_path / "a.parquet")
        assert "the columns are 'key', 'text'; expected 'id' and 'text'" in complaint(tmp_path / "a.parquet")

    def test_not_parquet(self, tmp_path: Path) -> None:
        assert "cannot be read as Parquet" in complaint(write(tmp_path / "a.parquet", GOOD))

    @pytest.mark.parametrize(
        "column",
        [
            pa.array([1, 10**18, None], pa.timestamp("us")),
            pa.array([1, 10**9, None], pa.date32()),
            pa.array([None, [1, 10**18], []], pa.list_(pa.timestamp("ms", "Asia/Seoul"))),
        ],
    )
    def test_a_moment_beyond_the_calendar(self, tmp_path: Path, column: pa.Array) -> None:
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table({"id": ["1", "2", "3"], "text": ["글", "또", "끝"], "시행일": column}), path)
        assert complaint(path).startswith(f"{path}:2: '시행일' holds what Python has no date or time for (")
        corpus = Corpus(path, rejects=tmp_path / "r.jsonl")
        assert [one.id for one in corpus] == ["1", "3"]
        assert (corpus.rejected, corpus.position) == (1, 3)
        rejected = json.loads((tmp_path / "r.jsonl").read_text("utf-8"))
        assert (rejected["line"], rejected["raw"]["text"]) == (2, "또")
        assert "expected the years 1 to 9999" in rejected["reason"]


class TestFolder:
    def test_titles_and_ids(self, tmp_path: Path) -> None:
        nested = tmp_path / unicodedata.normalize("NFD", "안내")
        nested.mkdir()
        write(nested / "카드 분실.md", "\n# 카드를 잃어버렸을 때 ##\n\n전화하세요.\n")
        write(tmp_path / "code.md", "머리말\n```sh\n# not a heading\n```\n## 설치\n끝")
        write(tmp_path / "alone.md", "# 제목뿐")
        write(tmp_path / "메모.txt", "# 그대로")
        write(tmp_path / ".hidden.md", "안 봄")
        write(tmp_path / "other.pdf", "안 봄")
        corpus = Corpus(tmp_path)
        assert corpus.size == 4
        assert sorted(corpus, key=lambda document: document.id) == [
            Document("alone.md", "# 제목뿐", "제목뿐"),
            Document("code.md", "머리말\n```sh\n# not a heading\n```\n## 설치\n끝", "설치"),
            Document("메모.txt", "# 그대로", "메모"),
            Document("안내/카드 분실.md", "전화하세요.", "카드를 잃어버렸을 때"),
        ]
        assert corpus.position == 4

    def test_one_name_in_two_unicode_forms(self, tmp_path: Path) -> None:
        for form in ("NFC", "NFD"):
            write(tmp_path / unicodedata.normalize(form, "글.txt"), "글")  # type: ignore[arg-type]
        assert "another file has the same name in another Unicode form (글.txt)" in complaint(tmp_path)

    def test_files_of_two_encodings(self, tmp_path: Path) -> None:
        write(tmp_path / "a.txt", "첫 줄\n둘째\n".encode("cp949"))
        write(tmp_path / "b.txt", "셋째")
        expected = [Document("a.txt", "첫 줄\n둘째", "a"), Document("b.txt", "셋째", "b")]
        corpus = Corpus(tmp_path)
        assert list(corpus) == list(corpus) == expected
        assert corpus.remarks == Remarks({}, cp949=1)
        assert [*corpus.remarks.sentences()] == ["1 file read as CP949, not being UTF-8."]
        assert "pass `--encoding cp949`" in complaint(tmp_path, encoding="utf-8")
        assert "it looks like UTF-8" in complaint(tmp_path, encoding="cp949")
        write(tmp_path / "a.txt", b"\xff\xff")
        assert complaint(tmp_path).startswith(
            f"{tmp_path / 'a.txt'}:1: byte 0 of the file (0xff) is not UTF-8"
        )

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
    def test_utf16_with_its_mark_is_read(self, tmp_path: Path, encoding: str) -> None:
        mark = "" if encoding == "utf-16" else "\ufeff"
        write(tmp_path / "a.md", f"{mark}# 제목\r\n본문\r\n".encode(encoding))
        write(tmp_path / "b.txt", "글".encode("cp949"))
        corpus = Corpus(tmp_path)
        assert list(corpus) == [Document("a.md", "본문", "제목"), Document("b.txt", "글", "b")]
        assert corpus.remarks == Remarks({}, cp949=1)
        corpus = Corpus(tmp_path, encoding="cp949", rejects=tmp_path / "r.jsonl")
        assert ([one.id for one in corpus], corpus.rejected) == (["b.txt"], 1)
        assert f"{tmp_path / 'a.md'}:1: is UTF-16, not UTF-8" in complaint(tmp_path, encoding="utf-8")

    def test_a_file_that_cannot_be_opened_is_bad(self, tmp_path: Path) -> None:
        write(tmp_path / "a.md", "글")
        (tmp_path / "b.md").symlink_to("gone.md")
        (tmp_path / "c.md").symlink_to("c.md")
        assert complaint(tmp_path) == f"{tmp_path / 'b.md'}:1: is a link to nowhere; mend or remove it."
        corpus = Corpus(tmp_path, rejects=tmp_path / "r.jsonl")
        assert ([one.id for one in corpus], corpus.rejected) == (["a.md"], 2)
        said = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text("utf-8").splitlines()]
        assert [one["file"] for one in said] == [str(tmp_path / "b.md"), str(tmp_path / "c.md")]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
    def test_a_file_without_the_right_to_read_it(self, tmp_path: Path) -> None:
        write(tmp_path / "a.md", "글").chmod(0)
        assert complaint(tmp_path) == (
            f"{tmp_path / 'a.md'}:1: cannot be read: Permission denied. Give the right to read it, or move it."
        )

    def test_blank_files_and_those_of_other_kinds_are_counted(self, tmp_path: Path) -> None:
        write(tmp_path / "a.md", "글")
        for name, content in (("b.md", " \n"), ("c.html", "<script>f()</script>"), ("d.txt", "")):
            write(tmp_path / name, content)
        for name in ("e.pdf", "f.PDF", "g.hwp", "LICENSE", ".hidden.pdf"):
            write(tmp_path / name, "x")
        corpus = Corpus(tmp_path)
        assert [one.id for one in corpus] == ["a.md"]
        assert corpus.remarks == Remarks({".pdf": 2, ".hwp": 1, "(no ending)": 1}, blank=3)
        assert [*corpus.remarks.sentences()] == [
            "4 files of other kinds not read: (no ending) 1, .hwp 1, .pdf 2.",
            "3 files without any text passed over.",
        ]
        (tmp_path / "a.md").unlink()
        assert "no records" in complaint(tmp_path)
        for path in tmp_path.glob("[b-d].*"):
            path.unlink()
        assert "nothing to read among (no ending), .hwp, .pdf; expected .md" in complaint(tmp_path)

    @pytest.mark.parametrize(
        ("page", "title", "text"),
        [
            pytest.param(
                "<!doctype html><html><head><title> 카드 &amp;\n계좌 </title><style>p{}</style></head><body>"
                "<nav><ul><li>처음<li>메뉴</ul></nav><h1>분실 신고</h1><p>바로 <b>신고</b>하\n세요.<br>24시간&nbsp;됩니다."
                "<script>if (a < b) '<p>no</p>'</script></body></html>",
                "카드 & 계좌",
                "분실 신고\n바로 신고하 세요.\n24시간 됩니다.",
                id="title, entities, blocks",
            ),
            pytest.param(
                "<h1>제목 <i>하나</i></h1><p>글<h1>둘</h1>", "제목 하나", "글\n둘", id="first h1, said once"
            ),
            pytest.param("<h1>제목뿐</h1>", "제목뿐", "제목뿐", id="nothing but a heading"),
            pytest.param(
                "<td>수수료<td>500원<tr><td>면제", "a", "수수료 500원\n면제", id="cells, the file's name"
            ),
            pytest.param("<pre>한 줄\n  두 줄</pre>", "a", "한 줄\n두 줄", id="preformatted"),
            pytest.param(
                "<nav>메뉴<ul><li>x</nav><p>&lt;글&gt; &#54620;", "a", "<글> 한", id="unclosed inside nav"
            ),
            pytest.param(
                "<title>요금 안내</title><svg><title>로고</title></svg><p>글<svg><title>닫기 아이콘</title></svg>"
                "<title>또</title>",
                "요금 안내",
                "글",
                id="titles of drawings",
            ),
            pytest.param("<svg><title>로고</title></svg><p>글", "a", "글", id="no title but a drawing's"),
            pytest.param(
                "<head><title>요금 안내\n<meta name=x></head><body><p>글<svg><title>로고</title></svg><p>끝",
                "요금 안내",
                "글\n끝",
                id="a title that is not closed",
            ),
            pytest.param("<p>글<title>요금", "요금", "글", id="nor anything after it"),
        ],
    )
    def test_html(self, tmp_path: Path, page: str, title: str, text: str) -> None:
        write(tmp_path / "a.htm", page.encode("cp949", "xmlcharrefreplace"))
        assert list(Corpus(tmp_path)) == [Document("a.htm", text, title)]

    def test_html_that_the_parser_of_some_pythons_refuses(self, tmp_path: Path) -> None:
        write(tmp_path / "a.html", "<p>글<![unknown[x]]>")
        try:
            assert [one.text for one in Corpus(tmp_path)] == ["글"]
        except NaruError:
            assert complaint(tmp_path).startswith(f"{tmp_path / 'a.html'}:1: not HTML that can be read: ")


class TestHuggingFace:
    def test_saved_splits(self, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets")
        made = datasets.Dataset.from_dict({"id": [1], "text": ["글"], "day": [date(2024, 5, 6)]})
        datasets.DatasetDict({"train": made, "test": made}).save_to_disk(tmp_path / "two")
        made.save_to_disk(tmp_path / "one")
        expected = [Document("1", "글", "", {"day": "2024-05-06"})]
        assert list(Corpus(tmp_path / "one")) == expected
        corpus = Corpus(f"hf://{tmp_path}/two:test")
        assert (corpus.size, list(corpus), corpus.position) == (1, expected, 1)
        assert f"which split? Expected hf://{tmp_path}/two:train or" in complaint(tmp_path / "two")
        assert "no split 'dev'" in complaint(f"hf://{tmp_path}/two:dev")
        assert "got :dev, expected no split name" in complaint(f"hf://{tmp_path}/one:dev")

    def test_without_the_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "datasets", None)
        assert "pip install datasets" in complaint("hf://owner/name")

    def test_without_a_name(self) -> None:
        assert complaint("hf://") == "hf://: names no dataset; expected hf://OWNER/NAME[:SPLIT]."


class TestJsonArray:
    ROWS = (
        '{"id": 1, "text": "첫째", "metadata": {"분류": "카드"}}',
        '{"id": "둘", "text": "둘째", "title": "제목"}',
    )

    @pytest.mark.parametrize("around", ["[\n{},\n{}\n]", '{{"version": "1.0",\n"data": [{},\n{}]}}'])
    def test_array(self, tmp_path: Path, around: str) -> None:
        first, second = Corpus(write(tmp_path / "a.json", around.format(*self.ROWS)))
        assert (first.id, first.text, first.metadata) == ("1", "첫째", {"분류": "카드"})
        assert (second.id, second.text, second.title) == ("둘", "둘째", "제목")

    def test_encoding_and_gzip(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.json.gz", gzip.compress(f"[{','.join(self.ROWS)}]".encode("cp949")))
        assert [one.text for one in Corpus(path, encoding="cp949")] == ["첫째", "둘째"]
        assert "json.gz:1: " in complaint(path)
        assert "it looks like CP949" in complaint(path)

    def test_bad_records_are_skipped_by_line(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.json", f"[{self.ROWS[0]},\n7,\n{{}},\n{self.ROWS[1]}]")
        assert complaint(path).startswith(f"{path}:2: got '7', expected an object")
        corpus = Corpus(path, rejects=tmp_path / "rejects.jsonl")
        assert ([one.id for one in corpus], corpus.rejected) == (["1", "둘"], 2)
        rejects = (tmp_path / "rejects.jsonl").read_text("utf-8").splitlines()
        assert [json.loads(line)["line"] for line in rejects] == [2, 3]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("[{},\n{]", "a.json:2: not JSON"),
            ("[{}", "a.json:1: the array does not end"),
            ("[]\n[]", "a.json:2: there is more behind the array"),
            ('{"a": 1}', "a.json: expected one array of objects"),
            ("[]", "no records"),
        ],
    )
    def test_what_is_no_array_of_objects(self, tmp_path: Path, content: str, message: str) -> None:
        assert message in complaint(write(tmp_path / "a.json", content), rejects=tmp_path / "rejects.jsonl")


class TestLocation:
    @pytest.mark.parametrize(
        ("name", "said"), [("a.jsonl", "no records"), ("a.csv", "is empty; expected a header")]
    )
    @pytest.mark.parametrize("content", ["", "\n \n"])
    def test_empty(self, tmp_path: Path, name: str, said: str, content: str) -> None:
        path = write(tmp_path / name, content)
        assert complaint(path).startswith(f"{path}: {said}")

    def test_a_header_alone_is_empty(self, tmp_path: Path) -> None:
        assert "no records" in complaint(write(tmp_path / "a.csv", "id,text\n"))

    def test_all_rejected(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.jsonl", "x\ny\n")
        assert "not one of its 2 records could be read" in complaint(path, rejects=tmp_path / "r.jsonl")
        assert len((tmp_path / "r.jsonl").read_text("utf-8").splitlines()) == 2

    def test_rejects_cannot_be_written(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.jsonl", GOOD)
        assert "cannot write the rejected records there" in complaint(path, rejects=tmp_path / "no" / "r")

    def test_missing(self, tmp_path: Path) -> None:
        assert complaint(tmp_path / "no.jsonl") == f"{tmp_path / 'no.jsonl'}: no such file or folder."

    def test_unknown_extension(self, tmp_path: Path) -> None:
        message = complaint(write(tmp_path / "a.xlsx", "[]"))
        assert "unknown kind of corpus '.xlsx'; expected a file .jsonl, .ndjson" in message

    def test_nothing_to_read(self, tmp_path: Path) -> None:
        assert "nothing to read; expected .md, .markdown, .txt, .html, .htm files" in complaint(tmp_path)

    def test_not_gzip(self, tmp_path: Path) -> None:
        assert "not a whole gzip file" in complaint(write(tmp_path / "a.jsonl.gz", GOOD))
        cut = gzip.compress(GOOD.encode() * 99)[:-12]
        assert "not a whole gzip file" in complaint(
            write(tmp_path / "a.jsonl.gz", cut), rejects=tmp_path / "r"
        )


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data/beir, which is not part of the project")
@pytest.mark.parametrize(("name", "passages"), [("korquad-dev", 964), ("law", 19_978), ("welfare", 451)])
def test_real_corpora(name: str, passages: int) -> None:
    assert sum(1 for _ in Corpus(DATA / name)) == passages


class TestSeveral:
    @pytest.fixture
    def corpora(self, tmp_path: Path) -> list[Path]:
        (tmp_path / "docs").mkdir()
        write(tmp_path / "docs" / "안내.md", "# 안내\n전화하세요.")
        return [
            jsonl(tmp_path / "a.jsonl", {"id": "1", "text": "하나"}, {"id": "2", "text": "둘"}),
            write(tmp_path / "b.csv", "id,text\n3,셋\n"),
            tmp_path / "docs",
        ]

    def test_one_after_the_other(self, corpora: list[Path]) -> None:
        corpus = Corpus(*corpora)
        assert [one.id for one in corpus] == ["1", "2", "3", "안내.md"]
        assert corpus.location == " ".join(map(str, corpora))
        files = [*corpora[:2], corpora[2] / "안내.md"]
        assert corpus.size == corpus.position == sum(file.stat().st_size for file in files)

    def test_position_grows_through_each(self, corpora: list[Path]) -> None:
        corpus = Corpus(*corpora)
        seen = [corpus.position, *(corpus.position for _ in corpus)]
        assert seen == sorted(seen)
        assert seen[0] == 0 < seen[1] < seen[-1]

    def test_an_id_of_another_file_is_named_with_its_place(self, tmp_path: Path, corpora: list[Path]) -> None:
        write(corpora[1], "id,text\n3,셋\n2,또\n")
        message = complaint(*corpora)
        assert message.startswith(f"{corpora[1]}:3: id '2' was in {corpora[0]}:2 already")
        rejects = tmp_path / "r.jsonl"
        write(corpora[0], '{"id": "1", "text": "하나"}\n{"id": "2", "text": "둘"}\n{"id": "4"}\n')
        corpus = Corpus(*corpora, rejects=rejects)
        assert [one.id for one in corpus] == ["1", "2", "3", "안내.md"]
        said = [json.loads(line) for line in rejects.read_text("utf-8").splitlines()]
        assert [(one["file"], one["line"]) for one in said] == [(str(corpora[0]), 3), (str(corpora[1]), 3)]
        assert corpus.rejected == 2

    def test_files_of_one_name_in_two_folders(self, tmp_path: Path, corpora: list[Path]) -> None:
        (tmp_path / "more").mkdir()
        write(tmp_path / "more" / "안내.md", "다른 글")
        assert f"id '안내.md' was in {corpora[2] / '안내.md'}:1 already" in complaint(
            corpora[2], tmp_path / "more"
        )

    def test_numbers_carry_their_file_and_folders_have_no_fields(self, corpora: list[Path]) -> None:
        corpus = Corpus(*corpora, naming=Naming(numbered=True))
        assert [one.id for one in corpus] == ["a.jsonl:1", "a.jsonl:2", "b.csv:2", "안내.md"]

    def test_one_without_records(self, tmp_path: Path, corpora: list[Path]) -> None:
        empty = write(tmp_path / "c.jsonl", "")
        assert complaint(*corpora, empty) == (
            f"{empty}: no records; expected at least one with an id and a text."
        )

    def test_rejects_over_any_of_them_are_refused(self, corpora: list[Path]) -> None:
        assert "over the corpus itself" in complaint(*corpora, rejects=corpora[1])


def test_two_objects_on_a_line_with_one_id(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", '[{"id": "1", "text": "글"}, {"id": "1", "text": "또"}]')
    assert "id '1' was on line 1 already" in complaint(path)
