"""Held-out texts measured against what their teacher says of them: its vectors, or its cosines.

A teacher is opened when the model is, so that `finetune.held` knows only what it will be asked (`Lesson`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize

from finetune.digests import base_digests
from finetune.held import Held, Lesson
from finetune.objectives.distillation import Stop, no_stop, with_vectors
from finetune.shapes import ScoredPairs, TeacherVectors
from naru.errors import NaruError

Floats = npt.NDArray[np.float32]


def answered(
    held: Sequence[Held | Lesson],
    root: Path,
    model: SentenceTransformer,
    folder: Path,
    stop: Stop = no_stop,
) -> list[Held]:
    """All held-out sets as they are measured; the vectors of teachers are kept in `folder`.

    NaruError where a teacher's vectors have other dimensions than those of the model; UnfinishedError where `stop` gives a
    reason meanwhile.
    """
    return [one if isinstance(one, Held) else _answered(one, root, model, folder, stop) for one in held]


def _answered(lesson: Lesson, root: Path, model: SentenceTransformer, folder: Path, stop: Stop) -> Held:
    taught = with_vectors(
        lesson.rows, lesson.teacher, root, model.device, folder, base_digests(lesson.teacher, root), stop
    )
    vectors = np.asarray(taught.dataset.with_format("numpy")["label"][:], np.float32)
    columns = [list(lesson.rows.dataset[name]) for name in lesson.rows.texts()]
    if lesson.translations:
        columns = columns[-1:]
    if lesson.cosines:
        return Held(lesson.name, compared(columns[0], columns[-1], vectors))
    width, wanted = model.get_embedding_dimension(), vectors.shape[1]
    if width != wanted:
        raise NaruError(
            f"Held-out data {lesson.name!r}: the model has {width} dimensions, its teacher {wanted}: their vectors cannot "
            f"be compared. Give the model as many ([model.adapter] dimensions = [{wanted}]), or the loss a layer between "
            "(projection = true): then cosines are compared."
        )
    if any(isinstance(module, Normalize) for module in model):
        vectors = _unit(vectors)
    texts = [text for column in columns for text in column]
    return Held(lesson.name, TeacherVectors(texts, np.tile(vectors, (len(columns), 1))))


def compared(first: Sequence[str], second: Sequence[str], vectors: Floats) -> ScoredPairs:
    """Each text of n with its nearest other one and with the next, scored by the cosine of the teacher's vectors
    [n, dim]: near neighbours and strangers, which a student is to put in the same order."""
    unit = _unit(vectors)
    cosines = unit @ unit.T
    others = cosines - 3 * np.eye(len(unit), dtype=np.float32)
    rows = range(len(unit))
    pairs = [*enumerate(others.argmax(axis=1).tolist()), *((at, (at + 1) % len(unit)) for at in rows)]
    return ScoredPairs(
        [first[a] for a, _ in pairs],
        [second[b] for _, b in pairs],
        [float(cosines[pair]) for pair in pairs],
    )


def _unit(vectors: Floats) -> Floats:
    made: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-12)
    return made
