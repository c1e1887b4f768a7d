"""The stages of a recipe, and one of them from its first batch, or its last checkpoint, to the weights it ends with."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import nn
from transformers import TrainerState, set_seed

from finetune import checkpoints
from finetune.data import Rows
from finetune.loop.arguments import arguments, rates
from finetune.loop.batches import Collate, Column
from finetune.loop.flow import SCORE, Clock, Flow, best_step, finished
from finetune.loop.hub import Describe, Pushes
from finetune.loop.samplers import LABELS
from finetune.loop.trainer import Supply, Trainer
from finetune.losses import loss_for
from finetune.measuring.measures import Measures
from finetune.recipe import Recipe, Source, Stage
from finetune.reporting.journal import Journal
from naru import terminal

UNPLACED = 0.05  # of the rows of a pass: more of them in no batch are told


@dataclass(frozen=True)
class Leg:
    """A stage with its data. `weights` and `sources` go by the data of the stage, `folder` holds its checkpoints."""

    number: int
    stage: Stage
    sources: Sequence[Source]
    weights: Sequence[float]
    folder: Path

    @property
    def done(self) -> Path:
        """Where the weights it ends with lie, once it has ended."""
        return self.folder / "done"

    def supply(self, rows: Mapping[str, Rows], seed: int) -> Supply:
        return Supply(
            [rows[source.name] for source in self.sources],
            self.weights,
            [source.batch_size for source in self.sources],
            self.stage.training.sampler,
            [seed, self.number],
            [source.name for source in self.sources if source.loss and source.loss.name == "relational"],
        )


@dataclass(frozen=True)
class Ended:
    """What a stage came to: its steps, the figures of its weights where they are known, and the clock's reason if it
    stopped before its end."""

    steps: int
    figures: Mapping[str, float] | None = None
    stopped: str = ""


def legs(recipe: Recipe, output: Path) -> list[Leg]:
    """The stages in order; a recipe without any has one, of all data."""
    stages = recipe.stage or [Stage(recipe.name, training=recipe.training)]
    made = []
    for number, stage in enumerate(stages, start=1):
        sources = [source for source in recipe.data if stage.data is None or source.name in stage.data]
        given = stage.weights or {}
        weights = [given.get(source.name, source.weight) for source in sources]
        name = re.sub(r"[^\w.-]+", "-", stage.name)
        made.append(Leg(number, stage, sources, weights, output / "checkpoints" / f"{number}-{name}"))
    return made


@dataclass(frozen=True)
class Plan:
    """What a stage will do: steps in all and of an epoch, and how often they go through each of its data sets."""

    steps: int
    an_epoch: int
    passes: Sequence[float]

    def times(self, when: str, every: int | None) -> int:
        """How often something happens that the recipe asks for each epoch or each so many steps."""
        each = {"epoch": self.an_epoch, "steps": every or self.steps}.get(when)
        return 0 if each is None else math.ceil(self.steps / each)


def plan(leg: Leg, rows: Mapping[str, Rows], seed: int, processes: int = 1) -> Plan:
    training = leg.stage.training
    batches = leg.supply(rows, seed).batches(training.batch_size, training.batch_size, processes)
    an_epoch = max(1, math.ceil(len(batches) / processes / training.accumulate))
    steps = training.steps or math.ceil(training.epochs * an_epoch)
    for source in batches.sources:
        if source.unplaced >= UNPLACED * source.rows:
            terminal.note(
                f"Data {source.name!r}: {source.unplaced:,} of {source.rows:,} rows are in no batch of a pass, as none holds "
                f"a text twice and theirs repeat. Batches smaller than {source.size} take more of them: --set "
                "training.batch_size=N"
            )
    if training.warmup >= steps > 1:
        terminal.note(
            f"warmup = {training.warmup:g} steps, and {steps:,} are planned: the learning rate never arrives. A share "
            "such as 0.1 fits any run: --set training.warmup=0.1"
        )
    return Plan(steps, an_epoch, [passes * steps / an_epoch for passes in batches.passes()])


def ended(leg: Leg) -> Ended | None:
    """What a stage came to in an earlier process; None where it has not ended."""
    if checkpoints.broken(leg.done) is not None:
        return None
    return Ended(**json.loads((leg.done / "result.json").read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Run:
    """What all stages of a run share."""

    recipe: Recipe
    root: Path
    model: SentenceTransformer
    rows: Mapping[str, Rows]
    measures: Measures | None
    journal: Journal
    clock: Clock
    describe: Describe | None = None


@dataclass(frozen=True)
class Ready:
    """A stage's trainer, its flow, and its losses by the name of their data."""

    trainer: Trainer
    flow: Flow
    losses: Mapping[str, nn.Module]


def ready(leg: Leg, run: Run, earlier: Sequence[Leg] = ()) -> Ready:
    """Make ready to train a stage, from the weights that the ones before ended with."""
    training, seed = leg.stage.training, run.recipe.seed + leg.number - 1
    torch.manual_seed(seed)
    losses = {
        source.name: loss_for(source, run.rows[source.name], run.model, run.root) for source in leg.sources
    }
    for one in earlier:
        checkpoints.load_weights(one.done, run.model, losses)
    flow = Flow(training, run.clock)
    leg.folder.mkdir(parents=True, exist_ok=True)
    layers = rates(run.model, run.recipe.model, training)
    trainer = Trainer(
        model=run.model,
        args=arguments(training, leg.folder, seed, layers, run.recipe.name, run.measures is not None),
        supply=leg.supply(run.rows, run.recipe.seed),
        losses=list(losses.values()),
        collate=collate(leg.sources, run.rows, run.model, training.query_length, training.document_length),
        evaluator=run.measures,
        callbacks=[run.journal, Pushes(training, run.journal.say, run.describe)],
        training=training,
        say=run.journal.say,
        flow=flow,
    )
    return Ready(trainer, flow, losses)


def run_stages(stages: Sequence[Leg], run: Run) -> Ended:
    """Train the stages one after the other, but for those that have ended; all their steps, and how the last one ended."""
    done, last = 0, Ended(0)
    for number, leg in enumerate(stages):
        found = ended(leg)
        if found is None:
            run.journal.enter(leg.stage.name if run.recipe.stage else "", done)
            found = run_stage(leg, run, stages[:number])
        elif leg is stages[-1]:
            checkpoints.load_weights(leg.done, run.model)
        done, last = done + found.steps, found
        if last.stopped:
            break
    return replace(last, steps=done)


def run_stage(leg: Leg, run: Run, earlier: Sequence[Leg]) -> Ended:
    """Train one stage; one that was begun goes on from its last checkpoint.

    Its weights are in the model afterwards: the best evaluated, the mean of the last checkpoints, or the last, as the
    recipe says, mixed with those of its start where it says so; those of the last step where the clock has stopped it.
    """
    training = leg.stage.training
    stage = ready(leg, run, earlier)
    trainer = stage.trainer
    start = checkpoints.weights(run.model) if training.start_share else {}
    checkpoint = checkpoints.newest(leg.folder, run.journal.say)
    state = TrainerState.load_from_json(str(checkpoint / checkpoints.STATE)) if checkpoint else trainer.state
    if checkpoint and finished(state.log_history, state.global_step, state.max_steps, training):
        checkpoints.load_weights(checkpoint, run.model, stage.losses)
    else:
        set_seed(trainer.args.seed)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        state = trainer.state
    stopped = stage.flow.stopped
    if stopped and not finished(state.log_history, state.global_step, state.max_steps, training):
        return Ended(state.global_step, stopped=stopped)

    kept = _keep(leg, state, run, stage.losses)
    if start:
        checkpoints.blend(run.model, start, training.start_share)
        kept = None
    figures = next(
        (_figures(entry) for entry in state.log_history if entry["step"] == kept and SCORE in entry), None
    )
    if trainer.is_world_process_zero():
        with checkpoints.published(leg.done) as part:
            checkpoints.save_weights(part, run.model, stage.losses)
            result = {"steps": state.global_step, "figures": figures}
            (part / "result.json").write_text(json.dumps(result), encoding="utf-8")
    trainer.accelerator.wait_for_everyone()
    return Ended(state.global_step, figures)


def _keep(leg: Leg, state: Any, run: Run, named: Mapping[str, Any]) -> int | None:
    """Put the weights to keep into the model: returns the step they are of; None for a mean."""
    training = leg.stage.training
    saved = checkpoints.whole(leg.folder, run.journal.say)
    if training.average is not None and saved:
        if len(saved) < training.average:
            run.journal.say(
                f"average = {training.average}: there are {len(saved)} checkpoints to take the mean of."
            )
        checkpoints.average(list(saved.values())[-training.average :], run.model)
        return None
    best = best_step(state.log_history) if training.best_model else None
    if best is not None and best != state.global_step and best in saved:
        checkpoints.load_weights(saved[best], run.model, named)
        return best
    step: int = state.global_step
    return step


def _figures(entry: Mapping[str, Any]) -> dict[str, float]:
    """What an evaluation found, without the trainer's prefix and its speeds."""
    speeds = ("eval_runtime", "eval_samples_per_second", "eval_steps_per_second")
    return {
        key.removeprefix("eval_"): value
        for key, value in entry.items()
        if key.startswith("eval_") and key not in speeds
    }


def collate(
    sources: Sequence[Source],
    rows: Mapping[str, Rows],
    model: SentenceTransformer,
    query_length: int | None,
    document_length: int | None,
) -> Collate:
    """Each column with its length and its prompt, as the model will meet such texts when it is used.

    Queries and documents get the model's prompts of these names, all other texts its default prompt. Texts that are
    alike (sentences, sources, targets) are cut as queries are. Data sets go by their number.
    """
    whole = int(model.max_seq_length or 512)
    pooled = next((module.include_prompt for module in model if isinstance(module, Pooling)), True)
    prompts = model.prompts
    columns: dict[str, dict[str, Column]] = {}
    for number, source in enumerate(sources):
        query = min(whole, source.query_length or query_length or whole)
        document = min(whole, source.document_length or document_length or whole)
        columns[str(number)] = {}
        for name in rows[source.name].dataset.column_names:
            if name == "query":
                column = Column(query, prompts.get("query") or "")
            elif name == "document" or name.startswith("negative"):
                column = Column(document, prompts.get("document") or "")
            else:
                column = Column(query, prompts.get(model.default_prompt_name or "") or "")
            if not pooled and column.prompt:
                column = replace(column, unpooled=_tokens(model, column.prompt))
            if name not in LABELS:
                columns[str(number)][name] = column
    # A copy, as a fast tokenizer keeps, and saves, the lengths of its last call.
    return Collate(copy.deepcopy(model.tokenizer), columns)


def _tokens(model: SentenceTransformer, prompt: str) -> int:
    """The tokens of a prompt before a text: what ends a text does not count."""
    tokenizer: Any = model.tokenizer
    ids = tokenizer(prompt)["input_ids"]
    return len(ids) - (ids[-1] in (tokenizer.sep_token_id, tokenizer.eos_token_id))
