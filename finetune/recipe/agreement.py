"""Keys of a recipe that contradict each other, or name what is not there: refused by key and line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.recipe import fitting
from finetune.recipe.tables import meant
from finetune.shapes import Shape
from naru.errors import NaruError

if TYPE_CHECKING:
    from finetune.recipe import Evaluation, Recipe, Source, Stage, Training

RUN_WIDE = ("precision", "hub_model_id", "hub_strategy", "hub_private")  # of a whole run, whatever its stages
FRESH = ("layers", "hidden", "intermediate")  # sizes of a fresh body; the rest is the base's


def check_agreement(recipe: Recipe) -> None:
    """Raises NaruError for the first contradiction within the recipe; it looks at no file."""
    places = recipe.places
    _unique(recipe, "data", recipe.data)
    _unique(recipe, "evaluation", recipe.evaluation)
    _unique(recipe, "stage", recipe.stage)
    _model(recipe)
    for where, row in rows_of(recipe):
        _score_range(recipe, where, row)
    for number, held in enumerate(recipe.evaluation):
        _teacher(recipe, f"evaluation[{number}]", held)
    if not recipe.data:
        raise places.refuse("data", "is empty: there is nothing to train on. Write a [[data]] table.")
    for number, source in enumerate(recipe.data):
        if source.loss is not None:
            _loss(recipe, f"data[{number}].loss", source)
    _training(recipe, "training", recipe.training)
    for number, stage in enumerate(recipe.stage):
        _stage(recipe, f"stage[{number}]", stage)
        _training(recipe, f"stage[{number}].training", stage.training)
    _start_share(recipe)


def check_paths(recipe: Recipe, root: Path) -> None:
    """Raises NaruError for the first data file, relative to `root`, that is not there, naming key and line."""
    wanted = [
        (f"{where}.path", part)
        for where, row in rows_of(recipe)
        if row.path is not None and not row.path.startswith("hf://")
        for part in ([row.path] if (root / row.path).exists() else row.path.split(","))
    ]
    if vocabulary := recipe.model.vocabulary:
        where = "model.vocabulary"
        columns = [(f"{where}.characters.{name}", name) for name in vocabulary.characters]
        columns += [(f"{where}.neighbours", vocabulary.neighbours)] if vocabulary.neighbours else []
        wanted += [(key, f"{name.rpartition('.')[0]}.parquet") for key, name in columns]
        wanted += [(f"{where}.parallel", vocabulary.parallel)] if vocabulary.parallel else []
    for key, path in wanted:
        if (root / path).exists():
            continue
        if recipe.at(key).startswith(("--data ", "--evaluation ")):
            raise NaruError(f"{recipe.at(key)}: no such file: nothing at {root / path}.")
        raise recipe.places.refuse(
            key, f"names {path!r}: nothing at {root / path}. Relative paths start at the root (--root)."
        )


def rows_of(recipe: Recipe) -> list[tuple[str, Source | Evaluation]]:
    """Every [[data]] and [[evaluation]] with its dotted key."""
    data = [(f"data[{number}]", source) for number, source in enumerate(recipe.data)]
    return [*data, *((f"evaluation[{number}]", held) for number, held in enumerate(recipe.evaluation))]


def models_of(recipe: Recipe) -> list[tuple[str, str]]:
    """Every model that a recipe names, with its dotted key: its base first, then the teachers and guides of its losses and
    the teachers of its held-out data."""
    named = [("model.base", recipe.model.base)]
    for number, source in enumerate(recipe.data):
        parameters = source.loss.parameters if source.loss else {}
        named += [
            (f"data[{number}].loss.{role}", parameters[role])
            for role in ("teacher", "guide")
            if role in parameters
        ]
    for number, held in enumerate(recipe.evaluation):
        if held.teacher is not None:
            named.append((f"evaluation[{number}].teacher", held.teacher))
    return named


def _unique(recipe: Recipe, key: str, tables: Sequence[Source | Evaluation | Stage]) -> None:
    seen: set[str] = set()
    for number, table in enumerate(tables):
        if table.name in seen:
            raise recipe.places.refuse(f"{key}[{number}].name", f"is {table.name!r} for the second time.")
        seen.add(table.name)


def _model(recipe: Recipe) -> None:
    model, places = recipe.model, recipe.places
    if model.attention_heads is not None and model.fresh is None:
        raise places.refuse(
            "model.attention_heads",
            f"is {model.attention_heads}: trained weights keep their number of heads. Leave it out, or start from "
            "random weights with [model.fresh].",
        )
    for size in model.fresh or {}:
        if size not in FRESH:
            raise places.refuse(f"model.fresh.{size}", f"is unknown. {meant(size, FRESH)}")
    if model.adapter is not None and not model.adapter.dimensions:
        raise places.refuse("model.adapter.dimensions", "is empty, expected the widths of the layers: [256].")
    if model.lora is not None and model.frozen_layers:
        raise places.refuse(
            "model.frozen_layers",
            "is set beside [model.lora], which freezes all layers itself. Leave one out.",
        )


def _score_range(recipe: Recipe, where: str, row: Source | Evaluation) -> None:
    limits = row.score_range
    if limits is not None and not (len(limits) == 2 and limits[0] < limits[1]):
        raise recipe.places.refuse(
            f"{where}.score_range", f"is {limits}, expected the lowest and the highest score: [0, 5]."
        )


def _teacher(recipe: Recipe, where: str, held: Evaluation) -> None:
    asked = held.shape == Shape.TEACHER
    if asked and held.teacher is None:
        raise recipe.places.refuse(
            f"{where}.shape", 'is "teacher-vectors", which wants a teacher as well: teacher = "MODEL".'
        )
    if held.teacher is not None and not asked:
        raise recipe.places.refuse(f"{where}.teacher", 'wants shape = "teacher-vectors".')
    if asked and recipe.model.pca is not None:
        raise recipe.places.refuse(
            f"{where}.shape",
            'is "teacher-vectors", and [model] pca leaves fewer dimensions than a teacher has.',
        )


def _loss(recipe: Recipe, where: str, source: Source) -> None:
    loss = source.loss
    if loss is None:
        return
    fitting.parameters(loss, recipe.places, where)
    if loss.matryoshka is not None and (
        not loss.matryoshka or sorted(set(loss.matryoshka), reverse=True) != loss.matryoshka
    ):
        raise recipe.places.refuse(
            f"{where}.matryoshka", f"is {loss.matryoshka}, expected dimensions that fall: [384, 128, 64]."
        )
    if source.shape is not None:
        fitting.check_fit(source, Shape(source.shape), recipe.at(where))


def _training(recipe: Recipe, where: str, training: Training) -> None:
    for key in ("evaluate", "save"):
        when, steps = getattr(training, key), getattr(training, f"{key}_steps")
        if when == "steps" and steps is None:
            raise recipe.places.refuse(f"{where}.{key}", f'is "steps", which wants {key}_steps as well.')
        if when != "steps" and steps is not None:
            raise recipe.places.refuse(f"{where}.{key}_steps", f'is {steps}, which wants {key} = "steps".')
    if training.average and training.save == "no":
        raise recipe.places.refuse(
            f"{where}.average", 'is a mean of checkpoints, and save = "no" keeps none.'
        )
    if training.early_stopping is not None and training.evaluate == "no":
        raise recipe.places.refuse(f"{where}.early_stopping", 'never happens with evaluate = "no".')
    still = (
        "lora" if recipe.model.lora is not None else "frozen_layers" if recipe.model.frozen_layers else None
    )
    if training.embedding_learning_rate is not None and still is not None:
        raise recipe.places.refuse(
            f"{where}.embedding_learning_rate",
            f"is set, and [model] {still} keeps the embeddings as they are. Leave one out.",
        )


def _start_share(recipe: Recipe) -> None:
    """Weights that were random at the start are no half of a model, and the product of LoRA's two is not linear."""
    stages = [(f"stage[{at}].training", stage.training) for at, stage in enumerate(recipe.stage)]
    for number, (where, training) in enumerate(stages or [("training", recipe.training)]):
        tables = ("lora",) if number else ("lora", "adapter", "fresh", "vocabulary")
        new = [table for table in tables if getattr(recipe.model, table)]
        if training.start_share and new:
            raise recipe.places.refuse(
                f"{where}.start_share",
                f"is {training.start_share}, and with [model.{new[0]}] there is no trained model at the start to share. "
                "Leave it out; without LoRA a later stage may have it.",
            )


def _stage(recipe: Recipe, where: str, stage: Stage) -> None:
    names = [source.name for source in recipe.data]
    for number, name in enumerate(stage.data or []):
        if name not in names:
            raise recipe.places.refuse(
                f"{where}.data[{number}]", f"is {name!r}, no [[data]]. {meant(name, names)}"
            )
    for key in RUN_WIDE:
        if getattr(stage.training, key) != getattr(recipe.training, key):
            raise recipe.places.refuse(
                f"{where}.training.{key}",
                "is said of a stage, but holds for the whole run: say it in [training].",
            )
    if stage.data == []:
        raise recipe.places.refuse(f"{where}.data", "is empty; leave it out for all data.")
    for name in stage.weights or {}:
        if name not in (stage.data or names):
            raise recipe.places.refuse(
                f"{where}.weights.{name}", f"names no data of this stage. {meant(name, stage.data or names)}"
            )
