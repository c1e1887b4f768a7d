"""`naru train --dry-run`: a few steps on a few rows, and what they say of the whole run's minutes and memory."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.table import Table
from transformers import TrainerCallback

from finetune.data import Rows
from finetune.held import Lesson
from finetune.loop.flow import Clock
from finetune.losses import check_widths, prepared
from finetune.material import sampled
from finetune.measuring.lessons import answered
from finetune.measuring.measures import Measures
from finetune.objectives.demands import check_demands
from finetune.preparing import accumulation, check_before_reading, gathered, opened
from finetune.recipe import Recipe, Training
from finetune.reporting.journal import Journal
from finetune.stages import Leg, Ready, Run, legs, plan, ready

STEPS, ROWS = 20, 200
WARM = 3  # first steps that do not count: memory is touched, kernels are chosen


@dataclass(frozen=True)
class Prediction:
    """What a run would take: minutes by what they go into, and the most memory it has (bytes, of the GPU where there is
    one). `rows_per_second` is of training."""

    steps: int
    minutes: dict[str, float]
    peak_bytes: int
    device: str
    rows_per_second: float

    @property
    def total(self) -> float:
        return sum(self.minutes.values())

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "total_minutes": self.total}

    def table(self) -> Table:
        table = Table(title=f"{self.steps:,} steps on {self.device}", title_justify="left")
        table.add_column("")
        table.add_column("", justify="right")
        for name, minutes in self.minutes.items():
            table.add_row(name, _spoken(minutes))
        table.add_section()
        table.add_row("in all, about", _spoken(self.total))
        table.add_row("memory at most", f"{self.peak_bytes / 2**30:,.1f} GiB")
        table.add_row("rows a second", f"{self.rows_per_second:,.0f}")
        return table


def predict(recipe: Recipe, root: Path, skip_bad_rows: bool = False) -> Prediction:
    """Read and check all data, train 20 steps of each stage on 200 rows of each data set, and the longest rows once.

    Nothing of it is kept. NaruError as for `finetune.train.train`.
    """
    check_before_reading(recipe, root)
    with TemporaryDirectory(prefix="naru-dry-run-") as name:
        output = Path(name)
        began = time.perf_counter()
        material = gathered(recipe, root, output, skip_bad_rows, main=True)
        check_demands(recipe, material.rows, root)
        material.show(material.table(recipe))
        model = opened(recipe, root, output)
        check_widths(recipe, model)
        minutes = {"reading and opening": _since(began)}

        most = _most(recipe)  # rows of the largest batch
        some, longest = dict[str, Rows](), dict[str, Rows]()
        for source in recipe.data:
            whole = material.rows[source.name]
            count = min(max(ROWS, 2 * most), len(whole.dataset))
            sample = sampled(whole, count, most, recipe.seed)
            began = time.perf_counter()
            taught = prepared(source, sample, root, model, output / "vectors")
            if taught is not sample:
                share = len(whole.dataset) / len(sample.dataset)
                vectors = minutes.get("the teacher's vectors", 0.0)
                minutes["the teacher's vectors"] = vectors + _since(began) * share
            some[source.name] = replace(taught, dataset=taught.dataset.select(range(count)))
            last = range(count, len(taught.dataset))
            longest[source.name] = replace(taught, dataset=taught.dataset.select(last))

        began = time.perf_counter()
        held = answered(material.held, root, model, output / "vectors")
        if any(isinstance(one, Lesson) for one in material.held):
            minutes["the teacher's vectors"] = minutes.get("the teacher's vectors", 0.0) + _since(began)
        measures = Measures(held, accumulation(recipe)) if held else None
        began = time.perf_counter()
        if measures is not None:
            measures(model)
        an_evaluation = _since(began)

        journal = Journal(output, main=False)
        run = Run(recipe, root, model, some, None, journal, Clock())
        stages = legs(recipe, output)
        plans = [plan(leg, material.rows, recipe.seed) for leg in stages]
        for key in ("training", "evaluation", "checkpoints"):
            minutes[key] = 0.0
        seen = 0.0
        for leg, whole_plan in zip(stages, plans, strict=True):
            training = leg.stage.training
            shortened = replace(leg, stage=replace(leg.stage, training=_short(training)))
            stage = ready(shortened, run)
            a_step = _timed(stage)
            _once(stage, leg, longest)
            began = time.perf_counter()
            stage.trainer._save_checkpoint(model, None)
            minutes["training"] += a_step * whole_plan.steps
            minutes["evaluation"] += an_evaluation * whole_plan.times(
                training.evaluate, training.evaluate_steps
            )
            minutes["checkpoints"] += _since(began) * (
                1 + whole_plan.times(training.save, training.save_steps)
            )
            passes = zip(leg.sources, whole_plan.passes, strict=True)
            seen += sum(times * len(material.rows[source.name]) for source, times in passes)
        minutes["evaluation"] += 2 * an_evaluation  # before and after
        steps = sum(one.steps for one in plans)
        return Prediction(steps, minutes, _peak(), _device(), seen / max(1e-9, 60 * minutes["training"]))


def _most(recipe: Recipe) -> int:
    sizes = [recipe.training.batch_size, *(stage.training.batch_size for stage in recipe.stage)]
    return max(*sizes, *(source.batch_size or 1 for source in recipe.data))


def _short(training: Training) -> Training:
    return replace(
        training,
        steps=STEPS,
        evaluate="no",
        evaluate_steps=None,
        save="no",
        save_steps=None,
        best_model=False,
        early_stopping=None,
        average=None,
        report_to=[],
        hub_model_id=None,
    )


class _Stamps(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.at.append(time.perf_counter())


def _timed(stage: Ready) -> float:
    """Minutes a step, the mean of the warm ones."""
    stamps = _Stamps()
    stage.trainer.add_callback(stamps)
    stage.trainer.train()
    warm = stamps.at[WARM - 1 :]
    return (warm[-1] - warm[0]) / (len(warm) - 1) / 60


def _once(stage: Ready, leg: Leg, longest: Mapping[str, Rows]) -> None:
    """A step of the longest rows of each data set, for the memory it takes; the weights do not matter any more."""
    trainer = stage.trainer
    for number, source in enumerate(leg.sources):
        size = source.batch_size or leg.stage.training.batch_size
        rows = longest[source.name].dataset.select(range(min(size, len(longest[source.name].dataset))))
        batch = [{**row, "dataset_name": str(number)} for row in rows]
        trainer.training_step(trainer.model_wrapped, trainer.data_collator(batch))
        trainer.model.zero_grad()


def _peak() -> int:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _device() -> str:
    return (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"CPU, {torch.get_num_threads()} threads"
    )


def _since(began: float) -> float:
    return (time.perf_counter() - began) / 60


def _spoken(minutes: float) -> str:
    if minutes >= 90:
        return f"{minutes / 60:,.1f} hours"
    return f"{minutes:,.0f} minutes" if minutes >= 1.5 else f"{60 * minutes:,.0f} seconds"
