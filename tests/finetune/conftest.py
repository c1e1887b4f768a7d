"""A data folder in small, a start model in small, and a recipe that fits both: written by the tests themselves."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finetune.recipe import Recipe, load

PLACES = ("서울", "부산", "대구", "광주", "대전", "인천", "울산", "수원", "제주", "강릉")
THINGS = ("도서관", "시장", "공원", "박물관", "학교", "병원", "우체국", "은행", "극장", "식당")

# naru-mini in small.
RECIPE = """
name = "tiny"
seed = 7
[model]
base = "START"
max_length = 48
pooling = "mean"
dropout = 0.0
[model.vocabulary]
size = 400
parallel = "train/parallel_en_ko.parquet"
neighbours = "train/wiki_paragraphs.text"
[model.vocabulary.characters]
"train/wiki_paragraphs.text" = 100_000
"train/parallel_en_ko.en" = 10_000
[training]
steps = 6
batch_size = 8
learning_rate = 1e-3
embedding_learning_rate = 1e-2
scheduler = "cosine"
warmup = 1
precision = "fp32"
sampler = "like-length"
query_length = 16
document_length = 32
save = "steps"
save_steps = 3
evaluate = "steps"
evaluate_steps = 3
log_steps = 1
best_model = false
[[data]]
name = "wiki"
reader = "wiki_sentences"
path = "train/wiki_paragraphs.parquet"
weight = 3
rows = 80
[[data]]
name = "law"
reader = "law"
path = "train/law_pairs.parquet"
query_length = 24
[[data]]
name = "similarity"
reader = "similarity"
path = "train/korsts_train.parquet"
loss = "cosent"
[[evaluation]]
name = "places"
path = "beir/places"
split = "dev"
[[evaluation]]
name = "sts"
path = "sts/dev.tsv"
"""

# Three kinds of data, weights, a head of its own, dropout and two stages: all that a resumed run must not lose.
STAGED = """
name = "staged"
seed = 11
[model]
base = "START"
[training]
epochs = 2
batch_size = 8
learning_rate = 1e-3
warmup = 0.1
save = "steps"
save_steps = 4
log_steps = 1
[[data]]
name = "pairs.first"
path = "pairs.jsonl"
weight = 2
[[data]]
name = "graded"
path = "graded.jsonl"
[[data]]
name = "classed"
path = "classed.jsonl"
shape = "classed-pairs"
batch_size = 4
[[evaluation]]
name = "held"
path = "held.jsonl"
[[stage]]
name = "all of it"
[[stage]]
name = "domain"
data = ["pairs.first", "classed"]
weights = {"pairs.first" = 3}
[stage.training]
epochs = 1
evaluate = "no"
"""


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/ with four Parquet files of the project's columns, beir/places and sts/dev.tsv."""
    root = tmp_path_factory.mktemp("data")
    rng = random.Random(1)
    facts = [(place, thing) for place in PLACES for thing in THINGS]
    paragraphs = [
        {
            "article_id": i,
            "title": f"{place} {thing}",
            "heading": "개요" if i % 2 else "",
            "text": f"{place} {thing}은 {1900 + i}년에 문을 열었다. 해마다 {i * 37 + 5}명이 {place}에서 이곳을 찾는다. "
            f"{thing} 앞에는 오래된 나무가 {i + 2}그루 있다.",
        }
        for i, (place, thing) in enumerate(facts)
    ]
    files: dict[str, list[dict[str, Any]]] = {
        "wiki_paragraphs": paragraphs,
        "law_pairs": [
            {
                "case_id": str(i),
                "query": f"{place} {thing}의 책임",
                "document": f"{place}의 {thing}은 책임을 진다.",
            }
            for i, (place, thing) in enumerate(facts)
        ],
        "korsts_train": [
            {
                "sentence1": f"{place}에 간다",
                "sentence2": f"{thing}에 간다",
                "score": float(rng.randint(0, 5)),
                "in_eval": i % 10 == 0,
            }
            for i, (place, thing) in enumerate(facts)
        ],
        "parallel_en_ko": [
            {"ko": f"{thing} 옆에는 {THINGS[i - 1]} 건물이 있다", "en": f"next to house {i} is house {i - 1}"}
            for i, thing in enumerate(THINGS)
        ],
    }
    (root / "train").mkdir()
    for name, rows in files.items():
        pq.write_table(pa.Table.from_pylist(rows), root / "train" / f"{name}.parquet")

    beir = root / "beir" / "places"
    (beir / "qrels").mkdir(parents=True)
    records = [
        {"_id": f"d{i}", "title": row["title"], "text": row["text"]} for i, row in enumerate(paragraphs)
    ]
    queries = [{"_id": f"q{i}", "text": f"{row['title']} 언제 열었나요?"} for i, row in enumerate(paragraphs)]
    for name, lines in (("corpus", records), ("queries", queries)):
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (beir / f"{name}.jsonl").write_text(text, encoding="utf-8")
    judged = "".join(f"q{i}\td{i}\t1\n" for i in range(20))
    (beir / "qrels" / "dev.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}", encoding="utf-8")

    (root / "sts").mkdir()
    pairs = "".join(
        f"{i % 6}\t{place}에서 온다\t{thing}에서 온다\n" for i, (place, thing) in enumerate(facts)
    )
    (root / "sts" / "dev.tsv").write_text(f"score\tsentence1\tsentence2\n{pairs}", encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 2 layers x 32 with random weights and a small English WordPiece vocabulary."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("start")
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "next", "to", "house", "is", *letters]
    (folder / "words.txt").write_text("\n".join([*words, *(f"##{letter}" for letter in letters)]))
    tokenizer: Any = BertTokenizerFast
    made = tokenizer(vocab_file=str(folder / "words.txt"))
    made.save_pretrained(folder)
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(made),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def mini(start: Path, tmp_path: Path) -> Recipe:
    """naru-mini in small; its paths are relative to `data`."""
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE.replace("START", str(start)), encoding="utf-8")
    return load(path)


@pytest.fixture(scope="session")
def small(make_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe, staged.toml, its data, and the model it starts from."""
    root = tmp_path_factory.mktemp("small")
    rng = random.Random(5)
    facts = [(place, thing) for place in PLACES for thing in THINGS]
    rng.shuffle(facts)
    lines: dict[str, list[dict[str, Any]]] = {
        "pairs": [
            {"query": f"{place} {thing} 언제", "document": f"{place} {thing}은 {1900 + i}년에 문을 열었다."}
            for i, (place, thing) in enumerate(facts[:70])
        ],
        "held": [
            {"query": f"{place} {thing} 언제", "document": f"{place} {thing}은 {2000 + i}년에 문을 열었다."}
            for i, (place, thing) in enumerate(facts[70:])
        ],
        "graded": [
            {
                "sentence1": f"{place}에 간 {i}번째 날",
                "sentence2": f"{thing}에 간 {i}번째 날",
                "score": round(rng.random(), 3),
            }
            for i, (place, thing) in enumerate(facts[:40])
        ],
        "classed": [
            {
                "sentence1": f"{place}에 산 {i}년",
                "sentence2": f"{thing}에서 일한 {i}년",
                "label": f"kind {i % 3}",
            }
            for i, (place, thing) in enumerate(facts[:40])
        ],
    }
    for name, rows in lines.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (root / f"{name}.jsonl").write_text(text, encoding="utf-8")
    model = str(make_model())
    (root / "staged.toml").write_text(STAGED.replace("START", model), encoding="utf-8")
    (root / "base.json").write_text(json.dumps(model), encoding="utf-8")
    return root


@pytest.fixture
def staged(small: Path) -> Callable[..., Recipe]:
    """staged("training.epochs=1", ...): the recipe of `small` with changes."""
    return lambda *changes: load(small / "staged.toml", changes)
