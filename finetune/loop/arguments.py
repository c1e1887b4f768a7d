"""From [training] to the arguments of the trainer of sentence-transformers."""

from __future__ import annotations

import importlib.util
import math
import re
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import parse_flag_from_env
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.modules import Dense

from finetune.recipe import Model, Recipe, Training
from naru.errors import NaruError


def check_machine(recipe: Recipe) -> None:
    """NaruError, by key and line, for what [training] or a stage wants and this machine does not have."""
    stages = [(f"stage[{at}].training", stage.training) for at, stage in enumerate(recipe.stage)]
    for where, training in [("training", recipe.training), *stages]:
        with recipe.places.naming(f"{where}.report_to"):
            check_reporters(training)
        with recipe.places.naming(f"{where}.precision"):
            chosen_precision(training)


def check_reporters(training: Training) -> None:
    """NaruError for a reporter that is not installed."""
    for reporter in training.report_to:
        if importlib.util.find_spec(reporter) is None:
            raise NaruError(f"report_to names {reporter!r}, which is not installed: pip install {reporter}")


def arguments(
    training: Training, folder: Path, seed: int, rates: dict[str, float], name: str, evaluates: bool
) -> SentenceTransformerTrainingArguments:
    """The arguments of one stage. `rates` are learning rates by pattern of parameter names, `name` is the recipe's.

    What is not here the trainer gets elsewhere: batches and lengths by its supply and collator, the best model, early
    stopping and checkpoints by `finetune.loop.flow`, the Hub by `finetune.loop.hub`. NaruError for a precision that this machine
    does not have.
    """
    precision = chosen_precision(training)
    # below 1 a share, as sentence-transformers has it and does not say in its types
    warmup: Any = training.warmup if 0 < training.warmup < 1 else math.ceil(training.warmup)
    on_gpu = torch.cuda.is_available() and not on_cpu()
    return SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        use_cpu=on_cpu(),
        num_train_epochs=training.epochs,
        max_steps=training.steps or -1,
        per_device_train_batch_size=training.batch_size,
        gradient_accumulation_steps=training.accumulate,
        gradient_checkpointing=training.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if training.gradient_checkpointing else None,
        learning_rate=training.learning_rate,
        learning_rate_mapping=rates,
        lr_scheduler_type=training.scheduler,
        warmup_steps=warmup,
        weight_decay=training.weight_decay,
        max_grad_norm=training.clip,
        optim=training.optimizer,
        bf16=precision == "bf16" and on_gpu,  # on a CPU the model does it: finetune.encoders.precision
        fp16=precision == "fp16",
        eval_strategy=training.evaluate if evaluates else "no",
        eval_steps=training.evaluate_steps,
        save_strategy=training.save,
        save_steps=training.save_steps or 500,
        logging_steps=training.log_steps,
        logging_nan_inf_filter=False,  # the journal stops a run whose loss is no number
        logging_dir=str(folder.parents[1] / "tensorboard" / folder.name),
        run_name=name,
        report_to=training.report_to,
        seed=seed,
        disable_tqdm=True,
        dataloader_drop_last=True,  # several processes want it said; our batches see to it themselves
        dataloader_pin_memory=on_gpu,
    )


def on_cpu() -> bool:
    """Whether there is nothing faster, or `accelerate launch --cpu` asks for it."""
    faster = torch.cuda.is_available() or torch.backends.mps.is_available()
    return parse_flag_from_env("ACCELERATE_USE_CPU") or not faster


def chosen_precision(training: Training) -> str:
    """fp32, bf16 or fp16. NaruError for fp16 without a GPU."""
    on_gpu = torch.cuda.is_available() and not on_cpu()
    if training.precision == "fp16" and not on_gpu:
        raise NaruError('precision is "fp16", which a CPU does not compute: give "bf16", "fp32" or "auto".')
    if training.precision != "auto":
        return training.precision
    if not on_gpu:
        return "bf16" if on_cpu() and multiplies_bf16() else "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def multiplies_bf16() -> bool:
    """Whether this CPU has instructions for bf16 (AMX or AVX-512); where it has not, bf16 is slower than fp32."""
    asked = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, name, bool)() for name in asked)


def rates(model: SentenceTransformer, recipe: Model, training: Training) -> dict[str, float]:
    """Learning rates that differ from the encoder's, by a pattern of the parameters' names."""
    layers: dict[str, float] = {}
    if training.embedding_learning_rate is not None:
        transformer: Any = model[0]
        weights = transformer.auto_model.get_input_embeddings().weight
        (name,) = [name for name, parameter in model.named_parameters() if parameter is weights]
        layers[rf"\.{re.escape(name)}$"] = training.embedding_learning_rate
    if recipe.adapter is not None:
        dense = [number for number, module in enumerate(model) if isinstance(module, Dense)]
        for number in dense[-len(recipe.adapter.dimensions) :]:
            layers[rf"\.{number}\.linear\."] = recipe.adapter.learning_rate
    return layers
