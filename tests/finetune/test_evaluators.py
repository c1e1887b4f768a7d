from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sentence_transformers import SentenceTransformer
from sklearn.metrics import average_precision_score

from finetune.evaluators import PRIMARY, evaluator, primary
from finetune.shapes import (
    Candidates,
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
from indexer.parity import SENTENCES
from naru.errors import NaruError

A, B, C = list(SENTENCES[:10]), list(SENTENCES[10:20]), list(SENTENCES[20:30])
CORPUS = {f"d{at}": text for at, text in enumerate(B + C)}
JUDGED = {"q0": {"d3": 1, "d4": 2}, "q1": {"d1": 1, "d9": 0}, "q2": {"d7": 0}}
DATA: dict[Shape, Data] = {
    Shape.TRIPLETS: Triplets(A, B, C),
    Shape.PAIRS: Pairs([*A, A[0]], [*B, C[0]]),
    Shape.SCORED: ScoredPairs(A, B, [step / 2 for step in range(10)]),
    Shape.LABELLED: LabelledPairs(A, B, [0, 1, 1, 0, 1, 0, 0, 1, 0, 1]),
    Shape.RETRIEVAL: Retrieval({f"q{at}": text for at, text in enumerate(A)}, CORPUS, JUDGED),
    Shape.PARALLEL: Parallel(A, B),
    Shape.PARAPHRASES: Paraphrases(CORPUS, [["d0", "d1", "d2"], ["d3"], ["d5", "d6"]]),
    Shape.RERANKING: Reranking([Candidates(A[0], B[:2], C[:4]), Candidates(A[1], [C[5]], B[2:7])]),
    Shape.TEACHER: TeacherVectors(A, np.full((10, 32), 0.25)),
}


@pytest.fixture(scope="module")
def model(make_model: Callable[..., Path]) -> SentenceTransformer:
    """A tiny BERT whose queries and documents carry prompts, as those of E5 do."""
    folder = make_model(prompts={"query": "질문: ", "document": "문서: "})
    return SentenceTransformer(str(folder), device="cpu")


def encode(model: SentenceTransformer, texts: list[str], prompt: str | None = None) -> np.ndarray:
    return np.asarray(model.encode(texts, prompt_name=prompt), dtype=np.float64)  # of length 1


def queries(model: SentenceTransformer, texts: list[str]) -> np.ndarray:
    return encode(model, texts, "query")


def documents(model: SentenceTransformer, texts: list[str]) -> np.ndarray:
    return encode(model, texts, "document")


def ndcg(cosines: np.ndarray, relevant: set[int]) -> float:
    order = np.argsort(-cosines)[:10]
    gained = sum(1 / math.log2(rank + 2) for rank, at in enumerate(order) if at in relevant)
    return gained / sum(1 / math.log2(rank + 2) for rank in range(min(10, len(relevant))))


def by_hand(shape: Shape, model: SentenceTransformer) -> float:
    """The primary figure of DATA, computed anew from the vectors."""
    match shape:
        case Shape.TRIPLETS:
            anchors, near, far = queries(model, A), documents(model, B), documents(model, C)
            return float(((anchors * near).sum(1) > (anchors * far).sum(1)).mean())
        case Shape.PAIRS:
            cosines = queries(model, A) @ documents(model, [*B, C[0]]).T
            return float(np.mean([ndcg(cosines[at], {0, 10} if at == 0 else {at}) for at in range(10)]))
        case Shape.SCORED:
            cosines = (encode(model, A) * encode(model, B)).sum(1)
            return float(spearmanr(cosines, range(10)).statistic)
        case Shape.LABELLED:
            cosines = (encode(model, A) * encode(model, B)).sum(1)
            return float(average_precision_score([0, 1, 1, 0, 1, 0, 0, 1, 0, 1], cosines))
        case Shape.RETRIEVAL:
            cosines = queries(model, A[:2]) @ documents(model, B + C).T
            return (ndcg(cosines[0], {3, 4}) + ndcg(cosines[1], {1})) / 2
        case Shape.PARALLEL:
            cosines = encode(model, A) @ encode(model, B).T
            there, back = cosines.argmax(1) == range(10), cosines.argmax(0) == range(10)
            return float(there.mean() + back.mean()) / 2
        case Shape.PARAPHRASES:
            vectors = encode(model, B + C)
            rows, columns = np.triu_indices(20, 1)
            same = [pair in {(0, 1), (0, 2), (1, 2), (5, 6)} for pair in zip(rows, columns, strict=True)]
            return float(average_precision_score(same, (vectors[rows] * vectors[columns]).sum(1)))
        case Shape.RERANKING:
            first = queries(model, A[:1]) @ documents(model, B[:2] + C[:4]).T
            second = queries(model, A[1:2]) @ documents(model, [C[5], *B[2:7]]).T
            return (ndcg(first[0], {0, 1}) + ndcg(second[0], {0})) / 2
        case Shape.TEACHER:
            return float(-100 * ((encode(model, A) - 0.25) ** 2).mean())


def test_every_shape_has_its_data_here() -> None:
    assert set(DATA) == set(PRIMARY)
    assert all(data.shape == shape for shape, data in DATA.items())


@pytest.mark.parametrize("shape", DATA)
def test_the_primary_figure_is_what_the_vectors_say(
    shape: Shape, model: SentenceTransformer, tmp_path: Path
) -> None:
    made = evaluator(DATA[shape], "law")
    key = made.primary_metric
    figures: Any = made(model, output_path=str(tmp_path))
    assert key == primary(shape, "law") == made.primary_metric
    assert figures[key] == pytest.approx(by_hand(shape, model), abs=1e-6)
    assert made.greater_is_better
    assert list(tmp_path.iterdir()) == []


def test_triplets_ask_with_the_prompt_of_queries(
    model: SentenceTransformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, list[str]]] = []

    def watched(side: str) -> Callable[..., Any]:
        encode = getattr(model, f"encode_{side}")

        def noted(texts: list[str], **options: Any) -> Any:
            asked.append((side, list(texts)))
            return encode(texts, **options)

        return noted

    for side in ("query", "document"):
        monkeypatch.setattr(model, f"encode_{side}", watched(side))
    evaluator(Triplets(A, B, C), "t")(model)
    assert asked == [("query", A), ("document", B), ("document", C)]


@pytest.mark.parametrize("shape", [Shape.RETRIEVAL, Shape.PAIRS])
def test_a_corpus_is_embedded_so_many_batches_at_once(shape: Shape, model: SentenceTransformer) -> None:
    made: Any = evaluator(DATA[shape], "law", batch_size=3, accumulation=2)
    sizes: list[int] = []
    embed = made.embed_inputs

    def counted(model: Any, sentences: Any, **options: Any) -> Any:
        sizes.append(len(sentences))
        return embed(model, sentences, **options)

    made.embed_inputs = counted
    assert made(model)[made.primary_metric] == pytest.approx(by_hand(shape, model), abs=1e-6)
    assert sizes[1:] == ([6, 6, 6, 2] if shape is Shape.RETRIEVAL else [6, 5])


def test_retrieval_reports_ndcg_mrr_and_recall(model: SentenceTransformer) -> None:
    figures: Any = evaluator(DATA[Shape.RETRIEVAL], "law")(model)
    assert {
        f"law_cosine_{m}" for m in ("ndcg@10", "mrr@10", "map@100", "recall@1", "recall@10", "recall@100")
    } <= set(figures)
    assert figures["law_cosine_recall@100"] == 1  # of 20 documents
    ranks = np.argsort(-(queries(model, A[:2]) @ documents(model, B + C).T), axis=1)[:, :10].tolist()
    first = [
        next((1 / rank for rank, at in enumerate(row, 1) if at in relevant), 0)
        for row, relevant in zip(ranks, [{3, 4}, {1}], strict=True)
    ]
    assert figures["law_cosine_mrr@10"] == pytest.approx(np.mean(first))


def test_a_file_is_written_where_it_is_asked_for(model: SentenceTransformer, tmp_path: Path) -> None:
    evaluator(DATA[Shape.SCORED], "sts", write_csv=True)(model, output_path=str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["similarity_evaluation_sts_results.csv"]


@pytest.mark.parametrize("shape", [Shape.TRIPLETS, Shape.PAIRS, Shape.SCORED, Shape.LABELLED])
def test_another_similarity_names_its_figure(shape: Shape, model: SentenceTransformer) -> None:
    made = evaluator(DATA[shape], "x", similarity="euclidean")
    figures: Any = made(model)
    # Vectors of length 1: the nearer, the greater the cosine.
    assert figures[primary(shape, "x", "euclidean")] == pytest.approx(by_hand(shape, model), abs=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Triplets(A, B, C[:9]), "triplets: columns are not the same length: 10 != 10 != 9"),
        (lambda: Pairs([], []), "pairs: no rows"),
        (lambda: ScoredPairs(A[:2], B[:2], [3, 3]), "every score is 3"),
        (lambda: ScoredPairs(A[:2], B[:2], [3, math.inf]), "not a finite number"),
        (lambda: LabelledPairs(A[:2], B[:2], [1, 1]), r"labels are \[1\], expected both 0 and 1"),
        (
            lambda: Retrieval({"q": A[0]}, {"d": B[0]}, {"q": {"e": 1}}),
            "'q': document 'e' is not in the corp",
        ),
        (lambda: Retrieval({"q": A[0]}, {"d": B[0]}, {"r": {"d": 1}}), "query 'r' is judged, and not among"),
        (lambda: Retrieval({"q": A[0]}, {"d": B[0]}, {"q": {"d": 0}}), "no query has a relevant document"),
        (lambda: Parallel(A, B[:9]), "10 != 9"),
        (lambda: Paraphrases({"a": A[0]}, [["a", "b"]]), "group 1 names 'b'"),
        (lambda: Paraphrases({"a": A[0]}, [["a", "a"]]), "nothing to mine"),
        (lambda: Reranking([Candidates("q", [], ["d"])]), r"row 1 \('q'\) has 0 positives and 1 negatives"),
        (lambda: TeacherVectors(A, np.zeros((9, 4))), "10 != 9"),
        (lambda: TeacherVectors(A, np.zeros(10)), r"shape \(10,\), expected \[texts, dimension\]"),
    ],
)
def test_data_that_would_be_dropped_silently_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(NaruError, match=message):
        make()


class _Perfect:
    """Encodes each text as the direction of its class, its last character."""

    def encode(self, texts: list[str], **_options: Any) -> torch.Tensor:
        return torch.eye(2)[[int(text[-1]) for text in texts]]


def test_a_perfect_encoder_finds_every_pair_of_large_classes() -> None:
    texts = {str(at): f"글 {at} {at % 2}" for at in range(400)}
    groups = [[str(at) for at in range(first, 400, 2)] for first in (0, 1)]
    made: Any = evaluator(Paraphrases(texts, groups), "classes")
    made.store_metrics_in_model_card_data = lambda *_: None
    assert made(_Perfect())["classes_average_precision"] == pytest.approx(1)
