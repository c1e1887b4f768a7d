"""What people say of a model that its run cannot know: a summary, limits, where the data come from under which licence.

A TOML file beside the recipe, `my.card.toml` of `my.toml`; those of shipped recipes lie in `finetune/cards/`:

    [english]
    summary = "..."
    limits = "..."
    licence = "..."
    [korean]
    ...
    [[source]]
    name = "Korean Wikipedia"
    licence = "CC BY-SA 3.0"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from huggingface_hub import CardData, ModelCard
from yaml import YAMLError

from naru.errors import NaruError


@dataclass(frozen=True)
class Words:
    """Markdown in one language; "" leaves it to what can be said of any model."""

    summary: str = ""
    limits: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Origin:
    """A work that went into the weights."""

    name: str
    licence: str
    note: str = ""


@dataclass(frozen=True)
class Origins:
    english: Words = field(default_factory=Words)
    korean: Words = field(default_factory=Words)
    sources: Sequence[Origin] = ()


def licence_of(model: Path) -> str | None:
    """The licence that a model's folder states in the header of its card; None where it states none."""
    try:
        text = (model / "README.md").read_text(encoding="utf-8")
        stated = ModelCard(text).data if text.startswith("---") else CardData()
    except (OSError, ValueError, YAMLError):  # no card, or one that is not ours to mend
        return None
    licence = stated.get("license_name") if stated.get("license") == "other" else stated.get("license")
    return licence if isinstance(licence, str) else None


def origins(recipe: str | Path) -> Origins:
    """What is said beside a recipe, which is named as for `finetune.recipe.load`; nothing where no file says it.

    NaruError naming the file and the key for a table, a key or a type that is not expected.
    """
    given = Path(recipe)
    beside = given.with_name(f"{given.stem}.card.toml")
    shipped = files("finetune") / "cards" / f"{recipe}.toml"
    if given.is_file():
        if not beside.is_file():
            return Origins()
        text, place = beside.read_text(encoding="utf-8"), str(beside)
    elif shipped.is_file():
        text, place = shipped.read_text(encoding="utf-8"), f"cards/{recipe}.toml"
    else:
        return Origins()
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NaruError(f"{place}: not TOML: {error}") from error
    unknown = table.keys() - {"english", "korean", "source"}
    if unknown:
        raise NaruError(f"{place}: unknown {min(unknown)!r}; expected [english], [korean] and [[source]].")
    sources = table.get("source", [])
    if not isinstance(sources, list):
        raise NaruError(f"{place}: 'source' is one table; expected a list of them: [[source]].")
    return Origins(
        english=_built(Words, table.get("english", {}), place, "english"),
        korean=_built(Words, table.get("korean", {}), place, "korean"),
        sources=tuple(_built(Origin, row, place, f"source {n}") for n, row in enumerate(sources, start=1)),
    )


def _built(kind: type[Any], table: object, place: str, where: str) -> Any:
    known = [one.name for one in fields(kind)]
    if not isinstance(table, Mapping):
        raise NaruError(f"{place}: [{where}] is {table!r}; expected a table of {', '.join(known)}.")
    for key, value in table.items():
        if key not in known or not isinstance(value, str):
            raise NaruError(f"{place}: [{where}] {key} = {value!r}; expected texts named {', '.join(known)}.")
    try:
        return kind(**{key: value.strip() for key, value in table.items()})
    except TypeError as error:
        raise NaruError(f"{place}: [{where}] lacks a key; expected {', '.join(known)}.") from error
