"""What a user names for mining, opened: pairs, a cross-encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sentence_transformers import CrossEncoder

from finetune.data import read
from finetune.mining.pairs import Pair
from finetune.mining.picking import Check
from finetune.model import LOADING_FAILS
from finetune.recipe import Source
from finetune.shapes import Shape
from naru.errors import NaruError


def pairs_of(location: str, split: str | None) -> Iterator[Pair]:
    """The pairs of query and document of any data that training reads; negatives that are there already are left. Each
    has its place.

    NaruError where the data are neither pairs nor triplets.
    """
    rows = read(Source("data", location, split=split), Path(), seed=0)
    if rows.shape not in (Shape.PAIRS, Shape.TRIPLETS):
        raise NaruError(
            f"{location}: these are {rows.shape}; negatives are mined for pairs of query and document."
        )
    table = rows.dataset.select_columns(["query", "document"])
    return (Pair(row["query"], row["document"], rows.places[number]) for number, row in enumerate(table))


def cross_encoder(location: str) -> Check:
    """A cross-encoder of sentence-transformers by folder or name: a score a pair, in 0..1 where it has one class."""
    try:
        model = CrossEncoder(location)
    except LOADING_FAILS as error:
        raise NaruError(f"{location}: no cross-encoder can be opened there: {error}") from error

    def scores(pairs: Sequence[tuple[str, str]]) -> list[float]:
        found: Any = model.predict(list(pairs), show_progress_bar=False)
        return [float(score) for score in found]

    return scores
