"""Tiny sentence-transformers models with random weights and Korean vocabularies, and an encoder bundle of one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

MakeModel = Callable[..., Path]


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """make_model(architecture="bert", modules=None, **of_sentence_transformer) -> the folder of a saved model.

    2 layers of 32 dimensions, 64 positions, at most 40 tokens; mean pooling unless `modules` says otherwise.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import AutoModel

    root = tmp_path_factory.mktemp("models")
    numbers = count()

    def make(
        architecture: str = "bert",
        modules: list[torch.nn.Module] | None = None,
        max_seq_length: int | None = 40,
        do_lower_case: bool = False,
        **of_sentence_transformer: Any,
    ) -> Path:
        body = root / f"{architecture}-body-{next(numbers)}"
        tokenizer, config = _architecture(architecture)
        torch.manual_seed(7)
        AutoModel.from_config(config).save_pretrained(body)
        tokenizer.save_pretrained(body)
        transformer = Transformer(str(body), max_seq_length=max_seq_length, do_lower_case=do_lower_case)
        if modules is None:
            modules = [Pooling(32, "mean"), Normalize()]
        model = SentenceTransformer(
            modules=[transformer, *modules],
            device="cpu",
            **({"similarity_fn_name": "cosine"} | of_sentence_transformer),
        )
        folder = root / f"{architecture}-{next(numbers)}"
        model.save(str(folder), create_model_card=False)
        return folder

    return make


@pytest.fixture(scope="session")
def tiny_bundle(make_model: MakeModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a tiny BERT, both precisions, at most 40 tokens, with the prefixes "질문: " and "문서: "."""
    from indexer.export import Overrides, export

    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    export(str(make_model()), folder, overrides=Overrides(query_prefix="질문: ", passage_prefix="문서: "))
    return folder


def _architecture(name: str) -> tuple[Any, Any]:
    """A tokenizer trained on the parity sentences and the configuration of a body for it."""
    from tokenizers import (
        BertWordPieceTokenizer,
        ByteLevelBPETokenizer,
        SentencePieceUnigramTokenizer,
        Tokenizer,
        processors,
    )
    from transformers import (
        BertConfig,
        BertTokenizerFast,
        ElectraConfig,
        ElectraTokenizerFast,
        MPNetConfig,
        RobertaConfig,
        RobertaTokenizerFast,
        XLMRobertaConfig,
        XLMRobertaTokenizerFast,
    )

    from indexer.parity import SENTENCES

    # A standard deviation of 0.2 instead of 0.02: else the vectors of a random model are all alike.
    size: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "initializer_range": 0.2,
    }
    texts = [*SENTENCES, *["질문: 문서: query: passage: KTX ktx"] * 3]
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    if name in {"bert", "electra", "klue-roberta", "mpnet"}:
        wordpiece = BertWordPieceTokenizer(strip_accents=False, lowercase=False)
        wordpiece.train_from_iterator(texts, vocab_size=900, show_progress=False)
        backend = Tokenizer.from_str(wordpiece.to_str())
        separator, start = (backend.token_to_id(token) for token in ("[SEP]", "[CLS]"))
        backend.post_processor = processors.BertProcessing(("[SEP]", separator), ("[CLS]", start))
        size["vocab_size"] = backend.get_vocab_size()
        if name == "bert":
            return BertTokenizerFast(
                tokenizer_object=backend, do_lower_case=False, strip_accents=False
            ), BertConfig(**size)
        if name == "klue-roberta":  # a RoBERTa that reads BERT's WordPieces, as klue/roberta does
            size |= {"pad_token_id": backend.token_to_id("[PAD]"), "type_vocab_size": 1}
            wordpieces = BertTokenizerFast(tokenizer_object=backend, do_lower_case=False, strip_accents=False)
            return wordpieces, RobertaConfig(**size)
        if name == "mpnet":
            wordpieces = BertTokenizerFast(tokenizer_object=backend, do_lower_case=False, strip_accents=False)
            return wordpieces, MPNetConfig(**size)
        electra = ElectraTokenizerFast(tokenizer_object=backend, do_lower_case=False, strip_accents=False)
        return electra, ElectraConfig(**size, embedding_size=16)
    if name == "roberta":
        bpe = ByteLevelBPETokenizer()
        bpe.train_from_iterator(texts, vocab_size=900, special_tokens=special, show_progress=False)
        backend = Tokenizer.from_str(bpe.to_str())
        backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
        size |= {"vocab_size": backend.get_vocab_size(), "pad_token_id": 1, "type_vocab_size": 1}
        return RobertaTokenizerFast(tokenizer_object=backend), RobertaConfig(**size)
    if name == "xlm-roberta":
        unigram = SentencePieceUnigramTokenizer()
        unigram.train_from_iterator(
            texts, vocab_size=900, special_tokens=special, unk_token="<unk>", show_progress=False
        )
        backend = Tokenizer.from_str(unigram.to_str())
        backend.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
        size |= {"vocab_size": backend.get_vocab_size(), "pad_token_id": 1, "type_vocab_size": 1}
        return XLMRobertaTokenizerFast(tokenizer_object=backend), XLMRobertaConfig(**size)
    raise ValueError(f"no tiny {name}")
