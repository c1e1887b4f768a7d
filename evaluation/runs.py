"""A run: what a searcher returned for each query, and the TREC file that holds one.

    QUERY <tab> Q0 <tab> DOCUMENT <tab> RANK <tab> SCORE <tab> TAG

trec_eval and what builds on it (ir-measures) ignore RANK, sort by SCORE read as float32, and order ties by
document id. So that every tool sees the order that was searched, scores are written as float32, each made
strictly less than the one before: a score that ties is lowered by one step of float32 (6e-8 of its size).

Columns are split by tabs, which other tools take for blanks. An id that holds blanks is read back here, and
refused by tools that split at blanks.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from naru.errors import NaruError
from naru.files import replacing
from naru.lines import column, columns, placed

Ranking = Sequence[tuple[str, float]]
"""Document ids with their scores, best first."""

Run = Mapping[str, Ranking]
"""Query id -> ranking."""

_LARGEST = 3.4e38


def write_run(run: Run, path: Path, tag: str = "naru") -> None:
    """Write a TREC run file. NaruError for an id with a tab or a line end, or a score beyond float32."""
    column("tag", tag)
    try:
        with replacing(path) as file:
            for query, ranking in run.items():
                column("query id", query)
                scores = _falling(query, ranking)
                for rank, ((document, _), score) in enumerate(zip(ranking, scores, strict=True), start=1):
                    column("document id", document)
                    file.write(f"{query}\tQ0\t{document}\t{rank}\t{score}\t{tag}\n")
    except OSError as error:
        raise NaruError(f"{path}: the run cannot be written there: {error.strerror}.") from error


def read_run(path: Path) -> Run:
    """A run by falling score as trec_eval reads it: in float32, whatever the RANK column says, ties by falling id. A `.json`
    file is {query: {document: score}}.

    NaruError names the line.
    """
    if path.suffix == ".json":
        return _read_json(path)
    found: dict[str, dict[str, float]] = {}
    for where, line in placed(path):
        cells = columns(line, 6)
        if cells is None:
            raise NaruError(
                f"{where}: got {line[:80]!r}; expected six columns: query Q0 document rank score tag."
            )
        query, _, document, rank, score, _ = cells
        ranking = found.setdefault(query, {})
        if document in ranking:
            raise NaruError(
                f"{where}: {document!r} is there twice for the query {query!r}; expected it once."
            )
        try:
            ranking[document], _ = float(score), int(rank)
        except ValueError as error:
            raise NaruError(
                f"{where}: rank {rank!r}, score {score!r}; expected a whole number and a number."
            ) from error
        if not abs(ranking[document]) < _LARGEST:
            raise NaruError(f"{where}: score {score!r}; expected a finite number, as float32 holds it.")
    if not found:
        raise NaruError(f"{path}: no results; expected lines of query Q0 document rank score tag.")
    return {query: _ranked(ranking.items()) for query, ranking in found.items()}


def unanswered(path: str | Path, run: Run, judged: Collection[str]) -> str | None:
    """What a run leaves out of the judged queries, in words; None where it has them all, or none of them."""
    there = sum(query in run for query in judged)
    if there in (0, len(judged)):
        return None
    return f"{path} has {there:,} of {len(judged):,} judged queries; the others count 0."


def _ranked(found: Iterable[tuple[str, float]]) -> Ranking:
    """By falling score, in float32, and equal ones by falling id."""
    return sorted(sorted(found, key=lambda one: one[0], reverse=True), key=lambda one: -np.float32(one[1]))


def _read_json(path: Path) -> Run:
    wanted = "expected an object {query: {document: score}} that is not empty"
    try:
        said = json.loads("\n".join(line for _, line in placed(path)), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise NaruError(f"{path}: not JSON: {error}; {wanted}.") from error
    if not isinstance(said, dict) or not said or not all(isinstance(found, dict) for found in said.values()):
        raise NaruError(
            f"{path}: {wanted}. Results query by query are written by naru evaluate --per-query FILE.jsonl."
        )
    for query, found in said.items():
        for document, score in found.items():
            if isinstance(score, bool) or not isinstance(score, int | float) or not abs(score) < _LARGEST:
                raise NaruError(f"{path}: query {query!r}, document {document!r}: score {score!r}; {wanted}.")
    return {query: _ranked(found.items()) for query, found in said.items()}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


def _falling(query: str, ranking: Ranking) -> Iterator[np.float32]:
    last = np.float32(np.inf)
    for document, score in ranking:
        if not abs(score) < _LARGEST:
            raise NaruError(
                f"Query {query!r}, document {document!r}: the score {score} is not a finite float32."
            )
        last = min(np.float32(score), np.nextafter(last, np.float32(-np.inf)))
        yield last
