"""How alike the passages of a collection are to each other: what its prior measures cosines by."""

from __future__ import annotations

import random

import numpy as np

from naru.basis import Background
from naru.store import Vector


class Reservoir:
    """A uniform sample of vectors from a stream (Vitter's algorithm R), the same for the same stream."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._seen = 0
        self._vectors: list[Vector] = []
        self._random = random.Random(0)

    def offer(self, vector: Vector) -> None:
        self._seen += 1
        if len(self._vectors) < self._size:
            self._vectors.append(vector)
        elif (place := self._random.randrange(self._seen)) < self._size:
            self._vectors[place] = vector

    def background(self) -> Background:
        """Mean and standard deviation of the cosines between different sampled passages."""
        if len(self._vectors) < 3:
            return Background(0.0, 0.1)
        vectors = np.stack(self._vectors)
        cosines = (vectors @ vectors.T)[np.triu_indices(len(vectors), k=1)]
        return Background(float(cosines.mean()), float(cosines.std()))
