"""From what [[evaluation]] names to held-out data: BEIR folders, parallel lines, candidates, and any training format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from datasets import Dataset

from finetune.data import RowPlaces, Rows, read
from finetune.held import Held, Lesson, held_from
from finetune.held.splitting import few_of_each
from finetune.recipe import Evaluation, Source
from finetune.rows.records import qrels_of, records, source_of
from finetune.rows.texts import clean
from finetune.rows.values import listed
from finetune.shapes import Candidates, Parallel, Reranking, Retrieval, Shape
from naru import beir, terminal
from naru.errors import NaruError
from naru.lines import numbered

READ_AS = {Shape.PARAPHRASES: Shape.CLASSED, Shape.TEACHER: None}  # shapes of files, by what is made of them


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
        places = RowPlaces(evaluation.path, np.arange(1, len(texts) + 1, dtype=np.int32))
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
        wrong = next(
            (f"{name} is empty, or no text" for name in names[:3] if not row[name]), None
        )  # one negative
        if rows.shape is Shape.SCORED and not 0 <= row["score"] <= 1:
            scale = next((note for note in rows.notes if note.startswith("scores")), "scores 0..1")
            wrong = f"score is no number, or out of range ({scale})"
        if row.get("label", 0) < 0:
            wrong = "label is none"
        if wrong is not None:
            raise NaruError(f"{rows.places[number]}: {wrong}. What is evaluated on has to be whole: mend it.")


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
        if not isinstance(row["positives"], list) or not isinstance(row["negatives"], list):
            raise NaruError(
                f"{place}: reranking wants query, positives (a list) and "
                f"negatives (a list); got {', '.join(record)}."
            )
        asked = clean(row["query"])
        right, wrong = list(map(clean, row["positives"])), list(map(clean, row["negatives"]))
        if not all((asked, *right, *wrong)):
            raise NaruError(
                f"{place}: a text is empty, or no text. What is evaluated on has to be whole: mend it."
            )
        rows.append(Candidates(asked, right, wrong))
    return Reranking(rows)
