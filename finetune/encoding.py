"""Whatever a user calls an encoder, ready to embed: naru-mini, a bundle, a preset, a folder or a name on the Hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from sentence_transformers import SentenceTransformer

from finetune.model import open_model
from finetune.recipe import Model
from naru.encoder import is_bundle, open_encoder

Vectors = npt.NDArray[np.float32]


class Encoder(Protocol):
    """Texts to float32 [n, dimension], L2-normalised, each side under its own prefix."""

    def queries(self, texts: Sequence[str]) -> Vectors: ...
    def passages(self, texts: Sequence[str]) -> Vectors: ...


class SentenceEncoder:
    """A loaded sentence-transformers model, with its own prompts for queries and documents."""

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._vectors(self._model.encode_query, texts)

    def passages(self, texts: Sequence[str]) -> Vectors:
        return self._vectors(self._model.encode_document, texts)

    def _vectors(self, encode: Any, texts: Sequence[str]) -> Vectors:
        return np.asarray(encode(list(texts), normalize_embeddings=True, show_progress_bar=False), np.float32)


def encoder_of(location: str, threads: int | None = None) -> Encoder:
    """A bundle as `naru export` writes it, the bundled naru-mini, or any model that training starts from, with the
    prefixes that its own files or its preset state. `threads` are the cores a bundle may use.

    Raises NaruError where there is no encoder of that name, or it cannot be had.
    """
    if is_bundle(location):
        return open_encoder(location, threads=threads)
    return SentenceEncoder(open_model(Model(base=location), Path(), seed=0))
