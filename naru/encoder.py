"""Encoder(bundle): queries(texts), passages(texts) -> float32 [n, dimension], L2-normalised; ONNX Runtime alone.

A bundle is a folder that `naru export` writes: `encoder.json`, `tokenizer.json` and one ONNX graph for each
precision, from `input_ids` and `attention_mask` (int64 [n, tokens]) to `embeddings` (float32 [n, dimension])
with pooling and normalisation inside.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import onnxruntime  # type: ignore[import-untyped]
from tokenizers import Encoding, Tokenizer  # type: ignore[import-untyped]

from naru.errors import NaruError

Vectors = npt.NDArray[np.float32]

FORMAT_VERSION = 1
DESCRIPTION = "encoder.json"
TOKENIZER = "tokenizer.json"
DEFAULT_ENCODER = "naru-mini"

# Padded tokens a batch. A batch whose activations stay in the cache is fastest: on 2 cores 1,024 English
# passages through a 6x384 int8 graph took 1.6 s at 512 or 1,024 tokens, 1.9 at 2,048, 2.7 at 8,192, 3.5 at 16,384.
TOKEN_BUDGET = 1024
# Texts tokenized and sorted together: enough for batches of even length, few enough to keep memory flat.
WINDOW = 4096

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


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


class Encoder:
    """Texts to vectors. Safe to call from several threads at once.

    `threads` is the number of cores one call may use; None leaves it to ONNX Runtime (all physical cores).
    Vectors do not depend on what else is in a call beyond float32 rounding: `naru export` quantises
    activations token by token. (Stock dynamic int8 scales a whole batch at once, so there a text's vector
    depends on its neighbours.)
    """

    def __init__(
        self, bundle: str | Path, *, precision: str | None = None, threads: int | None = None
    ) -> None:
        """Raises NaruError where the folder is no bundle or its files are not those it was exported with."""
        bundle = Path(bundle)
        self.info = EncoderInfo.read(bundle, precision)
        actual = fingerprint(bundle, self.info)
        if actual != self.info.fingerprint:
            raise NaruError(
                f"{bundle}: the files were changed after the export: fingerprint {actual}, expected "
                f"{self.info.fingerprint} ({DESCRIPTION}). Make the bundle again: naru export MODEL {bundle}"
            )
        self._tokenizer = Tokenizer.from_file(str(bundle / TOKENIZER))
        padding = self._tokenizer.padding
        self._pad_id = int(padding["pad_id"]) if padding else 0
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.info.max_length)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3  # errors; the optimizer warns about its own leftovers
        self._session = onnxruntime.InferenceSession(
            str(bundle / self.info.graph[0]), options, providers=["CPUExecutionProvider"]
        )
        dimension = self._session.get_outputs()[0].shape[-1]
        if dimension != self.info.dimension:
            raise NaruError(
                f"{bundle / self.info.graph[0]}: gives vectors of dimension {dimension}, expected "
                f"{self.info.dimension} ({DESCRIPTION}). Make the bundle again: naru export MODEL {bundle}"
            )
        self._truncated = 0
        self._lock = threading.Lock()

    @property
    def dimension(self) -> int:
        return self.info.dimension

    @property
    def fingerprint(self) -> str:
        return self.info.fingerprint

    @property
    def truncated(self) -> int:
        """How many texts, queries and passages together, were cut at `info.max_length` tokens so far."""
        return self._truncated

    def queries(self, texts: Sequence[str]) -> Vectors:
        """float32 [len(texts), dimension], L2-normalised, in the order given; NaruError for a lone surrogate."""
        return self._encode(self.info.query_prefix, texts)

    def passages(self, texts: Sequence[str]) -> Vectors:
        """As `queries`, with the passage prefix. Texts beyond `info.max_length` tokens are cut and counted."""
        return self._encode(self.info.passage_prefix, texts)

    def reads_whole(self, query: str) -> bool:
        """Whether the encoder reads a query to its end."""
        return not self._tokenize(self.info.query_prefix, [query], 0)[0].overflowing

    def _encode(self, prefix: str, texts: Sequence[str]) -> Vectors:
        if isinstance(texts, str):
            raise TypeError("expected a sequence of texts, got one str; put it in a list")
        vectors = np.empty((len(texts), self.info.dimension), np.float32)
        for start in range(0, len(texts), WINDOW):
            encodings = self._tokenize(prefix, texts[start : start + WINDOW], start)
            cut = sum(1 for encoding in encodings if encoding.overflowing)
            if cut:
                with self._lock:
                    self._truncated += cut
            tokens = [encoding.ids for encoding in encodings]
            for places in _batches([len(ids) for ids in tokens]):
                vectors[start + places] = self._run([tokens[place] for place in places])
        return vectors

    def _tokenize(self, prefix: str, texts: Sequence[str], start: int) -> list[Encoding]:
        try:
            encodings: list[Encoding] = self._tokenizer.encode_batch_fast([prefix + text for text in texts])
            return encodings
        except TypeError:
            for place, text in enumerate(texts, start):
                if not isinstance(text, str):
                    raise TypeError(f"text {place} is of type {type(text).__name__}, expected str") from None
                if found := _LONE_SURROGATE.search(text):
                    raise NaruError(
                        f"text {place} has a lone surrogate (U+{ord(found[0]):04X}) at character {found.start()}, "
                        "which is not valid Unicode; expected text that UTF-8 can hold. Remove it, or replace it: "
                        'text.encode("utf-8", "replace").decode("utf-8")'
                    ) from None
            raise

    def _run(self, tokens: Sequence[list[int]]) -> Vectors:
        longest = max(1, *(len(ids) for ids in tokens))  # a tokenizer without special tokens makes none of ""
        input_ids = np.full((len(tokens), longest), self._pad_id, np.int64)
        attention_mask = np.zeros((len(tokens), longest), np.int64)
        for row, ids in enumerate(tokens):
            input_ids[row, : len(ids)] = ids
            attention_mask[row, : len(ids)] = 1
        feed = {"input_ids": input_ids, "attention_mask": attention_mask}
        embeddings: Vectors = self._session.run(["embeddings"], feed)[0]
        return embeddings


def _batches(lengths: Sequence[int]) -> Iterator[npt.NDArray[np.intp]]:
    """Places of texts that go together: sorted by length, rows times longest row within TOKEN_BUDGET."""
    order = np.argsort(np.array(lengths), kind="stable")
    first = 0
    for last in range(1, len(order) + 1):
        if last == len(order) or (last - first + 1) * lengths[order[last]] > TOKEN_BUDGET:
            yield order[first:last]
            first = last


def open_encoder(name_or_path: str | Path | None = None, *, threads: int | None = None) -> Encoder:
    """The bundled naru-mini for None or "naru-mini", else the bundle in the folder named."""
    if name_or_path is not None and str(name_or_path) != DEFAULT_ENCODER:
        return Encoder(name_or_path, threads=threads)
    return Encoder(Path(str(files("naru.bundled") / DEFAULT_ENCODER)), threads=threads)
