"""What a run has to have before it trains: checks of the recipe, the data, the model it starts from, its teachers' vectors.

A dry run has the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from accelerate import PartialState
from sentence_transformers import SentenceTransformer

from finetune import checkpoints
from finetune.loop.arguments import check_machine, on_cpu
from finetune.loop.flow import Clock
from finetune.losses import prepared
from finetune.material import BadRowsError, Material, gather
from finetune.measuring.lessons import answered
from finetune.model import check_models, open_model
from finetune.objectives.distillation import UnfinishedError
from finetune.recipe import Model, Recipe
from finetune.recipe.agreement import check_paths
from finetune.stages import Leg, Plan
from naru import terminal

SOME_TEXTS = 20_000  # of the training data: a few dozen for each dimension


def check_before_reading(recipe: Recipe, root: Path) -> None:
    """NaruError for files and models that are not there, and for what this machine cannot do."""
    check_paths(recipe, root)
    check_machine(recipe)
    check_models(recipe, root)


def processes_at_work() -> PartialState:
    """This process among those that `accelerate launch` or `torchrun` started; on CPUs they talk through gloo."""
    return PartialState(cpu=on_cpu())


def gathered(recipe: Recipe, root: Path, output: Path, skip_bad_rows: bool, main: bool) -> Material:
    """`gather`; where data are refused, `main` shows the table of all that checking found on standard error first."""
    try:
        return gather(recipe, root, output / "rejects.jsonl", skip_bad_rows)
    except BadRowsError as error:
        if main:
            terminal.err.print(error.findings.table())
        raise


def opened(recipe: Recipe, root: Path, output: Path) -> SentenceTransformer:
    """The model to start from; one that is made first, with a new vocabulary or random weights, is kept in `start/`."""
    model = recipe.model
    if model.vocabulary is None and model.fresh is None:
        return open_model(model, root, recipe.seed, places=recipe.places)
    start = output / "start"
    with processes_at_work().main_process_first():
        if not start.exists():
            bare = replace(model, adapter=None, lora=None, frozen_layers=0)
            made = open_model(bare, root, recipe.seed, places=recipe.places)
            with checkpoints.published(start) as part:
                made.save_pretrained(str(part), create_model_card=False)
    kept: Model = replace(model, base=str(start.resolve()), vocabulary=None, fresh=None, attention_heads=None)
    return open_model(kept, root, recipe.seed, places=recipe.places)


def ask_teachers(
    recipe: Recipe, material: Material, root: Path, model: SentenceTransformer, output: Path, clock: Clock
) -> str:
    """Let the main process ask the teachers for all vectors, kept in `vectors/`: "" once they are there, else why the
    clock stopped it between two shards."""
    reason, vectors = "", output / "vectors"
    if processes_at_work().is_main_process:
        try:
            for source in recipe.data:
                prepared(source, material.rows[source.name], root, model, vectors, clock.here)
            answered(material.held, root, model, vectors, clock.here)
        except UnfinishedError as unfinished:
            reason = unfinished.reason
    return clock.agreed(reason)


def accumulation(recipe: Recipe) -> int | None:
    """The smallest that any stage asks for, as what fits one has to fit all: stages are measured alike."""
    trainings = [stage.training for stage in recipe.stage] or [recipe.training]
    return min(
        (one.evaluation_accumulation for one in trainings if one.evaluation_accumulation), default=None
    )


def data_table(
    recipe: Recipe, material: Material, stages: Sequence[Leg], plans: Sequence[Plan]
) -> list[dict[str, Any]]:
    """The data of a run, with how often all stages together go through each."""
    table = material.table(recipe)
    for row in table:
        row["passes"] = round(
            sum(
                often
                for leg, one in zip(stages, plans, strict=True)
                for source, often in zip(leg.sources, one.passes, strict=True)
                if source.name == row["name"]
            ),
            2,
        )
    return table


def some_texts(material: Material) -> list[str]:
    """Texts of all data sets and columns, evenly: what a projection is fitted to."""
    columns = [
        (of.dataset, name)
        for of in material.rows.values()
        for name, feature in of.dataset.features.items()
        if getattr(feature, "dtype", None) == "string"
    ]
    texts: dict[str, None] = {}
    for dataset, name in columns:
        each = max(1, len(dataset) * len(columns) // SOME_TEXTS)
        texts.update(dict.fromkeys(dataset.select(range(0, len(dataset), each))[name]))
    return list(texts)
