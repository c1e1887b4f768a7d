"""A training recipe: one TOML file, read into frozen dataclasses that refuse what they do not know."""

from __future__ import annotations

import tomllib
import types
import typing
from dataclasses import MISSING, dataclass, fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from naru.errors import NaruError


@dataclass(frozen=True)
class Vocabulary:
    """The tokenizer: how many WordPiece entries, from how many characters of each source."""

    size: int
    characters: dict[str, int]


@dataclass(frozen=True)
class Body:
    """What the served model looks like. `align` starts new tokens near their translations (see vocabulary.py)."""

    max_length: int = 256
    align: bool = True


@dataclass(frozen=True)
class Training:
    """How the optimizer runs. Rates are peaks; `steps` are optimizer steps of `batch_size` rows."""

    steps: int
    batch_size: int
    learning_rate: float
    embedding_learning_rate: float
    warmup_steps: int
    scheduler: str = "cosine"
    weight_decay: float = 0.01
    clip: float = 1.0
    bf16: bool = True
    save_steps: int = 100
    evaluate_steps: int = 300
    log_steps: int = 20
    query_length: int = 32
    document_length: int = 96


@dataclass(frozen=True)
class Source:
    """One data set: the reader that makes its rows, its share of the batches, its loss (None: by shape)."""

    name: str
    reader: str
    weight: float
    rows: int | None = None
    loss: str | None = None
    loss_parameters: dict[str, Any] | None = None
    query_length: int | None = None
    document_length: int | None = None


@dataclass(frozen=True)
class Watch:
    """One measurement while training: a BEIR folder (`split`, capped) or an STS file."""

    name: str
    path: str
    split: str | None = None
    queries: int = 300
    passages: int = 1000


@dataclass(frozen=True)
class Recipe:
    name: str
    seed: int
    vocabulary: Vocabulary
    body: Body
    training: Training
    data: list[Source]
    watch: list[Watch]


def load(path: str | Path) -> Recipe:
    """Read a recipe from a file, or a shipped one by its name (`naru-mini`).

    Raises NaruError naming the key for an unknown key, a missing one or a value of the wrong type, and the
    position for a file that is not TOML.
    """
    shipped = files("finetune") / "recipes" / f"{path}.toml"
    try:
        text = Path(path).read_text(encoding="utf-8") if Path(path).is_file() else shipped.read_text("utf-8")
    except FileNotFoundError as error:
        names = sorted(p.name.removesuffix(".toml") for p in (files("finetune") / "recipes").iterdir())
        raise NaruError(f"No recipe {str(path)!r}: neither a file nor one of {', '.join(names)}.") from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NaruError(f"{path}: not TOML: {error}") from error
    recipe: Recipe = _build(Recipe, table, where="")
    return recipe


def _build(kind: Any, value: Any, where: str) -> Any:
    """`value` as `kind`, descending into dataclasses and lists; `where` is the dotted key for messages."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise NaruError(f"Recipe key {where!r}: expected a table, got {value!r}.")
        types_of = typing.get_type_hints(kind)
        known = {f.name: f for f in fields(kind)}
        for key in value:
            if key not in known:
                raise NaruError(f"Unknown recipe key {_join(where, key)!r}. Known here: {', '.join(known)}.")
        for name, field in known.items():
            if name not in value and field.default is MISSING:
                raise NaruError(f"Recipe key {_join(where, name)!r} is missing, and has no default.")
        made: Any = kind
        return made(**{key: _build(types_of[key], item, _join(where, key)) for key, item in value.items()})
    if origin is list:
        if not isinstance(value, list):
            raise NaruError(f"Recipe key {where!r}: expected a list, got {value!r}.")
        return [_build(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            raise NaruError(f"Recipe key {where!r}: expected a table, got {value!r}.")
        return {key: _build(arguments[1], item, _join(where, key)) for key, item in value.items()}
    if origin is types.UnionType:  # only `X | None` occurs
        return _build(arguments[0], value, where)
    if kind is Any:
        return value
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise NaruError(f"Recipe key {where!r}: expected {kind.__name__}, got {value!r}.")
    return value


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
