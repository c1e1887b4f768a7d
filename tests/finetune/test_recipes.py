"""The shipped recipes: each loads, and keeps the numbers it stands for with the guidance beside them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from finetune.recipe import Adapter, Loss, Recipe, load
from finetune.recipe.fitting import FITTING, check_fit, fitting
from finetune.recipe.resolved import to_toml
from finetune.recipe.typed import filled
from finetune.shapes import Shape
from naru.errors import NaruError

SHIPPED = sorted(
    entry.name.removesuffix(".toml")
    for entry in (files("finetune") / "recipes").iterdir()
    if entry.name.count(".") == 1
)
TUNED = [name for name in SHIPPED if name != "naru-mini"]
BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "recipes"


def line(name: str, key: str) -> str:
    """The first line of a shipped recipe, from [training] on, that sets this key."""
    text = (files("finetune") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    _, _, training = text.partition("[training]\n")
    return next(row for row in training.splitlines() if row.startswith(f"{key} = "))


def test_the_recipes_of_the_readme_are_shipped() -> None:
    assert SHIPPED == [
        "dense-adapter-256",
        "e5-triplets",
        "few-samples",
        "ko-sroberta-multitask",
        "ko-sroberta-triplets",
        "naru-mini",
        "naru-mini-collection",
        "naru-mini-domain",
        "staged-general-to-domain",
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_it_is_named_like_its_file_and_says_what_it_is(name: str) -> None:
    recipe = load(name)
    assert recipe.name == name
    assert recipe.description


@pytest.mark.parametrize("name", SHIPPED)
def test_its_resolved_form_is_the_same_recipe(name: str, tmp_path: Path) -> None:
    path = tmp_path / "resolved.toml"
    path.write_text(to_toml(load(name)), encoding="utf-8")
    assert load(path) == load(name)


@pytest.mark.parametrize("name", TUNED)
def test_it_takes_the_data_of_the_user_and_trains_its_shape(name: str) -> None:
    recipe = filled(load(name), [f"{source.name}=mine.jsonl" for source in load(name).data])
    assert {source.path for source in recipe.data} == {"mine.jsonl"}
    for source in recipe.data:
        check_fit(source, Shape.SCORED if source.name == "sts" else Shape.TRIPLETS)


@pytest.mark.parametrize("name", TUNED)
def test_the_numbers_are_guided(name: str) -> None:
    assert "2e-5 to 5e-5" in line(name, "learning_rate")  # for base-size encoders
    assert "1e-4" in line(name, "learning_rate")  # for small ones
    assert "10 %" in line(name, "warmup")
    for key in ("epochs" if load(name).training.steps is None else "steps", "batch_size"):
        assert "  # " in line(name, key)


def test_ko_sroberta_multitask_has_the_numbers_of_its_model_card() -> None:
    recipe = load("ko-sroberta-multitask")
    nli, sts = recipe.data
    assert nli.loss == Loss("ranking", {"temperature": 0.05, "symmetric": False})  # a scale of 20
    assert (nli.batch_size or recipe.training.batch_size, sts.batch_size) == (64, 8)
    assert sts.loss == Loss("cosine")
    plan = recipe.training
    assert (plan.epochs, plan.learning_rate, plan.scheduler, plan.warmup) == (5, 2e-5, "linear", 360)
    assert (plan.weight_decay, plan.clip) == (0.01, 1.0)
    assert (plan.evaluate, plan.evaluate_steps) == ("steps", 1000)
    assert (recipe.model.pooling, recipe.model.max_length) == ("mean", 128)


def test_margins_temperatures_and_prefixes_are_stated() -> None:
    assert load("ko-sroberta-triplets").data[0].loss == Loss("triplet", {"margin": 1.0})
    e5 = load("e5-triplets")
    assert (e5.model.query_prefix, e5.model.passage_prefix) == ("query: ", "passage: ")
    assert e5.data[0].loss is not None
    assert e5.data[0].loss.parameters["temperature"] == 0.02


def test_the_adapter_learns_faster_than_the_encoder() -> None:
    recipe = load("dense-adapter-256")
    assert recipe.model.adapter == Adapter([256], learning_rate=1e-3)
    assert recipe.training.learning_rate == 3e-5


def test_few_samples_are_seen_often_in_small_batches() -> None:
    plan = load("few-samples").training
    assert (plan.batch_size, plan.epochs) == (2, 10)


def test_the_domain_comes_after_the_general_data_and_keeps_some_of_it() -> None:
    general, domain = load("staged-general-to-domain").stage
    assert (general.data, domain.data) == (["general"], ["domain", "general"])
    assert domain.weights == {"domain": 0.8, "general": 0.2}
    assert domain.training.learning_rate < general.training.learning_rate


def weak_readers(recipe: Recipe) -> set[str | None]:
    return {source.reader for source in recipe.data}


@pytest.mark.parametrize("path", ["naru-mini", BENCHMARKS / "general.toml"], ids=["naru-mini", "general"])
def test_recipes_of_weak_pairs_name_known_readers_and_watch_no_test_part(path: str | Path) -> None:
    from finetune.weak.readers import READERS

    recipe = load(path)
    assert weak_readers(recipe) <= READERS.keys()
    assert recipe.model.vocabulary is not None
    assert recipe.model.vocabulary.size <= 24_000
    assert {held.split for held in recipe.evaluation} == {"calibrate", "dev", None}
    assert all(held.queries and held.passages for held in recipe.evaluation if held.split)


def test_the_general_encoder_saw_no_precedent() -> None:
    general, mini = load(BENCHMARKS / "general.toml"), load("naru-mini")
    assert "law" in weak_readers(mini)
    assert "law" not in weak_readers(general)
    assert general.model.vocabulary is not None
    assert not any("law" in column for column in general.model.vocabulary.characters)


def test_every_training_shape_has_a_loss_and_no_other() -> None:
    assert set(FITTING) == {
        Shape.PAIRS, Shape.TRIPLETS, Shape.SCORED, Shape.LABELLED, Shape.CLASSED_PAIRS, Shape.CLASSED,
        Shape.SENTENCES, Shape.PARALLEL,
    }  # fmt: skip
    assert fitting(Shape.RETRIEVAL) == []
    with pytest.raises(NaruError, match="retrieval can be evaluated, and not trained on"):
        check_fit(load("few-samples").data[0], Shape.RETRIEVAL)
