"""From the shape of the data to its loss: the columns decide, a recipe may name another that fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CoSENTLoss,
    CosineSimilarityLoss,
    MultipleNegativesRankingLoss,
)
from torch import nn

from finetune.recipe import Source
from naru.errors import NaruError


def ranking(model: SentenceTransformer, scale: float = 20.0) -> nn.Module:
    """In-batch cross-entropy over cosines, query to document and back (Günther et al. 2024, symmetric InfoNCE)."""
    return MultipleNegativesRankingLoss(
        model,
        scale=scale,
        directions=("query_to_doc", "doc_to_query"),
        partition_mode="per_direction",
    )


PAIRS, TRIPLETS, SCORED = (
    ("query", "document"),
    ("query", "document", "negative"),
    ("sentence1", "sentence2", "score"),
)
LOSSES: dict[str, Callable[..., nn.Module]] = {
    "ranking": ranking,
    "cosent": CoSENTLoss,
    "cosine": CosineSimilarityLoss,
}
FITTING: dict[tuple[str, ...], tuple[str, ...]] = {
    PAIRS: ("ranking",),
    TRIPLETS: ("ranking",),
    SCORED: ("cosent", "cosine"),
}  # the first is the default


def loss_for(source: Source, columns: list[str], model: SentenceTransformer) -> nn.Module:
    """The loss of a source by its columns. NaruError when the named loss does not fit, with those that do."""
    fitting = FITTING[tuple(columns)]
    name = source.loss or fitting[0]
    if name not in fitting:
        raise NaruError(
            f"Data {source.name!r}: loss {name!r} does not fit the columns {', '.join(columns)}. "
            f"Fitting: {', '.join(fitting)}."
        )
    parameters: dict[str, Any] = source.loss_parameters or {}
    return LOSSES[name](model, **parameters)
