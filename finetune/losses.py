"""The loss of a data set: which one by the shape of its rows (finetune.recipe.fitting), made here with its parameters.

    shape            losses, the default first
    pairs            ranking, cached-ranking, gist, cached-gist
    triplets         ranking, cached-ranking, gist, cached-gist, triplet
    scored pairs     cosent, angle, cosine, hybrid
    labelled pairs   online-contrastive, contrastive, cosent, angle, cosine, hybrid, softmax, joint
    classed pairs    softmax, joint
    classed          batch-hard-triplet, joint
    sentences        mse, relational
    parallel         ranking, cached-ranking, mse, relational

Matryoshka goes around any of them: the loss at every dimension given, of vectors cut and normalised again; heads of a
loss read the missing dimensions as zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import losses
from sentence_transformers.sentence_transformer.losses.batch_hard_triplet import (
    BatchHardTripletLossDistanceFunction,
)
from sentence_transformers.sentence_transformer.losses.contrastive import SiameseDistanceMetric
from sentence_transformers.sentence_transformer.losses.triplet import TripletDistanceMetric
from sentence_transformers.sentence_transformer.modules import Normalize
from torch import nn

from finetune.data import Rows
from finetune.digests import base_digests
from finetune.objectives.demands import check_matryoshka, check_negatives, class_of, classes_of
from finetune.objectives.distillation import (
    Distillation,
    Guide,
    Relations,
    Stop,
    no_stop,
    opened,
    with_vectors,
)
from finetune.objectives.hybrid import HybridLoss
from finetune.objectives.joint import JointLoss
from finetune.objectives.variants import BatchHardTriplet, MatryoshkaOfTeacher, Softmax, Triplet
from finetune.recipe import Loss, Recipe, Source, fitting
from finetune.shapes import Shape
from naru.errors import NaruError

TRIPLET = {
    "cosine": TripletDistanceMetric.COSINE,
    "euclidean": TripletDistanceMetric.EUCLIDEAN,
    "manhattan": TripletDistanceMetric.MANHATTAN,
}
PAIR = {
    "cosine": SiameseDistanceMetric.COSINE_DISTANCE,
    "euclidean": SiameseDistanceMetric.EUCLIDEAN,
    "manhattan": SiameseDistanceMetric.MANHATTAN,
}
BATCH = {
    "cosine": BatchHardTripletLossDistanceFunction.cosine_distance,
    "euclidean": BatchHardTripletLossDistanceFunction.euclidean_distance,
}


@dataclass(frozen=True)
class Case:
    """What a loss is made for: the model, its width, the rows, the root of relative paths, and how vectors end."""

    model: SentenceTransformer
    width: int
    rows: Rows
    root: Path
    unit: bool  # vectors have length 1


def prepared(
    source: Source,
    rows: Rows,
    root: Path,
    model: SentenceTransformer,
    folder: Path,
    stop: Stop = no_stop,
) -> Rows:
    """The rows as their loss wants them: as they are, or with the teacher's vectors as labels, kept in `folder`. Raises
    UnfinishedError where `stop` gives a reason meanwhile."""
    if fitting.chosen(source, rows.shape) not in fitting.TAUGHT:
        return rows
    fitting.check_fit(source, rows.shape)
    teacher = fitting.parameters(_named(source, rows.shape)).teacher
    return with_vectors(rows, teacher, root, model.device, folder, base_digests(teacher, root), stop)


def check_widths(recipe: Recipe, model: SentenceTransformer) -> None:
    """`check_width` of every source, naming key and line."""
    for number, source in enumerate(recipe.data):
        with recipe.places.naming(f"data[{number}].loss.matryoshka"):
            check_width(source, model)


def check_width(source: Source, model: SentenceTransformer) -> int:
    """The model's dimension. NaruError where a source's Matryoshka loss wants more."""
    width = model.get_embedding_dimension()
    if width is None:
        raise NaruError(f"Data {source.name!r}: the model does not say its embedding dimension.")
    check_matryoshka(source, width)
    return width


def loss_for(source: Source, rows: Rows, model: SentenceTransformer, root: Path | None = None) -> nn.Module:
    """The loss of a source, over `prepared` rows. `root` is what a guide's relative path is relative to.

    Raises NaruError for a loss that does not fit the rows, with those that do, and for parameters out of range.
    """
    fitting.check_fit(source, rows.shape)
    loss = _named(source, rows.shape)
    width = check_width(source, model)
    unit = loss.matryoshka is not None or any(isinstance(module, Normalize) for module in model)
    case = Case(model, width, rows, root or Path(), unit)
    made = MAKERS[loss.name](fitting.parameters(loss), case)
    if loss.matryoshka is None:
        return made
    around = MatryoshkaOfTeacher if loss.name in fitting.TAUGHT else losses.MatryoshkaLoss
    return around(model, made, loss.matryoshka)


def _named(source: Source, shape: Shape) -> Loss:
    return source.loss or Loss(fitting.chosen(source, shape))


def ranking(p: fitting.Ranking, case: Case) -> nn.Module:
    """In-batch cross-entropy over cosines, query to document and back (Günther et al. 2024, symmetric InfoNCE)."""
    return losses.MultipleNegativesRankingLoss(
        case.model,
        scale=1 / p.temperature,
        directions=("query_to_doc", "doc_to_query") if p.symmetric else ("query_to_doc",),
        partition_mode="per_direction" if p.symmetric else "joint",
    )


def cached_ranking(p: fitting.CachedRanking, case: Case) -> nn.Module:
    """The same over two passes (Gao et al. 2021, GradCache)."""
    return losses.CachedMultipleNegativesRankingLoss(
        case.model,
        scale=1 / p.temperature,
        mini_batch_size=p.mini_batch,
        directions=("query_to_doc", "doc_to_query") if p.symmetric else ("query_to_doc",),
        partition_mode="per_direction" if p.symmetric else "joint",
    )


def gist(p: fitting.Gist, case: Case) -> nn.Module:
    """Guided in-sample selection of negatives (Solatorio 2024, arXiv 2402.16829)."""
    check_negatives(case.rows)
    guide = opened(p.guide, case.root, case.model.device)
    made = losses.GISTEmbedLoss(
        case.model,
        guide,
        p.temperature,
        margin_strategy="relative" if p.relative else "absolute",
        margin=p.margin,
    )
    return _apart(made)


def cached_gist(p: fitting.CachedGist, case: Case) -> nn.Module:
    guide = opened(p.guide, case.root, case.model.device)
    made = losses.CachedGISTEmbedLoss(
        case.model,
        guide,
        p.temperature,
        p.mini_batch,
        margin_strategy="relative" if p.relative else "absolute",
        margin=p.margin,
    )
    return _apart(made)


def _apart(loss: nn.Module) -> nn.Module:
    """The loss with its guide as a plain object instead of a part of it."""
    guide: Any = loss._modules.pop("guide")
    object.__setattr__(loss, "guide", Guide(guide))
    return loss


def joint(p: fitting.Joint, case: Case) -> nn.Module:
    """Joint over the classes of the data, which `together` may name."""
    together, classes = p.together, classes_of(case.rows)
    if case.rows.shape is Shape.LABELLED and together is None:
        together = [1]
    if together is not None:
        together = [class_of(name, case.rows) for name in together]
    return JointLoss(case.model, classes, p.weight, p.label_smoothing, p.temperature, together)


MAKERS: dict[str, Callable[[Any, Case], nn.Module]] = {
    "ranking": ranking,
    "cached-ranking": cached_ranking,
    "gist": gist,
    "cached-gist": cached_gist,
    "triplet": lambda p, case: Triplet(case.model, TRIPLET[p.distance], p.margin),
    "contrastive": lambda p, case: losses.ContrastiveLoss(case.model, PAIR[p.distance], p.margin),
    "online-contrastive": lambda p, case: losses.OnlineContrastiveLoss(
        case.model, PAIR[p.distance], p.margin
    ),
    "cosine": lambda _, case: losses.CosineSimilarityLoss(case.model),
    "cosent": lambda p, case: losses.CoSENTLoss(case.model, scale=1 / p.temperature),
    "angle": lambda p, case: losses.AnglELoss(case.model, scale=1 / p.temperature),
    "softmax": lambda p, case: Softmax(case.model, case.width, classes_of(case.rows), p.product),
    "batch-hard-triplet": lambda p, case: BatchHardTriplet(case.model, BATCH[p.distance], p.margin),
    "mse": lambda p, case: Distillation(
        case.model, len(case.rows.dataset[0]["label"]), case.unit, p.projection
    ),
    "relational": lambda p, case: Relations(case.model, p.translations),
    "hybrid": lambda p, case: HybridLoss(case.model, p.alpha, p.temperature, p.margin),
    "joint": joint,
}
