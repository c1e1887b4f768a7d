"""Records of files, folders and Hub data sets: where each stands, and its fields by name, as they are in the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from naru.errors import NaruError
from naru.lines import numbered
from naru.records import KINDS, Record, flat, read_records


def records(location: str, root: Path, split: str | None) -> Iterator[tuple[int, Record]]:
    """(line, fields) of each record, streamed; the line is that of the file, or the row's number from 1.

    Nested objects are flattened with dots ("labels.label"). `location` is relative to `root` unless it is `hf://`.
    Raises NaruError naming file and line for what cannot be read.
    """
    if location.startswith("hf://"):
        return _hub(location, split)
    path = root / location
    if path.is_dir():
        if (path / "qrels").is_dir():
            return judged(path, split)
        return _hub(str(path), split)
    if path.suffix.lower() not in KINDS:
        raise NaruError(
            f"{path}: cannot tell how to read it by its name; expected {', '.join(KINDS)}, a BEIR folder, or "
            "hf://OWNER/NAME[/CONFIG][:SPLIT]."
        )
    return read_records(path)


def source_of(location: str, root: Path, split: str | None) -> str:
    """What stands before the line in messages: the file whose lines are counted."""
    path = root / location
    if location.startswith("hf://") or not path.is_dir():
        return location if location.startswith("hf://") else str(path)
    return str(path / "qrels" / f"{split_of(path, split)}.tsv") if (path / "qrels").is_dir() else str(path)


def split_of(folder: Path, split: str | None) -> str:
    """The split to read of a BEIR folder: the one asked for, else "train", else the only one."""
    there = sorted(path.stem for path in (folder / "qrels").glob("*.tsv"))
    if split is None and (len(there) == 1 or "train" in there):
        return there[0] if len(there) == 1 else "train"
    if split not in there:
        asked = "which split?" if split is None else f"no split {split!r}."
        raise NaruError(f"{folder}: {asked} There are: {', '.join(there) or 'none'}.")
    return split


def judged(folder: Path, split: str | None) -> Iterator[tuple[int, Record]]:
    """Of each relevant passage of a BEIR split: query, document, and the passages judged not to answer as negatives."""
    queries, corpus = texts(folder, "queries"), texts(folder, "corpus")
    lines = judgements(folder, split)
    wrong: dict[str, list[str]] = {}
    for _, query, document, grade in lines:
        if grade <= 0 and document in corpus:
            wrong.setdefault(query, []).append(corpus[document])
    graded = {query for _, query, _, grade in lines if grade > 0}
    every = graded <= wrong.keys()
    for number, query, document, grade in lines:
        if grade > 0:
            place = f"{source_of('', folder, split)}:{number}"
            if query not in queries:
                raise NaruError(f"{place}: query {query!r} is not in queries.jsonl.")
            if document not in corpus:
                raise NaruError(f"{place}: document {document!r} is not in corpus.jsonl.")
            row: dict[str, Any] = {"query": queries[query], "document": corpus[document]}
            yield number, row | ({"negatives": wrong[query]} if every and wrong else {})


def judgements(folder: Path, split: str | None) -> list[tuple[int, str, str, int]]:
    """(line, query, document, grade) of a BEIR split's qrels, in the order of the file."""
    path = folder / "qrels" / f"{split_of(folder, split)}.tsv"
    made: list[tuple[int, str, str, int]] = []
    for number, line in numbered(path):
        cells = line.rstrip("\r\n").split("\t")
        if number == 1 and cells[0] in ("query-id", "query_id", "qid"):
            continue
        if not line.strip():
            continue
        try:
            query, document, grade = cells
            made.append((number, query, document, int(grade)))
        except ValueError as error:
            raise NaruError(
                f"{path}:{number}: got {line.strip()[:60]!r}, expected query-id, corpus-id and score between tabs."
            ) from error
    return made


def texts(folder: Path, name: str) -> dict[str, str]:
    """id -> text of a BEIR folder's queries or corpus, a title on a line before its text."""
    found: dict[str, str] = {}
    for number, record in read_records(folder / f"{name}.jsonl"):
        if "_id" not in record or "text" not in record:
            raise NaruError(f"{folder / name}.jsonl:{number}: expected the fields _id and text.")
        title, text = str(record.get("title") or ""), str(record["text"] or "")
        if (id := str(record["_id"])) in found:
            raise NaruError(f"{folder / name}.jsonl:{number}: _id {id!r} is there twice; expected each once.")
        found[id] = f"{title}\n{text}" if title else text
    return found


def _hub(location: str, split: str | None) -> Iterator[tuple[int, Record]]:
    """A data set of the Hub, `hf://OWNER/NAME[/CONFIG][:SPLIT]`, or a folder that `save_to_disk` made; split "train"."""
    import datasets

    address, _, asked = (
        location.removeprefix("hf://").partition(":") if location.startswith("hf://") else ("", "", "")
    )
    wanted = split or asked or "train"
    try:
        if address:
            owner, name, *config = [*address.split("/"), ""][:3]
            found: Any = datasets.load_dataset(f"{owner}/{name}", config[0] or None, split=wanted)
        else:
            found = datasets.load_from_disk(location)
            if isinstance(found, datasets.DatasetDict):
                if wanted not in found:
                    raise NaruError(f"{location}: no split {wanted!r}. There are: {', '.join(found)}.")
                found = found[wanted]
    except (OSError, ValueError) as error:
        raise NaruError(
            f"{location}: no data set could be opened ({error}). Without a network, download it elsewhere with "
            "`hf download --repo-type dataset` and give the file; a folder of your own wants corpus.jsonl, "
            "queries.jsonl and qrels/."
        ) from error
    for number, fields in enumerate(found, start=1):
        yield number, flat(fields)
