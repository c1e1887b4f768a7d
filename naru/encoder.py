"""Encoder(bundle): queries(texts), passages(texts) -> float32 [n, dimension], L2-normalised; ONNX Runtime alone.

See `naru.bundle` for what a bundle is.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Encoding, Tokenizer

from naru.bundle import DESCRIPTION, TOKENIZER, EncoderInfo, fingerprint
from naru.errors import NaruError

Vectors = npt.NDArray[np.float32]

DEFAULT_ENCODER = "naru-mini"

# Padded tokens a batch. A batch whose activations stay in the cache is fastest: on 2 cores 1,024 English
# passages through a 6x384 int8 graph took 1.6 s at 512 or 1,024 tokens, 1.9 at 2,048, 2.7 at 8,192, 3.5 at 16,384.
TOKEN_BUDGET = 1024
# Texts tokenized and sorted together: enough for batches of even length, few enough to keep memory flat.
WINDOW = 4096

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


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

    def cut(self, passages: Sequence[str]) -> int:
        """How many of these are longer than the encoder reads."""
        return sum(1 for one in self._tokenize(self.info.passage_prefix, passages, 0) if one.overflowing)

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


def is_bundle(name: str) -> bool:
    """Whether `open_encoder` takes the name: that of the bundled encoder, or of a folder with a bundle's description."""
    return name == DEFAULT_ENCODER or (Path(name) / DESCRIPTION).is_file()


def open_encoder(name_or_path: str | Path | None = None, *, threads: int | None = None) -> Encoder:
    """The bundled naru-mini for None or "naru-mini", else the bundle in the folder named."""
    if name_or_path is not None and str(name_or_path) != DEFAULT_ENCODER:
        return Encoder(name_or_path, threads=threads)
    return Encoder(Path(str(files("naru.bundled") / DEFAULT_ENCODER)), threads=threads)
