"""All held-out data of a run, measured together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator

from finetune.evaluators import evaluator
from finetune.held import Held


class Measures(SentenceEvaluator):
    """The evaluator of each held-out set, and `score`: the mean of their primary figures, greater is better.

    A figure that is not defined (of constant scores, say) counts as -1. Errors of teachers' vectors (negative_mse) are
    of another scale and count only where there is nothing else. `accumulation` is the recipe's, see `evaluator`.
    """

    def __init__(self, held: Sequence[Held], accumulation: int | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.evaluators = [evaluator(one.data, one.name, accumulation=accumulation) for one in held]
        self.primary = [str(one.primary_metric) for one in self.evaluators]
        self.primary_metric = "score"

    def __call__(
        self, model: Any, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        figures: dict[str, float] = {}
        for one in self.evaluators:
            found: Any = one(model)
            figures.update({key: float(value) for key, value in found.items()})
        comparable = [key for key in self.primary if not key.endswith("negative_mse")] or self.primary
        values = [figures[key] if math.isfinite(figures[key]) else -1.0 for key in comparable]
        return {**figures, "score": sum(values) / len(values)}
