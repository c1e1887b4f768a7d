"""What is measured while training: recall on a corner of a BEIR folder, Spearman on an STS file."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from sentence_transformers.sentence_transformer.evaluation import (
    EmbeddingSimilarityEvaluator,
    InformationRetrievalEvaluator,
    SentenceEvaluator,
)

from finetune.recipe import Watch
from naru.errors import NaruError


class Watcher(SentenceEvaluator):
    """Runs every measurement of the recipe and keeps the few figures that are compared.

    Figures: `<name>_recall@1`, `<name>_recall@10` of a retrieval folder, `<name>_spearman` of an STS file.
    """

    def __init__(self, watches: list[Watch], root: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.primary_metric = None
        self.evaluators = {watch.name: _evaluator(watch, root) for watch in watches}

    def __call__(
        self, model: Any, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name, evaluator in self.evaluators.items():
            scores: Any = evaluator(model)
            if isinstance(evaluator, InformationRetrievalEvaluator):
                for k in (1, 10):
                    figures[f"{name}_recall@{k}"] = round(scores[f"{name}_cosine_accuracy@{k}"], 4)
            else:
                figures[f"{name}_spearman"] = round(scores[f"{name}_spearman_cosine"], 4)
        return figures


def _evaluator(watch: Watch, root: Path) -> SentenceEvaluator:
    path = root / watch.path
    if not path.exists():
        raise NaruError(f"Watch {watch.name!r}: nothing at {path}.")
    return _similarity(watch, path) if watch.split is None else _retrieval(watch, path, watch.split)


def _similarity(watch: Watch, path: Path) -> EmbeddingSimilarityEvaluator:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return EmbeddingSimilarityEvaluator(
        [row["sentence1"] for row in rows],
        [row["sentence2"] for row in rows],
        [float(row["score"]) / 5 for row in rows],
        name=watch.name,
        main_similarity="cosine",
        similarity_fn_names=["cosine"],
        batch_size=64,
        write_csv=False,
    )


def _retrieval(watch: Watch, path: Path, split: str) -> InformationRetrievalEvaluator:
    """The first queries of a split, spread evenly, over their relevant passages and the first others up to the cap."""
    with (path / "qrels" / f"{split}.tsv").open(encoding="utf-8", newline="") as file:
        judged: dict[str, set[str]] = {}
        for row in csv.DictReader(file, delimiter="\t"):
            if int(row["score"]) > 0:
                judged.setdefault(row["query-id"], set()).add(row["corpus-id"])
    stride = max(1, len(judged) // watch.queries)
    relevant = {query: judged[query] for query in list(judged)[::stride][: watch.queries]}
    needed = set().union(*relevant.values())
    corpus: dict[str, str] = {}
    room = watch.passages - len(needed)
    for record in _records(path / "corpus.jsonl"):
        if record["_id"] in needed or room > 0:
            room -= record["_id"] not in needed
            title = record.get("title", "")
            corpus[record["_id"]] = f"{title}\n{record['text']}" if title else record["text"]
    queries = {r["_id"]: r["text"] for r in _records(path / "queries.jsonl") if r["_id"] in relevant}
    return InformationRetrievalEvaluator(
        queries,
        corpus,
        relevant,
        name=watch.name,
        accuracy_at_k=[1, 10],
        main_score_function="cosine",
        batch_size=32,
        write_csv=False,
    )


def _records(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
