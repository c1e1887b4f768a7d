"""TREC run files: the order that was searched is the order every reader sees."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.measures import MEASURES, measure
from evaluation.runs import read_run, write_run
from naru.errors import NaruError

scores = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**99), max_value=2.0**99)
ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\r\n"), min_size=1).filter(
    str.strip
)


def test_the_file(tmp_path: Path) -> None:
    write_run({"q1": [("d2", 1.5), ("d1", -0.25)], "q2": []}, tmp_path / "run", tag="hybrid")
    assert (tmp_path / "run").read_text(
        "utf-8"
    ) == "q1\tQ0\td2\t1\t1.5\thybrid\nq1\tQ0\td1\t2\t-0.25\thybrid\n"


@given(
    st.dictionaries(
        ids, st.lists(st.tuples(ids, scores), min_size=1, unique_by=lambda one: one[0]), min_size=1
    )
)
def test_round_trip_keeps_ids_order_and_nearly_scores(run: dict[str, list[tuple[str, float]]]) -> None:
    for ranking in run.values():
        ranking.sort(key=lambda one: -one[1])
    with tempfile.TemporaryDirectory() as folder:
        write_run(run, Path(folder) / "run")
        found = read_run(Path(folder) / "run")
    assert {query: [document for document, _ in ranking] for query, ranking in found.items()} == {
        query: [document for document, _ in ranking] for query, ranking in run.items()
    }
    for query, ranking in run.items():
        for (_, was), (_, read) in zip(ranking, found[query], strict=True):
            assert read == pytest.approx(was, rel=1e-5, abs=1e-40)


def test_ties_stay_in_order_for_ir_measures(tmp_path: Path) -> None:
    # trec_eval would put the higher id first, and sees no difference between the last two scores.
    run = {"q": [("a", 1.0), ("b", 1.0), ("c", 1.0 - 1e-12)]}
    write_run(run, tmp_path / "run")
    qrels = [ir_measures.Qrel("q", "a", 1)]
    read = ir_measures.read_trec_run(str(tmp_path / "run"))
    assert ir_measures.calc_aggregate([ir_measures.AP], qrels, read) == {ir_measures.AP: 1.0}


def test_a_run_of_another_tool_is_ranked_as_trec_eval_ranks_it(tmp_path: Path) -> None:
    """By score, equal scores by falling id, and no regard for the ranks that it states."""
    (tmp_path / "run").write_text("q Q0 a 1 0.5 x\nq Q0 b 3 0.5 x\nq  Q0 c 2 0.9 x\nq Q0 d 4 .5 x\n", "utf-8")
    found = read_run(tmp_path / "run")
    assert found == {"q": [("c", 0.9), ("d", 0.5), ("b", 0.5), ("a", 0.5)]}
    for relevant in "abcd":
        # of RR@10 ir-measures asks another tool, which orders equal scores its own way
        kinds = [ir_measures.parse_measure(name) for name in MEASURES if name != "RR@10"]
        theirs = ir_measures.calc_aggregate(
            kinds,
            [ir_measures.Qrel("q", relevant, 1)],
            ir_measures.read_trec_run(str(tmp_path / "run")),
        )
        ours = dict(measure(found, {"q": {relevant: 1}}).means)
        ours.pop("RR@10")
        assert {str(kind): value for kind, value in theirs.items()} == pytest.approx(ours, abs=1e-6)


def test_a_run_as_json(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"q": {"b": 0.5, "c": 2, "a": 0.5}, "r": {}}', "utf-8")
    assert read_run(tmp_path / "run.json") == {"q": [("c", 2), ("b", 0.5), ("a", 0.5)], "r": []}
    for wrong, said in (
        ("{", "not JSON"),
        ("{}", "expected an object {query: {document: score}} that is not empty"),
        ('{"queries": 3, "modes": {}}', "naru evaluate --per-query"),
        ('{"q": {"a": "high"}}', "query 'q', document 'a': score 'high'"),
        ('{"q": {"a": NaN}}', "score nan"),
        ('{"q": {"a": 1' + 400 * "0" + "}}", "score 1000"),
        ('{"q": {"a": 1, "a": 2}}', "'a' is there twice"),
        (100_000 * "[", "not JSON"),
    ):
        (tmp_path / "run.json").write_text(wrong, "utf-8")
        with pytest.raises(NaruError, match=re.escape(said)):
            read_run(tmp_path / "run.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "run: no results"),
        ("q Q0 a 1 0.5\n", "run:1: got 'q Q0 a 1 0.5'; expected six columns"),
        ("q Q0 a 1 0.5 x\nq Q0 a 2 0.4 x\n", "run:2: 'a' is there twice for the query 'q'"),
        ("q Q0 a first 0.5 x\n", "run:1: rank 'first', score '0.5'; expected a whole number and a number"),
        ("q Q0 a 1 1e39 x\n", "run:1: score '1e39'; expected a finite number, as float32 holds it"),
        ("q Q0 a 1 nan x\n", "run:1: score 'nan'; expected a finite number"),
    ],
)
def test_bad_files(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "run").write_text(content, "utf-8")
    with pytest.raises(NaruError) as raised:
        read_run(tmp_path / "run")
    assert said in str(raised.value)


@pytest.mark.parametrize("bad", ["", "a\tb", "a\nb", "a\r"])
def test_ids_that_cannot_be_written(tmp_path: Path, bad: str) -> None:
    with pytest.raises(NaruError, match=r"The document id .* cannot stand in a TREC run file"):
        write_run({"q": [(bad, 1.0)]}, tmp_path / "run")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e39])
def test_scores_that_cannot_be_written(tmp_path: Path, bad: float) -> None:
    with pytest.raises(NaruError, match="is not a finite float32"):
        write_run({"q": [("a", bad)]}, tmp_path / "run")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NaruError, match="the run cannot be written there"):
        write_run({}, tmp_path / "no" / "run")
    with pytest.raises(NaruError, match="cannot be read: No such file"):
        read_run(tmp_path / "no")


@pytest.mark.parametrize(("high", "low"), [("0.1234567891", "0.1234567890"), ("16777217", "16777216")])
def test_scores_that_float32_cannot_tell_apart_are_ties_as_for_trec_eval(
    tmp_path: Path, high: str, low: str
) -> None:
    path = tmp_path / "run.trec"
    path.write_text(f"q Q0 a 1 {high} x\nq Q0 b 2 {low} x\n", "utf-8")
    run = read_run(path)
    assert [document for document, _ in run["q"]] == ["b", "a"]
    qrels = {"q": {"a": 1}}
    theirs = ir_measures.calc_aggregate([ir_measures.AP], qrels, {"q": {"a": float(high), "b": float(low)}})
    assert measure(run, qrels, ["AP"]).means["AP"] == pytest.approx(theirs[ir_measures.AP]) == 0.5
