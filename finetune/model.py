"""The encoder that a recipe starts from, with what the recipe changes about it; `finetune.finishing` has what is done at its end.

model = open_model(Model(base="e5-small-ko", adapter=Adapter([256])), root=Path("."), seed=42)
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from torch import nn
from transformers import AutoConfig

from finetune.encoders import fresh
from finetune.encoders.hubcache import fetched
from finetune.recipe import Lora, Model, Recipe
from finetune.recipe.agreement import models_of
from finetune.recipe.tables import KeyPlaces
from naru.errors import NaruError, missing_extra
from naru.presets import Preset, positions_of, preset_of

PATH = re.compile(r"^[./~]|\\|/.*/|/$")  # what only a path is written like: nothing that the Hub could have
BUNDLED = "naru-mini"
LOADING_FAILS = (
    OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError, ImportError, SafetensorError
)  # fmt: skip
"""What a folder with missing, damaged or foreign files ends in, deep in other libraries."""
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "none": nn.Identity,
}


def check_models(recipe: Recipe, root: Path) -> None:
    """Raises NaruError, naming key and line, for what can be refused before any data are read: a base, a teacher or a
    guide that is neither here nor on the Hub (what the Hub has is fetched), LoRA without its package, and sizes of a fresh
    body that do not go together."""
    with recipe.places.naming("model.lora"):
        check_lora(recipe.model)
    for key, name in models_of(recipe):
        with recipe.places.naming(key):
            located(name, root)
    if recipe.model.fresh is not None and recipe.model.vocabulary is None:
        size = "fresh.hidden" if recipe.model.attention_heads is None else "attention_heads"
        with recipe.places.naming(f"model.{size}"):
            fresh.sized(located(recipe.model.base, root), recipe.model)


def check_lora(model: Model) -> None:
    """NaruError where LoRA is wanted, and the package it takes is not there."""
    if model.lora is not None and importlib.util.find_spec("peft") is None:
        raise missing_extra("[model.lora] needs peft", "finetune")


def open_model(
    model: Model, root: Path, seed: int, cache: Path | None = None, places: KeyPlaces | None = None
) -> SentenceTransformer:
    """The model of a recipe, float32, ready to train: on the GPU where there is one.

    `base` is a preset, the bundled naru-mini, a folder (relative to `root`) or a Hub name, which is fetched into
    `cache` (the Hub's own by default) once. New weights are drawn from `seed`. Raises NaruError for a base that cannot
    be opened, and for options that do not fit it, by key and, with the `places` of its recipe, by line.
    """
    places = places or KeyPlaces("recipe", {})
    preset = preset_of(model.base)
    location = located(model.base, root, cache)
    torch.manual_seed(seed)
    if model.vocabulary is not None:
        opened = fresh.with_new_vocabulary(location, model, root, seed)
    elif model.fresh is not None:
        opened = fresh.untrained(location, model)
    else:
        opened = _loaded(location, model)
    with places.naming("model.max_length"):
        _length(opened, model)
    _prompts(opened, model, preset)
    if model.pooling is not None:
        with places.naming("model.pooling"):
            _pool(opened, model.pooling)
    if model.frozen_layers:
        with places.naming("model.frozen_layers"):
            freeze(opened, model.frozen_layers)
    if model.adapter is not None:
        _adapt(opened, model.adapter.dimensions, ACTIVATIONS[model.adapter.activation])
    if model.lora is not None:
        with places.naming("model.lora"):
            _add_lora(opened, model.lora)
    return opened.to("cuda" if torch.cuda.is_available() else "cpu")


def located(base: str, root: Path, cache: Path | None = None) -> Path:
    """The folder of a model by its name. NaruError says where it was looked for."""
    preset = preset_of(base)
    if (root / base).is_dir():
        if not any((root / base / name).is_file() for name in ("modules.json", "config.json")):
            raise NaruError(
                f"{root / base}: no model in this folder: neither modules.json nor config.json is there."
            )
        return root / base
    if base == BUNDLED:
        bundled = Path(str(files("finetune") / "bundled" / BUNDLED))
        if not (bundled / "modules.json").is_file():
            raise NaruError(
                f"The bundled {BUNDLED} is not part of this installation ({bundled}); give --base a model."
            )
        return bundled
    if PATH.search(base):
        raise NaruError(
            f"{base!r} is neither a folder, a preset, nor a name on the Hub (OWNER/NAME): nothing at {root / base}. "
            "Relative paths start at the root (--root)."
        )
    return fetched(preset.model, cache)


def _loaded(location: Path, model: Model) -> SentenceTransformer:
    options: dict[str, Any] = {"model_kwargs": {"dtype": torch.float32}}
    if not torch.cuda.is_available():
        # On a CPU the backward pass of the fused kernel takes three times as long.
        options["model_kwargs"]["attn_implementation"] = "eager"
    body = location / "0_Transformer" if (location / "0_Transformer").is_dir() else location
    if model.dropout is not None and (body / "config.json").is_file():
        config = AutoConfig.from_pretrained(body)
        options["config_kwargs"] = {
            key: model.dropout
            for key, value in config.to_dict().items()
            if "drop" in key and isinstance(value, int | float) and not isinstance(value, bool)
        }
    try:
        if (location / "modules.json").is_file():
            opened: SentenceTransformer = SentenceTransformer(str(location), device="cpu", **options)
            return opened
        transformer = Transformer(str(location), **options)
    except LOADING_FAILS as error:
        raise NaruError(f"{location}: cannot be loaded as an encoder: {error}") from error
    return assembled(transformer, model.pooling or "mean")


def assembled(transformer: Transformer, pooling: Any = "mean") -> SentenceTransformer:
    """A bare transformer as an encoder: pooled by the attention mask, L2-normalised."""
    width = int(transformer.get_embedding_dimension())
    modules: list[nn.Module] = [transformer, Pooling(width, pooling), Normalize()]
    made: SentenceTransformer = SentenceTransformer(modules=modules, device="cpu")
    return made


def _length(opened: SentenceTransformer, model: Model) -> None:
    positions = positions_of(body_of(opened))
    if model.max_length is not None and positions and model.max_length > positions:
        raise NaruError(
            f"max_length is {model.max_length}, and {model.base} has {positions} positions: give {positions} or less."
        )
    if model.max_length is not None:
        opened.max_seq_length = model.max_length
    elif positions and (opened.max_seq_length or positions + 1) > positions:
        opened.max_seq_length = positions


def _prompts(opened: SentenceTransformer, model: Model, preset: Preset) -> None:
    """The recipe's prefixes, else the model's own, else the preset's."""
    given = {"query": model.query_prefix, "document": model.passage_prefix}
    known = {"query": preset.query_prefix, "document": preset.passage_prefix}
    for name, prefix in given.items():
        opened.prompts[name] = prefix if prefix is not None else opened.prompts.get(name) or known[name]
    # E5 and its like have no state without a prefix: texts that are alike take the query's, as its card says.
    if opened.default_prompt_name is None and opened.prompts["query"] and opened.prompts["document"]:
        opened.default_prompt_name = "query"


def _pool(opened: SentenceTransformer, mode: Any) -> None:
    for number, module in enumerate(opened):
        if isinstance(module, Pooling):
            opened[number] = Pooling(module.embedding_dimension, mode, module.include_prompt)
            return
    raise NaruError("The model has no pooling layer to change: leave out pooling.")


def body_of(opened: SentenceTransformer) -> Any:
    """The transformer of transformers within an encoder."""
    transformer: Any = opened[0]
    return transformer.auto_model


def freeze(opened: SentenceTransformer, count: int) -> None:
    """Keep the embeddings and the lowest `count` layers as they are. NaruError where there are not so many."""
    body = body_of(opened)
    layers = _layers(body)
    if count >= len(layers):
        raise NaruError(
            f"frozen_layers is {count}, and the model has {len(layers)} layers: leave one to learn."
        )
    embeddings = getattr(body, "embeddings", None) or body.get_input_embeddings()
    for module in (embeddings, *layers[:count]):
        module.requires_grad_(False)


def _layers(body: Any) -> nn.ModuleList:
    """The transformer's blocks: BERT, RoBERTa, XLM-R and ELECTRA; DistilBERT; ModernBERT."""
    for path in ("encoder.layer", "transformer.layer", "layers"):
        found = body
        for name in path.split("."):
            found = getattr(found, name, None)
        if isinstance(found, nn.ModuleList):
            return found
    raise NaruError(f"frozen_layers: the layers of a {type(body).__name__} are not known; leave it out.")


def _adapt(opened: SentenceTransformer, dimensions: Sequence[int], activation: type[nn.Module]) -> None:
    """Dense layers before the last normalisation, `activation` between them."""
    at = end_of(opened)
    width = int(opened.get_embedding_dimension() or 0)
    for number, dimension in enumerate(dimensions):
        last = number == len(dimensions) - 1
        between: Any = nn.Identity() if last else activation()
        opened.insert(at + number, Dense(width, dimension, activation_function=between))
        width = dimension


def end_of(opened: SentenceTransformer) -> int:
    """Where the next layer belongs: before the last normalisation, where there is one."""
    return len(opened) - isinstance(opened[len(opened) - 1], Normalize)


def _add_lora(opened: SentenceTransformer, lora: Lora) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=lora.targets
    )
    body = body_of(opened)
    try:
        inject_adapter_in_model(config, body)
    except ValueError as error:
        linear = {
            re.sub(r".*\.", "", name)
            for name, module in body.named_modules()
            if isinstance(module, nn.Linear)
        }
        raise NaruError(
            f"[model.lora] does not fit a {type(body).__name__}: {error}. targets may name its linear layers: "
            f"{', '.join(sorted(linear))}."
        ) from error
