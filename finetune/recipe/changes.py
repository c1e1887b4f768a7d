"""What happens to a recipe's table before it is typed: --set, short forms written out, stages that inherit."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from finetune.recipe.lines import join
from finetune.recipe.tables import meant
from naru.errors import NaruError

# What a stage or --set says, and what of the recipe that makes void.
OVERRULED = {"epochs": "steps", "evaluate": "evaluate_steps", "save": "save_steps"}


def apply(change: str, table: dict[str, Any]) -> str:
    """Set one key of the table as "training.epochs=3" says, and return its dotted key: `data[0].weight`.

    The value is TOML; what is not is taken as text. NaruError for a change without "=", and a path that leads nowhere.
    """
    path, equals, text = (part.strip() for part in change.partition("="))
    if not equals or not path:
        raise NaruError(f"--set {change}: expected key=value, such as training.epochs=3.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = re.sub(r"\[(\d+)\]", r".\1", path).split(".")
    inner: Any = table
    where = ""
    for part in parents:
        if isinstance(inner, list):
            number = _number(part, inner, change)
            inner, where = inner[number], f"{where}[{number}]"
        elif isinstance(inner, dict):
            inner, where = inner.setdefault(part, {}), join(where, part)
        if not isinstance(inner, dict | list):
            raise NaruError(f"--set {change}: {where!r} is {inner!r}, and has no keys.")
    if isinstance(inner, list):
        raise NaruError(f"--set {change}: {where!r} is a list; name a key of one of its tables.")
    inner[last] = value
    if last in OVERRULED and value != "steps":
        inner.pop(OVERRULED[last], None)  # training.epochs=3 of a recipe that says steps
    return join(where, last)


def _number(part: str, tables: list[Any], change: str) -> int:
    """Which table of a list is meant: by its number from 0, or by its name."""
    names = [str(table.get("name")) for table in tables if isinstance(table, dict)]
    if part in names:
        return names.index(part)
    if part.isdigit() and int(part) < len(tables):
        return int(part)
    raise NaruError(f"--set {change}: no table {part!r}. {meant(part, names)}")


def spelled(table: dict[str, Any]) -> dict[str, Any]:
    """The table with every loss written out: `"ranking"` and `{name, temperature}` as {name, parameters}."""
    if not isinstance(table.get("data"), list):
        return table
    return table | {"data": [_with_loss(source) for source in table["data"]]}


def _with_loss(source: Any) -> Any:
    if not isinstance(source, dict) or "loss" not in source:
        return source
    loss = source["loss"]
    if isinstance(loss, str):
        return source | {"loss": {"name": loss}}
    if isinstance(loss, dict):
        own = {key: value for key, value in loss.items() if key in ("name", "matryoshka")}
        return source | {"loss": own | {"parameters": {k: v for k, v in loss.items() if k not in own}}}
    return source


def inherited(table: dict[str, Any]) -> dict[str, Any]:
    """The table with [training] under what each stage says of its own training."""
    general, stages = table.get("training", {}), table.get("stage")
    if not isinstance(general, dict) or not isinstance(stages, list):
        return table
    return table | {"stage": [_with_training(stage, general) for stage in stages]}


def _with_training(stage: Any, general: dict[str, Any]) -> Any:
    own = stage.get("training", {}) if isinstance(stage, dict) else None
    if not isinstance(own, dict):
        return stage
    void = {OVERRULED[key] for key in own if key in OVERRULED}
    kept = {key: value for key, value in general.items() if key not in void}
    return stage | {"training": kept | own}
