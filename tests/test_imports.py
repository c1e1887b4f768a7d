"""The query path stays light: what it imports, and what it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "transformers",
    "sentence_transformers",
    "optimum",
    "datasets",
    "onnx",
    "pandas",
    "sklearn",
    "scipy",
}


def imported(statement: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after a statement."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", statement], capture_output=True, text=True, check=True
    )
    names = [
        line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")
    ]
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize(
    "statement",
    [
        "import naru.encoder, naru.store",
        "import naru.store.edge, naru.text, naru.bm25",
        "import search, search.service",
        "import indexer.build, indexer.corpus",
        "import naru.__main__",
        "import evaluation.evaluate, naru.beir",
    ],
)
def test_no_training_library_is_loaded(statement: str) -> None:
    loaded = imported(statement)
    assert "naru" in loaded
    assert not loaded & HEAVY


def test_the_command_line_starts_without_an_engine_or_a_web_framework() -> None:
    assert not imported("import naru.__main__") & {
        "fastapi",
        "onnxruntime",
        "qdrant_client",
        "qdrant_edge",
        "mecab",
        "numpy",
    }
