"""A recipe as it is published with its model: without the folders of the machine that trained it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import Any

from finetune.recipe import Loss, Model, Recipe


def published(recipe: Recipe) -> Recipe:
    """The recipe with the last part of each absolute path alone; relative paths stay as people wrote them."""
    return replace(
        recipe,
        model=_model(recipe.model),
        data=[replace(one, path=_path(one.path), loss=_loss(one.loss)) for one in recipe.data],
        evaluation=[
            replace(one, path=_path(one.path), teacher=one.teacher and short(one.teacher))
            for one in recipe.evaluation
        ],
    )


def short(path: str) -> str:
    """The last part of an absolute path; any other name as it is."""
    return PurePath(path).name if PurePath(path).is_absolute() else path


def _path(path: str | None) -> str | None:
    """The same of a path, or of two that hold parallel lines: "a.txt,b.txt"."""
    if path is None or not PurePath(path).is_absolute():
        return path
    return ",".join(PurePath(part).name for part in path.split(",/"))


def _model(model: Model) -> Model:
    made = replace(model, base=short(model.base))
    if made.vocabulary is None:
        return made
    vocabulary = made.vocabulary
    return replace(
        made,
        vocabulary=replace(
            vocabulary,
            characters={short(name): count for name, count in vocabulary.characters.items()},
            parallel=vocabulary.parallel and short(vocabulary.parallel),
            neighbours=vocabulary.neighbours and short(vocabulary.neighbours),
        ),
    )


def _loss(loss: Loss | None) -> Loss | None:
    if loss is None:
        return None
    models: dict[str, Any] = {
        role: short(loss.parameters[role]) for role in ("teacher", "guide") if role in loss.parameters
    }
    return replace(loss, parameters={**loss.parameters, **models})
