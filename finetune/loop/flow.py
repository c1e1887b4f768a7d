"""When training evaluates, saves and stops: what the trainer's own flow leaves to us.

What is decided here is a function of the figures logged so far, which a checkpoint holds, so that a resumed run decides
as the unbroken one. At the end of an epoch the trainer evaluates after the step's own save; such a save waits for it, or
a run resumed there would have missed the evaluation.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import TrainerCallback

from finetune.checkpoints import Say
from finetune.recipe import Training

REASONS = ("", "time", "interrupt")  # of a clock to stop, the gravest last
SCORE = "eval_score"  # the mean of the primary figures: what models are compared by


class Clock:
    """Whether to stop early, and why: "time" when the minutes are over, "interrupt" when the user asked."""

    def __init__(self, max_minutes: float | None = None) -> None:
        self.deadline = math.inf if max_minutes is None else time.monotonic() + 60 * max_minutes
        self.interrupted = False

    def reason(self) -> str:
        """ "" while training may go on. All processes get the same answer, as they must stop at the same step."""
        return self.agreed(self.here())

    def here(self) -> str:
        """The reason in this process, without asking the others."""
        return "interrupt" if self.interrupted else "time" if time.monotonic() > self.deadline else ""

    def agreed(self, reason: str) -> str:
        """The gravest reason that any process gives, all of which have to call this."""
        said = REASONS.index(reason)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
            shared = torch.tensor(said, device=device)
            torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MAX)
            said = int(shared)
        return REASONS[said]

    @contextmanager
    def listening(self, say: Say) -> Iterator[None]:
        """Let Ctrl-C and SIGTERM end training at the next step; a second one ends it at once.

        Only the main thread hears signals; in another nothing is changed.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def heard(number: int, frame: Any) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
            say("Stopping: after this step all is saved; once more stops at once.")

        before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Flow(TrainerCallback):
    """Stops by the clock and by lack of gain, and saves what must not be lost. `stopped` is the clock's reason."""

    def __init__(self, training: Training, clock: Clock) -> None:
        self.training = training
        self.clock = clock
        self.stopped = ""
        self.owed = False
        self.saved = -1
        self.early = False  # the save under way is for the clock alone; the unbroken run has none here

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.owed, self.saved = False, -1  # a trainer that halves its batches begins again

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.stopped = self.clock.reason()
        if self.stopped:
            control.should_training_stop = True
        if control.should_save and (control.should_training_stop or state.epoch == round(state.epoch)):
            control.should_save = False
            self.owed = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not state.log_history or state.global_step == 0:
            return
        if self.training.best_model and best_step(state.log_history) == state.global_step:
            control.should_save = True
        if stalled(state.log_history, self.training):
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.saved = state.global_step

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.stopped and state.epoch != round(state.epoch) and state.global_step < state.max_steps:
            control.should_evaluate = False  # no epoch has ended: the trainer's flow takes any stop for one
        if self.stopped or self.owed:
            self.early = not (self.owed or control.should_save or state.global_step >= state.max_steps)
            control.should_save = True
        if self.saved == state.global_step and not control.should_evaluate:
            control.should_save = False
        self.owed = False


def scores(history: Sequence[Mapping[str, Any]]) -> list[tuple[int, float]]:
    """(step, score) of each evaluation."""
    return [(entry["step"], entry[SCORE]) for entry in history if SCORE in entry]


def best_step(history: Sequence[Mapping[str, Any]]) -> int | None:
    """The step of the best evaluation, the last of equal ones (a coarse figure stands still while training goes on);
    None without any."""
    measured = scores(history)
    return max(measured, key=lambda one: (one[1], one[0]))[0] if measured else None


def stalled(history: Sequence[Mapping[str, Any]], training: Training) -> bool:
    """Whether as many evaluations in a row as early stopping bears have not beaten the best one by its threshold."""
    if training.early_stopping is None:
        return False
    best, waited = -math.inf, 0
    for _, score in scores(history):
        waited += 1
        if score > best + training.early_stopping_threshold:
            best, waited = score, 0
    return waited >= training.early_stopping


def finished(history: Sequence[Mapping[str, Any]], step: int, planned: int, training: Training) -> bool:
    """Whether a stage ends at this step: all steps are done, or early stopping ends it."""
    return step >= planned or stalled(history, training)
