"""docs/design.md is true: a newcomer finds every module in it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DESIGN = (ROOT / "docs" / "design.md").read_text("utf-8")


@pytest.mark.parametrize("room", ["naru", "finetune", "indexer", "search", "evaluation"])
def test_every_module_of_a_room_is_named(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        below = path.relative_to(ROOT / room).parts
        name = f"`{path.name}`" if len(below) == 1 else f"{below[0]}/"
        assert path.name == "__init__.py" or name in DESIGN, path
