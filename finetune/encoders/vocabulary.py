"""Where new tokens start: near their translations, so that an English body can read Korean from the first step.

In the spirit of WECHSEL (Minixhofer et al., 2022) and FOCUS (Dobler and de Melo, 2023), from parallel text alone:
1. a token that the old vocabulary has is copied;
2. a token seen often in parallel text is the mean of the old tokens it stands beside, weighted by
   count(new, old)^2 / (count(new) * count(old));
3. another one is the mean of its neighbours of kinds 1 and 2 by latent semantic analysis of Korean text;
each at the old vocabulary's scale, with a random part that keeps tokens of one meaning apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd

Floats = npt.NDArray[np.float32]

SEEN = 5  # parallel blocks a token must occur in for its translations to be trusted
TRANSLATIONS = 8  # old tokens a new one is made of
NEIGHBOURS = 12
DIMENSIONS = 128
IDENTITY = 0.6  # share of the random part, relative to the meaning's length


def start_embeddings(
    old: Floats,
    shared: dict[int, int],
    parallel: tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]],
    korean: Sequence[Sequence[int]],
    size: int,
    seed: int,
) -> Floats:
    """Embeddings [size, dim] for a new vocabulary from those of an old one, float32 [n, dim].

    `shared` maps new ids to old ids of the same token; `parallel` is (new-tokenised, old-tokenised) texts of the
    same content; `korean` is new-tokenised text.
    """
    rng = np.random.default_rng(seed)
    centre = old.mean(axis=0)
    centred = old - centre
    length = float(np.median(np.linalg.norm(centred, axis=1)))
    meaning = np.zeros((size, old.shape[1]), dtype=np.float32)

    new_side, old_side = presence(parallel[0], size), presence(parallel[1], len(old))
    weights = association(new_side, old_side)
    known = np.asarray(new_side.sum(axis=0)).ravel() >= SEEN
    meaning[known] = normalize(weights[known] @ centred)
    ids = np.fromiter(shared, dtype=np.int64)
    olds = np.fromiter(shared.values(), dtype=np.int64)
    meaning[ids] = normalize(centred[olds])
    known[ids] = True

    if known.any() and not known.all():
        space = latent(presence(korean, size), seed)
        unknown = np.flatnonzero(~known & (np.linalg.norm(space, axis=1) > 0))
        anchors = np.flatnonzero(known & (np.linalg.norm(space, axis=1) > 0))
        for part in np.array_split(unknown, max(1, len(unknown) // 2000)):
            closeness = space[part] @ space[anchors].T
            best = np.argpartition(-closeness, min(NEIGHBOURS, closeness.shape[1] - 1), axis=1)[
                :, :NEIGHBOURS
            ]
            share = np.maximum(np.take_along_axis(closeness, best, axis=1), 0) ** 2
            meaning[part] = normalize(np.einsum("nk,nkd->nd", share, meaning[anchors[best]]))

    apart = normalize(rng.standard_normal(meaning.shape).astype(np.float32))
    made: Floats = (length * normalize(meaning + IDENTITY * apart) + centre).astype(np.float32)
    made[ids] = old[olds]
    return made


def presence(texts: Sequence[Sequence[int]], size: int) -> sparse.csr_matrix:
    """Which token occurs in which text: float32 [texts, size], ones."""
    unique = [np.unique(np.asarray(text, dtype=np.int64)) for text in texts]
    columns = np.concatenate(unique) if unique else np.empty(0, dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum([len(row) for row in unique])])
    return sparse.csr_matrix((np.ones(len(columns), np.float32), columns, starts), shape=(len(texts), size))


def association(new_side: sparse.csr_matrix, old_side: sparse.csr_matrix) -> sparse.csr_matrix:
    """For each new token its TRANSLATIONS best old tokens, rows summing to 1: float32 [new, old]."""
    together = (new_side.T @ old_side).tocsr()
    new_count = np.maximum(np.asarray(new_side.sum(axis=0)).ravel(), 1)
    old_count = np.maximum(np.asarray(old_side.sum(axis=0)).ravel(), 1)
    together.data **= 2
    scored = (sparse.diags(1 / new_count) @ together @ sparse.diags(1 / old_count)).tocsr()
    for row in range(scored.shape[0]):
        values = scored.data[scored.indptr[row] : scored.indptr[row + 1]]
        if len(values) > TRANSLATIONS:
            values[values < np.partition(values, -TRANSLATIONS)[-TRANSLATIONS]] = 0
    scored.eliminate_zeros()
    return normalize(scored, norm="l1").astype(np.float32)


def latent(texts: sparse.csr_matrix, seed: int) -> Floats:
    """Tokens as unit vectors by what they occur with (latent semantic analysis): float32 [size, DIMENSIONS]."""
    frequency = np.maximum(np.asarray(texts.sum(axis=0)).ravel(), 1)
    weighted = normalize(texts @ sparse.diags(np.log(texts.shape[0] / frequency).astype(np.float32)))
    rank = min(DIMENSIONS, min(weighted.shape) - 1)
    _, values, tokens = randomized_svd(weighted, n_components=rank, n_iter=2, random_state=seed)
    space: Floats = normalize((tokens.T * np.sqrt(values)).astype(np.float32))
    return space
