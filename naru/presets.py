"""Well-known encoders by short name: the Hub name, and the prefixes where the model does not state them itself.

Pooling and length come from the model's own sentence-transformers files. Source: the model cards on the Hub.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    model: str
    query_prefix: str = ""
    passage_prefix: str = ""


PRESETS = {
    "ko-sroberta": Preset("jhgan/ko-sroberta-multitask"),
    "e5-small-ko": Preset("dragonkue/multilingual-e5-small-ko", "query: ", "passage: "),
    "e5-base": Preset("intfloat/multilingual-e5-base", "query: ", "passage: "),
    "e5-large": Preset("intfloat/multilingual-e5-large", "query: ", "passage: "),
    "bge-m3": Preset("BAAI/bge-m3"),
    "kure-v1": Preset("nlpai-lab/KURE-v1"),
    "arctic-ko": Preset("dragonkue/snowflake-arctic-embed-l-v2.0-ko", "query: "),
}


def preset_of(model: str) -> Preset:
    """The preset of a short name or of a Hub name; a plain one, without prefixes, for any other model."""
    if model in PRESETS:
        return PRESETS[model]
    by_hub_name = {preset.model: preset for preset in PRESETS.values()}
    return by_hub_name.get(model, Preset(model))
