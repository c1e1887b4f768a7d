"""What held-out data can look like: frozen dataclasses that refuse what cannot be evaluated.

Each refuses what an evaluator of sentence-transformers would silently drop or choke on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from naru.errors import NaruError


class Shape(StrEnum):
    """What held-out data can look like."""

    TRIPLETS = "triplets"
    PAIRS = "pairs"
    SCORED = "scored-pairs"
    LABELLED = "labelled-pairs"
    CLASSED_PAIRS = "classed-pairs"
    CLASSED = "classed"
    SENTENCES = "sentences"
    RETRIEVAL = "retrieval"
    PARALLEL = "parallel"
    PARAPHRASES = "paraphrases"
    RERANKING = "reranking"
    TEACHER = "teacher-vectors"


@dataclass(frozen=True)
class Triplets:
    """n anchors (queries), each with a positive and a negative (documents)."""

    anchors: list[str]
    positives: list[str]
    negatives: list[str]
    shape: ClassVar[Shape] = Shape.TRIPLETS

    def __post_init__(self) -> None:
        _same_length(self.shape, self.anchors, self.positives, self.negatives)


@dataclass(frozen=True)
class Pairs:
    """n anchors, each with a positive, which is to be found among all positives. The same text may occur often."""

    anchors: list[str]
    positives: list[str]
    shape: ClassVar[Shape] = Shape.PAIRS

    def __post_init__(self) -> None:
        _same_length(self.shape, self.anchors, self.positives)


@dataclass(frozen=True)
class ScoredPairs:
    """n pairs and how alike they are, on any one scale: correlations do not see it."""

    first: list[str]
    second: list[str]
    scores: list[float]
    shape: ClassVar[Shape] = Shape.SCORED

    def __post_init__(self) -> None:
        _same_length(self.shape, self.first, self.second, self.scores)
        if not np.isfinite(self.scores).all():
            raise NaruError(f"{self.shape}: a score is not a finite number.")
        if len(set(self.scores)) < 2:
            raise NaruError(f"{self.shape}: every score is {self.scores[0]:g}: no correlation is defined.")


@dataclass(frozen=True)
class LabelledPairs:
    """n pairs, labelled 1 (they mean the same, the document answers) or 0."""

    first: list[str]
    second: list[str]
    labels: list[int]
    shape: ClassVar[Shape] = Shape.LABELLED

    def __post_init__(self) -> None:
        _same_length(self.shape, self.first, self.second, self.labels)
        if set(self.labels) != {0, 1}:
            raise NaruError(f"{self.shape}: labels are {sorted(set(self.labels))}, expected both 0 and 1.")


@dataclass(frozen=True)
class Retrieval:
    """Queries and corpus by id, and judgements: query id -> document id -> grade; above 0 is relevant.

    nDCG here is binary; grades are for `evaluation`. Queries without a relevant document are left out.
    """

    queries: Mapping[str, str]
    corpus: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]
    shape: ClassVar[Shape] = Shape.RETRIEVAL

    def __post_init__(self) -> None:
        for query, relevant in self.relevant().items():
            if query not in self.queries:
                raise NaruError(f"{self.shape}: query {query!r} is judged, and not among the queries.")
            if missing := sorted(relevant - self.corpus.keys()):
                raise NaruError(
                    f"{self.shape}: query {query!r}: document {missing[0]!r} is not in the corpus."
                )
        if not self.relevant():
            raise NaruError(f"{self.shape}: no query has a relevant document (a grade above 0).")

    def relevant(self) -> dict[str, set[str]]:
        """Query id -> ids of its relevant documents, for queries that have one."""
        graded = {
            query: {document for document, grade in grades.items() if grade > 0}
            for query, grades in self.judgements.items()
        }
        return {query: documents for query, documents in graded.items() if documents}


@dataclass(frozen=True)
class Parallel:
    """n texts in one language and their translations: each is to be found among all of the other side."""

    source: list[str]
    target: list[str]
    shape: ClassVar[Shape] = Shape.PARALLEL

    def __post_init__(self) -> None:
        _same_length(self.shape, self.source, self.target)


@dataclass(frozen=True)
class Paraphrases:
    """Texts by id, and groups of ids that say the same: all pairs within a group are to be mined from all texts."""

    texts: Mapping[str, str]
    groups: Sequence[Sequence[str]]
    shape: ClassVar[Shape] = Shape.PARAPHRASES

    def __post_init__(self) -> None:
        for number, group in enumerate(self.groups, start=1):
            if unknown := [member for member in group if member not in self.texts]:
                raise NaruError(f"{self.shape}: group {number} names {unknown[0]!r}, which has no text.")
        if not self.duplicates():
            raise NaruError(f"{self.shape}: no group holds two texts: there is nothing to mine.")

    def duplicates(self) -> list[tuple[str, str]]:
        """Every pair of ids within a group."""
        return [pair for group in self.groups for pair in combinations(dict.fromkeys(group), 2)]


@dataclass(frozen=True)
class Candidates:
    """One query with documents that answer it and documents that do not, one of each at least."""

    query: str
    positives: list[str]
    negatives: list[str]


@dataclass(frozen=True)
class Reranking:
    """Queries, each with its own candidates to put in order."""

    rows: list[Candidates]
    shape: ClassVar[Shape] = Shape.RERANKING

    def __post_init__(self) -> None:
        _same_length(self.shape, self.rows)
        for number, row in enumerate(self.rows, start=1):
            if not row.positives or not row.negatives:
                raise NaruError(
                    f"{self.shape}: row {number} ({row.query!r}) has {len(row.positives)} positives and "
                    f"{len(row.negatives)} negatives, expected one of each at least."
                )


@dataclass(frozen=True)
class TeacherVectors:
    """n texts and the vectors [n, dim] that a teacher gives them, or gives their translations."""

    texts: list[str]
    vectors: npt.NDArray[np.floating[Any]]
    shape: ClassVar[Shape] = Shape.TEACHER

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2:
            raise NaruError(
                f"{self.shape}: vectors of shape {self.vectors.shape}, expected [texts, dimension]."
            )
        _same_length(self.shape, self.texts, self.vectors)


Data = (
    Triplets
    | Pairs
    | ScoredPairs
    | LabelledPairs
    | Retrieval
    | Parallel
    | Paraphrases
    | Reranking
    | TeacherVectors
)


def _same_length(shape: Shape, *columns: Sized) -> None:
    lengths = [len(column) for column in columns]
    if lengths[0] == 0:
        raise NaruError(f"{shape}: no rows to evaluate.")
    if len(set(lengths)) > 1:
        raise NaruError(f"{shape}: columns are not the same length: {' != '.join(map(str, lengths))}.")
