"""What there is to know of encoders: the well-known ones by short name, with their Hub name and the prefixes where the model
does not state them itself; the positions of any.

Pooling and length come from the model's own sentence-transformers files. Source: the model cards on the Hub.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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


def positions_of(body: Any) -> int | None:
    """How many tokens, special ones counted, a transformer (torch) has positions for; None where they are not a table."""
    tables: list[Any] = [getattr(module, "position_embeddings", None) for module in body.modules()]
    # RoBERTa and MPNet number their positions from behind the padding's, which their tables state.
    rows = [
        table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
        for table in tables
        if hasattr(table, "num_embeddings")
    ]
    stated = getattr(body.config, "max_position_embeddings", None)
    return min([*rows, *([int(stated)] if stated else [])], default=None)
