from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from finetune.encoding import SentenceEncoder, encoder_of
from naru.encoder import Encoder
from naru.errors import NaruError
from naru.presets import PRESETS, Preset

TEXTS = ["카드를 잃어버렸어요", "전출 신고는 어떻게 하나요"]


def test_a_model_is_read_with_the_prefixes_of_its_preset(
    make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_model()
    monkeypatch.setitem(PRESETS, str(folder), Preset(str(folder), "query: ", "passage: "))
    encoder = encoder_of(str(folder))
    model = SentenceTransformer(str(folder), device="cpu")
    for got, prefix in ((encoder.queries(TEXTS), "query: "), (encoder.passages(TEXTS), "passage: ")):
        expected = model.encode([prefix + text for text in TEXTS], normalize_embeddings=True)
        np.testing.assert_allclose(got, expected, atol=1e-5)
        assert np.abs(got - model.encode(TEXTS, normalize_embeddings=True)).max() > 1e-3


def test_a_bundle_and_what_is_bundled_need_no_torch_model(tiny_bundle: Path) -> None:
    assert isinstance(encoder_of(str(tiny_bundle)), Encoder)
    assert isinstance(encoder_of("naru-mini", threads=1), Encoder)


def test_a_transformer_without_sentence_transformers_files_is_pooled(
    make_model: Callable[..., Path], tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    model = SentenceTransformer(str(make_model()), device="cpu")
    model[0].auto_model.save_pretrained(bare)
    model.tokenizer.save_pretrained(bare)
    encoder = encoder_of(str(bare))
    assert isinstance(encoder, SentenceEncoder)
    np.testing.assert_allclose(
        encoder.queries(TEXTS), model.encode(TEXTS, normalize_embeddings=True), atol=1e-5
    )


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(NaruError, match="no model in this folder"):
        encoder_of(str(tmp_path))
