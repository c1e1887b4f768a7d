"""What a user names for mining, opened: pairs, an encoder, a cross-encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import CrossEncoder, SentenceTransformer

from finetune.data import read
from finetune.mining.dense import Encoder
from finetune.mining.pairs import Pair
from finetune.mining.picking import Check
from finetune.mining.ranking import Scores
from finetune.model import LOADING_FAILS, open_model
from finetune.recipe import Model, Source
from finetune.shapes import Shape
from naru.bundle import DESCRIPTION
from naru.encoder import DEFAULT_ENCODER, open_encoder
from naru.errors import NaruError


def pairs_of(location: str, split: str | None) -> Iterator[Pair]:
    """The pairs of query and document of any data that training reads; negatives that are there already are left.

    NaruError where the data are neither pairs nor triplets.
    """
    rows = read(Source("data", location, split=split), Path(), seed=0)
    if rows.shape not in (Shape.PAIRS, Shape.TRIPLETS):
        raise NaruError(
            f"{location}: these are {rows.shape}; negatives are mined for pairs of query and document."
        )
    table = rows.dataset.select_columns(["query", "document"])
    return (Pair(row["query"], row["document"]) for row in table)


def encoder_of(location: str) -> Encoder:
    """A bundle as `naru export` writes it, the bundled naru-mini, or any model that training starts from."""
    if location == DEFAULT_ENCODER or (Path(location) / DESCRIPTION).is_file():
        return open_encoder(location)
    return _Opened(open_model(Model(base=location), Path(), seed=0))


def cross_encoder(location: str) -> Check:
    """A cross-encoder of sentence-transformers by folder or name: a score a pair, in 0..1 where it has one class."""
    try:
        model = CrossEncoder(location)
    except LOADING_FAILS as error:
        raise NaruError(f"{location}: no cross-encoder can be opened there: {error}") from error

    def scores(pairs: Sequence[tuple[str, str]]) -> list[float]:
        found: Any = model.predict(list(pairs), show_progress_bar=False)
        return [float(score) for score in found]

    return scores


class _Opened:
    """A model as mining wants an encoder: float32 [n, dimension], L2-normalised, with its prompts."""

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model

    def queries(self, texts: Sequence[str]) -> Scores:
        return self._vectors(self._model.encode_query, texts)

    def passages(self, texts: Sequence[str]) -> Scores:
        return self._vectors(self._model.encode_document, texts)

    def _vectors(self, encode: Any, texts: Sequence[str]) -> Scores:
        vectors: Scores = encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, np.float32)
