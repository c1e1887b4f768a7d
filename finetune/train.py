"""Train an encoder by a recipe; reads top to bottom: data, model, losses, arguments, trainer, artifacts.

    python -m finetune naru-mini --data DATA --start MODEL --output RUN [--max-minutes 60] [--resume]

DATA holds `train/` and what the recipe watches; MODEL is the folder the body comes from; RUN gets `checkpoints/`,
`latest/` (a usable model after every save), `log.jsonl` (losses and figures) and in the end `final/`. On a machine
that gives free memory back to its host, keep it: GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.trim_threshold=
17179869184:glibc.malloc.mmap_threshold=4294967296 (first touches made steps five times slower).
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import DatasetDict
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from transformers import PrinterCallback

from finetune.batches import Collate, LikeLength, Weighted
from finetune.card import write_card
from finetune.data import read_source
from finetune.journal import Journal, save_whole
from finetune.losses import loss_for
from finetune.model import assemble, run_in_bf16, start_model
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
    checkpoint = last_checkpoint(checkpoints) if resume else None
    if resume and checkpoint is None:
        raise NaruError(f"Nothing to resume: no checkpoint in {checkpoints}. Leave out --resume to begin.")
    if not resume and checkpoints.is_dir():
        raise NaruError(f"{output} holds a run already: go on with --resume, or give another --output.")
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)

    sources = {source.name: read_source(source, data / "train", recipe.seed) for source in recipe.data}
    watcher = Watcher(recipe.watch, data)
    if not resume:
        start_model(recipe, data / "train", start, begun)
    model = assemble(begun, recipe.body.max_length)
    if recipe.training.bf16:
        run_in_bf16(model)
    losses = {s.name: loss_for(s, sources[s.name].column_names, model) for s in recipe.data}

    journal = Journal(output, model, began, max_minutes)
    trainer: Any = SentenceTransformerTrainer(
        model=model,
        args=arguments(recipe, checkpoints),
        train_dataset=DatasetDict(sources),
        loss=losses,
        evaluator=watcher,
        data_collator=Collate(model.tokenizer, lengths(recipe)),
        callbacks=[journal],
    )
    trainer.remove_callback(PrinterCallback)  # the journal prints, with the minutes
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


def last_checkpoint(folder: Path) -> str | None:
    """The checkpoint of the highest step in a run's folder, None where there is none."""
    steps = {int(path.name.rpartition("-")[2]): path for path in folder.glob("checkpoint-*")}
    return str(steps[max(steps)]) if steps else None


def figures(logged: dict[str, float]) -> dict[str, float]:
    """Only what the recipe watches: `eval_law_recall@1` -> `law_recall@1`."""
    ours = ("recall@1", "recall@10", "spearman")
    return {key.removeprefix("eval_"): value for key, value in logged.items() if key.endswith(ours)}
