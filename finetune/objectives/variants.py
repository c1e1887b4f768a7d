"""Losses of sentence-transformers that our data asks a little more of; their formulas are theirs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    BatchHardTripletLoss,
    MatryoshkaLoss,
    SoftmaxLoss,
    TripletLoss,
)
from torch import Tensor
from torch.nn import functional


class Triplet(TripletLoss):
    """TripletLoss over rows of one or more negatives: the mean of all."""

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        anchors, positives, *negatives = embeddings
        one = super().compute_loss_from_embeddings
        return torch.stack([one([anchors, positives, vectors], labels) for vectors in negatives]).mean()


class BatchHardTriplet(BatchHardTripletLoss):
    """BatchHardTripletLoss whose model is named `model`, where the trainer puts the one that spans devices."""

    def __init__(self, model: SentenceTransformer, distance: Any, margin: float) -> None:
        super().__init__(model, distance, margin)
        del self.sentence_embedder
        self.model = model

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        embeddings = [self.model(features)["sentence_embedding"] for features in sentence_features]
        return self.compute_loss_from_embeddings(embeddings, labels.view(-1))


class Softmax(SoftmaxLoss):
    """SoftmaxLoss that also takes vectors cut short, as Matryoshka gives them: the rest counts as zeros."""

    def __init__(self, model: SentenceTransformer, width: int, classes: int, product: bool) -> None:
        super().__init__(model, width, classes, concatenation_sent_multiplication=product)
        self.width = width

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        u, v = (
            padded(self.model(features)["sentence_embedding"], self.width) for features in sentence_features
        )
        parts = [u, v, (u - v).abs(), *([u * v] if self.concatenation_sent_multiplication else [])]
        loss: Tensor = self.loss_fct(self.classifier(torch.cat(parts, dim=1)), labels.view(-1))
        return loss


class MatryoshkaOfTeacher(MatryoshkaLoss):
    """MatryoshkaLoss that hands on a teacher's vectors whole: theirs cuts labels of the model's own width with the
    embeddings, which a projection and cosines want as they are. The loss within gets them as [n, 1, teacher]."""

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        loss: Tensor = super().forward(sentence_features, labels.unsqueeze(1))
        return loss


def padded(vectors: Tensor, width: int) -> Tensor:
    """Vectors [n, dim] with zeros up to `width` dimensions."""
    return functional.pad(vectors, (0, width - vectors.shape[1]))
