"""What a model folder says of itself: the model card (README.md, English and Korean) and `provenance.json`."""

from __future__ import annotations

import importlib.metadata
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from huggingface_hub import EvalResult, ModelCardData

from finetune.reporting.languages import ENGLISH, KOREAN, Language
from finetune.reporting.log import Figure, figure
from finetune.reporting.origins import Origins, Words
from finetune.shapes import Shape
from naru.files import publish

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKAGES = ("torch", "transformers", "sentence-transformers", "tokenizers", "datasets", "accelerate", "numpy")
# Names the Hub takes; any other licence is "other", with its name beside it.
_LICENCES = set(
    "apache-2.0 mit bsd-2-clause bsd-3-clause cc0-1.0 cc-by-4.0 cc-by-3.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-4.0 "
    "cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-nc-nd-4.0 gpl-3.0 lgpl-3.0 agpl-3.0 mpl-2.0 openrail gemma unknown other".split()
)
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class EncoderFacts:
    """What the trained model is."""

    dimension: int
    max_length: int
    pooling: str
    similarity: str
    parameters: int
    query_prefix: str = ""
    passage_prefix: str = ""


@dataclass(frozen=True)
class DataFacts:
    """One data set of the run; `sha256` by file name."""

    name: str
    rows: int
    shape: str
    loss: str
    weight: float
    notes: Sequence[str] = ()
    sha256: Mapping[str, str] = field(default_factory=dict)


TASKS = {  # as sentence-transformers calls them
    Shape.TRIPLETS: "triplet",
    Shape.SCORED: "semantic-similarity",
    Shape.LABELLED: "binary-classification",
    Shape.PARALLEL: "translation",
    Shape.PARAPHRASES: "paraphrase-mining",
    Shape.RERANKING: "reranking",
    Shape.TEACHER: "knowledge-distillation",
}


@dataclass(frozen=True)
class CardFacts:
    """What a card is written from. `base` is what people know the start model by; `recipe` is the resolved recipe as
    plain values, `recipe_text` its TOML. `before` and `after` are figures by key (`law_cosine_ndcg@10`), `sets` the
    held-out sets in them and their shapes, `sizes` what each is a mean over (queries, pairs), `primary` the keys to compare
    by (empty: all); `asked` the SHA-256 by file of the teachers and guides, by name; `inherited` the licence of the base,
    which holds where there is no other."""

    name: str
    base: str
    encoder: EncoderFacts
    recipe: Mapping[str, Any]
    recipe_text: str
    steps: int
    planned: int
    seed: int
    data: Sequence[DataFacts]
    before: Mapping[str, float]
    after: Mapping[str, float]
    sets: Mapping[str, Shape] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    primary: Sequence[str] = ()
    licence: str | None = None
    inherited: str | None = None
    description: str = ""
    minutes: float | None = None
    base_sha256: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    origins: Origins = field(default_factory=Origins)


def write_card(folder: Path, facts: CardFacts) -> None:
    """Write README.md and provenance.json into a saved model's folder."""
    publish(folder / "README.md", card(facts))
    publish(folder / "provenance.json", json.dumps(provenance(facts), ensure_ascii=False, indent=2) + "\n")


def card(facts: CardFacts) -> str:
    """The model card: a header as the Hub reads it, then all of it in English and all of it in Korean."""
    return (
        f"---\n{_header(facts).to_yaml()}\n---\n\n# {facts.name}\n\n[English](#english) · [한국어](#한국어)\n\n"
        f"{_body(facts, ENGLISH, facts.origins.english)}\n{_body(facts, KOREAN, facts.origins.korean)}"
    )


def provenance(facts: CardFacts) -> dict[str, Any]:
    """What the weights were made from, so that the run can be done again and told from others."""
    return {
        "name": facts.name,
        "base": {"name": facts.base, "sha256": dict(facts.base_sha256)},
        "asked": {name: dict(files) for name, files in facts.asked.items()},
        "recipe": dict(facts.recipe),
        "steps": facts.steps,
        "planned": facts.planned,
        "minutes": facts.minutes,
        "data": {row.name: {"rows": row.rows, "sha256": dict(row.sha256)} for row in facts.data},
        "versions": dict(facts.versions),
        "before": dict(facts.before),
        "after": dict(facts.after),
    }


def encoder_facts(model: SentenceTransformer) -> EncoderFacts:
    """What a model says of itself; its prompts "query" and "document" are the prefixes."""
    pooling = next((str(part.pooling_mode) for part in model if hasattr(part, "pooling_mode")), "none")
    return EncoderFacts(
        dimension=int(model.get_embedding_dimension() or 0),
        max_length=int(model.max_seq_length or 0),
        pooling=pooling,
        similarity=str(model.similarity_fn_name),
        parameters=sum(weights.numel() for weights in model.parameters()),
        query_prefix=model.prompts.get("query") or "",
        passage_prefix=model.prompts.get("document") or "",
    )


def versions() -> dict[str, str]:
    return {package: importlib.metadata.version(package) for package in PACKAGES}


def _header(facts: CardFacts) -> ModelCardData:
    stated = facts.licence or facts.inherited
    licence = (stated or "").lower() or None
    known = licence is None or licence in _LICENCES
    results = [
        EvalResult(
            task_type=TASKS.get(facts.sets.get(one.of, Shape.RETRIEVAL), "information-retrieval"),
            dataset_type="custom",
            dataset_name=one.of or ENGLISH.unnamed_set,
            metric_type=one.measure,
            metric_name=f"{one.of} {one.measure}".strip(),
            metric_value=round(facts.after[one.key], 4),
        )
        for one in _figures(facts)
        if math.isfinite(facts.after[one.key])
    ]
    return ModelCardData(
        language="ko",
        license=licence if known else "other",
        license_name=None if known else stated,
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        tags=[
            "sentence-transformers",
            "sentence-similarity",
            "feature-extraction",
            "korean",
            "retrieval",
            "naru",
        ],
        base_model=facts.base if _HUB_NAME.fullmatch(facts.base) else None,
        model_name=facts.name,
        eval_results=results or None,
    )


def _body(facts: CardFacts, language: Language, words: Words) -> str:
    encoder = facts.encoder
    prompts = ""
    if encoder.query_prefix or encoder.passage_prefix:
        prompts = language.prompts.format(query=encoder.query_prefix, passage=encoder.passage_prefix)
    said = language.licence_inherited if facts.inherited else language.licence_unknown
    said = language.licence_said if facts.licence else said
    summary = words.summary or language.summary.format(base=facts.base)
    if facts.description and not words.summary:
        summary += f" {facts.description}"
    template = (files("finetune") / "cards" / language.template).read_text(encoding="utf-8")
    return Template(template).substitute(
        summary=summary,
        facts=_facts(encoder, language),
        dimension=encoder.dimension,
        similarity=encoder.similarity,
        prompts=prompts,
        place=facts.recipe.get("training", {}).get("hub_model_id") or f"path/to/{facts.name}",
        query="카드를 잃어버렸어요",
        passage="분실 신고는 앱의 ‘카드 관리’에서 합니다.",
        figures=_comparison(facts, language),
        licence=words.licence or said.format(licence=facts.licence or facts.inherited, base=facts.base),
        data=_data(facts, language),
        recipe_name=facts.recipe.get("name", facts.name),
        base=facts.base,
        steps=language.steps.format(steps=facts.steps, planned=facts.planned),
        seed=facts.seed,
        recipe=f"<details><summary>{language.whole_recipe}</summary>\n\n{_fenced(facts.recipe_text)}\n\n</details>",
        limits=words.limits or language.limits,
    )


def _facts(encoder: EncoderFacts, language: Language) -> str:
    values = (
        encoder.dimension,
        encoder.max_length,
        encoder.pooling,
        encoder.similarity,
        f"{encoder.parameters:,}",
    )
    return _table(language.facts, [tuple(map(str, values))])


def _comparison(facts: CardFacts, language: Language) -> str:
    """The primary figures, and all of them folded away where there are more."""
    figures = _figures(facts)
    if not figures:
        return language.nothing_measured
    first = [one for one in figures if one.key in facts.primary] or figures
    parts = [_table(language.figures, [_row(facts, one, language) for one in first])]
    if len(figures) > len(first):
        rest = _table(language.figures, [_row(facts, one, language) for one in figures])
        parts.append(f"<details><summary>{language.all_figures}</summary>\n\n{rest}\n\n</details>")
    return "\n\n".join(parts)


def _row(facts: CardFacts, one: Figure, language: Language) -> tuple[str, ...]:
    before, after = facts.before.get(one.key), facts.after[one.key]
    change = "–" if before is None else f"{after - before:+.3f}"
    return (
        one.of or language.unnamed_set,
        f"{facts.sizes[one.of]:,}" if one.of in facts.sizes else "",
        one.measure,
        "–" if before is None else f"{before:.3f}",
        f"{after:.3f}",
        change,
    )


def _data(facts: CardFacts, language: Language) -> str:
    rows = [
        (row.name, f"{row.rows:,}", row.shape, row.loss, f"{row.weight:g}", "; ".join(row.notes))
        for row in facts.data
    ]
    sources = [(origin.name, origin.licence, origin.note) for origin in facts.origins.sources]
    tables = [_table(language.data, rows), _table(language.sources, sources)]
    return "\n\n".join(table for table in tables if table)


def _figures(facts: CardFacts) -> list[Figure]:
    return [figure(key, [*facts.sets]) for key in facts.after]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown; a column that no row fills is left out, and so is a table without rows."""
    filled = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    lines = [[columns[place] for place in filled], ["---"] * len(filled)]
    lines += [[_cell(row[place]) for place in filled] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _fenced(text: str) -> str:
    """As TOML, in a fence longer than any in the text."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}toml\n{text.rstrip()}\n{fence}"
