"""Held-out data: what a run is measured on, before, while and after it trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from finetune.data import Rows
from finetune.recipe import Loss, Model
from finetune.rows.texts import same
from finetune.shapes import (
    Data,
    LabelledPairs,
    Pairs,
    Parallel,
    Paraphrases,
    Reranking,
    Retrieval,
    ScoredPairs,
    Shape,
    TeacherVectors,
    Triplets,
)
from naru.errors import NaruError

MEANT = {
    "entailment": 1,
    "contradiction": 0,
}  # of inference classes, which say whether two texts mean the same


@dataclass(frozen=True)
class Held:
    """A held-out set by its name in figures."""

    name: str
    data: Data

    @property
    def shape(self) -> Shape:
        return self.data.shape

    @property
    def size(self) -> int:
        """What its figures are means over: queries, pairs, or sentences."""
        match self.data:
            case Triplets() | Pairs():
                return len(self.data.anchors)
            case Retrieval():
                return len(self.data.relevant())
            case Reranking():
                return len(self.data.rows)
            case Parallel():
                return len(self.data.source)
            case Paraphrases():
                return len(self.data.texts)
            case ScoredPairs() | LabelledPairs():
                return len(self.data.first)
            case TeacherVectors():
                return len(self.data.texts)

    def questions(self) -> Iterator[str]:
        """Texts that are asked with, as `same` compares them: training on them is a leak."""
        match self.data:
            case Triplets() | Pairs():
                asked = self.data.anchors
            case Retrieval():
                asked = [self.data.queries[query] for query in self.data.relevant()]
            case Reranking():
                asked = [row.query for row in self.data.rows]
            case Parallel():
                asked = self.data.source
            case Paraphrases():
                asked = list(self.data.texts.values())
            case ScoredPairs() | LabelledPairs() | TeacherVectors():
                asked = []
        return map(same, asked)

    def judged(self) -> Iterator[str]:
        """The texts of judged pairs, as `same` compares them. They come back in other pairs (KorSTS and KLUE-STS share
        sentences with their own training parts), which is worth a remark and no leak."""
        match self.data:
            case ScoredPairs() | LabelledPairs():
                return (same(text) for side in (self.data.first, self.data.second) for text in side)
            case _:
                return iter(())

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Pairs that are judged, or a query with what answers it: training on them, either way round, is a leak."""
        judged: Iterable[tuple[str, str]]
        match self.data:
            case ScoredPairs() | LabelledPairs():
                judged = zip(self.data.first, self.data.second, strict=True)
            case Triplets() | Pairs():
                judged = zip(self.data.anchors, self.data.positives, strict=True)
            case Retrieval():
                queries, corpus = self.data.queries, self.data.corpus
                judged = (
                    (queries[one], corpus[of])
                    for one, all_of in self.data.relevant().items()
                    for of in all_of
                )
            case Reranking():
                judged = ((row.query, positive) for row in self.data.rows for positive in row.positives)
            case _:
                judged = ()
        return ((same(a), same(b)) for a, b in judged)


@dataclass(frozen=True)
class Lesson:
    """Held-out sentences, or texts and their translations, whose first column a teacher reads: what its vectors say is
    measured (`finetune.measuring.lessons`). `cosines` compares how texts compare, not vectors; with `translations` only the last
    column is the student's."""

    name: str
    rows: Rows
    teacher: str  # a model, named as in [model] base
    cosines: bool = False
    translations: bool = False

    @property
    def shape(self) -> Shape:
        """What it is measured as, once the teacher was asked."""
        return Shape.SCORED if self.cosines else Shape.TEACHER

    @property
    def size(self) -> int:
        return len(self.rows)

    def questions(self) -> Iterator[str]:
        """Texts as `same` compares them: training on them is a leak."""
        return map(same, self.rows.dataset[self.rows.texts()[0]])

    def pairs(self) -> Iterator[tuple[str, str]]:
        return iter(())

    def judged(self) -> Iterator[str]:
        return iter(())


def lesson_from(rows: Rows, loss: Loss, model: Model) -> Lesson:
    """Held-out rows of a data set whose loss asks a teacher.

    Vectors are compared where the model is to have the teacher's as they are. It is not with a projection, with
    Matryoshka, and where PCA or whitening changes the model in the end: then cosines are.
    """
    changed = loss.matryoshka is not None or model.pca is not None or model.whitening is not None
    given = loss.parameters
    return Lesson(
        rows.name,
        rows,
        given["teacher"],
        cosines=loss.name != "mse" or bool(given.get("projection")) or changed,
        translations=bool(given.get("translations")),
    )


def held_from(rows: Rows) -> Held | None:
    """Rows of training data as held-out data; None for shapes without a measure (plain sentences, classes of pairs
    other than inference).

    NaruError for rows that cannot be measured, such as pairs of one label.
    """
    column = {name: rows.dataset[name][:] for name in rows.dataset.column_names}
    data: Data
    try:
        match rows.shape:
            case Shape.PAIRS:
                data = Pairs(column["query"], column["document"])
            case Shape.TRIPLETS:
                data = Triplets(column["query"], column["document"], column["negative"])
            case Shape.SCORED:
                data = ScoredPairs(column["sentence1"], column["sentence2"], column["score"])
            case Shape.LABELLED:
                data = LabelledPairs(column["sentence1"], column["sentence2"], column["label"])
            case Shape.CLASSED_PAIRS:
                meant = [MEANT.get(name.lower()) for name in rows.classes]
                if not {0, 1} <= set(meant):
                    return None
                kept = [
                    at for at, label in enumerate(column["label"]) if label >= 0 and meant[label] is not None
                ]
                data = LabelledPairs(
                    [column["sentence1"][at] for at in kept],
                    [column["sentence2"][at] for at in kept],
                    [meant[column["label"][at]] or 0 for at in kept],
                )
            case Shape.CLASSED:
                texts_by_id = {str(at): text for at, text in enumerate(column["sentence"])}
                groups: dict[int, list[str]] = {}
                for at, label in enumerate(column["label"]):
                    groups.setdefault(label, []).append(str(at))
                data = Paraphrases(texts_by_id, list(groups.values()))
            case Shape.PARALLEL:
                data = Parallel(column["source"], column["target"])
            case _:
                return None
    except NaruError as error:
        raise NaruError(
            f"Held-out data {rows.name!r}: {error} Give other [[evaluation]] data, or held_out = 0."
        ) from error
    return Held(rows.name, data)
