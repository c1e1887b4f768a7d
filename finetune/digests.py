"""What a run is made of, by SHA-256: its data, held-out data and models."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from finetune.model import located
from finetune.recipe import Recipe
from finetune.recipe.agreement import models_of, rows_of


def digests(recipe: Recipe, root: Path) -> dict[str, dict[str, str]]:
    """SHA-256 by file name of each "data NAME" and "evaluation NAME"; nothing for the Hub's."""
    found: dict[str, dict[str, str]] = {}
    for where, one in rows_of(recipe):
        files = found[f"{where.partition('[')[0]} {one.name}"] = {}
        for place in _files(one.path, root):
            files[place.name] = _sha256(place)
    return found


def _files(path: str | None, root: Path) -> list[Path]:
    if path is None or path.startswith("hf://"):
        return []
    if (root / path).is_dir():
        return sorted(file for file in (root / path).rglob("*") if file.is_file())
    if (root / path).is_file():
        return [root / path]
    return [root / part for part in path.split(",")]


def model_digests(recipe: Recipe, root: Path) -> dict[str, dict[str, str]]:
    """SHA-256 by file of each model of a recipe, by name: its base first, then the teachers and guides of its losses and
    the teachers of its held-out data."""
    names = [name for _, name in models_of(recipe)]
    return {name: base_digests(name, root) for name in dict.fromkeys(names)}


def base_digests(base: str, root: Path) -> dict[str, str]:
    """SHA-256 of the files of a model: a folder, the bundled one, or one of the Hub as the cache has it."""
    folder = located(base, root)
    kinds = (".safetensors", ".bin", ".json", ".txt", ".model")
    return {
        file.relative_to(folder).as_posix(): _sha256(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.suffix in kinds
    }


def _sha256(path: Path) -> str:
    now = path.stat()
    return _of(path.resolve(), now.st_size, now.st_mtime_ns)


@lru_cache(maxsize=1024)  # a run asks for its teachers' several times, and they can be gigabytes
def _of(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
