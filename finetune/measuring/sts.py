"""Sentence similarity (STS): the eight figures of the ko-sroberta model card, before and after a training run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import PurePath
from typing import Any

from rich.table import Table


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
KORSTS_TEST = 1379  # pairs


@dataclass(frozen=True)
class Comparison:
    """Figures on one held-out set of so many pairs, before and after training. `reference` sets those of
    ko-sroberta-multitask beside them, which are of the whole KorSTS test part."""

    data: str
    before: Figures
    after: Figures
    pairs: int
    reference: bool = False

    def table(self) -> Table:
        """For the terminal."""
        table = Table(title=f"{self.data}: correlations in %, {self.pairs:,} pairs")
        table.add_column("")
        beside = ["ko-sroberta-multitask"] if self.reference else []
        for heading in ("before", "after", "change", *beside):
            table.add_column(heading, justify="right")
        sides = (self.before.rows(), self.after.rows(), KO_SROBERTA_MULTITASK.rows())
        for (label, before), (_, after), (_, reference) in zip(*sides, strict=True):
            change = after - before
            said = "–" if math.isnan(change) else f"{change:+.2f}"
            cells = [_cell(before), _cell(after), said, _cell(reference)]
            table.add_row(label, *cells[: 3 + self.reference])
        return table


def compared(
    start: Mapping[str, Any], before: Mapping[str, float], after: Mapping[str, float]
) -> list[Comparison]:
    """The eight figures of each held-out set that has them among figures by key ("korsts_pearson_cosine"). `start` is the
    first line of the run's log, which says what the sets are of."""
    paths = {one["name"]: one["path"] for one in start["recipe"]["evaluation"]}
    names = [field.name for field in fields(Figures)]
    made = []
    for one, size in zip(start["sets"], start["sizes"], strict=True):
        prefix = f"{one}_"
        if all(f"{prefix}pearson_{name}" in both for name in names for both in (before, after)):
            sides = {
                side: Figures(**{name: _correlation(both, name, prefix) for name in names})
                for side, both in (("before", before), ("after", after))
            }
            whole = _korsts_test(paths.get(one) or "", size)
            made.append(Comparison(one, **sides, pairs=size, reference=whole))
    return made


def _korsts_test(path: str, pairs: int) -> bool:
    """Whether a held-out set is all of KorSTS test, by the name of its file: sts-test.tsv, korsts-test.tsv."""
    return (
        pairs == KORSTS_TEST
        and re.fullmatch(r"(kor[-_]?)?sts[-_]test", PurePath(path).stem.lower()) is not None
    )


def _correlation(found: Mapping[str, float], name: str, prefix: str) -> Correlation:
    return Correlation(100 * found[f"{prefix}pearson_{name}"], 100 * found[f"{prefix}spearman_{name}"])


def _cell(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
