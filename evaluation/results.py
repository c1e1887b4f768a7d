"""Results query by query: a table to read and sort, and what a later comparison starts from."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluation.evaluate import Evaluation
from evaluation.measures import MEASURES, Measured, measure
from evaluation.runs import read_run, unanswered
from naru import terminal
from naru.beir import Qrels, answerable
from naru.errors import NaruError
from naru.files import replacing
from naru.lines import placed


def results(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """A row a system and query, also those without an answer (their measures are null).

    `relevant` counts the relevant documents judged, `rank` is that of the first one found (null: none was), `top` is
    the first hit and `score` its score.
    """
    judged = evaluation.judged
    for system, measured in evaluation.measured.items():
        for query, text in judged.queries.items():
            ranking = evaluation.runs[system].get(query, ())
            grades = judged.qrels[query]
            ranks = (
                rank for rank, (document, _) in enumerate(ranking, start=1) if grades.get(document, 0) > 0
            )
            yield {
                "system": system,
                "query": query,
                "text": text,
                "relevant": sum(grade > 0 for grade in grades.values()),
                "rank": next(ranks, None),
                "top": ranking[0][0] if ranking else None,
                "score": ranking[0][1] if ranking else None,
                **{name: values.get(query) for name, values in measured.per_query.items()},
            }


def write_results(evaluation: Evaluation, path: Path) -> None:
    """As CSV or JSON lines, by the file's ending. NaruError for another ending or where it cannot be written."""
    check_ending(path)
    rows = results(evaluation)
    try:
        with replacing(path, "utf-8-sig" if path.suffix == ".csv" else "utf-8") as file:
            if path.suffix == ".jsonl":
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                return
            first = next(rows)
            table = csv.DictWriter(file, list(first))
            table.writeheader()
            table.writerow(first)
            table.writerows(rows)
    except OSError as error:
        raise NaruError(f"{path}: the results cannot be written there: {error.strerror}.") from error


def check_ending(path: Path) -> None:
    """NaruError unless results can be written to a file of this name."""
    if path.suffix not in {".csv", ".jsonl"}:
        raise NaruError(f"{path}: expected a file that ends in .csv or .jsonl.")


@dataclass(frozen=True, slots=True)
class Read:
    """A system's measures, and the texts of the queries where the file has them."""

    measured: Measured
    texts: Mapping[str, str] = field(default_factory=dict)


def read_measured(said: str, qrels: Qrels | None, names: Sequence[str] | None) -> Read:
    """What a file says of a system: results as `write_results` writes them in JSON lines, or a run that is measured.

    `results.jsonl#hybrid` names one of several systems in a file. A run (TREC, or JSON {query: {document: score}})
    needs `qrels`. `names` None takes the measures there are, of a run MEASURES. NaruError names the file and line.
    """
    path, system = Path(said), ""
    if not path.exists() and "#" in said:
        before, _, system = said.rpartition("#")
        path = Path(before)
    if path.suffix == ".jsonl":
        return _read_results(path, system, names)
    if qrels is None:
        raise NaruError(f"{path}: a run needs judgements to be measured by: --qrels FILE.")
    asked, run = answerable(qrels), read_run(path)
    if (left := unanswered(path, run, asked)) is not None:
        terminal.note(left)
    return Read(measure(run, asked, names or MEASURES))


def _finite(value: Any) -> bool:
    """Whether it is a number that a float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _read_results(path: Path, system: str, names: Sequence[str] | None) -> Read:
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for where, line in placed(path):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise NaruError(f"{where}: not JSON: {error}; expected results of --per-query.") from error
        if (
            not isinstance(row, dict)
            or not isinstance(row.get("system"), str)
            or not isinstance(row.get("query"), str)
        ):
            raise NaruError(
                f"{where}: got {line[:80]!r}; expected an object with system and query, of --per-query."
            )
        if row.get("relevant"):
            found.setdefault(row["system"], {})[row["query"]] = row
    if not system and len(found) == 1:
        system = next(iter(found))
    if system not in found:
        raise NaruError(
            f"{path}: which system? Say {path.name}#NAME with one of: {', '.join(found) or 'none, there are no results'}."
        )
    rows = found[system]
    known = [name for name in next(iter(rows.values())) if name not in _DESCRIBING]
    if not known:
        raise NaruError(f"{path}: the results of {system} hold no measure; expected results of --per-query.")
    chosen = list(names or known)
    per_query: dict[str, dict[str, float]] = {}
    for name in chosen:
        values = {query: row.get(name) for query, row in rows.items()}
        bad = [query for query, value in values.items() if not _finite(value)]
        if bad:
            raise NaruError(
                f"{path}: no {name} of {system} for the query {bad[0]!r}; it has: {', '.join(known)}."
            )
        per_query[name] = {query: float(value) for query, value in values.items() if value is not None}
    means = {name: sum(of.values()) / len(of) for name, of in per_query.items()}
    return Read(
        Measured(means, per_query), {query: str(row.get("text", query)) for query, row in rows.items()}
    )


_DESCRIBING = {"system", "query", "text", "relevant", "rank", "top", "score"}
