"""The card of a tiny real model: its header as the Hub reads it, both languages, provenance."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from finetune.model import located
from finetune.recipe import Evaluation, Loss, Model, Recipe, Source
from finetune.recipe.resolved import to_toml
from finetune.reporting.card import CardFacts, DataFacts, EncoderFacts, card, encoder_facts, write_card
from finetune.reporting.origins import Origin, Origins, Words, licence_of, origins
from finetune.reporting.publishing import published
from finetune.shapes import Shape
from naru.errors import NaruError

ENCODER = EncoderFacts(32, 40, "mean", "cosine", 123_456)
FACTS = CardFacts(
    name="law-encoder",
    base="dragonkue/multilingual-e5-small-ko",
    encoder=ENCODER,
    recipe={"name": "e5-triplets", "seed": 42},
    recipe_text='name = "e5-triplets"\nseed = 42\n',
    steps=80,
    planned=100,
    seed=42,
    data=[
        DataFacts("판례 | law", 12_345, "pairs", "ranking", 0.5, ("3 rows skipped",), {"law.jsonl": "ab12"})
    ],
    before={"law_cosine_ndcg@10": 0.8, "law_cosine_recall@1": 0.7},
    after={"law_cosine_ndcg@10": 0.85, "law_cosine_recall@1": 0.69},
    sets={"law": Shape.RETRIEVAL},
    primary=["law_cosine_ndcg@10"],
    licence="apache-2.0",
)


def header(text: str) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(text.split("---\n")[1])
    return found


def test_the_header_is_what_the_hub_takes() -> None:
    said = ModelCard(card(FACTS)).data.to_dict()
    assert said["language"] == "ko"
    assert said["license"] == "apache-2.0"
    assert said["library_name"] == "sentence-transformers"
    assert said["pipeline_tag"] == "sentence-similarity"
    assert said["base_model"] == "dragonkue/multilingual-e5-small-ko"
    (result,) = said["model-index"][0]["results"]
    assert said["model-index"][0]["name"] == "law-encoder"
    assert result["task"] == {"type": "information-retrieval"}
    assert result["dataset"] == {"name": "law", "type": "custom"}
    assert [(one["type"], one["value"]) for one in result["metrics"]] == [
        ("ndcg@10", 0.85),
        ("recall@1", 0.69),
    ]


def test_a_folder_is_no_base_model_of_the_hub_and_an_unlisted_licence_is_other() -> None:
    said = header(card(replace(FACTS, base="../models/mine", licence="KOGL type 1")))
    assert "base_model" not in said
    assert (said["license"], said["license_name"]) == ("other", "KOGL type 1")


def test_without_a_licence_none_is_claimed_and_the_reader_is_told() -> None:
    text = card(replace(FACTS, licence=None))
    assert "license" not in header(text)
    assert "No licence was stated" in text
    assert "라이선스는 명시되지 않았습니다" in text


def test_a_recipe_without_a_licence_takes_its_base_s() -> None:
    text = card(replace(FACTS, licence=None, inherited="cc-by-sa-4.0"))
    assert header(text)["license"] == "cc-by-sa-4.0"
    assert "this is the licence of `dragonkue/multilingual-e5-small-ko`, which they derive from" in text
    assert "`dragonkue/multilingual-e5-small-ko`의 라이선스를 그대로 따릅니다" in text
    own = card(replace(FACTS, inherited="cc-by-sa-4.0"))
    assert header(own)["license"] == "apache-2.0"
    assert "Licence of the weights: apache-2.0.\n" in own


def test_the_licence_of_the_base_is_named() -> None:
    assert "Licence of the weights: cc-by-sa-4.0." in card(
        replace(FACTS, licence=None, inherited="cc-by-sa-4.0")
    )


def test_a_base_states_its_licence_in_the_header_of_its_card(tmp_path: Path) -> None:
    assert licence_of(located("naru-mini", tmp_path)) == "cc-by-sa-4.0"
    assert licence_of(tmp_path) is None
    for text, licence in (
        ("---\nlicense: other\nlicense_name: KOGL type 1\n---\n", "KOGL type 1"),
        ("---\nlanguage: ko\n---\n", None),
        ("---\nlicense: [\n---\n", None),
        ("no header", None),
    ):
        (tmp_path / "README.md").write_text(text)
        assert licence_of(tmp_path) == licence


def test_what_is_published_names_no_folder_of_ours() -> None:
    recipe = Recipe(
        "mine",
        Model("/home/me/base"),
        [
            Source("a", "/home/me/a,b.jsonl", loss=Loss("mse", {"teacher": "/home/me/teacher"})),
            Source("b", "data/b.jsonl", loss=Loss("gist", {"guide": "OWNER/NAME"})),
            Source("c", "hf://OWNER/NAME"),
        ],
        evaluation=[Evaluation("d", "/home/me/en.txt,/home/me/ko.txt", teacher="/home/me/teacher")],
    )
    text = to_toml(published(recipe))
    assert "/home" not in text
    for kept in ("a,b.jsonl", "data/b.jsonl", "OWNER/NAME", "hf://OWNER/NAME", "en.txt,ko.txt", '"teacher"'):
        assert kept in text
    assert published(published(recipe)) == published(recipe)


def test_figures_that_are_no_numbers_stay_out_of_the_header() -> None:
    text = card(
        replace(
            FACTS,
            after={"sts_spearman_cosine": float("nan")},
            before={},
            sets={"sts": Shape.SCORED},
            primary=[],
        )
    )
    assert "model-index" not in header(text)


def test_a_gain_is_told_with_what_it_is_a_mean_over() -> None:
    text = card(replace(FACTS, sizes={"law": 6}))
    assert "| held-out set | of | measure | before |" in text
    assert text.count("| law | 6 | ndcg@10 | 0.800 | 0.850 | +0.050 |") >= 2


def test_both_languages_say_all_of_it() -> None:
    _, english, korean = card(FACTS).split("\n## ")
    for half in (english, korean):
        assert "| law | ndcg@10 | 0.800 | 0.850 | +0.050 |" in half
        assert "| law | recall@1 | 0.700 | 0.690 | -0.010 |" in half
        assert "| 판례 \\| law | 12,345 | pairs | ranking | 0.5 | 3 rows skipped |" in half
        assert '```toml\nname = "e5-triplets"' in half
        assert 'SentenceTransformer("path/to/law-encoder")' in half
        assert half.count("### ") == 6
    assert "80 of 100 steps" in english
    assert "100단계 중 80단계" in korean
    assert english.index("ndcg@10") < english.index("All figures") < english.index("recall@1")


def test_prompts_are_told_where_the_model_has_them() -> None:
    assert "query: " not in card(FACTS)
    text = card(replace(FACTS, encoder=replace(ENCODER, query_prefix="query: ", passage_prefix="passage: ")))
    assert "Queries begin with `query: `, passages with `passage: `" in text
    assert "질의 앞에는 `query: `" in text


def test_a_recipe_with_a_fence_in_it_stays_inside_its_own() -> None:
    text = card(replace(FACTS, recipe_text='description = "```"\n'))
    assert '````toml\ndescription = "```"\n````' in text


def test_the_card_and_provenance_of_a_real_model(make_model: Callable[..., Path], tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(make_model()), device="cpu", prompts={"query": "질문: ", "document": ""})
    encoder = encoder_facts(model)
    assert (encoder.dimension, encoder.max_length, encoder.pooling, encoder.similarity) == (
        32,
        40,
        "mean",
        "cosine",
    )
    assert (encoder.query_prefix, encoder.passage_prefix) == ("질문: ", "")
    assert encoder.parameters == sum(weights.numel() for weights in model.parameters())
    write_card(tmp_path, replace(FACTS, encoder=encoder))
    assert "`질문: `" in (tmp_path / "README.md").read_text(encoding="utf-8")
    said = json.loads((tmp_path / "provenance.json").read_text(encoding="utf-8"))
    assert said["recipe"] == {"name": "e5-triplets", "seed": 42}
    assert said["data"] == {"판례 | law": {"rows": 12_345, "sha256": {"law.jsonl": "ab12"}}}
    assert said["after"] == {"law_cosine_ndcg@10": 0.85, "law_cosine_recall@1": 0.69}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "provenance.json"]


def test_naru_mini_says_where_its_weights_come_from() -> None:
    said = origins("naru-mini")
    assert Origin("NSMC", "CC0", "vocabulary only") in said.sources
    text = card(replace(FACTS, origins=said))
    assert text.count("| Korean Wikipedia, its authors | CC BY-SA 3.0 |") == 2
    assert "6 layers x 384" in text
    assert "6층 x 384차원" in text
    assert "A Korean sentence encoder for retrieval, adapted" not in text


def test_a_recipe_brings_its_own_words_beside_it(tmp_path: Path) -> None:
    recipe = tmp_path / "my.toml"
    recipe.write_text("", encoding="utf-8")
    assert origins(recipe) == Origins()
    assert origins("e5-triplets") == Origins()
    beside = tmp_path / "my.card.toml"
    beside.write_text(
        '[korean]\nlimits = "짧은 글만"\n[[source]]\nname = "Ours"\nlicence = "MIT"\n', encoding="utf-8"
    )
    assert origins(recipe) == Origins(korean=Words(limits="짧은 글만"), sources=(Origin("Ours", "MIT"),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[english]\nsummery = 'x'",
            "my.card.toml: \\[english\\] summery = 'x'; expected texts named summary",
        ),
        ("[english]\nsummary = 3", "summary = 3"),
        ("[[source]]\nname = 'x'", "\\[source 1\\] lacks a key; expected name, licence, note"),
        ("[source]\nname = 'x'", "expected a list of them"),
        ("[german]\n", "unknown 'german'"),
        ("english = 1", "expected a table"),
        ("[english", "not TOML"),
    ],
)
def test_bad_words_are_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "my.toml").write_text("", encoding="utf-8")
    (tmp_path / "my.card.toml").write_text(text, encoding="utf-8")
    with pytest.raises(NaruError, match=message):
        origins(tmp_path / "my.toml")
