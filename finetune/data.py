"""Training data of any format -> `Rows`: an Arrow data set on disk with the columns of one shape, and where each row is.

    rows = read(Source("faq", "faq.csv"), Path("."), seed=42)
    rows.shape, rows.dataset, rows.places[0]          # Shape.PAIRS, Dataset, "faq.csv:2"

Texts are NFC without blanks around them. Columns by shape, in this order: pairs (query, document), triplets (and
negative, negative_2, ...), scored pairs (sentence1, sentence2, score in 0..1), labelled pairs (label 0 or 1), classed
pairs (label 0..k-1), classed (sentence, label), sentences (sentence), parallel (source, target). A row with several
positives becomes as many rows. Files are streamed: memory holds a few thousand rows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from datasets import Dataset

from finetune.recipe import Source
from finetune.recipe.tables import KeyedError
from finetune.rows.columns import Columns, check_unread, recognised, shape_of
from finetune.rows.records import records, source_of
from finetune.rows.spool import opened, stored
from finetune.rows.texts import clean
from finetune.rows.values import Values, listed
from finetune.shapes import Shape
from naru.errors import NaruError
from naru.records import Record, Skip, refuse

Ints = npt.NDArray[np.int32]
CHUNK = 4096  # rows written at once
LOOK = 100  # records that show which columns there are
TEXTS: dict[Shape, tuple[str, ...]] = {
    Shape.PAIRS: ("query", "document"),
    Shape.TRIPLETS: ("query", "document"),
    Shape.SCORED: ("sentence1", "sentence2"),
    Shape.LABELLED: ("sentence1", "sentence2"),
    Shape.CLASSED_PAIRS: ("sentence1", "sentence2"),
    Shape.CLASSED: ("sentence",),
    Shape.SENTENCES: ("sentence",),
    Shape.PARALLEL: ("source", "target"),
}


@dataclass(frozen=True)
class RowPlaces:
    """Where rows stand: `places[row]` is "file:line"; for Parquet and the Hub the line is the row's number."""

    file: str
    lines: Ints

    def __getitem__(self, row: int) -> str:
        return f"{self.file}:{self.lines[row]}"


@dataclass(frozen=True)
class Rows:
    """One data set. `classes` are the names of labels 0, 1, ...; `notes` say what reading decided, `columns` which of
    the file's columns were read as what; `made` tells weak pairs, made by rule, from what people wrote."""

    name: str
    shape: Shape
    dataset: Dataset
    places: RowPlaces
    classes: tuple[str, ...] = ()
    notes: Sequence[str] = field(default_factory=list)
    made: bool = False
    columns: str = ""

    def __len__(self) -> int:
        return len(self.dataset)

    def take(self, rows: Sequence[int] | Ints | npt.NDArray[np.int64]) -> Rows:
        """These rows, in this order."""
        chosen = np.asarray(rows, np.int64)
        places = RowPlaces(self.places.file, self.places.lines[chosen])
        return replace(self, dataset=self.dataset.select(chosen.tolist()), places=places)

    def texts(self) -> list[str]:
        """The names of the text columns, the one that is asked with first."""
        return [name for name in self.dataset.column_names if name not in ("score", "label")]


def read(source: Source, root: Path, seed: int, skip: Skip = refuse) -> Rows:
    """The rows of a source that has its path, relative to `root`; the same for the same seed. `skip` gets those of a file
    that cannot be read.

    Raises NaruError naming file and line for what cannot be read, columns that are no shape, and data without rows.
    """
    assert source.path is not None, "filled() gives every source its path"
    if source.reader is not None:
        return _made(source, root / source.path, seed)
    place = source_of(source.path, root, source.split)
    stream = records(source.path, root, source.split, skip)
    first = list(islice(stream, LOOK))
    if not first:
        raise NaruError(f"{place}: has no rows.")
    names = list(dict.fromkeys(name for _, record in first for name in record))
    columns = recognised(names, source.columns, place)
    declared = Shape(source.shape) if source.shape else None
    values = Values(source.score_range, columns.grades)
    rough = declared or shape_of(columns, names, None, place)
    _complete(columns, rough, names, place)
    if declared is None and rough is Shape.PAIRS:
        check_unread(columns, [record for _, record in first], place)
    stream = _known(chain(first, stream), names, columns, place)
    drafts = _drafts(_with_lists(stream, columns, place), columns, rough, values)
    kind = pa.schema(
        [("line", pa.int32()), *((name, pa.string()) for name in TEXTS[rough]), ("value", pa.string())]
        + [("negatives", pa.list_(pa.string()))] * (rough is Shape.TRIPLETS)
    )
    spool = stored(drafts, kind)
    shape = rough
    if declared is None and rough is Shape.CLASSED_PAIRS:
        shape = shape_of(columns, names, values.graded, place)
    finished = _finished(source, shape, values, opened(spool), place)
    return _capped(replace(finished, columns=columns.said(names, shape)), source, seed)


def _known(
    stream: Iterator[tuple[int, Record]], names: Sequence[str], columns: Columns, place: str
) -> Iterator[tuple[int, Record]]:
    """The records as they are. NaruError for a column that would count, and that the first LOOK records do not have."""
    seen = set(names)
    for line, record in stream:
        if not record.keys() <= seen:
            late = [name for name in record if name not in seen]
            now = recognised([*names, *late], None, place)
            for name in late:
                if name in now.negatives or (name in now.of.values() and name not in columns.of.values()):
                    raise NaruError(
                        f"{place}:{line}: the column {name!r} first occurs here; what there is to read is told by the "
                        f"first {LOOK} rows. Put such a row among them, or give every row that column."
                    )
            seen.update(late)
        yield line, record


def _with_lists(
    stream: Iterator[tuple[int, Record]], columns: Columns, place: str
) -> Iterator[tuple[int, Record]]:
    """The records with lists where their columns are of lists, as CSV has none. NaruError for a list that is none."""
    for line, record in stream:
        lists = {name: listed(record.get(name), name, f"{place}:{line}") for name in columns.lists}
        yield line, {**record, **lists} if lists else record


def _complete(columns: Columns, shape: Shape, names: Sequence[str], place: str) -> None:
    """A declared shape wants its columns."""
    if shape not in TEXTS:
        raise KeyedError(
            "shape", f"{place}: {shape} are no rows of a file; expected one of {', '.join(TEXTS)}."
        )
    wanted = {"sentence1": "query", "sentence2": "document"}
    needed = [wanted.get(name, name) for name in TEXTS[shape]]
    needed += ["score"] if shape is Shape.SCORED and "label" not in columns else []
    needed += ["label"] if shape in (Shape.LABELLED, Shape.CLASSED_PAIRS, Shape.CLASSED) else []
    missing = [name for name in needed if name not in columns]
    if shape is Shape.TRIPLETS and not columns.negatives and "negatives" not in columns:
        missing.append("negative")
    if missing:
        raise KeyedError(
            "shape",
            f"{place}: {shape} want {' and '.join(missing)}, and its columns are {', '.join(map(repr, names))}. Say "
            f'which is which: columns = {{{missing[0]} = "…"}}.',
        )


def _drafts(
    stream: Iterator[tuple[int, Record]], columns: Columns, shape: Shape, values: Values
) -> Iterator[dict[str, Any]]:
    """Rows as texts: line, the text columns, value (score or label as it is written), negatives."""
    first, *others = (
        columns.of[{"sentence1": "query", "sentence2": "document"}.get(name, name)] for name in TEXTS[shape]
    )
    graded = {
        Shape.SCORED: "score",
        Shape.LABELLED: "label",
        Shape.CLASSED_PAIRS: "label",
        Shape.CLASSED: "label",
    }
    name = graded.get(shape)
    value_column = columns.of.get(name or "", columns.of.get("label", "")) if name else ""
    texts = TEXTS[shape]
    for line, record in stream:
        row: dict[str, Any] = {"line": line, texts[0]: clean(record.get(first)), "value": ""}
        if name:
            row["value"] = values.seen(record.get(value_column))
        if shape is Shape.TRIPLETS:
            row["negatives"] = values.counted(_negatives(record, columns))
        if not others:
            yield row
        else:
            second = record.get(others[0])
            for text in second if isinstance(second, list) else [second]:
                yield row | {texts[1]: clean(text)}


def _negatives(record: Record, columns: Columns) -> list[str]:
    names = [*columns.negatives, *([columns.of["negatives"]] if "negatives" in columns else [])]
    cells = [record.get(name) for name in names]
    texts = [text for cell in cells for text in (cell if isinstance(cell, list) else [cell])]
    return [text for text in map(clean, texts) if text]


def _finished(source: Source, shape: Shape, values: Values, drafts: pa.Table, place: str) -> Rows:
    """Drafts with values as numbers and negatives as columns."""
    if not drafts.num_rows:
        raise NaruError(f"{place}: has no rows: every list of positives is empty.")
    lines: Ints = drafts.column("line").to_numpy().astype(np.int32)
    names = TEXTS[shape]
    kept = [name for name in drafts.column_names if name not in ("line", "value", "negatives")]
    fields = [(name, pa.string()) for name in names]
    width = values.negatives if shape is Shape.TRIPLETS else 0
    fields += [(f"negative_{at}" if at > 1 else "negative", pa.string()) for at in range(1, width + 1)]
    if shape is Shape.SCORED:
        fields.append(("score", pa.float32()))
    elif shape in (Shape.LABELLED, Shape.CLASSED_PAIRS, Shape.CLASSED):
        fields.append(("label", pa.int64()))
    convert = values.converter(shape)

    def rows() -> Iterator[dict[str, Any]]:
        for batch in drafts.to_batches(CHUNK):
            for draft in batch.to_pylist():
                row = {name: draft[old] for name, old in zip(names, kept, strict=True)}
                if convert is not None:
                    row[fields[-1][0]] = convert(draft["value"])
                for at in range(width):
                    row["negative" if not at else f"negative_{at + 1}"] = (draft["negatives"] + [""] * width)[
                        at
                    ]
                yield row

    plain = convert is None and not width and tuple(kept) == names
    dataset = (
        Dataset(drafts.select(list(names))) if plain else Dataset(opened(stored(rows(), pa.schema(fields))))
    )
    classes = values.classes() if shape in (Shape.CLASSED, Shape.CLASSED_PAIRS) else ()
    return Rows(source.name, shape, dataset, RowPlaces(place, lines), classes, values.notes(shape))


def _made(source: Source, path: Path, seed: int) -> Rows:
    """Weak pairs by a named reader (`finetune.weak.readers`)."""
    from finetune.weak.readers import READERS, passages

    if source.reader not in READERS:
        raise NaruError(
            f"Data {source.name!r}: unknown reader {source.reader!r}. Known: {', '.join(sorted(READERS))}."
        )
    reader = READERS[source.reader]
    if source.columns:  # of `passages` alone: the others have files of their own
        reader = partial(passages, columns=source.columns)
    stream = islice(reader(path, random.Random(f"{seed} {source.name}")), source.rows)
    first = next(stream, None)
    if first is None:
        raise NaruError(f"Data {source.name!r}: reader {source.reader!r} found no row in {path}.")
    of = {"score": pa.float32(), "label": pa.int64()}
    dataset = Dataset(
        opened(
            stored(chain([first], stream), pa.schema([(name, of.get(name, pa.string())) for name in first]))
        )
    )
    columns = Columns(
        {name: name for name in first}, tuple(name for name in first if name.startswith("negative"))
    )
    shape = Shape.SCORED if "score" in first else shape_of(columns, first, None, str(path))
    lines = np.arange(1, len(dataset) + 1, dtype=np.int32)
    return Rows(source.name, shape, dataset, RowPlaces(f"{source.name} ({source.reader})", lines), made=True)


def _capped(rows: Rows, source: Source, seed: int) -> Rows:
    if source.rows is None or len(rows) <= source.rows:
        return rows
    rng = np.random.default_rng([seed, crc32(source.name.encode())])
    chosen = np.sort(rng.permutation(len(rows))[: source.rows])
    return replace(
        rows.take(chosen), notes=[*rows.notes, f"{source.rows:,} of {len(rows):,} rows, drawn at random"]
    )
