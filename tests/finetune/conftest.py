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

PLACES = ("서울", "부산", "대구", "광주", "대전", "인천", "울산", "수원", "제주", "강릉")
THINGS = ("도서관", "시장", "공원", "박물관", "학교", "병원", "우체국", "은행", "극장", "식당")

RECIPE = """
name = "tiny"
seed = 7
[vocabulary]
size = 400
characters = {"wiki_paragraphs.text" = 100_000, "parallel_en_ko.en" = 10_000}
[body]
max_length = 48
[training]
steps = 6
batch_size = 8
learning_rate = 1e-3
embedding_learning_rate = 1e-2
warmup_steps = 1
bf16 = false
save_steps = 3
evaluate_steps = 3
log_steps = 1
query_length = 16
document_length = 32
[[data]]
name = "wiki"
reader = "wiki_sentences"
weight = 3
rows = 80
[[data]]
name = "law"
reader = "law"
weight = 1
query_length = 24
[[data]]
name = "similarity"
reader = "similarity"
weight = 1
[[watch]]
name = "places"
path = "beir/places"
split = "dev"
[[watch]]
name = "sts"
path = "sts/dev.tsv"
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
    pairs = "".join(f"{i % 6}\t{place}에 간다\t{thing}에 간다\n" for i, (place, thing) in enumerate(facts))
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


@pytest.fixture(scope="session")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture
def write_recipe(tmp_path: Path) -> Callable[..., Path]:
    """write_recipe(old, new, ...): the small recipe with texts replaced, as a file."""

    def write(*changes: str) -> Path:
        text = RECIPE
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "tiny.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
