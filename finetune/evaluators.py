"""From the shape of held-out data to the evaluator that fits it: `evaluator(Triplets(...), "law")`.

The shapes are in `finetune.shapes`. Every evaluator has one primary metric, greater is better, known before it has
run; names are `<name>_<metric>`. Anchors of pairs and triplets and queries are encoded with the model's query prompt
and their answers with its document prompt (E5 and its like need that); all other texts with `model.encode`, so with
the default prompt if there is one.
"""

from __future__ import annotations

from typing import Any, Literal, assert_never

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

from finetune.shapes import (
    Data,
    LabelledPairs,
    Pairs,
    Parallel,
    Paraphrases,
    Reranking,
    Retrieval,
    ScoredPairs,
    Shape,
    TeacherVectors,
    Triplets,
)

Similarity = Literal["cosine", "dot", "euclidean", "manhattan"]
SIMILARITIES: tuple[Similarity, ...] = ("cosine", "euclidean", "manhattan", "dot")


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


def primary(shape: Shape, name: str, similarity: Similarity = "cosine") -> str:
    """The key of the one figure to compare models by, such as `law_cosine_ndcg@10`; greater is better."""
    return f"{name}_{PRIMARY[shape].format(similarity)}"


def evaluator(
    data: Data,
    name: str,
    *,
    batch_size: int = 64,
    similarity: Similarity = "cosine",
    accumulation: int | None = None,
    write_csv: bool = False,
) -> SentenceEvaluator:
    """The evaluator of this data; call it with a model for figures by name, from 0 to 1 except `negative_mse`.

    `primary_metric` is `primary(data.shape, name, similarity)` from the start. Parallel texts, paraphrases and
    reranking go by cosine whatever `similarity` says. For retrieval the vectors of `accumulation` batches of the corpus are
    on the accelerator at once (50,000 texts by default), then their scores leave it; figures do not depend on
    it. A file is written only where `write_csv` asks for it and the caller gives the evaluator a folder.
    """
    common: dict[str, Any] = {"name": name, "batch_size": batch_size, "write_csv": write_csv}
    pairwise = common | {"similarity_fn_names": [similarity]}
    chunk = {} if accumulation is None else {"corpus_chunk_size": accumulation * batch_size}
    made: SentenceEvaluator
    match data:
        case Triplets():
            made = _PromptedTriplets(data.anchors, data.positives, data.negatives, **pairwise)
        case Pairs():
            made = _retrieval(_as_retrieval(data), similarity, common | chunk)
        case ScoredPairs():
            # All four, for the eight figures of `finetune.measuring.sts`: the vectors are there anyway.
            made = EmbeddingSimilarityEvaluator(
                data.first,
                data.second,
                data.scores,
                **common,
                main_similarity=similarity,
                similarity_fn_names=list(SIMILARITIES),
            )
        case LabelledPairs():
            made = _ListedPairs(data.first, data.second, data.labels, **pairwise)
        case Retrieval():
            made = _retrieval(data, similarity, common | chunk)
        case Parallel():
            made = TranslationEvaluator(data.source, data.target, **common)
        case Paraphrases():
            # Of every text all of its group are looked at, or no encoder reaches an average precision of 1.
            found = max(100, *(len(group) for group in data.groups))
            mined: dict[str, Any] = {"top_k": found, "max_pairs": 2 * (found + 1) * len(data.texts)}
            made = ParaphraseMiningEvaluator(dict(data.texts), data.duplicates(), **mined, **common)
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
