"""Training data checked before any training: what cannot be trained on, what leaks, what is out of balance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from finetune.data import Rows
from finetune.findings import Finding, Findings, counted
from finetune.held import Held, Lesson
from finetune.rows.texts import same
from finetune.rows.values import UNREADABLE
from finetune.shapes import Shape
from naru.records import Bad

SHOWN = 5  # places of a finding that are named
CHUNK = 4096
CLASSES_APART = 10  # times as many rows of the largest class as of the smallest
SOURCES_APART = 20  # times as many rows of the largest data set as of the smallest


def check(
    training: Sequence[Rows],
    held: Sequence[Held | Lesson],
    unread: Mapping[str, Sequence[Bad]] | None = None,
) -> Findings:
    """Look at every row: empty texts, an anchor that is its own positive, negatives that are positives of the same
    query (a remark: of another), scores and labels that are none, rows that are evaluated on, duplicates, labels that
    contradict each other (remarks); then the balance of classes and of data sets. Texts are compared without regard
    to case, blanks and the marks they end with (`same`).

    A row is evaluated on where it is a judged pair, either way round, or where any of its texts is one that held-out
    data ask with: losses over a batch learn from documents and negatives as from queries. A document that is only among
    those to be found is no leak. `unread` are rows that reading left out, by the name of their data.
    """
    unread = unread or {}
    questions = {text: one.name for one in held for text in one.questions()}
    pairs = {pair: one.name for one in held for pair in one.pairs()}
    judged = {text: one.name for one in held for text in one.judged()}
    written = _positives([rows for rows in training if not rows.made])
    found: list[Finding] = []
    for rows in training:
        bad: dict[str, list[int]] = {}
        remarks: dict[str, list[int]] = {}
        positives: Mapping[str, set[str]] = {}
        if rows.shape is Shape.TRIPLETS:
            positives = _positives([rows]) if rows.made else written
        documents = set[str]().union(*positives.values())
        again = _Repeats(rows, judged)
        elsewhere: list[int] = []
        for number, row in _each(rows):
            wrong = list(_wrong(rows, row, positives, questions, pairs))
            for what in wrong:
                bad.setdefault(what, []).append(number)
            if rows.made:
                continue
            for what in again.of(row, bad=bool(wrong)):
                remarks.setdefault(what, []).append(number)
            if documents and _elsewhere(rows, row, positives, documents):
                elsewhere.append(number)
        for what, numbers in bad.items():
            found.append(_finding(rows, what, numbers, bad=True))
        if elsewhere:
            share = f"in {len(elsewhere) / len(rows):.0%} of the rows"
            what = f"a negative is a positive of another query, {share}: wrong where both ask the same"
            remarks[what] = elsewhere
        for what, numbers in remarks.items():
            found.append(_finding(rows, what, numbers, bad=False))
        found += _classes(rows)
    lost = [_unread(name, rows) for name, rows in unread.items() if rows]
    return Findings([*lost, *found, *_sources(training)], {rows.name: rows for rows in training}, unread)


def _wrong(
    rows: Rows,
    row: Mapping[str, Any],
    positives: Mapping[str, set[str]],
    questions: Mapping[str, str],
    pairs: Mapping[tuple[str, str], str],
) -> Iterator[str]:
    texts = {name: row[name] for name in rows.texts()}
    for name, text in texts.items():
        if not text:
            yield f"{name} is empty, or no text"
    if rows.shape in (Shape.PAIRS, Shape.TRIPLETS):
        query, document = same(texts["query"]), same(texts["document"])
        if query and query == document:
            yield "query and document are the same text"
        for name in list(texts)[2:]:
            if texts[name] and same(texts[name]) in positives[query]:
                yield f"{name} is a positive of the same query"
    if rows.shape is Shape.SCORED and not 0 <= row["score"] <= 1:
        scale = next((note for note in rows.notes if note.startswith("scores")), "scores 0..1")
        what = "no number" if math.isnan(row["score"]) else "out of range"
        yield f"score is {what} ({scale}; score_range = [low, high] states another scale)"
    if row.get("label") == UNREADABLE:
        yield "label is none of 0 and 1" if rows.shape is Shape.LABELLED else "label is empty"
    yield from _leaks(texts, questions, pairs)


def _elsewhere(
    rows: Rows, row: Mapping[str, Any], positives: Mapping[str, set[str]], documents: set[str]
) -> bool:
    """Whether a negative answers another row's query: what mining finds, and wrong where both ask the same in other
    words."""
    own = positives[same(row["query"])]
    texts = (same(row[name]) for name in rows.texts()[2:] if row[name])
    return any(text in documents and text not in own for text in texts)


def _leaks(
    texts: Mapping[str, str], questions: Mapping[str, str], pairs: Mapping[tuple[str, str], str]
) -> Iterator[str]:
    """The pair, where it is judged; else each text that is asked with."""
    if not questions and not pairs:
        return
    plain = {name: same(text) for name, text in texts.items()}
    first, second = [*plain.values(), ""][:2]
    if where := pairs.get((first, second)) or pairs.get((second, first)):
        yield f"the pair is evaluated on: it is in {where!r}"
        return
    for name, text in plain.items():
        if text and (where := questions.get(text)):
            yield f"{name} is evaluated on: it is in {where!r}"


class _Repeats:
    """What rows say that was said before, by an earlier row or in a judged pair: worth a remark."""

    def __init__(self, rows: Rows, judged: Mapping[str, str]) -> None:
        """`judged` are texts of held-out pairs and whose they are."""
        self._names, self._judged = rows.texts(), judged
        self._rows: set[int] = set()
        self._verdicts: dict[int, object] = {}

    def of(self, row: Mapping[str, Any], *, bad: bool) -> Iterator[str]:
        """The remarks on a row; a `bad` one is known for what it is, and only its copies are told."""
        digest = hash(tuple(row.values()))
        if digest in self._rows:
            yield "the same row as an earlier one"
        elif not bad and (verdict := row.get("label", row.get("score"))) is not None:
            texts = hash(tuple(row[name] for name in self._names))
            if self._verdicts.setdefault(texts, verdict) != verdict:
                yield "the same texts as an earlier row, with another label or score"
        self._rows.add(digest)
        if bad or not self._judged:
            return
        texts_of = (same(row[name]) for name in self._names if row[name])
        if (of := next((self._judged[text] for text in texts_of if text in self._judged), None)) is not None:
            yield f"a text of a pair that {of!r} judges, in another pair: what is measured there is not all new"


def _positives(training: Sequence[Rows]) -> dict[str, set[str]]:
    """Query -> its documents, over all data sets of pairs and triplets; empty where nothing has negatives."""
    made: dict[str, set[str]] = {}
    if any(rows.shape is Shape.TRIPLETS for rows in training):
        for rows in training:
            if rows.shape in (Shape.PAIRS, Shape.TRIPLETS):
                for _, row in _each(rows):
                    made.setdefault(same(row["query"]), set()).add(same(row["document"]))
    return made


def _each(rows: Rows) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    for batch in rows.dataset.with_format("arrow").iter(CHUNK):
        for row in batch.to_pylist():
            yield number, row
            number += 1


def _finding(rows: Rows, what: str, numbers: list[int], bad: bool) -> Finding:
    places = [rows.places[number] for number in numbers[:SHOWN]]
    return Finding(rows.name, what, numbers, places, bad, rows.made)


def _unread(name: str, rows: Sequence[Bad]) -> Finding:
    places = [one.place for one in rows[:SHOWN]]
    return Finding(name, f"cannot be read: {rows[0].reason}", [], places, True, False, len(rows))


def _classes(rows: Rows) -> Iterator[Finding]:
    if "label" not in rows.dataset.column_names:
        return
    counts = Counter(np.asarray(rows.dataset.with_format("numpy")["label"][:]).tolist())
    counts.pop(UNREADABLE, None)
    if not counts:
        return
    names = rows.classes or ("0", "1")
    (most, many), (least, few) = counts.most_common()[0], counts.most_common()[-1]
    if many >= CLASSES_APART * few or len(counts) < 2:
        what = f"classes are out of balance: {many:,} rows of {names[most]!r}, {few:,} of {names[least]!r}"
        yield Finding(
            rows.name, what if len(counts) > 1 else f"only one class: {names[most]!r}", [], [], False, False
        )


def _sources(training: Sequence[Rows]) -> Iterator[Finding]:
    ordered = sorted(training, key=len)
    if ordered and len(ordered[-1]) >= SOURCES_APART * max(1, len(ordered[0])):
        small, large = ordered[0], ordered[-1]
        what = f"{counted(len(small))} against {len(large):,} of {large.name!r}: weights decide how often each is seen"
        yield Finding(small.name, what, [], [], False, False)
