"""The joint loss: texts that belong together draw near while a head learns to tell their classes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from torch.nn import functional

from finetune.objectives.variants import padded
from naru.errors import NaruError


class JointLoss(nn.Module):
    """contrastive + weight * cross-entropy of a linear head with label smoothing, over rows with a class.

    Classes are integers from 0 to classes - 1. C are cosines, t = temperature, n rows a batch.

    Single sentences, (text, class): the contrastive part is supervised (Khosla et al. 2020, L_out; beside a
    cross-entropy as Gunel et al. 2021, arXiv 2011.01403). With P(i) the other rows of i's class,

        contrastive = mean over i with P(i) of  -1/|P(i)| * sum over p in P(i) of log softmax over j != i (C[i] / t)[p]

    and the head reads the vector, dim -> classes. A class wants several rows a batch: a row alone in its class counts
    in the cross-entropy only.

    Pairs, (first, second, class), chosen by `together`, the classes whose two texts belong together (entailment of an
    NLI set; all of them where the class is a topic): in-batch InfoNCE (van den Oord et al. 2018) over the rows of these
    classes, the second texts of all rows being the candidates, so a contradiction is a hard negative of its own premise,

        contrastive = mean over i in together of  -log softmax over j (C[i] / t)[i],  C of firsts and seconds

    and the head reads [u; v; |u - v|], 3 dim -> classes (Reimers and Gurevych 2019). Use no-duplicate batches.

    Vectors cut short, as Matryoshka gives them, are read by the head as if the rest were zeros.
    The smoothed target is (1 - e) on the class plus e / classes on each (Szegedy et al. 2016), e = label_smoothing.
    `head` belongs to the loss: the optimizer trains it, and neither saving the model nor the trainer's checkpoint
    keeps it. Whoever wants the classifier, or an exact resume, saves `head.state_dict()` beside the model.

    Raises NaruError for parameters out of range, rows of another shape, and classes outside 0..classes - 1.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        classes: int,
        weight: float = 1.0,
        label_smoothing: float = 0.1,
        temperature: float = 0.1,
        together: Collection[int] | None = None,
    ) -> None:
        super().__init__()
        if classes < 2:
            raise NaruError(f"Joint loss: {classes} classes, expected 2 or more.")
        if not weight >= 0:
            raise NaruError(f"Joint loss: weight is {weight}, expected 0 or more.")
        if not 0 <= label_smoothing < 1:
            raise NaruError(f"Joint loss: label_smoothing is {label_smoothing}, expected 0 to below 1.")
        if not temperature > 0:
            raise NaruError(f"Joint loss: temperature is {temperature}, expected more than 0, such as 0.1.")
        if together is not None and (not together or not set(together) <= set(range(classes))):
            raise NaruError(
                f"Joint loss: together is {list(together)}, expected one or more of 0 to {classes - 1}; "
                "leave it out for single sentences."
            )
        width = model.get_embedding_dimension()
        if width is None:
            raise NaruError(
                "Joint loss: the model does not say its embedding dimension, which the head needs."
            )
        self.model = model
        self.classes = classes
        self.weight = weight
        self.label_smoothing = label_smoothing
        self.temperature = temperature
        self.together = None if together is None else sorted(together)
        self.head = nn.Linear(width if together is None else 3 * width, classes, device=model.device)

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        """The loss of a batch: token tensors of one or two columns of n texts, classes [n] -> scalar."""
        embeddings = [self.model(features)["sentence_embedding"] for features in sentence_features]
        return self.compute_loss_from_embeddings(embeddings, labels)

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        """The loss of one or two lists of vectors, [n, dim] each, and their classes [n] -> scalar."""
        expected = 1 if self.together is None else 2
        if len(embeddings) != expected:
            fix = (
                "give `together` for pairs" if expected == 1 else "leave out `together` for single sentences"
            )
            raise NaruError(f"Joint loss: rows of {len(embeddings)} texts, expected {expected}; {fix}.")
        labels = labels.view(-1)
        if labels.is_floating_point() or not bool(((labels >= 0) & (labels < self.classes)).all()):
            raise NaruError(
                f"Joint loss: labels from {labels.min():g} to {labels.max():g} ({labels.dtype}), "
                f"expected whole numbers from 0 to {self.classes - 1}."
            )
        width = self.head.in_features // (1 if self.together is None else 3)
        vectors = [padded(vector.float(), width) for vector in embeddings]
        if self.together is None:
            features, contrastive = vectors[0], self._same_class(vectors[0], labels)
        else:
            first, second = vectors
            features = torch.cat([first, second, (first - second).abs()], dim=1)
            contrastive = self._pairs(first, second, labels)
        classification = functional.cross_entropy(
            self.head(features), labels, label_smoothing=self.label_smoothing
        )
        return contrastive + self.weight * classification

    def _same_class(self, vectors: Tensor, labels: Tensor) -> Tensor:
        unit = functional.normalize(vectors, dim=1)
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        others = (labels[:, None] == labels[None, :]) & ~itself
        counts = others.sum(dim=1)
        if not bool(counts.any()):
            return unit.sum() * 0  # no class has two rows here: nothing to draw near
        logits = (unit @ unit.T / self.temperature).masked_fill(itself, -torch.inf)
        shares = functional.log_softmax(logits, dim=1).masked_fill(~others, 0)
        paired = counts > 0
        return -(shares.sum(dim=1)[paired] / counts[paired]).mean()

    def _pairs(self, first: Tensor, second: Tensor, labels: Tensor) -> Tensor:
        belong = torch.isin(labels, torch.tensor(self.together, device=labels.device))
        if not bool(belong.any()):
            return first.sum() * 0
        cosines = functional.normalize(first, dim=1) @ functional.normalize(second, dim=1).T
        shares = functional.log_softmax(cosines / self.temperature, dim=1)
        return -shares.diagonal()[belong].mean()
