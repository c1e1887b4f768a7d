"""What a model folder says of itself: the model card (README.md) and `provenance.json`."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import asdict
from pathlib import Path

from finetune.recipe import Recipe

PACKAGES = ("torch", "transformers", "sentence-transformers", "tokenizers", "datasets", "accelerate", "numpy")
CARD = """---
language: ko
license: cc-by-sa-4.0
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags: [sentence-transformers, korean, retrieval]
---
# {name}

A small Korean sentence encoder for retrieval: 6 layers x 384, mean pooling, L2 normalisation, cosine, no prefixes,
at most {max_length} tokens. Queries are short and colloquial, passages are paragraphs ("title\\ntext" where a title
exists). Made by `python -m finetune {name}` ({steps} of {planned} steps of {batch} rows, seed {seed}); recipe, data
hashes and versions are in `provenance.json`.

작은 한국어 검색용 문장 인코더입니다. 짧고 구어적인 질문으로 문단을 찾는 데 씁니다.

| figure on calibrate/dev parts | before | after |
|---|---|---|
{figures}

Retrieval figures are of a corner of each set (`watch` in the recipe caps queries and passages), so easier than the whole.

## Data and licences
The weights are a work derived from the sources below; share-alike sources make them CC BY-SA 4.0.

- body: all-MiniLM-L6-v2, Apache-2.0
- Korean Wikipedia, its authors, CC BY-SA 3.0
- KLUE-NLI, CC BY-SA 4.0 · KorNLI and KorSTS (Kakao Brain), CC BY-SA 4.0 · ParaKQC, CC BY-SA 4.0 · KoBEST, CC BY-SA 4.0
- Korean court precedents and public petitions: public works, KOGL type 1
- documentation of React, Vue, Vite, Rust, Hugging Face, TensorFlow, PyTorch, tldr: CC BY 4.0, MIT, Apache-2.0, BSD-3
- parallel text (documentation as above; news and JHE, CC BY-SA 3.0)
- TyDi QA and MIRACL, Apache-2.0 · Welfare-QA, songys chatbot and question pairs, MIT · NSMC, CC0 (vocabulary)

## Limits
Trained for about an hour on two CPU cores, on much weak data: word matches (BM25) find exact names, numbers and rare
terms better, so use both. Longer passages than 96 tokens were not seen in training. Not for judging people, nor for
legal or medical decisions. It takes over what its sources, an encyclopedia above all, say and leave out.
"""


def write_card(
    folder: Path,
    recipe: Recipe,
    data: Path,
    start: Path,
    before: dict[str, float],
    after: dict[str, float],
    steps: int,
) -> None:
    """Write README.md and provenance.json into a saved model's folder."""
    rows = [f"| {name} | {before.get(name, float('nan')):.3f} | {after[name]:.3f} |" for name in after]
    card = CARD.format(
        name=recipe.name,
        max_length=recipe.body.max_length,
        steps=steps,
        planned=recipe.training.steps,
        batch=recipe.training.batch_size,
        seed=recipe.seed,
        figures="\n".join(rows),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    provenance = {
        "recipe": asdict(recipe),
        "steps": steps,
        "start": {path.name: sha256(path) for path in sorted(start.glob("*.safetensors"))},
        "data": {path.name: sha256(path) for path in sorted((data / "train").glob("*.parquet"))},
        "versions": {package: importlib.metadata.version(package) for package in PACKAGES},
        "before": before,
        "after": after,
    }
    text = json.dumps(provenance, ensure_ascii=False, indent=2) + "\n"
    (folder / "provenance.json").write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
