"""From the shape of held-out data to the evaluator that fits it: `evaluator(Triplets(...), "law")`.

Each shape is a frozen dataclass that refuses what an evaluator of sentence-transformers would silently drop or choke
on. Every evaluator has one primary metric, greater is better, known before it has run; names are `<name>_<metric>`.
Anchors of pairs and triplets and queries are encoded with the model's query prompt and their answers with its document
prompt (E5 and its like need that); all other texts with `model.encode`, so with the default prompt if there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any, ClassVar, Literal, assert_never

import numpy as np
import numpy.typing as npt
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.evaluation import (
    BinaryClassificationEvaluator,
    EmbeddingSimilarityEvaluator,
    InformationRetrievalEvaluator,
    MSEEvaluator,
    ParaphraseMiningEvaluator,
    RerankingEvaluator,
    SentenceEvaluator,
    TranslationEvaluator,
    TripletEvaluator,
)
from sentence_transformers.util import SimilarityFunction

from naru.errors import NaruError

Similarity = Literal["cosine", "dot", "euclidean", "manhattan"]


class Shape(StrEnum):
    """What held-out data can look like."""

    TRIPLETS = "triplets"
    PAIRS = "pairs"
    SCORED = "scored-pairs"
    LABELLED = "labelled-pairs"
    RETRIEVAL = "retrieval"
    PARALLEL = "parallel"
    PARAPHRASES = "paraphrases"
    RERANKING = "reranking"
    TEACHER = "teacher-vectors"


PRIMARY: dict[Shape, str] = {  # {} stands for the similarity
    Shape.TRIPLETS: "{}_accuracy",  # share of anchors nearer to their positive than to their negative
    Shape.PAIRS: "{}_ndcg@10",
    Shape.SCORED: "spearman_{}",
    Shape.LABELLED: "{}_ap",  # average precision: no threshold to choose
    Shape.RETRIEVAL: "{}_ndcg@10",
    Shape.PARALLEL: "mean_accuracy",  # of both directions
    Shape.PARAPHRASES: "average_precision",
    Shape.RERANKING: "ndcg@10",
    Shape.TEACHER: "negative_mse",  # times 100, as sentence-transformers has it
}


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


def primary(shape: Shape, name: str, similarity: Similarity = "cosine") -> str:
    """The key of the one figure to compare models by, such as `law_cosine_ndcg@10`; greater is better."""
    return f"{name}_{PRIMARY[shape].format(similarity)}"


def evaluator(
    data: Data,
    name: str,
    *,
    batch_size: int = 64,
    similarity: Similarity = "cosine",
    write_csv: bool = False,
) -> SentenceEvaluator:
    """The evaluator of this data; call it with a model for figures by name, from 0 to 1 except `negative_mse`.

    `primary_metric` is `primary(data.shape, name, similarity)` from the start. Parallel texts, paraphrases and
    reranking go by cosine whatever `similarity` says. A file is written only where `write_csv` asks for it and the
    caller gives the evaluator a folder.
    """
    common: dict[str, Any] = {"name": name, "batch_size": batch_size, "write_csv": write_csv}
    pairwise = common | {"similarity_fn_names": [similarity]}
    made: SentenceEvaluator
    match data:
        case Triplets():
            made = _PromptedTriplets(data.anchors, data.positives, data.negatives, **pairwise)
        case Pairs():
            made = _retrieval(_as_retrieval(data), similarity, common)
        case ScoredPairs():
            made = EmbeddingSimilarityEvaluator(data.first, data.second, data.scores, **pairwise)
        case LabelledPairs():
            made = _ListedPairs(data.first, data.second, data.labels, **pairwise)
        case Retrieval():
            made = _retrieval(data, similarity, common)
        case Parallel():
            made = TranslationEvaluator(data.source, data.target, **common)
        case Paraphrases():
            made = ParaphraseMiningEvaluator(dict(data.texts), data.duplicates(), **common)
        case Reranking():
            rows: Any = [
                {"query": r.query, "positive": r.positives, "negative": r.negatives} for r in data.rows
            ]
            made = RerankingEvaluator(rows, **common)
        case TeacherVectors():
            made = MSEEvaluator(data.texts, data.texts, teacher_model=_Given(data.vectors), **common)
        case _:
            assert_never(data)
    made.primary_metric = primary(data.shape, name, similarity)
    return made


class _PromptedTriplets(TripletEvaluator):
    """The evaluator of sentence-transformers encodes all three alike, which is wrong for models with two prompts."""

    def embed_inputs(self, model: SentenceTransformer, sentences: Any, **options: Any) -> Any:
        encode = model.encode_query if sentences is self.anchors else model.encode_document
        return encode(sentences, batch_size=self.batch_size, show_progress_bar=False, **options)


class _ListedPairs(BinaryClassificationEvaluator):
    """Vectors as lists: from a list of arrays, as the evaluator keeps them, torch makes a tensor slowly and warns."""

    def embed_inputs(self, model: SentenceTransformer, sentences: Any, **options: Any) -> Any:
        return super().embed_inputs(model, sentences, **options).tolist()


class _Given:
    """A teacher whose vectors are there already."""

    def __init__(self, vectors: npt.NDArray[np.floating[Any]]) -> None:
        self.vectors = vectors

    def encode(self, _texts: list[str], **_options: Any) -> npt.NDArray[np.floating[Any]]:
        return self.vectors


def _retrieval(data: Retrieval, similarity: Similarity, common: dict[str, Any]) -> SentenceEvaluator:
    return InformationRetrievalEvaluator(
        dict(data.queries),
        dict(data.corpus),
        data.relevant(),
        mrr_at_k=[10],
        ndcg_at_k=[10],
        accuracy_at_k=[1, 3, 5, 10],
        precision_recall_at_k=[1, 3, 5, 10, 100],
        map_at_k=[100],
        score_functions={similarity: SimilarityFunction.to_similarity_fn(similarity)},
        main_score_function=similarity,
        **common,
    )


def _as_retrieval(pairs: Pairs) -> Retrieval:
    """Each distinct anchor a query, each distinct positive a document: repeated texts gather their counterparts."""
    queries = {text: str(at) for at, text in enumerate(dict.fromkeys(pairs.anchors))}
    corpus = {text: str(at) for at, text in enumerate(dict.fromkeys(pairs.positives))}
    judgements: dict[str, dict[str, int]] = {}
    for anchor, positive in zip(pairs.anchors, pairs.positives, strict=True):
        judgements.setdefault(queries[anchor], {})[corpus[positive]] = 1
    return Retrieval(
        {at: text for text, at in queries.items()}, {at: text for text, at in corpus.items()}, judgements
    )


def _same_length(shape: Shape, *columns: Sized) -> None:
    lengths = [len(column) for column in columns]
    if lengths[0] == 0:
        raise NaruError(f"{shape}: no rows to evaluate.")
    if len(set(lengths)) > 1:
        raise NaruError(f"{shape}: columns are not the same length: {' != '.join(map(str, lengths))}.")
