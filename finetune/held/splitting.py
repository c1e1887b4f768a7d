"""A share of training rows held out where nothing else is evaluated on: no query on both sides, of each class its share."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import numpy.typing as npt

from finetune.data import Rows
from finetune.rows.texts import same
from finetune.shapes import Shape
from naru.errors import NaruError

CLASSED, OF_A_CLASS = 1000, 48  # sentences held out at most where they have classes, in all and of one


def held_out(rows: Rows, share: float, seed: int) -> tuple[Rows, Rows]:
    """(rest, held out): about `share` of the distinct first texts with all their rows; no first text is on both sides,
    however it is written (`same`).

    NaruError where the data have fewer than two first texts.
    """
    table = rows.dataset.with_format("arrow")
    firsts = [same(text) for text in table[rows.texts()[0]].to_pylist()]
    numbers = {text: number for number, text in enumerate(dict.fromkeys(firsts))}
    if len(numbers) < 2:
        raise NaruError(
            f"Data {rows.name!r}: one distinct {rows.texts()[0]} in all: nothing can be held out. Give [[evaluation]], "
            "or held_out = 0."
        )
    count = min(max(1, round(share * len(numbers))), len(numbers) - 1)
    rng = np.random.default_rng([seed, crc32(rows.name.encode()), 1])
    apart = np.zeros(len(numbers), bool)
    chosen = rng.permutation(len(numbers))
    if "label" in rows.dataset.column_names:
        labels = dict(zip(reversed(firsts), reversed(table["label"].to_pylist()), strict=True))
        chosen = _by_class(chosen, np.array([labels[text] for text in numbers]), share, rows.shape)
        count = len(chosen)
    apart[chosen[:count]] = True
    mask = apart[[numbers[text] for text in firsts]]
    return rows.take(np.flatnonzero(~mask)), rows.take(np.flatnonzero(mask))


def few_of_each(classes: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], int]:
    """The classes whose sentences are compared with each other, evenly, and how many of each: CLASSED in all at most, as
    pairs of a class grow with its square."""
    most = max(2, min(OF_A_CLASS, CLASSED // max(1, len(classes))))
    return classes[
        np.linspace(0, len(classes) - 1, min(len(classes), CLASSED // most)).astype(np.int64)
    ], most


def _by_class(
    order: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], share: float, shape: Shape
) -> npt.NDArray[np.int64]:
    """Of each class that share, in the order given; of sentences, which are compared with their like, two at
    least and a few at most."""
    least = 2 if shape is Shape.CLASSED else 1
    classes = np.unique(labels)
    most = len(labels)
    if shape is Shape.CLASSED:
        classes, most = few_of_each(classes)
    chosen = []
    for label in classes:
        there = order[labels[order] == label]
        wanted = min(most, max(least, round(share * len(there))))
        if len(there) >= 2 * least:
            chosen.append(there[:wanted])
    return np.concatenate(chosen) if chosen else order[: max(1, round(share * len(order)))]
