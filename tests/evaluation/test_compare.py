"""Comparison: exact tests by hand, p-values under a null, Holm, and the lists of queries."""

from __future__ import annotations

import json
from io import StringIO
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import kstest, permutation_test

from evaluation.compare import Comparison, allowances, compare, flips, holm
from evaluation.comparing import Wanted, compared
from evaluation.measures import Measured
from naru.errors import NaruError


def measured(**values: list[float]) -> Measured:
    per_query = {
        name.replace("_", "@"): {f"q{number}": value for number, value in enumerate(row)}
        for name, row in values.items()
    }
    return Measured({name: sum(of.values()) / len(of) for name, of in per_query.items()}, per_query)


def test_few_queries_are_counted_out() -> None:
    differences = np.array([0.5, 0.25, -0.125, 0.5])
    extreme = sum(abs(np.dot(signs, differences)) >= 1.125 for signs in product([1, -1], repeat=4))
    assert flips(differences[:, None]) == pytest.approx(extreme / 16)
    # Zeros change nothing; all alike leave two of 2 ** n; nothing at all is no evidence.
    columns = np.array([[0.1, 0.0], [0.0, 0.0], [0.1, 0.0], [0.1, 0.0]])
    assert flips(columns) == pytest.approx([2 / 8, 1])


def test_as_scipy_has_it() -> None:
    differences = np.random.default_rng(1).normal(0.4, 1, size=12)
    expected = permutation_test(
        (differences, np.zeros(12)),
        lambda a, b: np.mean(a - b),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert flips(differences[:, None]) == pytest.approx(expected.pvalue)
    many = np.random.default_rng(2).normal(0.2, 1, size=(80, 1))
    drawn = permutation_test(
        (many[:, 0], np.zeros(80)),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=20_000,
        vectorized=True,
        rng=np.random.default_rng(3),
    )
    assert flips(many) == pytest.approx(drawn.pvalue, abs=0.02)


def test_p_values_are_uniform_where_there_is_no_difference() -> None:
    # 500 pairs of systems whose per-query values were shuffled between the two.
    rng = np.random.default_rng(20261121)
    a, b = rng.beta(2, 1, size=(150, 500)), rng.beta(1, 2, size=(150, 500))
    swapped = rng.random((150, 500)) < 0.5
    p = flips(np.where(swapped, a - b, b - a))
    assert kstest(p, "uniform").pvalue > 0.05
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.025)


def test_holm_by_hand() -> None:
    # 0.01 * 3; then 0.02 * 2 = 0.04; then 0.03 * 1, but never below the one before.
    assert holm(np.array([0.03, 0.01, 0.02])) == pytest.approx([0.04, 0.03, 0.04])
    assert holm(np.array([0.9, 0.8])) == pytest.approx([1, 1])


def test_what_won_and_lost() -> None:
    a, b = measured(nDCG_10=[0.5, 1, 0, 0.5]), measured(nDCG_10=[1, 0.25, 0, 0.6])
    found = compare(("old", a), ("new", b), texts={"q0": "카드", "q1": "여권"})
    (one,) = found.differences
    assert (one.won, one.tied, one.lost) == (2, 1, 1)
    assert one.value == pytest.approx((0.5 - 0.75 + 0.1) / 4)
    assert [(moved.query, moved.text) for moved in found.moved("nDCG@10")] == [
        ("q1", "여권"),
        ("q3", "q3"),
        ("q0", "카드"),
    ]
    lists = found.lists()["nDCG@10"]
    assert [moved["query"] for moved in lists["won"]] == ["q0", "q3"]
    assert lists["tied"] == ["q2"]
    assert lists["lost"] == [{"query": "q1", "text": "여권", "a": 1, "b": 0.25}]
    assert found.worse({"nDCG@10": 0.0375}) == []
    (said,) = found.worse({"nDCG@10": 0.03})
    assert said == "nDCG@10 fell by 0.0375, from 0.5000 to 0.4625; allowed were 0.03."
    json.dumps(found.to_json())
    assert (
        next(found.shown(1))
        == "new and old do not differ significantly: -0.0375 in nDCG@10, Holm's p 1.0000."
    )
    assert list(found.shown(1))[1:] == [
        "\nLost (1 of 1):",
        "  1.000 -> 0.250  여권  (q1)",
        "\nWon (1 of 2):",
        "  0.500 -> 1.000  카드  (q0)",
    ]


def test_a_clear_difference() -> None:
    rng = np.random.default_rng(4)
    before = rng.uniform(0, 0.5, 200).tolist()
    after = [value + 0.1 + rng.normal(0, 0.05) for value in before]
    found = compare(("a", measured(A=before, B=before)), ("b", measured(B=before, A=after)))
    first, second = found.differences
    assert (first.measure, first.verdict, second.verdict) == ("A", "better", "not told apart")
    assert first.p == pytest.approx(1 / 10_001)
    assert first.holm == pytest.approx(2 / 10_001)
    assert 0.09 < first.low < first.value < first.high < 0.11
    assert (second.low, second.high, second.p) == (0, 0, 1)
    shown = StringIO()
    Console(width=80, file=shown).print(found.table())
    assert "b against a: 200 queries" in shown.getvalue()
    assert "better" in shown.getvalue()


def test_groups_are_flipped_together() -> None:
    a, b = measured(A=[0.0] * 12), measured(A=[0.1] * 12)
    groups = {f"q{number}": str(number // 4) for number in range(12)}

    def p(found: Comparison) -> float:
        return found.differences[0].p

    assert p(compare(("a", a), ("b", b))) == pytest.approx(2 / 2**12)
    assert p(compare(("a", a), ("b", b), groups=groups)) == pytest.approx(2 / 2**3)


def test_an_allowance_is_for_every_measure_that_it_names_and_given_once() -> None:
    assert allowances(["nDCG@10,P@3:0.01", "AP:.5"]) == {"nDCG@10": 0.01, "P@3": 0.01, "AP": 0.5}
    with pytest.raises(NaruError, match=r"nDCG@10 may fall is given twice"):
        allowances(["nDCG@10:0.01", "nDCG@10:0.5"])


def test_what_does_not_go_together() -> None:
    with pytest.raises(NaruError, match="b lacks 1 measures that a has: B"):
        compare(("a", measured(A=[1.0], B=[1.0])), ("b", measured(A=[1.0])))
    with pytest.raises(NaruError, match="a lacks 1 queries that b has: q1"):
        compare(("a", measured(A=[1.0])), ("b", measured(A=[1.0, 0.0])))
    assert allowances(["nDCG@10:0.01", "MRR:.5"]) == {"nDCG@10": 0.01, "RR": 0.5}
    for wrong in ("nDCG@10", "nDCG@10:-1", "nDCG@10:", "0.01"):
        with pytest.raises(NaruError, match=r"such as nDCG@10:0\.01"):
            allowances([wrong])


def test_files(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("q1 0 d1 1\nq2 0 d2 1\nq3 0 d1 0\n", "utf-8")
    (tmp_path / "a").write_text("q1 Q0 d1 1 2.0 x\nq2 Q0 d2 1 2.0 x\n", "utf-8")
    (tmp_path / "b.json").write_text('{"q1": {"d1": 2, "d3": 1}, "q2": {"d3": 5, "d2": 4}}', "utf-8")
    (tmp_path / "queries.jsonl").write_text(
        "".join(f'{{"_id": "q{n}", "text": "질문 {n}", "area": "x"}}\n' for n in (1, 2, 3)), "utf-8"
    )
    a, b = str(tmp_path / "a"), str(tmp_path / "b.json")
    wanted = Wanted(a, b, tmp_path / "qrels", tmp_path / "queries.jsonl", "P@1", "area", ["RR@10:0.2"])
    found, failures = compared(wanted)
    assert [(one.measure, one.a, one.b) for one in found.differences] == [("P@1", 1, 0.5), ("RR@10", 1, 0.75)]
    assert found.moved("P@1")[0].text == "질문 2"
    assert np.isnan(found.differences[0].low)  # one group
    assert failures == ["RR@10 fell by 0.2500, from 1.0000 to 0.7500; allowed were 0.2."]
    with pytest.raises(NaruError, match="a run needs judgements to be measured by: --qrels"):
        compared(Wanted(a, b))
    with pytest.raises(NaruError, match="expected --queries FILE as well"):
        compared(Wanted(a, b, tmp_path / "qrels", group="area"))
    with pytest.raises(NaruError, match="cannot be read"):
        compared(Wanted(a, str(tmp_path / "gone"), tmp_path / "qrels"))


def test_the_verdict_goes_by_what_holm_makes_of_it() -> None:
    """Six won of six: p is 2 / 2 ** 6 of one measure, and not below 5% of two."""
    gained = [0.1] * 6 + [0.0] * 4
    a, b = measured(A=[0.0] * 10, B=[0.5] * 10), measured(A=gained, B=[0.5] * 10)
    one = compare(("a", a), ("b", b)).differences[0]
    assert (one.p, one.holm, one.verdict) == (2 / 2**6, 4 / 2**6, "not told apart")
    alone = compare(("a", measured(A=[0.0] * 10)), ("b", measured(A=gained))).differences[0]
    assert (alone.holm, alone.verdict) == (2 / 2**6, "better")


def test_what_only_rounding_tells_apart_is_a_tie() -> None:
    one = compare(("a", measured(A=[0.3, 0.5])), ("b", measured(A=[0.1 + 0.2, 0.5]))).differences[0]
    assert (one.won, one.tied, one.lost, one.p) == (0, 2, 0, 1)
