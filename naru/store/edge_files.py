"""What the folder of a version holds: a manifest, statistics and a shard; what goes wrong with them, in plain words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from naru.bm25 import Statistics
from naru.errors import NaruError
from naru.store import Manifest

FORMAT = 1
WRITE_FIX = "See that the disk has room; the version before stays published."
AGAIN = "Build it again with `naru index`."


def write_manifest(folder: Path, manifest: Manifest, dimension: int, count: int) -> None:
    header = {"format": FORMAT, "dimension": dimension, "count": count, "facts": manifest.facts}
    (folder / "manifest.json").write_text(json.dumps(header, ensure_ascii=False, indent=1) + "\n", "utf-8")
    (folder / "statistics.npz").write_bytes(manifest.statistics.to_bytes())


def read_manifest(folder: Path) -> tuple[Manifest, int, int]:
    """The manifest, the dimension and the number of passages of a version."""
    facts, dimension, count = read_header(folder)
    path = folder / "statistics.npz"
    with plain_errors(path, "read", AGAIN):
        return Manifest(facts, Statistics.from_bytes(path.read_bytes())), dimension, count


def read_header(folder: Path) -> tuple[dict[str, Any], int, int]:
    """The facts, the dimension and the number of passages of a version."""
    path = folder / "manifest.json"
    with plain_errors(path, "read", AGAIN):
        header = json.loads(path.read_text("utf-8"))
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']!r}, this version of naru reads {FORMAT}")
        return dict(header["facts"]), int(header["dimension"]), int(header["count"])


def load_shard(path: Path) -> edge.EdgeShard:
    with plain_errors(path, "opened", AGAIN):
        return edge.EdgeShard.load(str(path))


@contextmanager
def plain_errors(path: Path, done: str, fix: str, kind: type[NaruError] = NaruError) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, NaruError):
        raise
    except BaseException as error:  # Edge raises nothing more exact, and panics beside Exception
        raise kind(f"{path} cannot be {done}: {error}. {fix}") from error
