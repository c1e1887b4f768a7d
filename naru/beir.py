"""Judged queries in BEIR's folder: `queries.jsonl` and one `qrels/SPLIT.tsv` a split; TREC qrels in and out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from naru.errors import NaruError, first_few
from naru.files import replacing
from naru.lines import column, columns, numbered, placed
from naru.records import read_records

Qrels = Mapping[str, Mapping[str, int]]
"""Query id -> document id -> judged relevance; more than 0 is relevant."""


Facts = Mapping[str, object]
"""What is said of a query beside its text: field -> value, as in JSON."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question, and the fields that describe it."""

    text: str
    metadata: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Split:
    """The queries one qrels file judges, in its order, with their judgements, and what describes each."""

    name: str
    queries: Mapping[str, str]
    qrels: Qrels
    metadata: Mapping[str, Facts] = field(default_factory=dict)

    @property
    def answerable(self) -> Qrels:
        """The judgements of queries with a relevant document: what ranking measures average over."""
        return answerable(self.qrels)

    @property
    def relevant(self) -> list[str]:
        """The relevant documents of all queries, each once."""
        return relevant(self.qrels)

    @property
    def no_answer(self) -> list[str]:
        """The queries whose every judged document is not relevant: the collection holds no answer."""
        return [query for query, judged in self.qrels.items() if max(judged.values()) <= 0]


class Beir:
    """A BEIR folder. Its corpus is not read here."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "queries.jsonl").is_file():
            raise NaruError(
                f"{self.folder}: no queries.jsonl; expected a BEIR folder: queries.jsonl and qrels/SPLIT.tsv."
            )

    @property
    def splits(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / "qrels").glob("*.tsv"))

    def split(self, name: str) -> Split:
        """NaruError when there is no such split, or it judges queries that queries.jsonl lacks."""
        path = self.folder / "qrels" / f"{name}.tsv"
        if name not in self.splits:
            raise NaruError(
                f"{path}: no split {name!r}; expected one of: {', '.join(self.splits) or 'none'}."
            )
        qrels = read_qrels(path)
        queries = read_queries(self.folder / "queries.jsonl")
        unknown = [query for query in qrels if query not in queries]
        if unknown:
            raise NaruError(
                f"{path}: judges {len(unknown)} queries that {self.folder / 'queries.jsonl'} does not hold: "
                f"{first_few(unknown)}. Add them there, or remove their judgements."
            )
        return Split(
            name,
            {query: queries[query].text for query in qrels},
            qrels,
            {query: queries[query].metadata for query in qrels},
        )


def read_queries(path: Path) -> dict[str, Query]:
    """Query id -> query of a file of JSON lines with `_id` (or `id`) and `text`. NaruError names the line.

    The fields of an object named `metadata` and all other fields of the line describe the query.
    """
    queries: dict[str, Query] = {}
    for where, line in placed(path):
        try:
            query = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise NaruError(f"{where}: not JSON: {error}; expected one object a line.") from error
        if not isinstance(query, dict):
            raise NaruError(f"{where}: got {line[:80]!r}; expected an object with '_id' and 'text'.")
        given = query.get("_id", query.get("id"))
        identity = _text(where, "_id", str(given) if isinstance(given, int) else given)
        if identity in queries:
            raise NaruError(f"{where}: the query {identity!r} is there twice; expected each id once.")
        queries[identity] = Query(_text(where, "text", query.get("text")), _described(query))
    return queries


def answerable(qrels: Qrels) -> Qrels:
    """The judgements of queries with a relevant document."""
    return {query: judged for query, judged in qrels.items() if max(judged.values()) > 0}


def relevant(qrels: Qrels) -> list[str]:
    """The documents that are relevant to some query, each once."""
    return list(
        dict.fromkeys(document for judged in qrels.values() for document, said in judged.items() if said > 0)
    )


def read_qrels(path: Path) -> Qrels:
    """Judgements, as `judgements` reads them, by query and document."""
    qrels: dict[str, dict[str, int]] = {}
    for _, query, document, score in judgements(path):
        qrels.setdefault(query, {})[document] = score
    return qrels


def judgements(path: Path) -> Iterator[tuple[int, str, str, int]]:
    """(line, query, document, score) of each judgement: BEIR's `query document score` with a header, or TREC's
    `query 0 document score` without.

    Columns are split at tabs where that gives three or four, else at blanks. NaruError names the line.
    """
    seen: dict[tuple[str, str], int] = {}
    first = True
    for number, raw in numbered(path):
        line, where = raw.strip("\r\n"), f"{path}:{number}"
        if not line.strip():
            continue
        cells = columns(line, 3, 4)
        if cells is None:
            raise NaruError(f"{where}: got {line!r}; expected query-id, corpus-id, score, split by tabs.")
        query, document, said = cells[0], cells[-2], cells[-1]
        header, first = first and len(cells) == 3 and said.isidentifier(), False
        try:
            score = int(said)
        except ValueError as error:
            if header:
                continue
            raise NaruError(f"{where}: the score is {said!r}; expected a whole number.") from error
        before = seen.setdefault((query, document), score)
        if before != score:
            raise NaruError(
                f"{where}: {query!r} and {document!r} are judged {score} here and {before} further up; "
                "expected one judgement."
            )
        yield number, query, document, score
    if not seen:
        raise NaruError(f"{path}: no judgements; expected lines of query-id, corpus-id, score.")


def passages(folder: Path) -> Iterator[tuple[str, str]]:
    """Id and text of each passage of a BEIR folder, a title on a line before its text; streamed.

    NaruError names the line that lacks an id or a text.
    """
    path = folder / "corpus.jsonl"
    seen: set[str] = set()
    for number, record in read_records(path):
        where = f"{path}:{number}"
        given = record.get("_id", record.get("id"))
        identity = _text(where, "_id", str(given) if isinstance(given, int) else given)
        if identity in seen:
            raise NaruError(f"{where}: the passage {identity!r} is there twice; expected each id once.")
        seen.add(identity)
        parts = [_text(where, name, record[name]) for name in ("title", "text") if record.get(name)]
        yield identity, _text(where, "text", "\n".join(parts))


def write_qrels(qrels: Qrels, path: Path) -> None:
    """Write judgements as trec_eval reads them: QUERY 0 DOCUMENT RELEVANCE. NaruError where an id cannot stand."""
    try:
        with replacing(path) as file:
            for query, judged in qrels.items():
                for document, score in judged.items():
                    file.write(
                        f"{column('query id', query)}\t0\t{column('document id', document)}\t{score}\n"
                    )
    except OSError as error:
        raise NaruError(f"{path}: the judgements cannot be written there: {error.strerror}.") from error


def _described(query: dict[str, object]) -> Facts:
    rest = {name: value for name, value in query.items() if name not in {"_id", "id", "text", "metadata"}}
    inner = query.get("metadata")
    if isinstance(inner, dict):
        return rest | inner
    return rest if inner is None else rest | {"metadata": inner}


def _text(where: str, name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise NaruError(f"{where}: {name!r} is {value!r}; expected text that is not blank.")
    return value
