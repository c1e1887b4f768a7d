"""What losses demand of their rows, of batches and of models: refused once the data are read, before a model is loaded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from finetune.data import Rows
from finetune.encoders.width import student_width, width_of
from finetune.model import located
from finetune.recipe import Recipe, Source, Training, fitting
from finetune.shapes import Shape
from naru.errors import NaruError

RANKING = ("ranking", "cached-ranking", "gist", "cached-gist")
COMPARING = (*RANKING, "cosent", "angle", "relational", "batch-hard-triplet")
"""Losses that learn from how the rows of a batch compare, and nothing from a row alone; ranking does from negatives."""


def check_demands(recipe: Recipe, rows: Mapping[str, Rows], root: Path) -> None:
    """Raises NaruError, naming key and line, for a loss that its data, its batches or its models do not suit.

    `rows` are what is trained on, by the name of their data. A dimension that no configuration tells is left to those
    who load the model.
    """
    for number, source in enumerate(recipe.data):
        _rows(recipe, f"data[{number}]", source, rows[source.name])
    for where, training, names in _trainings(recipe):
        own = {name: rows[name] for name in names}
        _batches(recipe, where, training, own)
        # What a stage inherits is said of all data.
        _by_class(recipe, where, training, own if f"{where}.sampler" in recipe.places.of else rows)
    _widths(recipe, root)


def check_negatives(rows: Rows) -> None:
    """NaruError where rows have more negatives than the loss "gist" takes."""
    negatives = sum(name.startswith("negative") for name in rows.texts())
    if negatives > 1:
        raise NaruError(f"Loss 'gist' takes one negative a row, here are {negatives}: use 'cached-gist'.")


def classes_of(rows: Rows) -> int:
    """How many classes rows have."""
    return len(rows.classes) or 2  # labels 0 and 1 have no names


def class_of(name: str | int, rows: Rows) -> int:
    """The number of a class by its name or its number. NaruError where there is none."""
    if isinstance(name, int) and not isinstance(name, bool) and 0 <= name < classes_of(rows):
        return name
    if name not in rows.classes:
        raise NaruError(
            f"Loss 'joint' of data {rows.name!r}: no class {name!r}. There are: "
            f"{', '.join(rows.classes) or '0, 1'}."
        )
    return rows.classes.index(name)


def check_matryoshka(source: Source, width: int) -> None:
    """NaruError where a source's Matryoshka loss wants more dimensions than the model has."""
    if source.loss is not None and source.loss.matryoshka and source.loss.matryoshka[0] > width:
        raise NaruError(
            f"Data {source.name!r}: matryoshka {source.loss.matryoshka}: the model has {width} dimensions."
        )


def check_distilled(width: int, teacher: int) -> None:
    """NaruError where a student of `width` dimensions cannot have its teacher's vectors."""
    if width != teacher:
        raise NaruError(
            f"Distillation: the student has {width} dimensions, the teacher {teacher}. Give the student as many "
            f"([model.adapter] dimensions = [{teacher}]), or the loss a layer between (projection = true)."
        )


def _rows(recipe: Recipe, where: str, source: Source, rows: Rows) -> None:
    name = fitting.chosen(source, rows.shape)
    if name == "gist":
        with recipe.places.naming(f"{where}.loss"):
            check_negatives(rows)
    if name in ("softmax", "joint") and len(rows.classes) == 1:
        raise recipe.places.refuse(
            f"{where}.loss",
            f"is {name!r}, which tells classes apart, and all rows are of one: {rows.classes[0]!r}.",
        )
    if name == "joint" and source.loss is not None:
        with recipe.places.naming(f"{where}.loss.together"):
            for one in source.loss.parameters.get("together") or []:
                class_of(one, rows)
    if len(rows) == 1 and _compares(name, rows):
        raise recipe.places.refuse(
            f"{where}.path",
            f"leaves 1 row to train on, and loss {name!r} over {rows.shape} learns by comparing rows: give 2 or more.",
        )


def _compares(loss: str, rows: Rows) -> bool:
    """Whether the loss learns nothing from a batch of one row."""
    return loss in COMPARING and not (loss in RANKING and rows.shape is Shape.TRIPLETS)


def _trainings(recipe: Recipe) -> Iterator[tuple[str, Training, Collection[str]]]:
    """The key of each stage's training, or the only one's, what it says, and the names of its data."""
    names = [source.name for source in recipe.data]
    if not recipe.stage:
        yield "training", recipe.training, names
    for number, stage in enumerate(recipe.stage):
        yield f"stage[{number}].training", stage.training, stage.data or names


def _batches(recipe: Recipe, where: str, training: Training, rows: Mapping[str, Rows]) -> None:
    for number, source in enumerate(recipe.data):
        if source.name not in rows:
            continue
        name = fitting.chosen(source, rows[source.name].shape)
        own = source.batch_size is not None
        if (source.batch_size or training.batch_size) == 1 and _compares(name, rows[source.name]):
            raise recipe.places.refuse(
                f"data[{number}].batch_size" if own else _written(recipe, where, "batch_size"),
                f"is 1, and loss {name!r} over the {rows[source.name].shape} of {source.name!r} learns by comparing the "
                "rows of a batch: one row alone teaches nothing. Give 2 or more.",
            )


def _by_class(recipe: Recipe, where: str, training: Training, rows: Mapping[str, Rows]) -> None:
    if training.sampler == "by-class" and all(of.shape is not Shape.CLASSED for of in rows.values()):
        shapes = ", ".join(dict.fromkeys(str(of.shape) for of in rows.values()))
        raise recipe.places.refuse(
            _written(recipe, where, "sampler"),
            f'is "by-class", and no data here are sentences with classes: these are {shapes}. Leave it out.',
        )


def _written(recipe: Recipe, where: str, key: str) -> str:
    """The key as it is written: a stage inherits from [training]."""
    own = f"{where}.{key}"
    return own if own in recipe.places.of else f"training.{key}"


def _widths(recipe: Recipe, root: Path) -> None:
    width = student_width(recipe.model, located(recipe.model.base, root))
    if width is None:
        return
    for number, source in enumerate(recipe.data):
        with recipe.places.naming(f"data[{number}].loss.matryoshka"):
            check_matryoshka(source, width)
        given = source.loss.parameters if source.loss else {}
        if source.loss is not None and source.loss.name == "mse" and not given.get("projection"):
            teacher = width_of(located(given["teacher"], root))
            with recipe.places.naming(f"data[{number}].loss.teacher"):
                check_distilled(width, teacher or width)
    for number, held in enumerate(recipe.evaluation):
        teacher = width_of(located(held.teacher, root)) if held.teacher is not None else None
        if teacher is not None and teacher != width:
            raise recipe.places.refuse(
                f"evaluation[{number}].teacher",
                f"is {held.teacher!r}, whose vectors have {teacher} dimensions; the model's have {width}, so they cannot "
                f"be compared. Give the model as many: [model.adapter] dimensions = [{teacher}].",
            )
