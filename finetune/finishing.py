"""What training ends with: LoRA's updates merged, a projection that is fitted to the training texts appended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense
from torch import nn

from finetune.model import body_of, end_of
from finetune.recipe import Model
from naru.errors import NaruError


def changes_at_end(model: Model) -> bool:
    """Whether what was measured last is changed after training."""
    return any(one is not None for one in (model.pca, model.whitening, model.lora))


def finish(opened: SentenceTransformer) -> SentenceTransformer:
    """The model as it is used: LoRA's updates merged into the weights, every weight free to learn again."""
    body = body_of(opened)
    if any("lora_" in name for name, _ in body.named_parameters()):
        from peft.tuners.tuners_utils import BaseTunerLayer

        for name, module in list(body.named_modules()):
            if isinstance(module, BaseTunerLayer):
                module.merge()
                parent, _, last = name.rpartition(".")
                setattr(body.get_submodule(parent), last, module.get_base_layer())
        if hasattr(body, "peft_config"):
            del body.peft_config
    return opened.requires_grad_(True)


def append_pca(opened: SentenceTransformer, texts: Sequence[str], share: float) -> int:
    """Append the projection onto the principal components of the texts' embeddings that hold `share` of their
    variance; returns how many (Jolliffe, Principal Component Analysis, 2002). Orthonormal and without a mean taken off,
    so that cosines of what is kept stay. NaruError for fewer than two texts, and for texts that all get one embedding.
    """
    vectors = _embeddings(opened, texts, "PCA")
    centred = vectors - vectors.mean(axis=0)
    variances, components = np.linalg.eigh(centred.T @ centred)
    variances, components = variances[::-1].clip(min=0), components[:, ::-1]
    shares = np.cumsum(variances) / variances.sum()
    kept = min(int(np.searchsorted(shares, share)) + 1, len(variances))
    _append(opened, components[:, :kept].T)
    return kept


def append_whitening(opened: SentenceTransformer, texts: Sequence[str], strength: float) -> None:
    """Append the map covariance^(-strength / 2), of the texts' embeddings: directions in which they all differ count
    less, those that tell few apart count more. Strength 1 makes their covariance the identity (ZCA whitening; Su et
    al., "Whitening Sentence Representations", 2021); without a mean taken off. The covariance is shrunk as few texts
    need it (Ledoit and Wolf, 2004), so that directions they happen not to use are not blown up. NaruError for fewer
    than two texts, and for texts that all get one embedding.
    """
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(_embeddings(opened, texts, "Whitening"))
    variances, components = np.linalg.eigh(covariance)
    raised = (np.maximum(variances, variances.max() * 1e-6) / variances.max()) ** (-strength / 2)
    _append(opened, (components * raised) @ components.T)


def _embeddings(opened: SentenceTransformer, texts: Sequence[str], what: str) -> Any:
    if len(texts) < 2:
        raise NaruError(f"{what} wants two texts or more, got {len(texts)}.")
    vectors = np.asarray(opened.encode(list(texts), show_progress_bar=False), np.float64)
    if np.ptp(vectors, axis=0).max() < 1e-6:  # float32 tells less apart only by rounding
        raise NaruError(f"{what} wants texts that differ: all {len(texts)} have one and the same embedding.")
    return vectors


def _append(opened: SentenceTransformer, weight: Any) -> None:
    """A linear layer [out, in] as the last before the normalisation, which takes off what lengths it leaves."""
    identity: Any = nn.Identity()
    out, width = weight.shape
    linear = torch.from_numpy(np.ascontiguousarray(weight)).float()
    layer = Dense(width, out, bias=False, activation_function=identity, init_weight=linear)
    opened.insert(end_of(opened), layer)
    opened.to(opened.device)
