"""How many dimensions a model's embeddings have, by its folder's configuration alone: nothing is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from finetune.recipe import Model

KEEPING = ("Normalize", "Dropout", "LayerNorm")  # modules that change no dimension


def width_of(folder: Path) -> int | None:
    """The dimension of a model's embeddings; None where its configuration does not tell."""
    if not (folder / "modules.json").is_file():
        return _whole(_read(folder / "config.json"), "hidden_size")
    width: int | None = None
    modules = _read(folder / "modules.json")
    for module in modules if isinstance(modules, list) else []:
        kind = str(module.get("type", "")).rpartition(".")[2]
        config = _read(folder / str(module.get("path", "")) / "config.json")
        if kind == "Transformer":
            width = _whole(config, "hidden_size")
        elif kind == "Pooling":
            width = _pooled(config)
        elif kind == "Dense":
            width = _whole(config, "out_features")
        elif kind not in KEEPING:
            return None
    return width


def student_width(model: Model, folder: Path) -> int | None:
    """The dimension that a recipe's model is trained with, its base lying in `folder`; None where nothing tells."""
    if model.adapter is not None:
        return model.adapter.dimensions[-1]
    if model.fresh is not None and "hidden" in model.fresh:
        return model.fresh["hidden"]
    if model.fresh is not None or model.vocabulary is not None:  # the base's body, without what follows it
        return _whole(_read(folder / "config.json"), "hidden_size")
    return width_of(folder)


def _pooled(config: Any) -> int | None:
    """Of a pooling layer as sentence-transformers writes it now and wrote it once; several modes stand side by side."""
    if not isinstance(config, dict):
        return None
    modes = config.get("pooling_mode") or [
        name for name, on in config.items() if name.startswith("pooling_mode_") and on is True
    ]
    width = _whole(config, "embedding_dimension") or _whole(config, "word_embedding_dimension")
    return width if isinstance(modes, str) or len(modes) == 1 else None


def _whole(config: Any, key: str) -> int | None:
    value = config.get(key) if isinstance(config, dict) else None
    return value if type(value) is int else None


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a damaged model is refused by whoever loads it
        return None
