"""Records of files, folders and Hub data sets: where each stands, and its fields by name, as they are in the file."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from naru import beir
from naru.errors import NaruError
from naru.records import KINDS, Bad, Record, Skip, flat, read_records, refuse


def refused(bad: Bad) -> None:
    """Raises NaruError for a row that cannot be read, in a command that can go on without."""
    raise NaruError(f"{bad.place}: {bad.reason} Mend it, or leave out such rows with --skip-bad-rows.")


def records(
    location: str, root: Path, split: str | None, skip: Skip = refuse
) -> Iterator[tuple[int, Record]]:
    """(line, fields) of each record, streamed; the line is that of the file, or the row's number from 1.

    Nested objects are flattened with dots ("labels.label"). `location` is relative to `root` unless it is `hf://`.
    `skip` gets each row of a file that cannot be read; NaruError, naming file and line, for all else.
    """
    if location.startswith("hf://"):
        return _hub(location, split)
    path = root / location
    if path.is_dir():
        if (path / "qrels").is_dir():
            return judged(path, split)
        return _hub(str(path), split)
    if not path.name.lower().endswith(KINDS):
        raise NaruError(
            f"{path}: cannot tell how to read it by its name; expected {', '.join(KINDS)}, a BEIR folder, or "
            "hf://OWNER/NAME[/CONFIG][:SPLIT]."
        )
    if split is not None:
        raise NaruError(
            f"{path}: a file has no splits, and split {split!r} is asked of it. Leave the split out, or give the file "
            "that holds it."
        )
    return read_records(path, skip)


def source_of(location: str, root: Path, split: str | None) -> str:
    """What stands before the line in messages: the file whose lines are counted."""
    path = root / location
    if location.startswith("hf://") or not path.is_dir():
        return location if location.startswith("hf://") else str(path)
    return str(qrels_of(path, split)) if (path / "qrels").is_dir() else str(path)


def judged(folder: Path, split: str | None) -> Iterator[tuple[int, Record]]:
    """Of each relevant passage of a BEIR split: query, document, and the passages judged not to answer as negatives.

    Memory holds the judgements and the passages they name.
    """
    path = qrels_of(folder, split)
    lines = list(beir.judgements(path))
    named = {document for _, _, document, _ in lines}
    queries = beir.read_queries(folder / "queries.jsonl")
    corpus = {name: text for name, text in beir.passages(folder) if name in named}
    wrong: dict[str, list[str]] = {}
    for _, query, document, grade in lines:
        if grade <= 0 and document in corpus:
            wrong.setdefault(query, []).append(corpus[document])
    graded = {query for _, query, _, grade in lines if grade > 0}
    every = graded <= wrong.keys()
    for number, query, document, grade in lines:
        if grade > 0:
            if query not in queries:
                raise NaruError(f"{path}:{number}: query {query!r} is not in queries.jsonl.")
            if document not in corpus:
                raise NaruError(f"{path}:{number}: document {document!r} is not in corpus.jsonl.")
            row: dict[str, Any] = {"query": queries[query].text, "document": corpus[document]}
            yield number, row | ({"negatives": wrong[query]} if every and wrong else {})


def qrels_of(folder: Path, split: str | None) -> Path:
    """The judgements to read of a BEIR folder: of the split asked for, else "train", else the only one."""
    there = sorted(path.stem for path in (folder / "qrels").glob("*.tsv"))
    if split is None and (len(there) == 1 or "train" in there):
        split = there[0] if len(there) == 1 else "train"
    if split is None or split not in there:
        asked = "which split?" if split is None else f"no split {split!r}."
        raise NaruError(f"{folder}: {asked} There are: {', '.join(there) or 'none'}.")
    return folder / "qrels" / f"{split}.tsv"


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


def shuffled(path: Path, rng: random.Random) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file in random order. NaruError when it is missing."""
    if not path.is_file():
        raise NaruError(f"No data file {path}. Relative paths start at the root (--root).")
    columns = pq.read_table(path)
    order = list(range(columns.num_rows))
    rng.shuffle(order)
    for start in range(0, len(order), 4096):
        yield from columns.take(order[start : start + 4096]).to_pylist()
