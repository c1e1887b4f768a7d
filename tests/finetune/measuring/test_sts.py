from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy.spatial.distance import cdist
from scipy.stats import pearsonr, spearmanr
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling

from finetune.evaluators import evaluator
from finetune.measuring.sts import KO_SROBERTA_MULTITASK, Comparison, Correlation, Figures, compared
from finetune.shapes import ScoredPairs
from indexer.parity import SENTENCES

BEFORE = Figures(*(Correlation(10.0 * at, 10.0 * at + 5) for at in range(1, 5)))
AFTER = replace(BEFORE, cosine=Correlation(11.25, 14.5), dot=Correlation(float("nan"), float("nan")))


def test_the_eight_figures_are_scipys(make_model: Callable[..., Path]) -> None:
    folder = make_model(modules=[Pooling(32, "mean")])  # without normalisation the similarities differ
    model = SentenceTransformer(str(folder), device="cpu")
    first, second = list(SENTENCES[:15]), list(SENTENCES[15:30])
    scores = [step * 4 % 15 / 3 for step in range(15)]
    measured: dict[str, float] = evaluator(ScoredPairs(first, second, scores), "korsts")(model)
    start = {"sets": ["law", "korsts"], "sizes": [3, 15], "recipe": {"evaluation": []}}
    (found,) = compared(start, measured, measured)
    assert (found.pairs, found.reference) == (15, False)
    a, b = (np.asarray(model.encode(texts), dtype=np.float64) for texts in (first, second))
    similarities = {
        "Cosine": 1 - cdist(a, b, "cosine").diagonal(),
        "Euclidean": -cdist(a, b, "euclidean").diagonal(),
        "Manhattan": -cdist(a, b, "cityblock").diagonal(),
        "Dot": (a * b).sum(1),
    }
    expected = [
        (f"{name} {kind}", 100 * correlate(scores, values).statistic)
        for name, values in similarities.items()
        for kind, correlate in (("Pearson", pearsonr), ("Spearman", spearmanr))
    ]
    for figures in (found.before, found.after):
        assert [label for label, _ in figures.rows()] == [label for label, _ in expected]
        np.testing.assert_allclose(
            [value for _, value in figures.rows()], [value for _, value in expected], atol=1e-3
        )
        # Had two of them been mixed up it would show: ranks of 15 pairs may agree by chance, Pearson's do not.
        assert len({round(value, 3) for label, value in figures.rows() if label.endswith("Pearson")}) == 4


def test_the_reference_is_the_model_card_of_ko_sroberta() -> None:
    values = [value for _, value in KO_SROBERTA_MULTITASK.rows()]
    assert values == [84.77, 85.60, 83.71, 84.40, 83.70, 84.38, 82.42, 82.33]


@pytest.mark.parametrize(
    "row",
    [
        ("Cosine Pearson", "10.00", "11.25", "+1.25", "84.77"),
        ("Cosine Spearman", "15.00", "14.50", "-0.50", "85.60"),
        ("Manhattan Spearman", "35.00", "35.00", "+0.00", "84.38"),
        ("Dot Pearson", "40.00", "–", "–", "82.42"),
    ],
)
def test_the_table_sets_after_beside_before_and_the_model_card(row: tuple[str, ...]) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(Comparison("KorSTS", BEFORE, AFTER, 1379, reference=True).table())
    shown = console.export_text().splitlines()
    assert "KorSTS: correlations in %, 1,379 pairs" in shown[0]
    (line,) = (line for line in shown if row[0] in line)
    assert tuple(cell.strip() for cell in line.strip("│").split("│")) == row


@pytest.mark.parametrize(
    ("path", "size", "reference"),
    [
        ("/data/korsts-test.tsv", 1379, True),
        ("KorSTS/sts-test.tsv", 1379, True),
        ("korsts-test.tsv", 60, False),  # a part of it
        ("korsts-dev.tsv", 1379, False),
        ("klue-sts-test.tsv", 1379, False),
        (None, 1379, False),  # a share of the training data
    ],
)
def test_the_model_card_stands_beside_korsts_test_alone(path: str | None, size: int, reference: bool) -> None:
    figures = {
        f"s_{kind}_{name}": 0.5
        for kind in ("pearson", "spearman")
        for name in ("cosine", "euclidean", "manhattan", "dot")
    }
    held = [{"name": "s", "path": path}] if path else []
    (found,) = compared({"sets": ["s"], "sizes": [size], "recipe": {"evaluation": held}}, figures, figures)
    assert found.reference is reference
    assert len(found.table().columns) == (5 if reference else 4)


def test_a_set_without_figures_before_training_is_not_compared() -> None:
    figures = {
        f"s_{kind}_{name}": 0.5
        for kind in ("pearson", "spearman")
        for name in ("cosine", "euclidean", "manhattan", "dot")
    }
    start: Any = {
        "sets": ["s"],
        "sizes": [1379],
        "recipe": {"evaluation": [{"name": "s", "path": "KorSTS-Test.tsv"}]},
    }
    assert compared(start, {}, figures) == []
    assert compared(start, figures, figures)[0].reference
