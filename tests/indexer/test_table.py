"""CSV as people and spreadsheets write it: quotes that are not closed, carriage returns."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from indexer.corpus import Corpus, Naming
from naru.documents import Document
from naru.errors import NaruError
from naru.records import table

NUMBERED = Naming(numbered=True)


def write(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(content.encode(encoding))
    return path


def complaint(path: Path, **options: Any) -> str:
    with pytest.raises(NaruError) as raised:
        list(Corpus(path, **options))
    return str(raised.value)


def read(path: Path, **options: Any) -> tuple[list[str], list[dict[str, Any]]]:
    """The ids of the documents, and what was rejected."""
    rejects = path.with_suffix(".rejects")
    ids = [one.id for one in Corpus(path, rejects=rejects, **options)]
    return ids, [json.loads(line) for line in rejects.read_text("utf-8").splitlines()]


def rows(changed: dict[int, str], many: int = 999) -> str:
    """A header and so many records, some lines of which are others."""
    lines = ["id,title,text", *(f"{number},제목,글 {number}" for number in range(2, many + 2))]
    for number, line in changed.items():
        lines[number - 1] = line
    return "\n".join(lines) + "\n"


class TestQuotes:
    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            pytest.param({}, "unexpected end of data", id="never"),
            pytest.param({500: '500,"제목",글'}, "',' expected after '\"'", id="at the next cell in quotes"),
            pytest.param({500: '500,5",글'}, "4 cells, but the header has 3", id="at a stray quote"),
        ],
    )
    def test_the_line_of_a_quote_that_is_not_closed_is_bad_and_no_other(
        self, tmp_path: Path, changed: dict[int, str], reason: str
    ) -> None:
        path = write(tmp_path / "a.csv", rows({11: '11,제목,"열린 글', **changed}))
        message = complaint(path)
        assert message.startswith(f"{path}:11: ")
        assert reason in message
        last = next(iter(changed), 1000)
        assert f"the quote that opens on line 11 and goes on to line {last}" in message
        ids, rejected = read(path)
        assert ids == [str(number) for number in range(2, 1001) if number != 11]
        assert [(one["line"], one["raw"]) for one in rejected] == [(11, '11,제목,"열린 글')]

    def test_the_quote_that_opens_behind_a_cell_of_two_lines_is_named(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", 'id,title,text\n1,"두\n줄","열린\n2,제목,글\n3,제목,글\n')
        assert "the quote that opens on line 3 and goes on to line 5" in complaint(path)
        ids, rejected = read(path)
        assert ids == ["2", "3"]
        assert [one["line"] for one in rejected] == [2, 3]

    def test_cells_of_several_lines_stay_whole_among_bad_ones(self, tmp_path: Path) -> None:
        whole = '"말 ""인용""\n,둘째 줄\n\n끝"'
        path = write(tmp_path / "a.csv", f'id,text\n1,{whole}\n2,"열린\n3,{whole}\n4,"\n5,글\n')
        ids, rejected = read(path)
        assert ids == ["1", "3", "5"]
        assert [one["line"] for one in rejected] == [6, 11]
        assert [one.text for one in Corpus(path, rejects=tmp_path / "r")][1] == '말 "인용"\n,둘째 줄\n\n끝'

    def test_undecodable_lines_are_told_on_their_own(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_bytes(b'id,text\n1,"open\n2,\xff\n3,good\n')
        ids, rejected = read(path)
        assert ids == ["3"]
        assert [one["line"] for one in rejected] == [2, 3]
        assert "unexpected end of data" in rejected[0]["reason"]
        assert "is not UTF-8" in rejected[1]["reason"]

    def test_no_more_is_read_ahead_than_a_record_may_have(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(table, "_LARGEST", 200)
        path = write(tmp_path / "a.csv", rows({11: '11,제목,"열린 글'}))
        ids, rejected = read(path)
        assert (len(ids), [one["line"] for one in rejected]) == (998, [11])

    def test_quotes_that_are_wrong_throughout_are_refused_before_it_takes_forever(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(table, "_LARGEST", 2000)
        path = write(tmp_path / "a.csv", "a,text,b\n" + '1","글","제목\n' * 5000)
        said = complaint(path, rejects=tmp_path / "r", naming=NUMBERED)
        assert "a record of more than 2,000 characters" in said
        assert said.endswith("is it CSV? Write the file anew with every cell in quotes.")


class TestCarriageReturns:
    CONTENT = 'id,text\r1,글\r2,"두\r줄"\r\r3,"또\n줄"'
    EXPECTED = (Document("1", "글"), Document("2", "두\r줄"), Document("3", "또\n줄"))

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
    def test_alone_they_end_lines(self, tmp_path: Path, encoding: str) -> None:
        path = write(tmp_path / "a.csv", self.CONTENT, encoding)
        assert list(Corpus(path, encoding=encoding)) == list(self.EXPECTED)

    def test_gzipped(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv.gz").write_bytes(gzip.compress(self.CONTENT.encode()))
        assert list(Corpus(tmp_path / "a.csv.gz")) == list(self.EXPECTED)

    def test_lines_longer_than_what_is_read_at_once(self, tmp_path: Path) -> None:
        texts = ["가" * 30_000, "나" * 99_999, "다"]
        lines = [f"{number},{text}" for number, text in enumerate(texts)]
        path = write(tmp_path / "a.csv", "\r".join(["id,text", *lines, '9,"열린', "10,끝"]) + "\r")
        rejects = tmp_path / "r.jsonl"
        found = list(Corpus(path, rejects=rejects))
        assert [one.text for one in found] == [*texts, "끝"]
        assert json.loads(rejects.read_text("utf-8"))["line"] == 5

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n"])
    def test_with_line_feeds_they_do_not(self, tmp_path: Path, end: str) -> None:
        path = write(tmp_path / "a.csv", end.join(['"me\rmo",id,text', ',1,"두\r줄"', ""]))
        assert list(Corpus(path)) == [Document("1", "두\r줄")]

    def test_in_a_cell_without_quotes_they_are_bad(self, tmp_path: Path) -> None:
        ids, [rejected] = read(write(tmp_path / "a.csv", "id,text\n1,두\r줄\n2,글\n"))
        assert (ids, rejected["line"]) == (["2"], 2)
        assert "new-line character seen in unquoted field" in rejected["reason"]
