"""What a run trains and measures on: read, held out, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from finetune.check import check
from finetune.data import Rows, read
from finetune.findings import Findings
from finetune.held import Held, Lesson, held_from, lesson_from
from finetune.held.files import open_held
from finetune.held.splitting import CLASSED, OF_A_CLASS, held_out
from finetune.loop.samplers import lengths
from finetune.recipe import Recipe, Source, fitting
from finetune.recipe.tables import meant
from finetune.rows.records import refused
from finetune.shapes import Shape
from finetune.weak.readers import READERS
from naru import terminal
from naru.errors import NaruError
from naru.records import Bad

MOST_TAUGHT = 2_000  # rows held out at most where a teacher reads them, and they are compared with each other


@dataclass(frozen=True)
class Material:
    """Training rows by the name of their data, the held-out sets, and what checking them found."""

    rows: Mapping[str, Rows]
    held: Sequence[Held | Lesson]
    findings: Findings

    def table(self, recipe: Recipe) -> list[dict[str, Any]]:
        """For the report and the log: a row a data set."""
        return [
            {
                "name": source.name,
                "shape": str(self.rows[source.name].shape),
                "rows": len(self.rows[source.name].dataset),
                "loss": fitting.chosen(source, self.rows[source.name].shape),
                "weight": source.weight,
                "notes": "; ".join(self.rows[source.name].notes),
            }
            for source in recipe.data
        ]

    def show(self, table: Sequence[Mapping[str, Any]]) -> None:
        """Tell people on standard error what is trained on, how it was read (`table`: Material.table, and passes), and
        what checking found."""
        shown = Table(
            "data", "shape", "loss", "rows", "weight", "passes", "columns, remarks", title="Trained on"
        )
        for row in table:
            said = "; ".join(filter(None, [self.rows[row["name"]].columns, row["notes"]]))
            cells = (row["name"], row["shape"], row["loss"], f"{row['rows']:,}", f"{row['weight']:g}")
            shown.add_row(*map(Text, (*cells, f"{row['passes']:g}" if "passes" in row else "", said)))
        terminal.err.print(shown)
        if self.findings.found:
            terminal.err.print(self.findings.table())


def gather(recipe: Recipe, root: Path, rejects: Path, skip_bad_rows: bool) -> Material:
    """Read all data of a recipe and check it before any model is loaded.

    Without [[evaluation]] a share of each data set's queries is held out. Bad rows go to `rejects` with
    `skip_bad_rows`, those that cannot be read among them; else they are a BadRowsError, with the findings.
    """
    _check_readers(recipe)
    unread: dict[str, list[Bad]] = {source.name: [] for source in recipe.data}
    rows: dict[str, Rows] = {}
    for number, source in enumerate(recipe.data):
        skip = unread[source.name].append if skip_bad_rows else refused
        with recipe.places.within(f"data[{number}]"):
            rows[source.name] = read(source, root, recipe.seed, skip)
    fitting.check_fits(recipe, {name: of.shape for name, of in rows.items()})
    held: list[Held | Lesson] = []
    for number, evaluation in enumerate(recipe.evaluation):
        with recipe.places.within(f"evaluation[{number}]"):
            held.append(open_held(evaluation, root))
    findings = check(list(rows.values()), held, unread)
    if findings.errors and not skip_bad_rows:
        raise BadRowsError(findings, rejects)
    if findings.errors:
        findings.write_rejects(rejects)
    rows = {name: findings.without_bad(of) for name, of in rows.items()}
    for name, of in rows.items():
        if not len(of.dataset):
            reasons = {one.what for one in findings.found if one.bad and one.data == name}
            raise NaruError(f"Data {name!r}: no row is left of it: {'; '.join(sorted(reasons))}.")
    if not held and recipe.held_out:
        rows, held = _held_apart(rows, recipe)
    if not held:
        _check_unmeasured(recipe)
    return Material(rows, held, findings)


def _check_unmeasured(recipe: Recipe) -> None:
    """NaruError where training is to stop by figures, and nothing is measured."""
    stages = [(f"stage[{number}].training", stage.training) for number, stage in enumerate(recipe.stage)]
    for where, training in [("training", recipe.training), *stages]:
        if training.early_stopping is not None:
            raise recipe.places.refuse(
                f"{where}.early_stopping",
                "waits for figures, and nothing is held out to measure. Give an [[evaluation]], a held_out share of data "
                "that can be measured, or leave it out.",
            )


def _check_readers(recipe: Recipe) -> None:
    """NaruError, by key and line, for a reader that there is not, or columns that it does not ask for, before any data are
    read."""
    for number, source in enumerate(recipe.data):
        if source.reader is None:
            continue
        if source.reader not in READERS:
            raise recipe.places.refuse(
                f"data[{number}].reader", f"is {source.reader!r}, no reader. {meant(source.reader, READERS)}"
            )
        named = ("text", "title") if source.reader == "passages" else ()
        if other := sorted({*(source.columns or ())} - {*named}):
            takes = f"takes {' and '.join(named)}" if named else "has columns of its own"
            raise recipe.places.refuse(
                f"data[{number}].columns",
                f"names {', '.join(other)}, and the reader {source.reader!r} {takes}.",
            )


def _held_apart(rows: dict[str, Rows], recipe: Recipe) -> tuple[dict[str, Rows], list[Held | Lesson]]:
    """A share of each data set's queries held out; rows with a text held out, as whatever column, are left out of all. A
    data set without a measure is trained on whole, and its notes say so."""
    kept: dict[str, Rows] = {}
    held: list[Held | Lesson] = []
    for source in recipe.data:
        of = rows[source.name]
        taught = fitting.chosen(source, of.shape) in fitting.TAUGHT
        share = min(recipe.held_out, MOST_TAUGHT / len(of)) if taught else recipe.held_out
        rest, apart = held_out(of, share, recipe.seed)
        try:
            measured = _measured(apart, source, recipe)
        except NaruError as error:  # a few rows, or one class of them: nothing to measure
            kept[source.name] = replace(of, notes=[*of.notes, f"nothing held out: {error}"])
            continue
        held += measured
        without = f"nothing held out: {of.shape} of {len(of.classes)} classes have no measure"
        kept[source.name] = rest if measured else replace(of, notes=[*of.notes, without])
        if measured and of.shape is Shape.CLASSED:
            few = f"{len(apart):,} rows held out, {OF_A_CLASS} of a class and {CLASSED:,} in all at most"
            kept[source.name] = replace(rest, notes=[*rest.notes, few])
    leaks = check(list(kept.values()), held)
    kept = {name: leaks.without_bad(of) for name, of in kept.items()}
    for name, of in kept.items():
        if not len(of):
            raise NaruError(
                f"Data {name!r}: every row beside the share held out has a text that is held out: nothing is left to "
                "train on. Give [[evaluation]], or held_out = 0."
            )
    return kept, held


def _measured(apart: Rows, source: Source, recipe: Recipe) -> list[Held | Lesson]:
    """What held-out rows are measured as: translations by how they find each other too where a teacher is asked."""
    measured: list[Held | Lesson] = [one for one in [held_from(apart)] if one is not None]
    if source.loss is not None and source.loss.name in fitting.TAUGHT:
        lesson = lesson_from(apart, source.loss, recipe.model)
        if lesson.cosines and lesson.size < 3:
            raise NaruError(f"{lesson.size} rows are too few to compare with each other.")
        measured.append(lesson)
    return measured


class BadRowsError(NaruError):
    """Data with bad rows; `findings` says which."""

    def __init__(self, findings: Findings, rejects: Path) -> None:
        lines = "\n".join(f"  {finding.said()}" for finding in findings.errors)
        super().__init__(
            f"The data have rows that cannot be trained on:\n{lines}\nMend them, or leave them out with --skip-bad-rows "
            f"(they are written to {rejects})."
        )
        self.findings = findings


def sampled(rows: Rows, count: int, longest: int, seed: int) -> Rows:
    """`count` rows drawn at random, or all, and after them the `longest` ones, longest first."""
    drawn = np.random.default_rng(seed).permutation(len(rows.dataset))[:count]
    order = np.argsort(-lengths(rows.dataset).sum(axis=0), kind="stable")[:longest]
    return replace(rows, dataset=rows.dataset.select([*drawn.tolist(), *order.tolist()]))
