from __future__ import annotations

import math

from finetune.measuring.measures import Measures


def scored(*figures: dict[str, float]) -> float:
    made = Measures([])
    made.evaluators = [lambda _, found=found: found for found in figures]  # type: ignore[misc]
    made.primary = [next(iter(found)) for found in figures]
    return made(None)["score"]


def test_what_is_not_defined_counts_as_the_worst_and_errors_of_vectors_only_alone() -> None:
    assert scored({"a_spearman": 0.5}, {"b_spearman": math.nan}) == -0.25
    assert scored({"a_spearman": 0.5}, {"t_negative_mse": -7.0}) == 0.5
    assert scored({"t_negative_mse": -7.0}) == -7.0
