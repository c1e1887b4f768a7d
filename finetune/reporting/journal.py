"""What a run tells while it goes: `log.jsonl`, the report, and lines or a bar on the terminal."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback

from finetune.reporting.log import diverged, figure, read_log
from finetune.reporting.report import write_report
from naru import terminal
from naru.errors import NaruError


class Journal(TrainerCallback):
    """Writes every logged figure of a run to `log.jsonl`, `report.html` and `curves.png` at each evaluation.

    Steps count through all stages. Only the main process writes and speaks. NaruError when the loss is no number.
    """

    def __init__(self, output: Path, main: bool = True) -> None:
        self.output, self.main = output, main
        self.began = time.monotonic()
        self.stage, self.before, self.planned = "", 0, 0
        self.since = (0, 0.0)  # the step and the minute when training began or went on
        self.sets: list[str] = []
        self.warned = ""
        self.bar: Progress | None = None
        if main:
            _mend(output / "log.jsonl")

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self.began) / 60

    def start(self, record: Mapping[str, Any]) -> None:
        """Begin, or go on with, a log: `finetune.reporting.log` says what a record may hold."""
        self.planned, self.sets = record["planned"], list(record["sets"])
        self._write({"event": "start", **record})
        self.report()

    def enter(self, stage: str, before: int) -> None:
        """The stage at hand, and the steps before it."""
        self.stage, self.before, self.warned = stage, before, ""

    def say(self, text: str) -> None:
        """A line for people, on standard error."""
        if self.main:
            terminal.note(text)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        step = self.before + state.global_step
        figures = {key: value for key, value in (logs or {}).items() if key not in ("epoch", "total_flos")}
        if "train_runtime" in figures or not figures:
            return
        self._write({"step": step, **figures})
        loss = figures.get("loss")
        if loss is None:
            return
        if not math.isfinite(loss):
            raise NaruError(
                f"The loss is {loss} at step {step:,}: give a lower learning_rate or a longer warmup, and with fp16 or "
                'bf16 try precision = "fp32". The last checkpoint is from before.'
            )
        if self.bar is None:
            pace = (self.minutes - self.since[1]) / max(1, step - self.since[0])
            left = pace * max(0, self.planned - step)
            self.say(
                f"step {step:,} of {self.planned:,}  loss {loss:.4f}  {self.minutes:.1f} min, {left:.0f} to go"
            )

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.since = (self.before + state.global_step, self.minutes)
        self._advance(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._advance(state)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._measured()

    def found(self, figures: Mapping[str, float], step: int) -> None:
        """Figures that were measured outside of the trainer, after so many steps, unless they are logged already."""
        if not self.main:
            return
        logged = read_log(self.output / "log.jsonl").evaluations
        if (
            not logged
            or logged[-1].at != step
            or any(figures.get(k) != v for k, v in logged[-1].figures.items())
        ):
            self._write({"step": step, **{f"eval_{key}": value for key, value in figures.items()}})
            self._measured()

    def _measured(self) -> None:
        """Tell what an evaluation found, and write the report anew."""
        if not self.main:
            return
        log = read_log(self.output / "log.jsonl")
        said = []
        for key in log.primary:
            value, before = log.evaluations[-1].figures.get(key), log.before.get(key)
            if value is not None:
                named = figure(key, self.sets)
                change = "" if before is None or not log.after else f" ({value - before:+.3f})"
                said.append(f"{named.of} {named.measure} {value:.3f}{change}")
        self.say("measured: " + ", ".join(said))
        warning = diverged(log) or ""
        if warning and not self.warned:
            self.say(f"Warning: {warning}")
        self.warned = warning
        self.report()

    def report(self) -> None:
        if self.main:
            write_report(self.output)

    @contextmanager
    def showing(self) -> Iterator[None]:
        """A bar of all steps on a terminal; into a pipe go plain lines."""
        if not (self.main and sys.stderr.isatty()):
            yield
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=terminal.err) as self.bar:
            self.bar.add_task("training", total=self.planned)
            yield
        self.bar = None

    def _advance(self, state: Any) -> None:
        if self.bar is not None:
            losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
            said = f"{self.stage} loss {losses[-1]:.4f}" if losses else self.stage
            done = self.before + state.global_step
            self.bar.update(self.bar.task_ids[0], description=said, completed=done, total=self.planned)

    def _write(self, entry: Mapping[str, Any]) -> None:
        if self.main:
            line = {**entry, "stage": self.stage, "minutes": round(self.minutes, 2)}
            with (self.output / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False, default=float) + "\n")


def _mend(path: Path) -> None:
    """Cut off the half of a line that a killed process left."""
    if path.exists():
        whole = path.read_bytes()
        path.write_bytes(whole[: whole.rfind(b"\n") + 1])
