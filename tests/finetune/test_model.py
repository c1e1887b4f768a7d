"""The encoder that training starts from, and what a recipe changes about it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling
from sklearn.covariance import ledoit_wolf
from torch import nn

from finetune.encoders import hubcache
from finetune.encoders.precision import run_in_bf16
from finetune.finishing import append_pca, append_whitening, finish
from finetune.model import body_of, check_lora, located, open_model
from finetune.recipe import Adapter, Lora, Model
from indexer.parity import SENTENCES
from naru.encoder import open_encoder
from naru.errors import NaruError
from naru.presets import Preset, preset_of

MakeModel = Callable[..., Path]
TEXTS = list(SENTENCES)


@pytest.fixture(scope="module")
def folder(make_model: MakeModel) -> Path:
    return make_model()


def opened(folder: Path, seed: int = 1, **options: Any) -> SentenceTransformer:
    return open_model(Model(base=str(folder), **options), Path(), seed)


def test_a_folder_is_opened_as_it_was_saved(folder: Path) -> None:
    model = opened(folder)
    expected = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(model.encode(TEXTS), expected, atol=1e-6)
    assert (model.max_seq_length, model.default_prompt_name) == (40, None)
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_the_bundled_encoder_is_one_for_training_and_for_serving() -> None:
    model = open_model(Model(base="naru-mini"), Path(), 1)
    assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", "Dense", "Normalize"]
    assert (np.asarray(model.encode(TEXTS)) * open_encoder().passages(TEXTS)).sum(axis=1).min() > 0.995
    folders = [located("naru-mini", Path()), Path(str(files("naru.bundled") / "naru-mini"))]
    stored = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
    assert stored <= 60_000_000, "the repository holds no more of it"


def test_mean_pooling_is_the_mean_over_the_attention_mask(folder: Path) -> None:
    """sum(mask * vector) / max(sum(mask), 1e-9), then length 1 (Reimers and Gurevych 2019)."""
    model = opened(folder).eval()
    features = model.tokenizer(["짧은 글", "이것은 조금 더 긴 글입니다"], padding=True, return_tensors="pt")
    assert 0 in features["attention_mask"]
    with torch.no_grad():
        tokens = body_of(model)(**features).last_hidden_state
        mask = features["attention_mask"].unsqueeze(-1).float()
        mean = (tokens * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1e-9)
        found = model(dict(features))["sentence_embedding"]
        nothing = Pooling(32, "mean")(
            {"token_embeddings": tokens, "attention_mask": torch.zeros_like(features["attention_mask"])}
        )
    torch.testing.assert_close(found, nn.functional.normalize(mean, dim=1))
    assert torch.equal(nothing["sentence_embedding"], torch.zeros(2, 32))


def test_a_bare_transformer_is_pooled_and_normalised(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    model = SentenceTransformer(str(folder), device="cpu")
    body_of(model).save_pretrained(bare)
    model.tokenizer.save_pretrained(bare)
    made = opened(bare)
    assert [type(module).__name__ for module in made] == ["Transformer", "Pooling", "Normalize"]
    assert made.max_seq_length == 40  # its tokenizer's
    np.testing.assert_allclose(made.encode(TEXTS[:4]), opened(folder).encode(TEXTS[:4]), atol=1e-6)
    first: Any = opened(bare, pooling="cls")[1]
    assert first.get_config_dict()["pooling_mode"] == "cls"


def test_lengths_pooling_and_prefixes_of_the_recipe(folder: Path) -> None:
    model = opened(folder, max_length=16, pooling="cls", query_prefix="질문: ", passage_prefix="문서: ")
    assert model.max_seq_length == 16
    assert model.prompts == {"query": "질문: ", "document": "문서: "}
    assert model.default_prompt_name == "query"
    with torch.no_grad():
        features = model.preprocess(["질문: 가"])
        first = body_of(model.eval())(
            input_ids=features["input_ids"], attention_mask=features["attention_mask"]
        ).last_hidden_state[:, 0]
    expected = nn.functional.normalize(first, dim=1).numpy()
    np.testing.assert_allclose(model.encode_query(["가"]), expected, atol=1e-6)
    with pytest.raises(NaruError, match=r"max_length is 100, and .* has 64 positions: give 64 or less"):
        opened(folder, max_length=100)


@pytest.mark.parametrize("architecture", ["xlm-roberta", "mpnet"])
def test_positions_that_begin_after_the_padding_s(architecture: str, make_model: MakeModel) -> None:
    folder = make_model(architecture)
    assert opened(folder, max_length=62).max_seq_length == 62
    with pytest.raises(NaruError, match="has 62 positions"):
        opened(folder, max_length=63)
    model = opened(folder, max_length=62)
    assert np.isfinite(model.encode(["가나다 " * 200])).all()


def test_presets_bring_their_prefixes(make_model: MakeModel, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    keep(make_model("xlm-roberta"), "intfloat/multilingual-e5-base", cache)
    model = open_model(Model(base="e5-base"), Path(), 1, cache)
    assert model.prompts == {"query": "query: ", "document": "passage: "}
    assert model.default_prompt_name == "query"
    own = open_model(Model(base="e5-base", query_prefix="", passage_prefix=""), Path(), 1, cache)
    assert (own.prompts, own.default_prompt_name) == ({"query": "", "document": ""}, None)


def test_every_preset_is_known_by_both_names() -> None:
    assert preset_of("e5-small-ko") == preset_of("dragonkue/multilingual-e5-small-ko")
    assert preset_of("somebody/else") == Preset("somebody/else")


def keep(folder: Path, name: str, cache: Path) -> None:
    """Put a model into a cache of the Hub, as a download does."""
    repository = cache / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    shutil.copytree(folder, repository / "snapshots" / ("0" * 40))


def test_what_was_fetched_once_needs_no_network(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(folder, "someone/model", tmp_path)

    def unreachable(*_: Any, **__: Any) -> Any:
        raise AssertionError("asked the Hub")

    monkeypatch.setattr(hubcache.HfApi, "list_repo_files", unreachable)
    assert located("someone/model", Path(), tmp_path).name == "0" * 40


def test_without_cache_and_network_it_is_said_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> Any:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(hubcache.HfApi, "list_repo_files", unreachable)
    with pytest.raises(
        NaruError, match=rf"someone/model: not in the cache {tmp_path}.*no route to host.*copy"
    ):
        located("someone/model", Path(), tmp_path)
    with pytest.raises(NaruError, match="'a:b' is neither a folder, a preset, nor a name on the Hub"):
        located("a:b", Path(), tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NaruError, match=r"no model in this folder: neither modules\.json nor config\.json"):
        located("empty", tmp_path)


@pytest.mark.parametrize(
    "name", ["./encoder", "../encoder", "/no/encoder", "models/our/encoder", "encoder/", "~/x"]
)
def test_a_path_that_is_not_there_is_not_asked_of_the_hub(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: Any, **__: Any) -> Any:
        raise AssertionError("asked the Hub")

    monkeypatch.setattr(hubcache, "snapshot_download", asked)
    monkeypatch.setattr(hubcache.HfApi, "list_repo_files", asked)
    with pytest.raises(NaruError, match=r"is neither a folder, .*: nothing at .*\. Relative paths start at"):
        located(name, tmp_path)


def test_dropout_of_the_recipe(folder: Path) -> None:
    for given, expected in ((0.0, 0.0), (0.3, 0.3), (None, 0.1)):
        config = body_of(opened(folder, dropout=given)).config
        assert (config.hidden_dropout_prob, config.attention_probs_dropout_prob) == (expected, expected)
    model = opened(folder, dropout=0.3).train()
    assert {module.p for module in model.modules() if isinstance(module, nn.Dropout)} == {0.3}


@pytest.mark.parametrize("architecture", ["bert", "electra", "roberta", "xlm-roberta"])
def test_lower_layers_stay_as_they_are(architecture: str, make_model: MakeModel) -> None:
    folder = make_model(architecture)
    model = opened(folder, frozen_layers=1)
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learning
    assert not any("embeddings." in name or "layer.0." in name for name in learning)
    with pytest.raises(NaruError, match="frozen_layers is 2, and the model has 2 layers"):
        opened(folder, frozen_layers=2)
    assert all(parameter.requires_grad for parameter in finish(model).parameters())


def test_adapters_stand_before_the_normalisation(folder: Path, tmp_path: Path) -> None:
    one = opened(folder, adapter=Adapter([8]))
    assert [type(module).__name__ for module in one] == ["Transformer", "Pooling", "Dense", "Normalize"]
    two = opened(folder, adapter=Adapter([16, 8], activation="relu"))
    dense: list[Any] = [module for module in two if isinstance(module, Dense)]
    assert [(d.in_features, d.out_features, type(d.activation_function).__name__) for d in dense] == [
        (32, 16, "ReLU"),
        (16, 8, "Identity"),
    ]
    same = opened(folder, adapter=Adapter([16, 8], activation="relu")).encode(TEXTS)
    np.testing.assert_array_equal(two.encode(TEXTS), same)  # drawn from the seed
    assert not np.allclose(opened(folder, 2, adapter=Adapter([16, 8])).encode(TEXTS), same)
    two.save_pretrained(str(tmp_path / "saved"))
    np.testing.assert_allclose(
        SentenceTransformer(str(tmp_path / "saved"), device="cpu").encode(TEXTS), same, atol=1e-6
    )


def test_pca_keeps_the_share_of_variance_and_no_dimension_more(folder: Path) -> None:
    model = opened(folder)
    before = np.asarray(model.encode(TEXTS), np.float64)
    kept = append_pca(model, TEXTS, 0.8)
    assert [type(module).__name__ for module in model][-2:] == ["Dense", "Normalize"]
    dense: Any = model[len(model) - 2]
    weight = dense.linear.weight.detach().numpy().astype(np.float64)
    assert weight.shape == (kept, 32)
    np.testing.assert_allclose(weight @ weight.T, np.eye(kept), atol=1e-5)
    centred = before - before.mean(axis=0)
    whole = (centred**2).sum()
    assert ((centred @ weight.T) ** 2).sum() >= 0.8 * whole - 1e-6
    assert ((centred @ weight[:-1].T) ** 2).sum() < 0.8 * whole
    assert model.encode(TEXTS).shape == (len(TEXTS), kept)
    with pytest.raises(NaruError, match="PCA wants two texts or more"):
        append_pca(model, ["하나"], 0.8)


def test_whitening_takes_the_covariance_to_a_power(folder: Path) -> None:
    texts = [f"{text} {number}" for text in TEXTS for number in range(40)]  # more than dimensions
    model = opened(folder)
    before = np.asarray(model.encode(texts), np.float64)
    shrunk = ledoit_wolf(before)[0]
    for strength in (0.5, 1.0):
        white = opened(folder)
        append_whitening(white, texts, strength)
        assert [type(module).__name__ for module in white][-2:] == ["Dense", "Normalize"]
        dense: Any = white[len(white) - 2]
        matrix = dense.linear.weight.detach().numpy().astype(np.float64)
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-4)
        variances = np.linalg.eigvalsh(shrunk)
        expected = variances ** (1 - strength) * variances.max() ** strength
        np.testing.assert_allclose(np.linalg.eigvalsh(matrix @ shrunk @ matrix), np.sort(expected), rtol=1e-3)
        found = before @ matrix.T
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        np.testing.assert_allclose(white.encode(texts), found, atol=1e-5)
    with pytest.raises(NaruError, match="Whitening wants two texts or more"):
        append_whitening(model, ["하나"], 0.5)


@pytest.mark.parametrize("append", [append_pca, append_whitening])
def test_texts_of_one_embedding_span_nothing(folder: Path, append: Callable[..., Any]) -> None:
    with pytest.raises(NaruError, match="wants texts that differ: all 3 have one and the same embedding"):
        append(opened(folder), ["하나"] * 3, 0.5)


def test_whitening_by_few_texts_changes_little(folder: Path) -> None:
    """Directions that five texts happen not to use are no reason to blow them up."""
    model = opened(folder)
    append_whitening(model, TEXTS[:5], 1.0)
    dense: Any = model[len(model) - 2]
    values = np.linalg.eigvalsh(dense.linear.weight.detach().numpy().astype(np.float64))
    assert values.max() / values.min() < 10


@pytest.mark.parametrize("architecture", ["bert", "electra", "roberta", "xlm-roberta"])
def test_lora_learns_little_and_is_merged(architecture: str, make_model: MakeModel, tmp_path: Path) -> None:
    folder = make_model(architecture)
    model = opened(folder, lora=Lora(rank=2, dropout=0.0)).eval()
    before = model.encode(TEXTS)
    np.testing.assert_allclose(before, opened(folder).eval().encode(TEXTS), atol=1e-5)  # starts as nothing
    learning = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert learning
    assert all("lora_" in name for name in learning)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    updated = model.encode(TEXTS)
    assert not np.allclose(updated, before, atol=1e-3)
    finish(model)
    assert not any("lora" in name or "base_layer" in name for name in model.state_dict())
    np.testing.assert_allclose(model.encode(TEXTS), updated, atol=1e-5)
    model.save_pretrained(str(tmp_path / "saved"))
    again = SentenceTransformer(str(tmp_path / "saved"), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(again, updated, atol=1e-5)
    with pytest.raises(NaruError, match=r"does not fit .*targets may name its linear layers: .*query"):
        opened(folder, lora=Lora(targets=["no_such_layer"]))


def test_a_fresh_body_has_random_weights_of_the_size_asked_for(folder: Path) -> None:
    fresh = {"layers": 1, "hidden": 24, "intermediate": 48}
    model = opened(folder, fresh=fresh, attention_heads=3, max_length=20)
    config = body_of(model).config
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (1, 24, 3)
    assert (config.intermediate_size, model.max_seq_length) == (48, 20)
    np.testing.assert_array_equal(
        model.encode(TEXTS), opened(folder, fresh=fresh, attention_heads=3, max_length=20).encode(TEXTS)
    )
    with pytest.raises(NaruError, match="5 attention heads do not divide 24 dimensions"):
        opened(folder, fresh=fresh, attention_heads=5)


def test_a_body_under_a_new_vocabulary(mini: Any, data: Path) -> None:
    model = open_model(mini.model, data, mini.seed)
    assert model.tokenizer.tokenize("서울 도서관") != ["[UNK]", "[UNK]"]
    assert body_of(model).config.vocab_size == len(model.tokenizer) <= 400
    assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", "Normalize"]


@pytest.mark.parametrize("architecture", ["bert", "electra", "xlm-roberta"])
def test_bf16_changes_little_and_leaves_float32(architecture: str, make_model: MakeModel) -> None:
    folder = make_model(architecture)
    exact = opened(folder).eval().encode(TEXTS)
    model = opened(folder).eval()
    run_in_bf16(model)
    near = model.encode(TEXTS)
    assert near.dtype == np.float32
    assert not np.array_equal(near, exact)
    assert float((near * exact).sum(axis=1).min()) > 0.98
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_lora_without_peft_is_refused_before_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NaruError, match=r"needs peft"):
        check_lora(Model(base="x", lora=Lora()))


def test_a_normalisation_is_not_doubled(folder: Path) -> None:
    model = opened(folder, adapter=Adapter([8]))
    assert sum(isinstance(module, Normalize) for module in model) == 1
