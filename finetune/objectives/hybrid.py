"""The hybrid loss: how alike a pair is by itself, and how it stands among the other passages of the batch."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from torch.nn import functional

from naru.errors import NaruError


class HybridLoss(nn.Module):
    """alpha * cosine embedding loss + (1 - alpha) * KL, over rows of (anchor, passage, label).

    A label says how well the passage fits, from 0 (not at all) to 1; a binary label is the two ends of it. With the
    cosines C[i, j] of anchor i and passage j of a batch of n rows, t = temperature and s = labels:

        cosine = mean over i of  max(0, 2 s[i] - 1 - C[i, i]) + max(0, C[i, i] - (margin + (1 - margin) s[i]))
        KL     = mean over i of  sum over j of  q[i, j] * (log q[i, j] - log p[i, j])
        p[i]   = softmax(C[i] / t),   q[i] = softmax(T[i] / t),   T = diag(s)

    At labels 0 and 1 the first term is `torch.nn.CosineEmbeddingLoss` (1 - C and max(0, C - margin)). That one knows
    no label between: here the cosine may lie anywhere from 2 s - 1 to margin + (1 - margin) s, which narrows to 1 as
    s grows, and the second term places it. The second is the KL divergence of distillation (Hinton et al. 2015, without
    the factor t * t; over a batch as in Lin et al. 2020, arXiv 2010.11386), with the labels as teacher: passages of
    other rows count as 0, so no text may occur twice in a batch (`finetune.loop.samplers.LikeLength`, or the trainer's
    NO_DUPLICATES). A row of label 0 asks that its passage be no more likely than a stranger's. The temperature is 0.1
    because lower ones lose the grades: at 0.05 and 64 rows labels 0.5 and 1 both come to a probability above 0.99.

    Raises NaruError for parameters out of range, rows that are not two texts, and labels outside 0..1.
    """

    def __init__(
        self, model: SentenceTransformer, alpha: float = 0.7, temperature: float = 0.1, margin: float = 0.0
    ) -> None:
        super().__init__()
        if not 0 <= alpha <= 1:
            raise NaruError(f"Hybrid loss: alpha is {alpha}, expected 0 (KL alone) to 1 (cosine alone).")
        if not temperature > 0:
            raise NaruError(f"Hybrid loss: temperature is {temperature}, expected more than 0, such as 0.1.")
        if not -1 <= margin < 1:
            raise NaruError(f"Hybrid loss: margin is {margin}, expected a cosine from -1 to below 1.")
        self.model = model
        self.alpha = alpha
        self.temperature = temperature
        self.margin = margin

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        """The loss of a batch: token tensors of two columns of n texts, `labels` [n] -> scalar."""
        embeddings = [self.model(features)["sentence_embedding"] for features in sentence_features]
        return self.compute_loss_from_embeddings(embeddings, labels)

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        """The loss of anchors and passages, [n, dim] each and of any length, and their labels [n] -> scalar."""
        if len(embeddings) != 2:
            raise NaruError(
                f"Hybrid loss: rows of {len(embeddings)} texts, expected (anchor, passage, label)."
            )
        labels = labels.float().view(-1)
        if not bool(((labels >= 0) & (labels <= 1)).all()):
            raise NaruError(
                f"Hybrid loss: labels from {labels.min():g} to {labels.max():g}, expected 0 to 1. "
                "Divide scores of 0 to 5 by 5."
            )
        anchors, passages = (functional.normalize(vectors.float(), dim=1) for vectors in embeddings)
        cosines = anchors @ passages.T
        own = cosines.diagonal()
        floor, ceiling = 2 * labels - 1, self.margin + (1 - self.margin) * labels
        cosine = (functional.relu(floor - own) + functional.relu(own - ceiling)).mean()
        wanted = functional.softmax(torch.diag(labels) / self.temperature, dim=1)
        given = functional.log_softmax(cosines / self.temperature, dim=1)
        divergence = functional.kl_div(given, wanted, reduction="batchmean")
        return self.alpha * cosine + (1 - self.alpha) * divergence
