"""Measures, against arithmetic by hand and against ir-measures itself."""

from __future__ import annotations

import random
import sys
from math import log2
from pathlib import Path

import ir_measures
import numpy as np
import pytest

from evaluation.measures import MEASURES, deepest, measure, measure_names
from evaluation.runs import write_run
from naru.errors import NaruError

QRELS = {
    "graded": {"a": 2, "b": 1, "x": 0, "n": -1},
    "deep": {"r": 1},
    "unanswered": {"z": 1},
}
RUN = {
    "graded": [("x", 9.0), ("a", 8.0), ("n", 7.0), ("b", 6.0)],
    "deep": [*((f"f{number}", 50.0 - number) for number in range(11)), ("r", 0.0)],
    "not judged": [("a", 1.0)],
}


def test_by_hand() -> None:
    found = measure(RUN, QRELS)
    graded = {name: values["graded"] for name, values in found.per_query.items()}
    deep = {name: values["deep"] for name, values in found.per_query.items()}
    # Relevant at ranks 2 (gain 2) and 4 (gain 1); the best order has them at 1 and 2.
    assert graded == pytest.approx(
        {
            "nDCG@10": (2 / log2(3) + 1 / log2(5)) / (2 / log2(2) + 1 / log2(3)),
            "RR@10": 1 / 2,
            "AP": (1 / 2 + 2 / 4) / 2,
            "R@1": 0,
            "R@3": 1 / 2,
            "R@5": 1,
            "R@10": 1,
            "R@100": 1,
        }
    )
    # Relevant at rank 12.
    zeros = dict.fromkeys(MEASURES, 0.0)
    assert deep == pytest.approx(zeros | {"AP": 1 / 12, "R@100": 1})
    assert {name: values["unanswered"] for name, values in found.per_query.items()} == zeros
    assert found.means["AP"] == pytest.approx((1 / 2 + 1 / 12 + 0) / 3)
    assert found.means["R@100"] == pytest.approx(2 / 3)
    assert list(found.means) == list(MEASURES)
    assert set(found.per_query["AP"]) == set(QRELS)


def test_the_order_counts_not_the_scores() -> None:
    first = measure({"q": [("a", 1.0), ("b", 1.0)]}, {"q": {"a": 1}})
    close = measure({"q": [("a", 1.0), ("b", 1.0 - 1e-12)]}, {"q": {"a": 1}})
    assert first.means["R@1"] == close.means["R@1"] == 1


def test_as_ir_measures_has_it() -> None:
    chance = random.Random(7)
    documents = [f"d{number}" for number in range(200)]
    qrels = {
        f"q{n}": {d: chance.choice([0, 1, 2]) for d in chance.sample(documents, 5)} | {"d0": 1}
        for n in range(50)
    }
    run = {
        query: [(document, float(-rank)) for rank, document in enumerate(chance.sample(documents, 120))]
        for query in list(qrels)[:45]
    }
    expected = ir_measures.calc_aggregate(
        [ir_measures.parse_measure(name) for name in MEASURES],
        [ir_measures.Qrel(q, d, score) for q, judged in qrels.items() for d, score in judged.items()],
        [ir_measures.ScoredDoc(q, d, score) for q, ranking in run.items() for d, score in ranking],
    )
    assert measure(run, qrels).means == pytest.approx({str(kind): value for kind, value in expected.items()})


def test_any_k_as_ir_measures_has_it_with_ties_and_grades(tmp_path: Path) -> None:
    chance = random.Random(11)
    documents = [f"d{number}" for number in range(60)]
    names = measure_names("nDCG@1 nDCG@7 nDCG MAP@5 MAP MRR@3 MRR P@1 P@20 R@2 R@50 Success@1 Success@5")
    qrels = {
        f"q{n}": {d: chance.choice([0, 0, 1, 2, 3]) for d in chance.sample(documents, 9)} for n in range(60)
    }
    qrels = {query: judged for query, judged in qrels.items() if max(judged.values()) > 0}
    run = {
        query: sorted(
            ((document, float(chance.randint(0, 9))) for document in chance.sample(documents, 40)),
            key=lambda one: -one[1],
        )
        for query in qrels
    }
    # Its providers order ties differently from each other; the run file leaves them none.
    write_run(run, tmp_path / "run")
    found = measure(run, qrels, names)
    expected = list(
        ir_measures.iter_calc(
            [ir_measures.parse_measure(name) for name in names],
            [ir_measures.Qrel(q, d, score) for q, judged in qrels.items() for d, score in judged.items()],
            list(ir_measures.read_trec_run(str(tmp_path / "run"))),
        )
    )
    assert len(expected) == len(names) * len(qrels)
    for one in expected:
        assert found.per_query[str(one.measure)][one.query_id] == pytest.approx(one.value, abs=1e-6)
    for name, values in found.per_query.items():
        assert found.means[name] == pytest.approx(sum(values.values()) / len(values), abs=1e-6)


def test_precision_and_success_by_hand() -> None:
    found = measure(RUN, QRELS, ("P@3", "P@5", "Success@1", "Success@2"))
    assert {name: values["graded"] for name, values in found.per_query.items()} == pytest.approx(
        {"P@3": 1 / 3, "P@5": 2 / 5, "Success@1": 0, "Success@2": 1}
    )
    assert found.values(["deep", "graded"]) == pytest.approx(np.array([[0, 0, 0, 0], [1 / 3, 2 / 5, 0, 1]]))


def test_names() -> None:
    assert measure_names("nDCG@5, P@3 MAP MRR@10 nDCG@5") == ("nDCG@5", "P@3", "AP", "RR@10")
    assert deepest(("nDCG@5", "P@250")) == 250
    assert deepest(("AP", "P@3")) == 100
    for wrong in ("nDCG@0", "P", "Success", "BLEU@4", "nDCG@ten", "@5"):
        with pytest.raises(NaruError, match="is no measure known here; expected nDCG, AP, RR"):
            measure_names(wrong)
    with pytest.raises(NaruError, match="No measures were named"):
        measure_names(" , ")


def test_an_empty_run_is_worth_nothing() -> None:
    assert measure({}, QRELS).means == dict.fromkeys(MEASURES, 0.0)


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NaruError, match="No judged queries"):
        measure(RUN, {})
    with pytest.raises(NaruError, match="'q': its ranking holds a document twice"):
        measure({"q": [("a", 2.0), ("a", 1.0)]}, {"q": {"a": 1}})
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    with pytest.raises(NaruError, match=r"This needs ir-measures: pip install"):
        measure(RUN, QRELS)


def test_judgements_of_another_split_are_refused() -> None:
    with pytest.raises(NaruError, match=r"None of the 1 judged queries is in the run, which has 'q1', …"):
        measure({"q1": [("d", 1.0)]}, {"q2": {"d": 1}})
