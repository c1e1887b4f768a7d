"""The encoder before training: the body of a small English encoder under a new vocabulary."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertTokenizerFast

from finetune.data import table
from finetune.recipe import Recipe
from finetune.tokenizer import SPECIAL, texts_of, train_tokenizer
from finetune.vocabulary import Floats, start_embeddings
from naru.errors import NaruError

KOREAN_TEXTS = 150_000  # paragraphs that tell which tokens keep company (latent semantic analysis)


def start_model(recipe: Recipe, data: Path, start: Path, folder: Path) -> None:
    """Make the body of the untrained encoder, with its tokenizer, in `folder`.

    `start` is a BERT-like encoder with a WordPiece vocabulary. Raises NaruError when it is not there.
    """
    if not (start / "config.json").is_file():
        raise NaruError(f"No model in {start}: config.json is missing. Give a model folder with --start.")
    tokenizer = train_tokenizer(texts_of(data, recipe.vocabulary), recipe.vocabulary.size)
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    fast: Any = cast(Any, BertTokenizerFast)(
        tokenizer_object=tokenizer,
        model_max_length=recipe.body.max_length,
        **dict(zip(names, SPECIAL, strict=True)),
    )
    fast.save_pretrained(folder)

    config = AutoConfig.from_pretrained(start)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0  # one pass over much weak data
    body = AutoModel.from_pretrained(start, config=config, dtype=torch.float32)
    old = cast(Any, AutoTokenizer).from_pretrained(start)
    old_weights = body.get_input_embeddings().weight.detach().numpy()
    weights = new_embeddings(recipe, data, tokenizer, old.backend_tokenizer, old_weights)
    body.resize_token_embeddings(len(weights), mean_resizing=False)
    with torch.no_grad():
        body.get_input_embeddings().weight.copy_(torch.from_numpy(weights))
    body.config.pad_token_id = tokenizer.token_to_id("[PAD]")
    body.save_pretrained(folder)


def assemble(folder: Path, max_length: int) -> SentenceTransformer:
    """A transformers folder as an encoder: mean pooling by attention mask, then L2 normalisation.

    Attention is the plain one: on CPU the backward pass of the fused kernel takes three times as long.
    """
    body = Transformer(str(folder), max_seq_length=max_length, model_kwargs={"attn_implementation": "eager"})
    pooling = Pooling(body.get_embedding_dimension(), pooling_mode="mean")
    model: SentenceTransformer = SentenceTransformer(modules=[body, pooling, Normalize()], device="cpu")
    model.model_card_data.generate_widget_examples = False  # the card is our own
    return model


def run_in_bf16(model: SentenceTransformer) -> None:
    """Run the body, and only the body, in bf16: pooling, cosines and losses stay float32.

    Embeddings and attention mask hand over bf16, or residual stream and attention would be float32 and their sums
    and casts cost a third of a step; at the end the token vectors are float32 again.
    """

    def narrow_mask(_module: Any, inputs: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return inputs, {**options, "attention_mask": options["attention_mask"].to(torch.bfloat16)}

    body: Any = model[0].model
    body.embeddings.register_forward_hook(lambda _module, _inputs, output: output.to(torch.bfloat16))
    body.encoder.register_forward_pre_hook(narrow_mask, with_kwargs=True)
    forward = torch.autocast("cpu", torch.bfloat16)(body.forward)

    def widened(*inputs: Any, **options: Any) -> Any:
        output = forward(*inputs, **options)
        output["last_hidden_state"] = output["last_hidden_state"].float()
        return output

    body.forward = widened


def new_embeddings(recipe: Recipe, data: Path, new: Tokenizer, old: Tokenizer, old_weights: Floats) -> Floats:
    """Start embeddings of the new vocabulary: aligned through parallel text, or random but for shared tokens."""
    vocabulary, old_vocabulary = new.get_vocab(), old.get_vocab()
    shared = {
        number: old_vocabulary[token] for token, number in vocabulary.items() if token in old_vocabulary
    }
    if not recipe.body.align:
        rng = np.random.default_rng(recipe.seed)
        made: Floats = rng.normal(
            old_weights.mean(axis=0), old_weights.std(axis=0), (len(vocabulary), old_weights.shape[1])
        ).astype(np.float32)
        made[list(shared)] = old_weights[list(shared.values())]
        return made
    parallel = list(table(data, "parallel_en_ko", random.Random(recipe.seed)))
    paragraphs = pq.read_table(data / "wiki_paragraphs.parquet", columns=["text"]).column(0)
    stride = max(1, len(paragraphs) // KOREAN_TEXTS)
    return start_embeddings(
        old_weights,
        shared,
        (token_ids(new, [row["ko"] for row in parallel]), token_ids(old, [row["en"] for row in parallel])),
        token_ids(new, paragraphs.take(list(range(0, len(paragraphs), stride))).to_pylist()),
        len(vocabulary),
        recipe.seed,
    )


def token_ids(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    batches = (texts[start : start + 1000] for start in range(0, len(texts), 1000))
    return [e.ids for batch in batches for e in tokenizer.encode_batch(batch, add_special_tokens=False)]
