"""Distillation from a teacher, and the frozen models that some losses ask.

The vectors of a teacher are computed once, before training, into Arrow files beside the run: memory holds none of
them but a batch's, a second epoch and a resumed run cost nothing, and the teacher reads the text itself rather than
what is left of it in the student's tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, Features, Sequence, Value, concatenate_datasets
from datasets.arrow_writer import ArrowWriter
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from torch.nn import functional

from finetune.checkpoints import published
from finetune.data import Rows
from finetune.model import open_model
from finetune.objectives.demands import check_distilled
from finetune.objectives.variants import padded
from finetune.recipe import Model
from naru.errors import NaruError

ROWS = 1024  # rows encoded, and held in memory, at once
SHARD = 10 * ROWS  # rows whose vectors are lost at most when a process is killed
VECTORS = "vectors.arrow"

Stop = Callable[[], str]
"""Why to stop; "" to go on."""


def no_stop() -> str:
    return ""


class Distillation(nn.Module):
    """The mean squared error between the student's vectors and the teacher's (Reimers and Gurevych 2020).

    Rows are (text, vector) or (source, target, vector): the vector is the teacher's of the text, or of the source, and
    both source and target are to have it. `unit` compares with the teacher's vectors at length 1, for a student whose
    vectors are; a student cut short by Matryoshka is compared with as many of the teacher's first dimensions.
    `projection` is a linear layer, trained with the student and left behind, to the teacher's dimension.

    Raises NaruError where the dimensions differ and there is no projection.
    """

    def __init__(
        self, model: SentenceTransformer, teacher: int, unit: bool, projection: bool = False
    ) -> None:
        super().__init__()
        width = model.get_embedding_dimension()
        if width is None:
            raise NaruError("Distillation: the model does not say its embedding dimension.")
        if not projection:
            check_distilled(width, teacher)
        self.model = model
        self.width = width
        self.unit = unit
        self.projection = nn.Linear(width, teacher, device=model.device) if projection else None

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        """The loss of a batch: token tensors of one or two columns, teacher vectors [n, teacher] -> scalar."""
        embeddings = [self.model(features)["sentence_embedding"] for features in sentence_features]
        return self.compute_loss_from_embeddings(embeddings, labels)

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        """The loss of one or two lists of vectors [n, dim] and the teacher's [n, teacher] -> scalar."""
        labels = labels.flatten(1)  # [n, 1, teacher] within Matryoshka
        errors = []
        for vectors in embeddings:
            given = vectors.float()
            if self.projection is not None:
                given = self.projection(padded(given, self.width))
            wanted = labels.to(given)[:, : given.shape[1]]
            if self.unit:
                wanted = functional.normalize(wanted, dim=1)
            errors.append(functional.mse_loss(given, wanted))
        return torch.stack(errors).mean()


class Relations(nn.Module):
    """The cosines between the texts of a batch as the teacher has them (Tung and Mori 2019; Park et al. 2019).

    Over all pairs of different rows, the sum of (student's cosine - teacher's)^2 by the sum of (teacher's - their
    mean)^2: 0 for the teacher's own cosines, 1 for all of them at the mean. Rows are as for `Distillation`; with
    `translations` the student encodes the last column only. The dimensions of student and teacher may differ.

    What a batch of strangers teaches is little: `finetune.loop.samplers.Neighbours` brings like texts together.
    """

    def __init__(self, model: SentenceTransformer, translations: bool = False) -> None:
        super().__init__()
        self.model = model
        self.translations = translations

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        """The loss of a batch: token tensors of one or two columns, teacher vectors [n, teacher] -> scalar."""
        columns = list(sentence_features)[-1:] if self.translations else list(sentence_features)
        return self.compute_loss_from_embeddings(
            [self.model(features)["sentence_embedding"] for features in columns], labels
        )

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        """The loss of one or two lists of vectors [n, dim] and the teacher's [n, teacher] -> scalar."""
        labels = labels.flatten(1)  # [n, 1, teacher] within Matryoshka
        given = functional.normalize(torch.cat([vectors.float() for vectors in embeddings]), dim=1)
        teacher = functional.normalize(labels.to(given), dim=1)
        wanted = (teacher @ teacher.T).repeat(len(embeddings), len(embeddings))
        strangers = ~torch.eye(len(labels), dtype=torch.bool, device=given.device).repeat(
            len(embeddings), len(embeddings)
        )
        found, wanted = (given @ given.T)[strangers], wanted[strangers]
        spread = (wanted - wanted.mean()).square().sum()
        return (found - wanted).square().sum() / spread.clamp(min=1e-6)


def opened(base: str, root: Path, device: torch.device) -> SentenceTransformer:
    """A teacher or a guide by its name, as in [model] base: frozen, on the device of the student."""
    model: SentenceTransformer = open_model(Model(base=base), root, seed=0)
    model.to(device).eval().requires_grad_(False)
    return model


class Guide:
    """A guide as the losses of sentence-transformers call it, and no part of them: neither optimized nor saved.

    It gives back tensors only: their cached loss chokes on the name of the modality among them (5.7).
    """

    def __init__(self, model: SentenceTransformer) -> None:
        self.model = model
        self.device = model.device

    def preprocess(self, texts: list[Any]) -> dict[str, Tensor]:
        return {
            name: value for name, value in self.model.preprocess(texts).items() if isinstance(value, Tensor)
        }

    def __call__(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        embedded: dict[str, Tensor] = self.model(features)
        return embedded


class UnfinishedError(Exception):
    """The clock stopped a teacher between two shards; `reason` is the clock's."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def with_vectors(
    rows: Rows,
    base: str,
    root: Path,
    device: torch.device,
    folder: Path,
    digests: Mapping[str, str],
    stop: Stop = no_stop,
) -> Rows:
    """The rows with a column `label`: the vector [dim] that the teacher gives the first text of each.

    They lie in `folder`, in a folder for these texts and this teacher, whose files have these `digests`: a shard for each
    SHARD texts, which appears whole. Those that are there already are read.

    Raises UnfinishedError where, after a shard was written, `stop` gives a reason; the same call goes on with the next one.
    """
    texts = rows.dataset.select_columns(rows.dataset.column_names[:1])
    shards = folder / _digest(texts, repr(sorted(digests.items())))
    teacher: SentenceTransformer | None = None
    files = []
    for start in range(0, len(texts), SHARD):
        shard = shards / f"{start // SHARD:05}"
        if not shard.exists():
            teacher = teacher or opened(base, root, device)
            with published(shard, listed=False) as part:
                _write(part / VECTORS, texts.select(range(start, min(start + SHARD, len(texts)))), teacher)
            if reason := stop():
                raise UnfinishedError(reason)
        files.append(Dataset.from_file(str(shard / VECTORS)))
    # Else the vectors would be copied once more, beside their shard, for the rows that were chosen.
    chosen = rows.dataset.flatten_indices()
    return replace(rows, dataset=concatenate_datasets([chosen, concatenate_datasets(files)], axis=1))


def _write(file: Path, texts: Dataset, teacher: SentenceTransformer) -> None:
    features = Features({"label": Sequence(Value("float32"), length=teacher.get_embedding_dimension())})
    with ArrowWriter(path=str(file), features=features) as writer:
        for start in range(0, len(texts), ROWS):
            batch = texts[start : start + ROWS][texts.column_names[0]]
            writer.write_batch({"label": teacher.encode(batch, show_progress_bar=False)})
        writer.finalize()


def _digest(texts: Dataset, teacher: str) -> str:
    digest = hashlib.sha256(teacher.encode())
    for start in range(0, len(texts), ROWS):
        for text in texts[start : start + ROWS][texts.column_names[0]]:
            digest.update(b"\0" + text.encode())
    return digest.hexdigest()[:16]
