from __future__ import annotations

import numpy as np

from finetune.encoders.vocabulary import association, presence, start_embeddings


def test_presence_counts_a_token_once_a_text() -> None:
    assert presence([[1, 1, 2], [], [0]], 3).toarray().tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]


def test_association_by_hand() -> None:
    """Token 0 stands beside old 0 twice (of 2 and 3 texts) and old 1 once (of 2 and 1): 4/6 against 1/2."""
    new = presence([[0], [0], [1]], 2)
    old = presence([[0, 1], [0], [0]], 2)
    shares = association(new, old).toarray()
    np.testing.assert_allclose(shares[0], [4 / 6 / (4 / 6 + 1 / 2), 1 / 2 / (4 / 6 + 1 / 2)], rtol=1e-6)
    np.testing.assert_allclose(shares[1], [1, 0])


def test_tokens_start_at_their_copy_near_their_translation_or_near_their_neighbours() -> None:
    """Old tokens 0..9; new 0 is old 0 itself, new 1..8 translate old 1..8, new 9 is only ever seen beside new 3."""
    rng = np.random.default_rng(0)
    old = rng.standard_normal((10, 64)).astype(np.float32)
    ours = [[i, 1 + i % 8] for i in range(1, 9) for _ in range(10)]
    theirs = [list(text) for text in ours]
    korean = ours + [[3, 9]] * 20
    made = start_embeddings(old, {0: 0}, (ours, theirs), korean, size=10, seed=1)

    np.testing.assert_array_equal(made[0], old[0])
    centred = made - old.mean(axis=0)
    reference = old - old.mean(axis=0)
    cosine = (centred @ reference.T) / np.outer(
        np.linalg.norm(centred, axis=1), np.linalg.norm(reference, axis=1)
    )
    assert cosine[1:9].argmax(axis=1).tolist() == list(range(1, 9))
    assert cosine[9].argmax() in (2, 3, 4)  # 3, or one of those that stand beside 3
    lengths = np.linalg.norm(centred[1:], axis=1)
    np.testing.assert_allclose(lengths, np.median(np.linalg.norm(reference, axis=1)), rtol=1e-4)
