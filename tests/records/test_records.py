"""What training data and judged pairs are read by: any format, by line, on behind what cannot be read."""

from __future__ import annotations

import csv
import gzip
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naru.errors import NaruError
from naru.lines import columns, placed
from naru.records import Bad, open_records, read_records


def read(path: Path, content: str | bytes) -> tuple[list[tuple[int, dict[str, Any]]], list[Bad]]:
    """(line, fields) of the records, and those that could not be read."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    bad: list[Bad] = []
    return [(line, dict(fields)) for line, fields in read_records(path, bad.append)], bad


def test_nested_objects_are_flattened(tmp_path: Path) -> None:
    content = '{"labels": {"label": 3, "by": {"whom": null}}}\n\n[1]\n{"text": "글"}\n'
    found, [bad] = read(tmp_path / "a.jsonl", content)
    assert found == [(1, {"labels.label": 3, "labels.by.whom": None}), (4, {"text": "글"})]
    assert (bad.line, bad.raw) == (3, "[1]")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz", "a.json.gz"])
def test_gzipped(tmp_path: Path, name: str) -> None:
    content = {
        "a.csv.gz": "query,score\n카드,1\n",
        "a.jsonl.gz": '{"query": "카드", "score": "1"}\n',
        "a.json.gz": '[{"query": "카드", "score": "1"}]',
    }[name]
    found, bad = read(tmp_path / name, gzip.compress(content.encode()))
    assert ([fields for _, fields in found], bad) == ([{"query": "카드", "score": "1"}], [])


def test_the_first_record_that_cannot_be_read_ends_it_unless_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('query,document\n가,"나\n다,라\n', "utf-8")
    with pytest.raises(NaruError, match=r"a\.csv:2: not CSV: unexpected end of data"):
        list(read_records(tmp_path / "a.csv"))
    found, [bad] = read(tmp_path / "a.csv", (tmp_path / "a.csv").read_bytes())
    assert found == [(3, {"query": "다", "document": "라"})]
    assert (bad.place, bad.raw) == (f"{tmp_path / 'a.csv'}:2", '가,"나')


def test_an_empty_cell_is_null_and_a_column_without_a_name_is_none(tmp_path: Path) -> None:
    found, _ = read(tmp_path / "a.csv", ",query,document\n0,가,\n")
    assert found == [(2, {"query": "가", "document": None})]


def test_several_columns_may_have_no_name(tmp_path: Path) -> None:
    found, bad = read(tmp_path / "a.csv", ",query,\n0,가,1\n")
    assert (found, bad) == ([(2, {"query": "가"})], [])


def test_rows_of_parquet_are_numbered_anew_by_each_reading(tmp_path: Path) -> None:
    pq.write_table(pa.table({"query": ["가", "나"]}), tmp_path / "a.parquet")
    reader = open_records(tmp_path / "a.parquet")
    assert [[row.line for row in reader] for _ in range(2)] == [[1, 2], [1, 2]]


def test_of_a_row_of_parquet_the_first_bad_column_is_named(tmp_path: Path) -> None:
    late = pa.array([0, 10**12], pa.timestamp("s"))
    pq.write_table(pa.table({"begin": late, "end": late}), tmp_path / "a.parquet")
    found, [bad] = read(tmp_path / "a.parquet", (tmp_path / "a.parquet").read_bytes())
    assert [line for line, _ in found] == [1]
    assert bad.line == 2
    assert bad.reason.startswith("'begin' holds what Python has no date or time for")


class TestQuotesOfTabs:
    """KorSTS is such a file: a sentence may begin with a quote, and nothing is quoted."""

    def test_a_quote_that_nothing_closes_is_a_letter_and_so_are_all(self, tmp_path: Path) -> None:
        found, bad = read(
            tmp_path / "a.tsv", 'sentence1\tsentence2\n"그래\t"네"\n"아니"라고\t5" 화면\n\n끝\t"끝"\n'
        )
        assert bad == []
        assert [(line, *fields.values()) for line, fields in found] == [
            (2, '"그래', '"네"'),
            (3, '"아니"라고', '5" 화면'),
            (5, "끝", '"끝"'),
        ]

    def test_quotes_that_may_be_quoting_are(self, tmp_path: Path) -> None:
        found, bad = read(tmp_path / "a.tsv", 'a\tb\n"그 ""말"""\t5" 화면\n')
        assert (found, bad) == ([(2, {"a": '그 "말"', "b": '5" 화면'})], [])

    def test_lines_with_other_tabs_are_quoted_cells(self, tmp_path: Path) -> None:
        found, bad = read(tmp_path / "a.tsv", 'a\tb\n"하나\n둘\t"\t셋\n')
        assert (found, bad) == ([(2, {"a": "하나\n둘\t", "b": "셋"})], [])

    def test_lines_that_have_as_many_tabs_by_chance_are_too(self, tmp_path: Path) -> None:
        found, bad = read(tmp_path / "a.tsv", '"a"\t"b"\n"하나\t\n"\t"둘"\n\n')
        assert (found, bad) == ([(2, {"a": "하나\t\n", "b": "둘"})], [])

    @given(
        st.lists(
            st.lists(
                st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
                min_size=2,
                max_size=2,
            ),
            min_size=1,
        )
    )
    def test_what_a_writer_quotes_is_read_back(self, rows: list[list[str]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.tsv"
            with path.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, delimiter="\t").writerows([["a", "b"], *rows])
            assert [list(fields.values()) for _, fields in read_records(path)] == rows


def test_a_bad_byte_behind_a_byte_order_mark_is_named_by_its_place_in_the_file(tmp_path: Path) -> None:
    _, [bad] = read(tmp_path / "a.jsonl", b"\xef\xbb\xbf" + "카".encode() + b"\xba\n")
    assert bad.reason.startswith("byte 6 of the file (0xba) is not UTF-8")


def test_blank_lines_and_lines_with_an_empty_cell_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("q1\td 1\t1\n \t\nq2\t\t1\n", "utf-8")
    lines = [line for _, line in placed(tmp_path / "a.tsv")]
    assert [columns(line, 3) for line in lines] == [["q1", "d 1", "1"], None]
