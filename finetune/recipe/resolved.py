"""A recipe as TOML: what a run really did, every default written out; `load` reads it back to an equal recipe."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any

from finetune.recipe import Loss, Recipe


def to_toml(recipe: Recipe) -> str:
    return "\n".join(_table(recipe, "")) + "\n"


def _table(value: Any, where: str) -> list[str]:
    """The lines of a table: its plain keys, then its tables."""
    plain, tables = [], []
    for field in fields(value):
        item, key = getattr(value, field.name), f"{where}{field.name}"
        if item is None or item == [] or not field.metadata.get("toml", True):
            continue
        if is_dataclass(item) and not isinstance(item, Loss):
            tables += ["", f"[{key}]", *_table(item, f"{key}.")]
        elif isinstance(item, list) and is_dataclass(item[0]):
            for row in item:
                tables += ["", f"[[{key}]]", *_table(row, f"{key}.")]
        else:
            plain.append(f"{field.name} = {_value(item)}")
    return plain + tables


def _value(item: Any) -> str:
    if isinstance(item, Loss):
        nested = {} if item.matryoshka is None else {"matryoshka": item.matryoshka}
        return _value({"name": item.name} | nested | item.parameters)
    if isinstance(item, dict):
        return "{" + ", ".join(f"{_text(key)} = {_value(value)}" for key, value in item.items()) + "}"
    if isinstance(item, list):
        return "[" + ", ".join(_value(value) for value in item) + "]"
    if isinstance(item, bool):
        return "true" if item else "false"
    return _text(item) if isinstance(item, str) else repr(item)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
