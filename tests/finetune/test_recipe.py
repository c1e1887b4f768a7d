from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from finetune.data import READERS
from finetune.recipe import load
from naru.errors import NaruError


def test_the_shipped_recipe_loads_and_names_only_known_readers() -> None:
    recipe = load("naru-mini")
    assert recipe.vocabulary.size <= 24_000
    assert {source.reader for source in recipe.data} <= READERS.keys()


def test_nothing_marked_evaluation_is_watched_as_test() -> None:
    assert {watch.split for watch in load("naru-mini").watch} == {"calibrate", "dev", None}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps = 6\n", "steps = 6\nstepz = 7\n", "Unknown recipe key 'training.stepz'. Known here: steps,"),
        ("steps = 6\n", 'steps = "6"\n', "'training.steps': expected int, got '6'"),
        ("steps = 6\n", "steps = true\n", "'training.steps': expected int, got True"),
        ("seed = 7\n", "", "'seed' is missing, and has no default"),
        ("weight = 3\n", 'weight = "3"\n', r"'data\[0\].weight': expected float, got '3'"),
        ("rows = 80\n", "rows = 0.5\n", r"'data\[0\].rows': expected int, got 0.5"),
        ("= 100_000", '= "many"', "'vocabulary.characters.wiki_paragraphs.text': expected int, got 'many'"),
        ("seed = 7", "seed = ", "not TOML: .*line 3"),
    ],
)
def test_a_bad_recipe_is_refused_by_the_key(
    write_recipe: Callable[..., Path], old: str, new: str, message: str
) -> None:
    with pytest.raises(NaruError, match=message):
        load(write_recipe(old, new))


def test_an_integer_serves_as_a_float(write_recipe: Callable[..., Path]) -> None:
    assert load(write_recipe()).data[0].weight == 3.0


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(NaruError, match=r"No recipe 'naru-maxi': neither a file nor one of .*naru-mini"):
        load("naru-maxi")
