"""Held-out data: what a run is measured on, before, while and after it trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import Dataset

from finetune.data import Places, Rows, clean, few_of_each, read, same
from finetune.recipe import Evaluation, Loss, Model, Source
from finetune.records import qrels_of, records, source_of
from finetune.shapes import (
    Candidates,
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
from finetune.values import listed
from naru import beir, terminal
from naru.errors import NaruError
from naru.lines import numbered

MEANT = {
    "entailment": 1,
    "contradiction": 0,
}  # of inference classes, which say whether two texts mean the same
READ_AS = {Shape.PARAPHRASES: Shape.CLASSED, Shape.TEACHER: None}  # shapes of files, by what is made of them


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
    measured (`finetune.lessons`). `cosines` compares how texts compare, not vectors; with `translations` only the last
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


def open_held(evaluation: Evaluation, root: Path) -> Held | Lesson:
    """The held-out data of a recipe: a BEIR folder, two files of parallel lines "a.txt,b.txt", or any training format.

    Raises NaruError for what cannot be read or not be evaluated.
    """
    assert evaluation.path is not None, "filled() gives every evaluation its path"
    path = root / evaluation.path
    if (path / "qrels").is_dir():
        return Held(evaluation.name, _retrieval(evaluation, path))
    if "," in evaluation.path and not path.exists():
        parallel = _parallel(evaluation.path.split(","), root)
        if evaluation.teacher is None:
            return Held(evaluation.name, parallel)
        texts = Dataset.from_dict({"source": parallel.source, "target": parallel.target})
        places = Places(evaluation.path, np.arange(1, len(texts) + 1, dtype=np.int32))
        return Lesson(
            evaluation.name, Rows(evaluation.name, Shape.PARALLEL, texts, places), evaluation.teacher
        )
    if evaluation.shape == Shape.RERANKING:
        return Held(evaluation.name, _reranking(evaluation, root))
    shape = Shape(evaluation.shape) if evaluation.shape else None
    shape = READ_AS.get(shape, shape) if shape else None
    source = Source(
        evaluation.name,
        evaluation.path,
        split=evaluation.split,
        shape=str(shape) if shape else None,
        columns=evaluation.columns,
        score_range=evaluation.score_range,
    )
    rows = read(source, root, seed=0)
    if evaluation.queries is not None and len(rows) > evaluation.queries:
        rows = rows.take(np.linspace(0, len(rows) - 1, evaluation.queries).astype(np.int64))
    if rows.shape is Shape.CLASSED:
        rows = _few(rows, evaluation.name)
    _whole(rows)
    if evaluation.teacher is not None:
        if rows.shape not in (Shape.SENTENCES, Shape.PARALLEL):
            raise NaruError(
                f"Evaluation {evaluation.name!r}: a teacher reads sentences, or texts with their translations (columns "
                f'source and target); these are {rows.shape}. Say which is which: columns = {{sentence = "…"}}.'
            )
        return Lesson(evaluation.name, rows, evaluation.teacher)
    made = held_from(rows)
    if made is None:
        raise NaruError(
            f"Evaluation {evaluation.name!r}: {rows.shape} cannot be evaluated; expected retrieval, pairs, triplets, "
            "scored or labelled pairs, parallel texts, sentences with a class, or a teacher for sentences without (shape = "
            '"teacher-vectors", teacher = "MODEL").'
        )
    return made


def _few(rows: Rows, name: str) -> Rows:
    """A few sentences of each class, spread evenly; people are told where some are left out."""
    labels = np.asarray(rows.dataset["label"][:], np.int64)
    classes, most = few_of_each(np.unique(labels))
    chosen = []
    for label in classes:
        there = np.flatnonzero(labels == label)
        chosen.append(there[np.linspace(0, len(there) - 1, min(most, len(there))).astype(np.int64)])
    kept = np.sort(np.concatenate(chosen))
    if len(kept) < len(rows):
        terminal.note(
            f"Evaluation {name!r}: {len(kept):,} of {len(rows):,} sentences are compared with each other, {most} of a class "
            "at most, spread evenly."
        )
    return rows.take(kept)


def _whole(rows: Rows) -> None:
    """NaruError, by file and line, for the first row that cannot be measured."""
    names = rows.texts()
    for number, row in enumerate(rows.dataset):
        wrong = next((f"{name} is empty, or no text" for name in names[:2] if not row[name]), None)
        if rows.shape is Shape.SCORED and not 0 <= row["score"] <= 1:
            scale = next((note for note in rows.notes if note.startswith("scores")), "scores 0..1")
            wrong = f"score is no number, or out of range ({scale})"
        if row.get("label", 0) < 0:
            wrong = "label is none"
        if wrong is not None:
            raise NaruError(f"{rows.places[number]}: {wrong}. What is evaluated on has to be whole: mend it.")


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


def _retrieval(evaluation: Evaluation, folder: Path) -> Retrieval:
    """At most `queries` of a split, spread evenly, over their relevant passages and the first others up to `passages`."""
    judged: dict[str, dict[str, int]] = {}
    for _, query, document, grade in beir.judgements(qrels_of(folder, evaluation.split)):
        if grade > 0:
            judged.setdefault(query, {})[document] = grade
    names = list(judged)
    if evaluation.queries and len(names) > evaluation.queries:
        names = [names[at * len(names) // evaluation.queries] for at in range(evaluation.queries)]
    chosen = {query: judged[query] for query in names}
    needed = {document for documents in chosen.values() for document in documents}
    room = evaluation.passages - len(needed) if evaluation.passages else None
    corpus: dict[str, str] = {}
    for name, text in beir.passages(folder):
        if name in needed or room is None or room > 0:
            room = room if room is None or name in needed else room - 1
            corpus[name] = clean(text)
    asked = beir.read_queries(folder / "queries.jsonl")
    queries = {name: clean(asked[name].text) for name in chosen if name in asked}
    return Retrieval(queries, corpus, chosen)


def _parallel(parts: list[str], root: Path) -> Parallel:
    if len(parts) != 2:
        raise NaruError(f"{','.join(parts)}: expected two files of parallel lines: a.txt,b.txt.")
    sides = [[clean(line) for _, line in numbered(root / part)] for part in parts]
    if len(sides[0]) != len(sides[1]):
        raise NaruError(
            f"{parts[0]} has {len(sides[0]):,} lines, {parts[1]} has {len(sides[1]):,}: expected as many in both."
        )
    both = [(a, b) for a, b in zip(*sides, strict=True) if a and b]
    return Parallel([a for a, _ in both], [b for _, b in both])


def _reranking(evaluation: Evaluation, root: Path) -> Reranking:
    """Records with query, positives[] and negatives[]."""
    location = evaluation.path or ""
    names = {"query": "query", "positives": "positives", "negatives": "negatives"} | (
        evaluation.columns or {}
    )
    rows = []
    for line, record in records(location, root, evaluation.split):
        place = f"{source_of(location, root, evaluation.split)}:{line}"
        row = {ours: record.get(theirs) for ours, theirs in names.items()}
        for side in ("positives", "negatives"):
            row[side] = listed(row[side], names[side], place)
        if (
            not row["query"]
            or not isinstance(row["positives"], list)
            or not isinstance(row["negatives"], list)
        ):
            raise NaruError(
                f"{place}: reranking wants query, positives (a list) and "
                f"negatives (a list); got {', '.join(record)}."
            )
        rows.append(
            Candidates(
                clean(row["query"]),
                [clean(text) for text in row["positives"]],
                [clean(text) for text in row["negatives"]],
            )
        )
    return Reranking(rows)
