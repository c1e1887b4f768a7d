"""Every architecture that users bring: train -> save -> load -> export -> encode, on tiny random models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from finetune.recipe import Recipe
from finetune.train import train
from indexer.export import export
from indexer.parity import SENTENCES
from naru.encoder import open_encoder


@pytest.mark.parametrize("architecture", ["bert", "electra", "roberta", "klue-roberta", "xlm-roberta"])
def test_from_training_to_serving(
    architecture: str,
    make_model: Callable[..., Path],
    small: Path,
    staged: Callable[..., Recipe],
    tmp_path: Path,
) -> None:
    start = make_model(architecture)
    recipe = staged("stage=[]", "training.steps=2", f"model.base={start}")
    outcome = train(recipe, small, tmp_path / "run")
    assert outcome.model is not None
    model = SentenceTransformer(str(outcome.model), device="cpu")
    texts = list(SENTENCES)
    vectors = model.encode(texts)
    assert not np.allclose(vectors, SentenceTransformer(str(start), device="cpu").encode(texts), atol=1e-4)
    export(str(outcome.model), tmp_path / "bundle", precision=["fp32"])
    served = open_encoder(str(tmp_path / "bundle")).passages(texts)
    assert float((served * vectors).sum(axis=1).min()) > 0.9999
