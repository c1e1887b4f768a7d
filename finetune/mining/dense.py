"""Cosines of an encoder, searched exactly, block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from finetune.encoding import Encoder
from finetune.mining.passages import Texts
from finetune.mining.ranking import Best, Positions, Progress, Scores
from naru.errors import NaruError
from naru.text import Analyzer, normalize

_TEXTS = 1024  # texts encoded in one call
_ROWS, _COLUMNS = 64, 1 << 15  # queries x passages whose cosines are in memory at once: 8 MB


class Dense:
    """A judge. The vectors of the passages lie in a file in `folder`, those of the queries in memory."""

    def __init__(
        self, encoder: Encoder, queries: Sequence[str], texts: Texts, folder: Path, progress: Progress
    ) -> None:
        """NaruError when the encoder gives anything but one finite vector a text."""
        self._encoder = encoder
        asked = [*map(Analyzer().spaced, queries)]  # as a search asks
        self._queries = np.concatenate(
            [
                _encode(encoder.queries, asked[start : start + _TEXTS])
                for start in range(0, len(asked), _TEXTS)
            ]
        )
        shape = (len(texts), self._queries.shape[1])
        self._passages = np.memmap(folder / "passages.f32", np.float32, "w+", shape=shape)
        for start in range(0, len(texts), _TEXTS):
            stop = min(start + _TEXTS, len(texts))
            self._passages[start:stop] = _encode(encoder.passages, [texts[i] for i in range(start, stop)])
            progress("embed", stop, len(texts))

    def nearest(self, depth: int, excluded: Sequence[Positions], progress: Progress) -> Best:
        """The ranking of the passages by cosine."""
        best = Best(depth, excluded)
        for first in range(0, len(self._passages), _COLUMNS):
            block = np.asarray(self._passages[first : first + _COLUMNS])
            for start in range(0, len(self._queries), _ROWS):
                for number, cosines in enumerate(self._queries[start : start + _ROWS] @ block.T, start):
                    best.offer(number, first, cosines)
            progress("search", first + len(block), len(self._passages))
        return best

    def scores(self, query: int, places: Positions) -> Scores:
        cosines: Scores = np.asarray(self._passages[places]) @ self._queries[query]
        return cosines

    def outside(self, pairs: Sequence[tuple[int, str]]) -> Scores:
        vectors = _encode(self._encoder.passages, [text for _, text in pairs])
        cosines: Scores = np.einsum("ij,ij->i", vectors, self._queries[[query for query, _ in pairs]])
        return cosines


def _encode(encode: Callable[[Sequence[str]], Scores], texts: Sequence[str]) -> Scores:
    """Vectors of texts in their normal form, which indexing encodes too."""
    vectors = np.asarray(encode([normalize(text).text for text in texts]), np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts):
        raise NaruError(
            f"The encoder gave an array of shape {vectors.shape} for {len(texts)} texts; expected a row each."
        )
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        text = texts[int(np.argmin(finite))]
        raise NaruError(
            f"The encoder gave {text[:80]!r} a vector with NaN or infinity; export the model again."
        )
    return vectors
