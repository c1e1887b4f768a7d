"""An encoder bundle: the folder that `naru export` writes and `Encoder` reads, and what it says of itself.

`encoder.json`, `tokenizer.json` and one ONNX graph for each precision, from `input_ids` and `attention_mask`
(int64 [n, tokens]) to `embeddings` (float32 [n, dimension]) with pooling and normalisation inside.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from naru.errors import NaruError

FORMAT_VERSION = 1
DESCRIPTION = "encoder.json"
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Parity:
    """Cosine between the source model and this graph over some sentences: the mean and the least."""

    mean: float
    minimum: float
    sentences: int


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """What a bundle is, at one of its precisions. Two encoders with one fingerprint give the same vectors."""

    name: str
    base_model: str
    licence: str
    dimension: int
    max_length: int
    pooling: str
    similarity: str
    query_prefix: str
    passage_prefix: str
    precision: str
    parity: Parity
    fingerprint: str
    graph: tuple[str, ...]
    """File names in the bundle: the graph, then the files that hold weights outside of it, if any."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def read(cls, bundle: Path, precision: str | None = None) -> Self:
        """Read `encoder.json` at `precision` (the bundle's default if None), without opening the graph.

        Raises NaruError where the folder is no bundle, is of another format, or lacks the precision.
        """
        description = _description(bundle)
        try:
            precisions = description["precisions"]
            chosen = precision or description["default_precision"]
            if chosen not in precisions:
                raise NaruError(
                    f"{bundle}: no precision {chosen!r}; the bundle holds {', '.join(sorted(precisions))}. "
                    f"To add it: naru export MODEL {bundle} --precision {','.join([*precisions, chosen])}"
                )
            of_precision = precisions[chosen]
            return cls(
                **{name: description[name] for name in _SHARED},
                precision=chosen,
                parity=Parity(**of_precision["parity"]),
                fingerprint=of_precision["fingerprint"],
                graph=tuple(of_precision["graph"]),
            )
        except (KeyError, TypeError) as error:
            raise NaruError(
                f"{bundle / DESCRIPTION}: incomplete or damaged ({type(error).__name__}: {error}). "
                f"Make the bundle again: naru export MODEL {bundle}"
            ) from error


_SHARED = (
    "name",
    "base_model",
    "licence",
    "dimension",
    "max_length",
    "pooling",
    "similarity",
    "query_prefix",
    "passage_prefix",
)


def _description(bundle: Path) -> dict[str, Any]:
    path = bundle / DESCRIPTION
    if not path.is_file():
        if (bundle / "modules.json").is_file() or (bundle / "config.json").is_file():
            raise NaruError(
                f"{bundle} is a sentence-transformers or transformers model, not an encoder bundle. "
                f"Make a bundle of it: naru export {bundle} BUNDLE"
            )
        found = f"has no {DESCRIPTION}" if bundle.is_dir() else "is no folder"
        raise NaruError(
            f"{bundle} {found}; expected an encoder bundle. Make one of a sentence-transformers folder or "
            "Hub name: naru export MODEL BUNDLE"
        )
    try:
        description = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise NaruError(
            f"{path}: not JSON ({error}). Make the bundle again: naru export MODEL {bundle}"
        ) from error
    version = description.get("format_version") if isinstance(description, dict) else None
    if version != FORMAT_VERSION:
        raise NaruError(
            f"{path}: format version {version!r}, expected {FORMAT_VERSION}. "
            f"Make the bundle again with this naru: naru export MODEL {bundle}"
        )
    return dict(description)


def write_description(bundle: Path, infos: Sequence[EncoderInfo]) -> None:
    """Write `encoder.json` for the precisions of one encoder; the last of them becomes the default."""
    description: dict[str, Any] = {"format_version": FORMAT_VERSION}
    description |= {name: getattr(infos[0], name) for name in _SHARED}
    description["default_precision"] = infos[-1].precision
    description["precisions"] = {
        info.precision: {
            "graph": list(info.graph),
            "fingerprint": info.fingerprint,
            "parity": asdict(info.parity),
        }
        for info in infos
    }
    text = json.dumps(description, ensure_ascii=False, indent=2) + "\n"
    (bundle / DESCRIPTION).write_text(text, "utf-8")


def fingerprint(bundle: Path, info: EncoderInfo) -> str:
    """SHA-256 (hex) of a JSON object with sorted keys: the SHA-256 of each graph file and of `tokenizer.json`,
    the pooling, both prefixes and the maximum length. All that decides a vector, and nothing else."""
    decisive = {
        "graph": [_sha256(bundle / name) for name in info.graph],
        "tokenizer": _sha256(bundle / TOKENIZER),
        "pooling": info.pooling,
        "query_prefix": info.query_prefix,
        "passage_prefix": info.passage_prefix,
        "max_length": info.max_length,
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise NaruError(
            f"{path} is missing; {DESCRIPTION} names it. Make the bundle again: naru export MODEL {path.parent}"
        ) from None
