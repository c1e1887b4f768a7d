"""Train an encoder by a recipe; reads top to bottom: data, model, losses, arguments, trainer, artifacts.

    python -m finetune naru-mini --data DATA --start MODEL --output RUN [--max-minutes 60] [--resume]

DATA holds `train/` and what the recipe watches; MODEL is the folder the body comes from; RUN gets `checkpoints/`,
`latest/` (a usable model after every save), `log.jsonl` (losses and figures) and in the end `final/`.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import DatasetDict
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from transformers import TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from finetune.batches import Collate, LikeLength, Weighted
from finetune.card import write_card
from finetune.data import read_source
from finetune.losses import loss_for
from finetune.model import assemble, start_model
from finetune.recipe import Recipe
from finetune.watch import Watcher
from naru.errors import NaruError


@dataclass(frozen=True)
class Outcome:
    """What a run came to: the last model's folder, the steps done of those planned, figures before and after."""

    model: Path
    steps: int
    planned: int
    before: dict[str, float]
    after: dict[str, float]

    @property
    def finished(self) -> bool:
        return self.steps == self.planned


def train(
    recipe: Recipe,
    data: Path,
    start: Path,
    output: Path,
    *,
    max_minutes: float | None = None,
    resume: bool = False,
) -> Outcome:
    """Run the recipe. Stopped by `max_minutes` or a kill, the same call with `resume` goes on where it was.

    Raises NaruError when the recipe does not fit the data, or when `resume` finds no checkpoint.
    """
    began = time.monotonic()
    begun = output / "start"
    checkpoints = output / "checkpoints"
    checkpoint = get_last_checkpoint(str(checkpoints)) if resume and checkpoints.is_dir() else None
    if resume and checkpoint is None:
        raise NaruError(f"Nothing to resume: no checkpoint in {checkpoints}. Leave out --resume to begin.")
    if not resume and checkpoints.is_dir():
        raise NaruError(f"{output} holds a run already: go on with --resume, or give another --output.")
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)

    sources = {source.name: read_source(source, data / "train", recipe.seed) for source in recipe.data}
    watcher = Watcher(recipe.watch, data)
    if resume:
        model = assemble(begun, recipe.body.max_length)
    else:
        model = start_model(recipe, data / "train", start, begun)
    if recipe.training.bf16:
        run_in_bf16(model)
    losses = {s.name: loss_for(s, sources[s.name].column_names, model) for s in recipe.data}

    journal = Journal(output, model, began, max_minutes)
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments(recipe, checkpoints),
        train_dataset=DatasetDict(sources),
        loss=losses,
        evaluator=watcher,
        data_collator=Collate(model.tokenizer, lengths(recipe)),  # type: ignore[arg-type]
        callbacks=[journal],
    )
    before = journal.first_figures() if resume else trainer.evaluate()
    trainer.train(resume_from_checkpoint=checkpoint)
    after = trainer.evaluate()

    steps, planned = trainer.state.global_step, recipe.training.steps
    folder = output / ("final" if steps == planned else "latest")
    outcome = Outcome(folder, steps, planned, figures(before), figures(after))
    save_whole(model, folder)
    write_card(folder, recipe, data, start, outcome.before, outcome.after, steps)
    return outcome


def arguments(recipe: Recipe, folder: Path) -> SentenceTransformerTrainingArguments:
    """The trainer's arguments of a recipe: one pass over `steps` batches that the sampler draws by weight."""
    plan = recipe.training
    return SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        max_steps=plan.steps,
        per_device_train_batch_size=plan.batch_size,
        batch_sampler=LikeLength,
        multi_dataset_batch_sampler=functools.partial(
            Weighted, weights=[source.weight for source in recipe.data], steps=plan.steps
        ),
        learning_rate=plan.learning_rate,
        learning_rate_mapping={r"word_embeddings": plan.embedding_learning_rate},
        lr_scheduler_type=plan.scheduler,
        warmup_steps=plan.warmup_steps,
        weight_decay=plan.weight_decay,
        max_grad_norm=plan.clip,
        optim="adamw_torch_fused",
        use_cpu=True,
        seed=recipe.seed,
        eval_strategy="steps",
        eval_steps=plan.evaluate_steps,
        save_steps=plan.save_steps,
        save_total_limit=2,
        logging_steps=plan.log_steps,
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )


def lengths(recipe: Recipe) -> dict[str, dict[str, int]]:
    """Tokens by source and column; a sentence of a scored pair is as long as a query may be."""
    table = {}
    for source in recipe.data:
        query = source.query_length or recipe.training.query_length
        document = source.document_length or recipe.training.document_length
        table[source.name] = {
            "query": query,
            "document": document,
            "negative": document,
            "sentence1": query,
            "sentence2": query,
        }
    return table


def run_in_bf16(model: SentenceTransformer) -> None:
    """Run the body, and only the body, in bf16: pooling, cosines and losses stay float32.

    Embeddings and attention mask hand over bf16, or residual stream and attention would be float32 and their sums
    and casts cost a third of a step; at the end the token vectors are float32 again.
    """

    def narrow_mask(_module: Any, inputs: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return inputs, {**options, "attention_mask": options["attention_mask"].to(torch.bfloat16)}

    body = model[0].model
    body.embeddings.register_forward_hook(lambda _module, _inputs, output: output.to(torch.bfloat16))
    body.encoder.register_forward_pre_hook(narrow_mask, with_kwargs=True)
    forward = torch.autocast("cpu", torch.bfloat16)(body.forward)

    def widened(*inputs: Any, **options: Any) -> Any:
        output = forward(*inputs, **options)
        output["last_hidden_state"] = output["last_hidden_state"].float()
        return output

    body.forward = widened


class Journal(TrainerCallback):
    """Writes every logged figure to `log.jsonl`, a usable model to `latest/` at each save, and watches the clock."""

    def __init__(
        self, output: Path, model: SentenceTransformer, began: float, max_minutes: float | None
    ) -> None:
        self.output, self.model, self.began = output, model, began
        self.deadline = None if max_minutes is None else began + 60 * max_minutes

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        minutes = round((time.monotonic() - self.began) / 60, 2)
        line = json.dumps({"step": state.global_step, "minutes": minutes, **(logs or {})}, ensure_ascii=False)
        with (self.output / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            control.should_save = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        save_whole(self.model, self.output / "latest")

    def first_figures(self) -> dict[str, float]:
        """The figures before the first step, as the log of the run holds them."""
        for line in (self.output / "log.jsonl").read_text(encoding="utf-8").splitlines():
            entry: dict[str, float] = json.loads(line)
            if entry["step"] == 0 and any(key.startswith("eval_") for key in entry):
                return entry
        return {}


def save_whole(model: SentenceTransformer, folder: Path) -> None:
    """Save a model so that its folder is at every moment absent or whole."""
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}")
    model.save_pretrained(str(fresh), create_model_card=False)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def figures(logged: dict[str, float]) -> dict[str, float]:
    """Only what the recipe watches: `eval_law_recall@1` -> `law_recall@1`."""
    ours = ("recall@1", "recall@10", "spearman")
    return {key.removeprefix("eval_"): value for key, value in logged.items() if key.endswith(ours)}
