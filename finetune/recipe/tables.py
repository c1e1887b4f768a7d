"""A TOML table as frozen dataclasses: unknown keys, wrong types and values out of range are refused by key and place."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any

from finetune.recipe.lines import join
from naru.errors import NaruError, suggested


class KeyedError(NaruError):
    """What a key of a table says does not suit what the table is of; `key` is its name within it: "columns.query"."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True)
class KeyPlaces:
    """Where keys stand: dotted key -> "recipe.toml:12". A key that does not stand anywhere is where its table is."""

    name: str
    of: Mapping[str, str]

    def at(self, key: str) -> str:
        while key and key not in self.of:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return self.of.get(key, self.name)

    def refuse(self, key: str, message: str) -> NaruError:
        return NaruError(f"{self.at(key)}: recipe key {key!r} {message}")

    @contextmanager
    def naming(self, key: str) -> Iterator[None]:
        """Name the key and its place in a NaruError that what it says ends in."""
        try:
            yield
        except NaruError as error:
            raise NaruError(f"{self.at(key)}: recipe key {key!r}: {error}") from error

    @contextmanager
    def within(self, where: str) -> Iterator[None]:
        """Name the key of the table `where`, and its place, in a KeyedError that what it says ends in."""
        try:
            yield
        except KeyedError as error:
            key = join(where, error.key)
            raise NaruError(f"{self.at(key)}: recipe key {key!r}: {error}") from error


def build(kind: Any, value: Any, places: KeyPlaces, where: str = "") -> Any:
    """`value` as `kind`: a dataclass, a list, a dict, a union with None, or a plain type with its limits.

    Raises NaruError, which names the dotted key and its place.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        made = build(arguments[0], value, places, where)
        for limit in arguments[1:]:
            if expected := limit.says(made):
                raise places.refuse(where, f"is {value!r}, expected {expected}.")
        return made
    if origin in (types.UnionType, typing.Union):  # only `X | None` occurs
        return build(arguments[0], value, places, where)
    if is_dataclass(kind):
        return _table(kind, value, places, where)
    if origin is list:
        if isinstance(value, dict) and is_dataclass(arguments[0]):
            raise places.refuse(where, f"is one table, expected a list of them: write [[{where}]].")
        if not isinstance(value, list):
            raise places.refuse(where, f"is {value!r}, expected a list.")
        return [build(arguments[0], item, places, f"{where}[{at}]") for at, item in enumerate(value)]
    if origin is dict:
        _expect_table(value, places, where)
        return {key: build(arguments[1], item, places, join(where, key)) for key, item in value.items()}
    if kind is Any:
        return value
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise places.refuse(where, f"is {value!r}, expected {_NAMES.get(kind, kind.__name__)}.")
    return value


def _table(kind: Any, value: Any, places: KeyPlaces, where: str) -> Any:
    _expect_table(value, places, where)
    known = {field.name: field for field in fields(kind) if field.metadata.get("toml", True)}
    for key in value:
        if key not in known:
            raise places.refuse(join(where, key), f"is unknown. {meant(key, known)}")
    for name, field in known.items():
        if name not in value and field.default is MISSING and field.default_factory is MISSING:
            raise places.refuse(join(where, name), "is missing, and has no default.")
    hints = typing.get_type_hints(kind, include_extras=True)
    return kind(**{key: build(hints[key], item, places, join(where, key)) for key, item in value.items()})


def _expect_table(value: Any, places: KeyPlaces, where: str) -> None:
    if not isinstance(value, dict):
        raise places.refuse(where, f"is {value!r}, expected a table.")


def meant(word: str, known: Iterable[str]) -> str:
    """ "Did you mean 'steps'? Known here: ..." for a word that is not among the known ones."""
    known = list(known)
    if _ELSEWHERE.get(word) in known:
        return f"That is {_ELSEWHERE[word]!r} here. Known here: {', '.join(known)}."
    return suggested(word, known)


# Names that users bring along from sentence-transformers and its trainer, and ours.
_ELSEWHERE = {
    "per_device_train_batch_size": "batch_size",
    "train_batch_size": "batch_size",
    "num_train_epochs": "epochs",
    "num_epochs": "epochs",
    "max_steps": "steps",
    "lr": "learning_rate",
    "warmup_ratio": "warmup",
    "warmup_steps": "warmup",
    "gradient_accumulation_steps": "accumulate",
    "max_grad_norm": "clip",
    "lr_scheduler_type": "scheduler",
    "eval_steps": "evaluate_steps",
    "eval_strategy": "evaluate",
    "save_strategy": "save",
    "save_total_limit": "keep",
    "optim": "optimizer",
    "logging_steps": "log_steps",
    "max_seq_length": "max_length",
    "scale": "temperature",
    "MultipleNegativesRankingLoss": "ranking",
    "CachedMultipleNegativesRankingLoss": "cached-ranking",
    "CosineSimilarityLoss": "cosine",
    "CoSENTLoss": "cosent",
    "AnglELoss": "angle",
    "TripletLoss": "triplet",
    "ContrastiveLoss": "contrastive",
    "OnlineContrastiveLoss": "online-contrastive",
    "SoftmaxLoss": "softmax",
    "GISTEmbedLoss": "gist",
    "MSELoss": "mse",
}

_NAMES = {int: "a whole number", float: "a number", str: "a text in quotes", bool: "true or false"}
