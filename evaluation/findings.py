"""What an evaluation found beyond its means: intervals, differences to a baseline, slices, and telling no answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.markup import escape
from rich.table import Table

from evaluation.compare import Comparison, compare
from evaluation.evaluate import Evaluation
from evaluation.figures import Estimate
from evaluation.intervals import estimates
from evaluation.rejection import Rejection, rejection
from evaluation.slices import Part, groups_by, sliced
from naru import terminal
from naru.errors import NaruError


@dataclass(frozen=True)
class Findings:
    """An evaluation, and by system what else was asked for. `group` is the field whose groups intervals draw whole."""

    evaluation: Evaluation
    estimates: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    comparisons: Sequence[Comparison] = ()
    slices: Sequence[Part] = ()
    rejection: Mapping[str, Rejection] = field(default_factory=dict)
    group: str | None = None

    @property
    def unit(self) -> str:
        """What intervals draw."""
        return "queries" if self.group is None else f"groups of queries by {self.group}"

    def to_json(self) -> dict[str, Any]:
        """As the evaluation's, and what else there is."""
        said = self.evaluation.to_json()
        if self.rejection:
            said["rejection"] = {
                name: {"AUROC": _json(one.auroc), "AURC": one.area} for name, one in self.rejection.items()
            }
        if self.estimates:
            said["intervals"] = {name: _each(found) for name, found in self.estimates.items()}
        if self.comparisons:
            said["comparisons"] = [one.to_json() for one in self.comparisons]
        if self.slices:
            slices: dict[str, dict[str, Any]] = {}
            for part in self.slices:
                measures = {name: _each(found) for name, found in part.measures.items()}
                slices.setdefault(part.field, {})[part.value] = {"queries": part.queries, "modes": measures}
            said["slices"] = slices
        return said

    def tables(self) -> Iterator[Table]:
        """For the terminal, in order."""
        yield self.evaluation.table()
        if self.rejection:
            table = _table(
                "Telling queries without an answer",
                "mode",
                "AUROC",
                "AURC",
            )
            for name, one in self.rejection.items():
                table.add_row(escape(name), str(one.auroc), f"{one.area:.3f}")
            yield table
        if self.estimates:
            names = list(self.estimates)
            table = _table(
                f"95% intervals (BCa bootstrap over {escape(self.unit)})", "measure", *map(escape, names)
            )
            for measure in next(iter(self.estimates.values())):
                table.add_row(measure, *(str(self.estimates[name][measure]) for name in names))
            yield table
        for comparison in self.comparisons:
            yield comparison.table()
        systems = list(self.evaluation.measured)
        for field_ in dict.fromkeys(part.field for part in self.slices):
            first = next(iter(next(iter(self.evaluation.measured.values())).means))
            table = _table(escape(f"{first} by {field_}"), escape(field_), "queries", *map(escape, systems))
            for part in self.slices:
                if part.field == field_:
                    table.add_row(
                        escape(part.value),
                        f"{part.queries:,}",
                        *(str(part.measures[name][first]) for name in systems),
                    )
            yield table


def findings(
    evaluation: Evaluation,
    *,
    baseline: str | None = None,
    slices: Sequence[str] = (),
    group: str | None = None,
    intervals: bool = False,
) -> Findings:
    """`baseline` is the system that the others are compared with; `slices` and `group` are fields of the queries.

    NaruError for a baseline that was not evaluated or an unknown field.
    """
    judged, measured = evaluation.judged, evaluation.measured
    if baseline is not None and baseline not in measured:
        raise NaruError(
            f"The baseline {baseline!r} was not evaluated; expected one of: {', '.join(measured)}."
        )
    groups = groups_by(judged, group)
    queries = list(judged.answerable)
    rejections = {
        name: rejection(run, judged, evaluation.sure.get(name), groups)
        for name, run in evaluation.runs.items()
    }
    return Findings(
        evaluation=evaluation,
        estimates={name: estimates(one, queries, groups) for name, one in measured.items()}
        if intervals
        else {},
        comparisons=[
            compare((baseline, measured[baseline]), (name, one), texts=judged.queries, groups=groups)
            for name, one in measured.items()
            if baseline is not None and name != baseline
        ],
        slices=[part for name in slices for part in sliced(measured, judged, name, groups)],
        rejection={name: one for name, one in rejections.items() if one is not None},
        group=group,
    )


def _each(found: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: _json(one) for name, one in found.items()}


def _json(one: Estimate) -> dict[str, Any]:
    return {"value": one.value, "interval": [one.low, one.high] if one.interval else None}


def _table(title: str, *columns: str) -> Table:
    table = terminal.table(title)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table
