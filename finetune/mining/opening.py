"""What a user names for mining, opened: pairs, a cross-encoder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from sentence_transformers import CrossEncoder
from transformers import AutoConfig, AutoModelForSequenceClassification

from finetune.data import read
from finetune.mining.pairs import Pair
from finetune.mining.picking import Check
from finetune.model import LOADING_FAILS, located
from finetune.recipe import Source
from finetune.rows.records import refused
from finetune.shapes import Shape
from naru.errors import NaruError
from naru.records import Bad


def pairs_of(location: str, split: str | None, skip_bad_rows: bool = False) -> Iterator[Pair]:
    """The pairs of query and document of any data that training reads; negatives that are there already are left. Each
    has its place. With `skip_bad_rows` a row that cannot be read is a blank pair, which mining leaves out and counts.

    NaruError where the data are neither pairs nor triplets.
    """
    unread: list[Bad] = []
    source = Source("data", location, split=split)
    rows = read(source, Path(), seed=0, skip=unread.append if skip_bad_rows else refused)
    if rows.shape not in (Shape.PAIRS, Shape.TRIPLETS):
        raise NaruError(
            f"{location}: these are {rows.shape}; negatives are mined for pairs of query and document."
        )
    table = rows.dataset.select_columns(["query", "document"])
    pairs = (Pair(row["query"], row["document"], rows.places[number]) for number, row in enumerate(table))
    return chain(pairs, (Pair("", "", one.place) for one in unread))


def cross_encoder(location: str) -> Check:
    """A cross-encoder of sentence-transformers by folder, or by its name on the Hub, which is fetched once: a score a
    pair, in 0..1 where it has one class.

    NaruError for one that is not there, and for a model without a trained head: it would judge by chance.
    """
    folder = located(location, Path())
    _check_head(location, folder)
    try:
        model = CrossEncoder(str(folder))
    except LOADING_FAILS as error:
        raise NaruError(f"{location}: no cross-encoder can be opened there: {error}") from error

    def scores(pairs: Sequence[tuple[str, str]]) -> list[float]:
        found: Any = model.predict(list(pairs), show_progress_bar=False)
        return [float(score) for score in found]

    return scores


def _check_head(location: str, folder: Path) -> None:
    """NaruError for a sentence encoder, and where weights of the head are not in the folder: they would be drawn anew."""
    try:
        modules = _types(folder)
        if "Pooling" in modules:
            raise NaruError(
                f"{location}: is a sentence encoder, which gives one vector a text; --check wants a cross-encoder, which "
                "reads query and passage together. A sentence encoder judges as --encoder."
            )
        if modules not in (
            [],
            ["Transformer"],
        ):  # what follows the transformer is the head, and checked when loaded
            return
        missing = sorted(_head(folder) - _weights(folder))
    except LOADING_FAILS as error:
        raise NaruError(f"{location}: no cross-encoder can be opened there: {error}") from error
    if missing:
        raise NaruError(
            f"{location}: has no trained head for pairs ({', '.join(missing)}): it would judge by chance. --check wants a "
            "cross-encoder: a model trained to score query and passage together."
        )


def _types(folder: Path) -> list[str]:
    """The kinds of the modules of sentence-transformers, in order; none for a plain transformer."""
    listed = folder / "modules.json"
    modules = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else []
    return [module["type"].rpartition(".")[2] for module in modules]


def _head(folder: Path) -> set[str]:
    """The names of the weights that a classifier of pairs has beside its body; nothing is loaded."""
    with torch.device("meta"):
        made: Any = AutoModelForSequenceClassification
        classifier = made.from_config(AutoConfig.from_pretrained(folder))
    body = f"{classifier.base_model_prefix}."
    return {name for name, _ in classifier.named_parameters() if not name.startswith(body)}


def _weights(folder: Path) -> set[str]:
    """The names of the weights of a folder."""
    for index in folder.glob("*.index.json"):
        return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
    if (folder / "model.safetensors").is_file():
        with safe_open(str(folder / "model.safetensors"), "pt") as file:
            return set(file.keys())
    return set(torch.load(folder / "pytorch_model.bin", map_location="meta", weights_only=True))
