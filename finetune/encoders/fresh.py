"""Bodies that do not start as they were trained: under a new vocabulary, or with random weights."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertTokenizerFast

from finetune.encoders.tokenizer import SPECIAL, texts_of, train_tokenizer
from finetune.encoders.vocabulary import Floats, start_embeddings
from finetune.recipe import Model, Vocabulary
from finetune.rows.records import shuffled
from naru.errors import NaruError

KOREAN_TEXTS = 150_000  # paragraphs that tell which tokens keep company (latent semantic analysis)
SIZES = {"layers": "num_hidden_layers", "hidden": "hidden_size", "intermediate": "intermediate_size"}


def with_new_vocabulary(location: Path, model: Model, root: Path, seed: int) -> SentenceTransformer:
    """The body of a BERT-like encoder under a new WordPiece vocabulary.

    Raises NaruError for a base whose tokenizer is no fast one, and for data files that are missing.
    """
    assert model.vocabulary is not None
    vocabulary = model.vocabulary
    tokenizer = train_tokenizer(texts_of(root, vocabulary.characters), vocabulary.size)
    body = AutoModel.from_pretrained(location, config=_config(location, model), dtype=torch.float32)
    old: Any = cast(Any, AutoTokenizer).from_pretrained(location)
    if not old.is_fast:
        raise NaruError(f"{location}: its tokenizer is no fast one: no start embeddings can be made from it.")
    old_weights = body.get_input_embeddings().weight.detach().numpy()
    weights = new_embeddings(vocabulary, root, seed, tokenizer, old.backend_tokenizer, old_weights)
    body.resize_token_embeddings(len(weights), mean_resizing=False)
    with torch.no_grad():
        body.get_input_embeddings().weight.copy_(torch.from_numpy(weights))
    body.config.pad_token_id = tokenizer.token_to_id("[PAD]")
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    length = model.max_length or body.config.max_position_embeddings
    fast: Any = cast(Any, BertTokenizerFast)(
        tokenizer_object=tokenizer, model_max_length=length, **dict(zip(names, SPECIAL, strict=True))
    )
    return _encoder(body, fast, model)


def untrained(location: Path, model: Model) -> SentenceTransformer:
    """A body of the base's architecture with random weights, in the sizes of [model.fresh], under its tokenizer.

    Raises NaruError as `sized` does.
    """
    return _encoder(
        cast(Any, AutoModel).from_config(sized(location, model)),
        cast(Any, AutoTokenizer).from_pretrained(location),
        model,
    )


def sized(location: Path, model: Model) -> Any:
    """The base's configuration in the sizes of [model.fresh]. NaruError where the heads do not divide the width."""
    config = _config(location, model)
    for size, value in (model.fresh or {}).items():
        setattr(config, SIZES[size], value)
    if model.attention_heads is not None:
        config.num_attention_heads = model.attention_heads
    if config.hidden_size % config.num_attention_heads:
        raise NaruError(
            f"[model.fresh]: {config.num_attention_heads} attention heads do not divide {config.hidden_size} dimensions. "
            "Give attention_heads that do."
        )
    return config


def _config(location: Path, model: Model) -> Any:
    config = AutoConfig.from_pretrained(location)
    if not torch.cuda.is_available():
        config._attn_implementation = "eager"
    if model.dropout is not None:
        for key, value in config.to_dict().items():
            if "drop" in key and isinstance(value, int | float) and not isinstance(value, bool):
                setattr(config, key, model.dropout)
    return config


def _encoder(body: Any, tokenizer: Any, model: Model) -> SentenceTransformer:
    """Transformer, pooling, normalisation. sentence-transformers opens folders, so one is made for it."""
    with tempfile.TemporaryDirectory() as folder:
        body.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        options = {} if torch.cuda.is_available() else {"attn_implementation": "eager"}
        transformer = Transformer(folder, max_seq_length=model.max_length, model_kwargs=options)
    pooling = Pooling(int(transformer.get_embedding_dimension()), cast(Any, model.pooling or "mean"))
    made: SentenceTransformer = SentenceTransformer(modules=[transformer, pooling, Normalize()], device="cpu")
    return made


def new_embeddings(
    vocabulary: Vocabulary, root: Path, seed: int, new: Tokenizer, old: Tokenizer, old_weights: Floats
) -> Floats:
    """Start embeddings of the new vocabulary: aligned through parallel text, or random but for shared tokens."""
    numbers, known = new.get_vocab(), old.get_vocab()
    shared = {number: known[token] for token, number in numbers.items() if token in known}
    if not vocabulary.align or vocabulary.parallel is None or vocabulary.neighbours is None:
        rng = np.random.default_rng(seed)
        made: Floats = rng.normal(
            old_weights.mean(axis=0), old_weights.std(axis=0), (len(numbers), old_weights.shape[1])
        ).astype(np.float32)
        made[list(shared)] = old_weights[list(shared.values())]
        return made
    parallel = list(shuffled(root / vocabulary.parallel, random.Random(seed)))
    file, _, column = vocabulary.neighbours.rpartition(".")
    texts = pq.read_table(root / f"{file}.parquet", columns=[column]).column(0)
    stride = max(1, len(texts) // KOREAN_TEXTS)
    return start_embeddings(
        old_weights,
        shared,
        (token_ids(new, [row["ko"] for row in parallel]), token_ids(old, [row["en"] for row in parallel])),
        token_ids(new, texts.take(list(range(0, len(texts), stride))).to_pylist()),
        len(numbers),
        seed,
    )


def token_ids(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Token ids of each text, whole, without the marks around it."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    batches = (texts[start : start + 1000] for start in range(0, len(texts), 1000))
    return [e.ids for batch in batches for e in tokenizer.encode_batch(batch, add_special_tokens=False)]
