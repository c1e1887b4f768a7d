"""Judged questions in a table become a BEIR folder, dealt into parts that share no answer.

    query,document
    카드 분실했는데 어떡해요,card-1
    카드 분실했는데 어떡해요,card-7          a second answer
    김치찌개 맛있게 끓이는 법,               no document: the collection holds no answer

A column `score` may grade the answers (0: judged, and no answer); further columns describe the question. Questions with an
answer in common, also by way of others, come into one part: what one part is tuned to is not asked again in another.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from unicodedata import normalize as composed

from naru.documents import Document
from naru.errors import NaruError, first_few
from naru.lines import UTF8, pass_encoding
from naru.records import Bad, open_records

PARTS = {"train": 1.0, "calibrate": 1.0, "test": 1.0}
"""What is dealt into by default, with the share of each."""


_SURROGATE = re.compile("[\ud800-\udfff]")
_WHOLE = re.compile(r"-?\d{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fields:
    """What the columns are called, in NFC."""

    query: str = "query"
    document: str = "document"
    score: str = "score"

    def __post_init__(self) -> None:
        for name in ("query", "document", "score"):
            object.__setattr__(self, name, composed("NFC", getattr(self, name)))


@dataclass(frozen=True, slots=True)
class Question:
    """A question, where it stands first, its grades by document, and what else the table says of it."""

    text: str
    where: str
    grades: dict[str, int] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def answers(self) -> list[str]:
        return [document for document, score in self.grades.items() if score > 0]


def read_judged(path: Path, fields: Fields | None = None, encoding: str | None = None) -> list[Question]:
    """The questions of a file that `naru.records` reads, in its order; equal ones are one with all their documents.

    NaruError naming file and line: columns that are not there, a question without text, a score that is no whole number,
    a document judged twice otherwise, a question with and without an answer.
    """
    fields = fields or Fields()
    found: dict[str, Question] = {}
    without: dict[str, str] = {}
    for row in open_records(path, encoding or UTF8, remedy=pass_encoding):
        where = f"{path}:{row.line}"
        if isinstance(row, Bad):
            raise NaruError(f"{row.place}: {row.reason}")
        said = {composed("NFC", name): value for name, value in row.fields.items()}
        missing = [name for name in (fields.query, fields.document) if name not in said]
        if missing:
            raise NaruError(
                f"{where}: the columns are {', '.join(map(repr, said))}; expected {' and '.join(map(repr, missing))} among "
                "them. Say which they are: --query COLUMN --document COLUMN"
            )
        text = said.pop(fields.query)
        if not isinstance(text, str) or not text.strip():
            raise NaruError(f"{where}: {fields.query!r} is {text!r}; expected a question.")
        if _SURROGATE.search(text):
            raise NaruError(f"{where}: {fields.query!r} is no valid Unicode: {text!r}.")
        text = composed("NFC", text).strip()
        document, score = _document(said.pop(fields.document), where), said.pop(fields.score, None)
        said = {name: fact for name, fact in said.items() if fact == fact}  # JSON has no NaN
        question = found.setdefault(text, Question(text, where, facts=said))
        if document is None:
            without.setdefault(text, where)
            continue
        grade = _grade(score, fields.score, where)
        if question.grades.setdefault(document, grade) != grade:
            raise NaruError(
                f"{where}: {document!r} is graded {grade} for {text!r}, and {question.grades[document]} further up; expected "
                "one grade."
            )
    if not found:
        raise NaruError(f"{path}: no questions; expected rows with {fields.query!r} and {fields.document!r}.")
    for text, where in without.items():
        if found[text].answers:
            raise NaruError(
                f"{where}: {text!r} has no document here, and {first_few(found[text].answers)} elsewhere; expected one or the "
                "other."
            )
    return list(found.values())


def dealt(questions: Sequence[Question], shares: Mapping[str, float]) -> dict[str, list[int]]:
    """Part -> the numbers of its questions, in order. Each goes, in the order of the file, to the part that lacks most of its
    share, or where one went that it has an answer in common with; those without an answer are counted for themselves.

    Rows put at the end of the file move none that stand before, unless they join two answers.
    """
    parts: dict[str, list[int]] = {name: [] for name in shares}
    done = {kind: dict.fromkeys(parts, 0) for kind in (True, False)}
    went: dict[str, str] = {}
    for number, (question, group) in enumerate(zip(questions, _groups(questions), strict=True)):
        counts = done[bool(question.answers)]
        part = went.get(group) or _lacking(counts, shares, question.text)
        went[group] = part
        counts[part] += 1
        parts[part].append(number)
    return parts


def _lacking(counts: Mapping[str, int], shares: Mapping[str, float], text: str) -> str:
    """The part that lacks most of its share of one question more; among equals by lot, the same for the same text."""
    whole = (sum(counts.values()) + 1) / sum(shares.values())
    lacks = {name: round(share * whole - counts[name], 9) for name, share in shares.items()}
    lots = {name: sha256(f"{name} {text}".encode()).digest() for name in shares}
    return max(shares, key=lambda name: (lacks[name], lots[name]))


def _groups(questions: Sequence[Question]) -> list[str]:
    """Of each question a name for those that answers join it with; one without an answer is its own."""
    leader: dict[str, str] = {}

    def first(document: str) -> str:
        while leader.setdefault(document, document) != document:
            leader[document] = document = leader[leader[document]]
        return document

    for question in questions:
        for document in question.answers:
            leader[first(document)] = first(question.answers[0])
    return [f"d{first(one.answers[0])}" if one.answers else f"q{one.text}" for one in questions]


def write_beir(
    folder: Path,
    questions: Sequence[Question],
    parts: Mapping[str, Sequence[int]],
    corpus: Iterable[Document] | None = None,
) -> None:
    """A BEIR folder, whole or not at all: `queries.jsonl`, `qrels/PART.tsv`, and with `corpus` its `corpus.jsonl`.

    NaruError where there is something at `folder`, where a document is judged that `corpus` does not hold, and where there
    is no document to write a question without an answer beside.
    """
    if folder.exists():
        raise NaruError(f"{folder} is there already; remove it, or give another --output.")
    with _whole(folder) as fresh:
        beside = next((one for question in questions for one in question.grades), None)
        if corpus is not None:
            there = dict.fromkeys(_copied(corpus, fresh / "corpus.jsonl"))
            beside = beside or next(iter(there), None)
            _check_held(questions, there)
        if beside is None:
            raise NaruError("No question has a document: there is nothing to calibrate or to measure.")
        with (fresh / "queries.jsonl").open("w", encoding="utf-8") as file:
            for number, question in enumerate(questions, start=1):
                said = {"_id": f"q{number}", "text": question.text, "metadata": dict(question.facts)}
                file.write(json.dumps(said, ensure_ascii=False, default=str) + "\n")
        (fresh / "qrels").mkdir()
        for name, numbers in parts.items():
            with (fresh / "qrels" / f"{name}.tsv").open("w", encoding="utf-8") as file:
                file.write("query-id\tcorpus-id\tscore\n")
                for number in numbers:
                    for document, score in (questions[number].grades or {beside: 0}).items():
                        file.write(f"q{number + 1}\t{document}\t{score}\n")


def _document(value: object, where: str) -> str | None:
    value = _whole_number(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int) or _SURROGATE.search(str(value)):
        raise NaruError(f"{where}: the document is {value!r}; expected the id of one, or nothing.")
    document = str(value).strip()
    if any(blank in document for blank in "\t\n\r"):
        raise NaruError(
            f"{where}: the document {document!r} has a tab or a line end in it, which no qrels file can hold."
        )
    return document


def _grade(value: object, name: str, where: str) -> int:
    value = _whole_number(value)
    if value is None or value == "":
        return 1
    if type(value) is int:
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    raise NaruError(f"{where}: {name!r} is {value!r}; expected a whole number, 0 for no answer.")


def _whole_number(value: object) -> object:
    """7 for 7.0, as tables have whole numbers where cells are empty; nothing for NaN."""
    if not isinstance(value, float):
        return value
    return None if math.isnan(value) else int(value) if value.is_integer() else value


def _check_held(questions: Sequence[Question], there: Mapping[str, None]) -> None:
    for question in questions:
        missing = [document for document in question.grades if document not in there]
        if missing:
            raise NaruError(
                f"{question.where}: {question.text!r} is answered by {first_few(missing)}, which the corpus does not hold. Are the "
                "ids those of the corpus?"
            )


def _copied(corpus: Iterable[Document], path: Path) -> Iterator[str]:
    with path.open("w", encoding="utf-8") as file:
        for one in corpus:
            said = {**one.metadata, "_id": one.id, "title": one.title, "text": one.text}
            file.write(json.dumps(said, ensure_ascii=False, default=str) + "\n")
            yield one.id


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}")
    fresh.mkdir(parents=True)
    try:
        yield fresh
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
