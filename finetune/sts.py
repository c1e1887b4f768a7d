"""Sentence similarity (STS): read KorSTS, KLUE-STS or a file of your own, measure, set before beside after.

pairs = read(Path("korsts-test.tsv"))
before = measure(model, pairs)
...
print(Comparison("korsts-test", len(pairs.scores), before, measure(model, pairs)).markdown())
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from rich.table import Table
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator

from finetune.shapes import ScoredPairs
from naru.errors import NaruError

HIGHEST = 5.0  # of KorSTS and KLUE-STS; scores of 0 to 1 lie within it, and correlations do not see the scale


@dataclass(frozen=True)
class Correlation:
    """Of a similarity with the scores people gave, in percent; NaN where the similarity is the same for all pairs."""

    pearson: float
    spearman: float


@dataclass(frozen=True)
class Figures:
    """The eight figures of the ko-sroberta model card; the distances count negated, so more is better throughout."""

    cosine: Correlation
    euclidean: Correlation
    manhattan: Correlation
    dot: Correlation

    def rows(self) -> Iterator[tuple[str, float]]:
        """Label and value, in the order of the model card."""
        for field in fields(self):
            correlation: Correlation = getattr(self, field.name)
            yield f"{field.name.capitalize()} Pearson", correlation.pearson
            yield f"{field.name.capitalize()} Spearman", correlation.spearman


# https://huggingface.co/jhgan/ko-sroberta-multitask, trained on KorNLI and KorSTS, measured on the KorSTS test part
KO_SROBERTA_MULTITASK = Figures(
    cosine=Correlation(84.77, 85.60),
    euclidean=Correlation(83.71, 84.40),
    manhattan=Correlation(83.70, 84.38),
    dot=Correlation(82.42, 82.33),
)


def measure(model: SentenceTransformer, pairs: ScoredPairs, batch_size: int = 64) -> Figures:
    """The eight figures of a model on these pairs, in percent (scipy's pearsonr and spearmanr underneath)."""
    names = [field.name for field in fields(Figures)]
    similarities: Any = names
    found: dict[str, float] = EmbeddingSimilarityEvaluator(
        pairs.first,
        pairs.second,
        pairs.scores,
        batch_size=batch_size,
        similarity_fn_names=similarities,
        write_csv=False,
    )(model)
    return Figures(**{name: _correlation(found, name) for name in names})


def compared(
    sets: Sequence[str], before: Mapping[str, float], after: Mapping[str, float]
) -> list[Comparison]:
    """The eight figures of each held-out set that has them among figures by key ("korsts_pearson_cosine")."""
    names = [field.name for field in fields(Figures)]
    made = []
    for one in sets:
        prefix = f"{one}_"
        if all(f"{prefix}pearson_{name}" in both for name in names for both in (before, after)):
            sides = [
                Figures(**{name: _correlation(both, name, prefix) for name in names})
                for both in (before, after)
            ]
            made.append(Comparison(one, None, *sides))
    return made


def _correlation(found: Mapping[str, float], name: str, prefix: str = "") -> Correlation:
    return Correlation(100 * found[f"{prefix}pearson_{name}"], 100 * found[f"{prefix}spearman_{name}"])


@dataclass(frozen=True)
class Comparison:
    """Figures on one data set: before training, after it, and a reference that was measured on KorSTS test."""

    data: str
    pairs: int | None  # None: not known here
    before: Figures
    after: Figures | None = None
    reference: Figures | None = KO_SROBERTA_MULTITASK

    def columns(self) -> dict[str, list[str]]:
        """Heading -> eight cells; without `after` neither it nor the change is there."""
        table = {"": [label for label, _ in self.before.rows()], "before": _cells(self.before)}
        if self.after:
            both = zip(self.after.rows(), self.before.rows(), strict=True)
            changes = [after - before for (_, after), (_, before) in both]
            table["after"] = _cells(self.after)
            table["change"] = ["–" if math.isnan(change) else f"{change:+.2f}" for change in changes]
        if self.reference:
            table["ko-sroberta-multitask on KorSTS test"] = _cells(self.reference)
        return table

    def table(self) -> Table:
        """For the terminal."""
        table = Table(title=self._title())
        for heading in self.columns():
            table.add_column(heading, justify="right" if heading else "left")
        for row in zip(*self.columns().values(), strict=True):
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For a model card."""
        columns = self.columns()
        lines = [list(columns), ["---:" if heading else "---" for heading in columns]]
        lines += [list(row) for row in zip(*columns.values(), strict=True)]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return f"{self._title()}\n\n{table}\n"

    def _title(self) -> str:
        pairs = "" if self.pairs is None else f" {self.pairs:,} pairs,"
        return f"{self.data}:{pairs} correlations in %"

    def json(self) -> str:
        """For programs: percent by column, similarity and correlation; null where a correlation is not defined."""
        sets = {"before": self.before, "after": self.after, "ko-sroberta-multitask": self.reference}
        figures = {
            column: {
                similarity: {kind: None if math.isnan(value) else value for kind, value in both.items()}
                for similarity, both in asdict(figures).items()
            }
            for column, figures in sets.items()
            if figures
        }
        record = {"data": self.data, "pairs": self.pairs, "unit": "percent", "figures": figures}
        return json.dumps(record, ensure_ascii=False, indent=2, allow_nan=False)


def _cells(figures: Figures) -> list[str]:
    return ["–" if math.isnan(value) else f"{value:.2f}" for _, value in figures.rows()]


def read(path: Path) -> ScoredPairs:
    """The pairs of a file with `sentence1`, `sentence2` and `score`, 0 to 5 or 0 to 1: .tsv, .csv, .jsonl or .json.

    KorSTS is such a .tsv (no quoting: its quotation marks are text). In a .json list, as of KLUE-STS, the score may
    also be `labels.real-label`, the mean of the annotators, which KLUE's own baseline and others measure against.

    Raises NaruError naming file and line.
    """
    if path.suffix not in READERS:
        raise NaruError(f"{path}: unknown kind of file {path.suffix!r}. Known: {', '.join(READERS)}.")
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise NaruError(f"{path}:{line}: not UTF-8. Save the file as UTF-8.") from error
    except OSError as error:
        raise NaruError(f"{path}: cannot be read: {error.strerror}.") from error
    rows = [_pair(row, f"{path}:{line}") for line, row in READERS[path.suffix](path, text)]
    if not rows:
        raise NaruError(f"{path}: no pairs in it.")
    try:
        return ScoredPairs(*(list(column) for column in zip(*rows, strict=True)))
    except NaruError as error:
        raise NaruError(f"{path}: {error}") from error


def _pair(row: dict[str, Any], where: str) -> tuple[str, str, float]:
    labels = row.get("labels")
    score = labels.get("real-label") if "score" not in row and isinstance(labels, dict) else row.get("score")
    texts = [row.get("sentence1"), row.get("sentence2")]
    for name, text in zip(("sentence1", "sentence2"), texts, strict=True):
        if not isinstance(text, str) or not text.strip():
            raise NaruError(f"{where}: {name} is {text!r}, expected a sentence.")
    try:
        value = math.nan if isinstance(score, bool) else float(score)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        value = math.nan
    if not 0 <= value <= HIGHEST:
        raise NaruError(f"{where}: score is {score!r}, expected a number from 0 to {HIGHEST:g}.")
    return str(texts[0]), str(texts[1]), value


Rows = Iterator[tuple[int, dict[str, Any]]]


def _separated(path: Path, text: str, delimiter: str, quoting: Literal[0, 3]) -> Rows:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    try:
        header = next(reader, [])
        if missing := [name for name in ("sentence1", "sentence2", "score") if name not in header]:
            raise NaruError(f"{path}:1: no column {missing[0]!r} among {', '.join(header) or 'none'}.")
        for cells in reader:
            if cells and len(cells) != len(header):
                raise NaruError(f"{path}:{reader.line_num}: {len(cells)} columns, expected {len(header)}.")
            if cells:
                yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise NaruError(f"{path}:{reader.line_num}: {error}.") from error


def _tsv(path: Path, text: str) -> Rows:
    return _separated(path, text, "\t", csv.QUOTE_NONE)


def _csv(path: Path, text: str) -> Rows:
    return _separated(path, text, ",", csv.QUOTE_MINIMAL)


def _jsonl(path: Path, text: str) -> Rows:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _object(_parsed(path, line, number), f"{path}:{number}")


def _json(path: Path, text: str) -> Rows:
    """The items of a list, each with the line it begins on."""
    if not isinstance(_parsed(path, text, 1), list):
        raise NaruError(f"{path}:1: expected a list of objects.")
    between = re.compile(r"[\s,]*")
    decoder = json.JSONDecoder()
    at, counted, line = text.index("[") + 1, 0, 1
    while True:
        gap = between.match(text, at)
        assert gap is not None, "this is a bug: the pattern matches the empty text"
        at = gap.end()
        if text[at] == "]":
            return
        line, counted = line + text.count("\n", counted, at), at
        item, at = decoder.raw_decode(text, at)
        yield line, _object(item, f"{path}:{line}")


def _parsed(path: Path, text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise NaruError(f"{path}:{line + error.lineno - 1}: not JSON: {error.msg}.") from error


def _object(item: Any, where: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise NaruError(f"{where}: expected an object with sentence1, sentence2 and score, got {item!r}.")
    return item


READERS: dict[str, Callable[[Path, str], Rows]] = {
    ".tsv": _tsv,
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".json": _json,
}
