"""Which losses fit which shape of data, and the parameters of each with our defaults. Free of torch: for checks.

Temperatures divide cosines (1 / scale elsewhere: 0.05 is a scale of 20). Distances are 1 - cosine unless said: what is
served compares by cosine, and a margin then means the same for every model. A margin of 1 asks negatives to be at right
angles to the anchor (contrastive), or that much further away than the positive (triplets).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from finetune.recipe.limits import Above, AtLeast, Between, OneOf
from finetune.recipe.lines import join
from finetune.recipe.tables import KeyPlaces, build, meant
from finetune.shapes import Shape
from naru.errors import NaruError

if TYPE_CHECKING:
    from finetune.recipe import Loss, Recipe, Source

Temperature = Annotated[float, Above(0)]
Cosine = Annotated[float, Between(-1, 1)]
Distance = Annotated[str, OneOf("cosine", "euclidean", "manhattan")]
Count = Annotated[int, AtLeast(1)]


@dataclass(frozen=True)
class Ranking:
    """In-batch cross-entropy over cosines: each query's own document among all documents of the batch (InfoNCE)."""

    temperature: Temperature = 0.05  # 0.01 to 0.1: lower looks only at the hardest negatives
    symmetric: bool = True  # also each document's own query among all queries


@dataclass(frozen=True)
class CachedRanking(Ranking):
    """Ranking over batches larger than memory, in two passes (GradCache): a fifth slower or so."""

    mini_batch: Count = 32  # rows that memory holds at once


@dataclass(frozen=True)
class Gist:
    """Ranking that leaves out negatives which a guide model holds for more alike than the positive."""

    guide: str  # a model, named as in [model] base
    temperature: Temperature = 0.01  # of the paper, and of sentence-transformers
    margin: Annotated[float, AtLeast(0)] = 0.0  # leave out also what comes this near to the positive
    relative: bool = False  # the margin is a share of the positive's cosine


@dataclass(frozen=True)
class CachedGist(Gist):
    """Gist over batches larger than memory, and over several negatives a row."""

    mini_batch: Count = 32


@dataclass(frozen=True)
class Triplet:
    """The negative further away than the positive by a margin; the mean over several negatives."""

    margin: Annotated[float, Above(0)] = 1.0
    distance: Distance = "cosine"


@dataclass(frozen=True)
class Contrastive:
    """Pairs of label 1 draw near, those of label 0 leave until the margin."""

    margin: Annotated[float, Above(0)] = 1.0
    distance: Distance = "cosine"


@dataclass(frozen=True)
class OnlineContrastive(Contrastive):
    """Contrastive over the hard pairs of a batch only."""


@dataclass(frozen=True)
class CosineSimilarity:
    """The square of cosine - score."""


@dataclass(frozen=True)
class Cosent:
    """Of two pairs the one with the higher score has the higher cosine: order, not value."""

    temperature: Temperature = 0.05


@dataclass(frozen=True)
class Angle(Cosent):
    """CoSENT with the angle of complex vectors, whose gradient does not vanish where cosines near 1."""


@dataclass(frozen=True)
class Softmax:
    """A linear head tells the class from [u; v; |u - v|]."""

    product: bool = False  # u * v as well


@dataclass(frozen=True)
class BatchHardTriplet:
    """For each text its furthest of the same class and its nearest of another. Wants sampler = "by-class"."""

    margin: Annotated[float, Above(0)] = 1.0
    distance: Annotated[str, OneOf("cosine", "euclidean")] = "cosine"


@dataclass(frozen=True)
class Mse:
    """Distillation: the vector of a text, and of its translation, as the teacher's vector of the text."""

    teacher: str  # a model, named as in [model] base
    projection: bool = False  # a linear layer, of the loss, to a teacher of another dimension


@dataclass(frozen=True)
class Relational:
    """Distillation of how texts compare: the cosines within a batch as the teacher's, whose dimension does not matter."""

    teacher: str  # a model, named as in [model] base
    translations: bool = False  # sentences and translations: the student learns the translations alone


@dataclass(frozen=True)
class Hybrid:
    """alpha * cosine embedding + (1 - alpha) * KL of in-batch similarities (finetune.objectives.hybrid)."""

    alpha: Annotated[float, Between(0, 1)] = 0.7
    temperature: Temperature = 0.1
    margin: Cosine = 0.0


@dataclass(frozen=True)
class Joint:
    """Contrastive + weight * cross-entropy of a head with label smoothing (finetune.objectives.joint)."""

    weight: Annotated[float, AtLeast(0)] = 1.0
    label_smoothing: Annotated[float, Between(0, 0.99)] = 0.1
    temperature: Temperature = 0.1
    together: list[Any] | None = (
        None  # pairs: the classes, by name or number, whose two texts belong together
    )


PARAMETERS: dict[str, type[Any]] = {
    "ranking": Ranking,
    "cached-ranking": CachedRanking,
    "gist": Gist,
    "cached-gist": CachedGist,
    "triplet": Triplet,
    "contrastive": Contrastive,
    "online-contrastive": OnlineContrastive,
    "cosine": CosineSimilarity,
    "cosent": Cosent,
    "angle": Angle,
    "softmax": Softmax,
    "batch-hard-triplet": BatchHardTriplet,
    "mse": Mse,
    "relational": Relational,
    "hybrid": Hybrid,
    "joint": Joint,
}
FITTING: dict[Shape, tuple[str, ...]] = {
    Shape.PAIRS: ("ranking", "cached-ranking", "gist", "cached-gist"),
    Shape.TRIPLETS: ("ranking", "cached-ranking", "gist", "cached-gist", "triplet"),
    Shape.SCORED: ("cosent", "angle", "cosine", "hybrid"),
    Shape.LABELLED: (
        "online-contrastive", "contrastive", "cosent", "angle", "cosine", "hybrid", "softmax", "joint",
    ),
    Shape.CLASSED_PAIRS: ("softmax", "joint"),
    Shape.CLASSED: ("batch-hard-triplet", "joint"),
    Shape.SENTENCES: ("mse", "relational"),
    Shape.PARALLEL: ("ranking", "cached-ranking", "mse", "relational"),
}  # fmt: skip  # the first is the default
TAUGHT = ("mse", "relational")
"""Losses over the vectors of a teacher, computed before training."""


def fitting(shape: Shape) -> list[str]:
    """The losses that fit a shape, the default first; none for a shape that is only evaluated."""
    return list(FITTING.get(shape, ()))


def parameters(loss: Loss, places: KeyPlaces | None = None, where: str = "loss") -> Any:
    """A loss's parameters, defaults filled in: an instance of its class in PARAMETERS.

    NaruError for an unknown loss or parameter, a missing one, a wrong type or a value out of range.
    """
    places = places or KeyPlaces("recipe", {})
    if loss.name not in PARAMETERS:
        key = join(where, "name") if join(where, "name") in places.of else where
        raise places.refuse(key, f"is {loss.name!r}, no loss. {meant(loss.name, PARAMETERS)}")
    return build(PARAMETERS[loss.name], loss.parameters, places, where)


def chosen(source: Source, shape: Shape) -> str:
    """The name of a source's loss: its own, or the default of the shape."""
    names = fitting(shape)
    if source.loss is not None:
        return source.loss.name
    if not names:
        raise NaruError(f"Data {source.name!r}: {shape} can be evaluated, and not trained on.")
    return names[0]


def check_fit(source: Source, shape: Shape, place: str = "") -> None:
    """Refuse a loss that does not fit the shape of the data, naming those that do. `place` is where the recipe says it.

    NaruError also where the default loss of a shape needs to be told something (the teacher of "mse").
    """
    name = chosen(source, shape)
    before = f"{place}: " if place else ""
    if name not in fitting(shape):
        raise NaruError(
            f"{before}data {source.name!r}: loss {name!r} does not fit {shape}. Fitting: {', '.join(fitting(shape))}."
        )
    given = source.loss.parameters if source.loss else {}
    if name in TAUGHT and "teacher" not in given:
        raise NaruError(
            f'{before}data {source.name!r}: {shape} want a teacher: loss = {{name = "{name}", teacher = "MODEL"}}.'
        )
    if name == "joint" and (shape is Shape.CLASSED_PAIRS) and given.get("together") is None:
        raise NaruError(
            f"{before}data {source.name!r}: loss 'joint' over {shape} wants `together`, the classes whose two texts "
            'belong together: loss = {name = "joint", together = ["entailment"]}.'
        )


def check_fits(recipe: Recipe, shapes: Mapping[str, Shape]) -> None:
    """`check_fit` of every source whose shape is known by now, naming the line of the recipe."""
    for number, source in enumerate(recipe.data):
        if source.name in shapes:
            check_fit(source, shapes[source.name], recipe.at(f"data[{number}].loss"))
