"""From the names of a file's columns to the shape of its rows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.recipe.tables import KeyedError, meant
from finetune.rows.values import verdicts
from finetune.shapes import Shape
from naru.errors import NaruError

# Our column -> the names that the field uses for it, the surest first.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "query": (
        "query", "question", "anchor", "sentence1", "sentence_1", "premise", "question1", "text1", "text_1",
        "질문", "질의",
    ),
    "document": (
        "document", "positive", "passage", "context", "answer", "sentence2", "sentence_2", "hypothesis", "question2",
        "text2", "text_2", "positives", "documents", "positive_passages", "pos", "답변", "문서", "본문", "정답",
    ),
    "negatives": ("negatives", "hard_negatives", "negative_passages", "neg"),
    "score": ("score", "similarity", "similarity_score", "sim", "relatedness_score", "labels.label", "labels.real_label"),
    "label": (
        "label", "labels", "class", "category", "gold_label", "intent", "is_duplicate", "relevance",
    ),
    "sentence": ("sentence", "text", "utterance"),
    "source": ("source", "src", "en", "english"),
    "target": ("target", "tgt", "ko", "korean"),
}  # fmt: skip
LISTS = ("positives", "documents", "positive_passages", "pos")  # documents by these names are lists of them
NEGATIVE = re.compile(r"(?:(?:hard_)?neg(?:ative)?|오답)(?:[_.]?(\d+))?")
TOPICS = (
    "class",
    "category",
    "intent",
)  # labels of a single sentence; beside two texts they say what a row is about
NUMBERING = re.compile(r"(?:.*_)?(?:id|idx|index|no|번호)|unnamed.*|__index_level_\d+__|")  # of rows
GRADES = ("relevance",)  # labels whose whole numbers are grades, however few there are
ANSWERS = ("content", "text", "내용")  # documents beside a query; by themselves sentences


@dataclass(frozen=True)
class Columns:
    """Which of the file's columns each of ours is read from; `negatives` are single columns, in their order."""

    of: Mapping[str, str]
    negatives: tuple[str, ...] = ()

    def __contains__(self, name: str) -> bool:
        return name in self.of

    @property
    def lists(self) -> tuple[str, ...]:
        """The file's columns that hold lists of texts, by their names; others may."""
        documents = self.of.get("document", "")
        return tuple(
            name
            for name in (documents if _plain(documents) in LISTS else "", self.of.get("negatives", ""))
            if name
        )

    @property
    def grades(self) -> bool:
        """Whether the label is a grade by its name."""
        return _plain(self.of.get("label", "")) in GRADES

    def said(self, names: Iterable[str], shape: Shape) -> str:
        """What is read as what, for people: "질문 as query, 답변 as document; not read: category"."""
        graded = {"score", "label"} if shape not in (Shape.PAIRS, Shape.TRIPLETS, Shape.PARALLEL) else set()
        texts = {"sentence"} if shape in (Shape.CLASSED, Shape.SENTENCES) else {"source", "target"}
        wanted = (
            texts if shape in (Shape.CLASSED, Shape.SENTENCES, Shape.PARALLEL) else {"query", "document"}
        ) | graded
        wanted |= {"negatives"} if shape is Shape.TRIPLETS else set()
        read = {theirs: ours for ours, theirs in self.of.items() if ours in wanted}
        read |= dict.fromkeys(self.negatives, "negative") if shape is Shape.TRIPLETS else {}
        left = [name for name in names if name not in read]
        said = ", ".join(f"{theirs} as {ours}" if theirs != ours else ours for theirs, ours in read.items())
        return said + (f"; not read: {', '.join(left)}" if left else "")


def recognised(names: Iterable[str], given: Mapping[str, str] | None, place: str) -> Columns:
    """Our columns among the file's. `given` says some of them, ours -> the file's, and wins.

    Raises NaruError for a given name that the file does not have or that is none of ours.
    """
    there = list(names)
    by_lower = {_plain(name): name for name in reversed(there)}
    found: dict[str, str] = {}
    negatives: list[tuple[int, str]] = []
    for ours, theirs in (given or {}).items():
        if theirs not in there:
            message = f"{place}: no column {theirs!r} (named for {ours}). {meant(theirs, there)}"
            raise KeyedError(f"columns.{ours}", message)
        name = {"sentence1": "query", "sentence2": "document"}.get(ours, ours)
        if match := NEGATIVE.fullmatch(name):
            negatives.append((int(match[1] or 1), theirs))
        elif name in SYNONYMS:
            found[name] = theirs
        else:
            known = [*SYNONYMS, "sentence1", "sentence2", "negative", "negative_2"]
            message = f"{place}: columns names {ours!r}, none of ours. {meant(ours, known)}"
            raise KeyedError(f"columns.{ours}", message)
    taken = {*found.values(), *(name for _, name in negatives)}
    for ours, theirs_names in SYNONYMS.items():
        if ours not in found:
            for synonym in theirs_names:
                if synonym in by_lower and by_lower[synonym] not in taken:
                    found[ours] = by_lower[synonym]
                    taken.add(by_lower[synonym])
                    break
    if "query" in found and "document" not in found:
        for answer in ANSWERS:
            theirs = by_lower.get(answer, "")
            if theirs and (theirs not in taken or found.get("sentence") == theirs):
                found = {name: other for name, other in found.items() if other != theirs}
                found["document"] = theirs
                break
    alone = "sentence" in found and not {"label", "source"} & found.keys() and "target" not in (given or {})
    if alone and _plain(found.get("target", "")) == "target":  # of a text alone: its class
        found["label"] = found.pop("target")
    topic = "label" not in (given or {}) and _plain(found.get("label", "")) in TOPICS
    if topic and {"query", "document"} <= found.keys():
        del found["label"]
    if not negatives:
        for name in there:
            if (match := NEGATIVE.fullmatch(_plain(name))) and name not in taken:
                negatives.append((int(match[1] or 1), name))
    return Columns(found, tuple(name for _, name in sorted(negatives, key=lambda one: one[0])))


def check_unread(columns: Columns, records: Sequence[Mapping[str, Any]], place: str) -> None:
    """NaruError for a column that looks like a verdict on pairs, and would not be read: those it calls wrong would be
    trained on as right."""
    read = {columns.of["query"], columns.of["document"]}
    for name in dict.fromkeys(name for record in records for name in record):
        if name in read or NUMBERING.fullmatch(_plain(name)):
            continue
        verdict = verdicts(record.get(name) for record in records)
        if verdict:
            raise NaruError(
                f"{place}: the column {name!r} holds {verdict} and is not read: every row would count as a pair that "
                f'belongs together. If it says how well they do: columns = {{label = "{name}"}}, or score for label; '
                'if not: shape = "pairs", or leave the column out of the file.'
            )


def _plain(name: str) -> str:
    """A column's name as synonyms are written: composed, in lower case, with underscores."""
    return re.sub(r"[\s-]+", "_", unicodedata.normalize("NFC", name).strip().lower())


def shape_of(columns: Columns, names: Iterable[str], graded: bool | None, place: str) -> Shape:
    """The shape of rows with these columns. `graded` says of a label column that its values are numbers between
    classes (True), 0 and 1 (False), or names (None). NaruError, with the columns seen, where none fits."""
    pair = "query" in columns and "document" in columns
    if pair and (columns.negatives or "negatives" in columns):
        return Shape.TRIPLETS
    if pair and "score" in columns:
        return Shape.SCORED
    if pair and "label" in columns:
        return Shape.SCORED if graded else Shape.LABELLED if graded is False else Shape.CLASSED_PAIRS
    if pair:
        return Shape.PAIRS
    classed = "sentence" in columns and "label" in columns  # source and target are then about the text
    if "source" in columns and "target" in columns and not classed:
        return Shape.PARALLEL
    if "sentence" in columns:
        return Shape.CLASSED if "label" in columns else Shape.SENTENCES
    raise NaruError(
        f"{place}: its columns are {', '.join(map(repr, names))}; no shape of training data is recognised. Expected "
        "query and document (and negative, score or label), source and target, or sentence (and label); say which is "
        'which with columns = {query = "…", document = "…"}.'
    )
