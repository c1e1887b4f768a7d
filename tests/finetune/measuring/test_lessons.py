from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling

from finetune.data import Rows
from finetune.held import Lesson
from finetune.measuring.lessons import answered
from finetune.shapes import Shape, TeacherVectors
from indexer.parity import SENTENCES

FIRST, SECOND = list(SENTENCES[:6]), list(SENTENCES[6:12])


@pytest.mark.parametrize("translations", [False, True])
def test_both_sides_are_measured_against_the_vectors_of_the_first(
    translations: bool, make_model: Callable[..., Path], tmp_path: Path
) -> None:
    model = SentenceTransformer(str(make_model()), device="cpu")
    teacher = make_model(modules=[Pooling(32, "mean")])  # its vectors have lengths, the student's are 1
    places: Any = None  # no lesson asks where a row came from
    rows = Rows("e", Shape.PARALLEL, Dataset.from_dict({"source": FIRST, "target": SECOND}), places, (), [])
    (held,) = answered([Lesson("e", rows, str(teacher), translations=translations)], Path(), model, tmp_path)
    vectors = SentenceTransformer(str(teacher), device="cpu").encode(FIRST, normalize_embeddings=True)
    assert isinstance(held.data, TeacherVectors)
    assert held.data.texts == (SECOND if translations else [*FIRST, *SECOND])
    np.testing.assert_allclose(
        held.data.vectors, vectors if translations else np.concatenate([vectors, vectors]), atol=1e-5
    )
