"""When training evaluates, saves and stops: decisions worked by hand."""

from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import TrainerControl

from finetune.loop.flow import SCORE, Clock, Flow, best_step, finished, stalled
from finetune.recipe import Training


def history(*scores: float) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for number, score in enumerate(scores, start=1):
        entries += [{"step": 10 * number, "loss": 1.0}, {"step": 10 * number, SCORE: score}]
    return entries


def state(step: int, epoch: float, *scores: float, planned: int = 100) -> Any:
    return SimpleNamespace(global_step=step, epoch=epoch, max_steps=planned, log_history=history(*scores))


@pytest.mark.parametrize(
    ("scores", "step"),
    [((), None), ((0.1,), 10), ((0.1, 0.3, 0.2), 20), ((0.3, 0.3), 20), ((-1.0, -0.5), 20)],
)
def test_the_best_is_the_last_of_equal_ones(scores: tuple[float, ...], step: int | None) -> None:
    assert best_step(history(*scores)) == step


@pytest.mark.parametrize(
    ("scores", "patience", "threshold", "stops"),
    [
        ((0.5, 0.4, 0.3), None, 0.0, False),
        ((0.5, 0.4), 2, 0.0, False),
        ((0.5, 0.4, 0.5), 2, 0.0, True),  # as good is no gain
        ((0.5, 0.4, 0.6, 0.5), 2, 0.0, False),
        ((0.5, 0.505, 0.509), 2, 0.01, True),
        ((0.5, 0.505, 0.511), 2, 0.01, False),  # slow gain adds up
        ((), 1, 0.0, False),
    ],
)
def test_training_stops_without_gain(
    scores: tuple[float, ...], patience: int | None, threshold: float, stops: bool
) -> None:
    training = Training(early_stopping=patience, early_stopping_threshold=threshold)
    assert stalled(history(*scores), training) is stops
    assert finished(history(*scores), 5, 100, training) is stops
    assert finished(history(*scores), 100, 100, training)


def test_a_save_at_the_end_of_an_epoch_waits_for_its_evaluation() -> None:
    flow, control = Flow(Training(), Clock()), TrainerControl(should_save=True)
    flow.on_step_end(None, state(10, 0.5), control)
    assert control.should_save
    flow.on_step_end(None, state(20, 1.0), control)
    assert not control.should_save
    control.should_evaluate = True  # by the trainer's flow
    flow.on_epoch_end(None, state(20, 1.0), control)
    assert control.should_evaluate
    assert control.should_save


def test_a_save_that_was_owed_is_owed_once() -> None:
    flow, control = Flow(Training(), Clock()), TrainerControl(should_save=True)
    flow.on_step_end(None, state(20, 1.0), control)
    flow.on_epoch_end(None, state(20, 1.0), control)
    assert control.should_save
    control = TrainerControl()
    flow.on_epoch_end(None, state(40, 2.0), control)
    assert not control.should_save


def test_the_clock_ends_a_step_with_a_save_and_no_evaluation() -> None:
    flow, control = Flow(Training(), Clock(max_minutes=0)), TrainerControl()
    time.sleep(0.001)
    flow.on_step_end(None, state(10, 0.5), control)
    assert control.should_training_stop
    control.should_evaluate = True  # the trainer's flow takes any end for that of an epoch
    flow.on_epoch_end(None, state(10, 0.5), control)
    assert (control.should_evaluate, control.should_save, flow.stopped) == (False, True, "time")


def test_only_a_save_that_the_clock_alone_asks_for_is_early() -> None:
    for step, planned, due, early in ((10, 100, False, True), (10, 100, True, False), (10, 10, False, False)):
        flow = Flow(Training(), Clock(max_minutes=0))
        control = TrainerControl(should_save=due)
        time.sleep(0.001)
        flow.on_step_end(None, state(step, 0.5, planned=planned), control)
        flow.on_epoch_end(None, state(step, 0.5, planned=planned), control)
        assert (control.should_save, flow.early) == (True, early)


def test_what_is_saved_already_is_not_saved_again() -> None:
    flow, control = Flow(Training(), Clock(max_minutes=0)), TrainerControl(should_training_stop=True)
    time.sleep(0.001)
    flow.on_step_end(None, state(10, 1.0), control)
    flow.on_save(None, state(10, 1.0), control)
    flow.on_epoch_end(None, state(10, 1.0), control)
    assert not control.should_save


def test_a_save_goes_again_where_its_evaluation_comes_after_it() -> None:
    flow, control = Flow(Training(), Clock()), TrainerControl(should_save=True, should_evaluate=True)
    flow.on_save(None, state(20, 1.0), control)
    flow.on_epoch_end(None, state(20, 1.0), control)
    assert control.should_save


def test_a_stage_that_begins_again_saves_its_steps_again() -> None:
    flow = Flow(Training(), Clock())
    flow.on_save(None, state(20, 1.0), TrainerControl())
    flow.on_train_begin(None, state(0, 0.0), TrainerControl())
    control = TrainerControl(should_save=True)
    flow.on_epoch_end(None, state(20, 1.0), control)
    assert control.should_save


def test_the_best_is_saved_and_lack_of_gain_stops() -> None:
    flow = Flow(Training(early_stopping=1), Clock())
    control = TrainerControl()
    flow.on_evaluate(None, state(20, 0.5, 0.1, 0.2), control)
    assert (control.should_save, control.should_training_stop) == (True, False)
    control = TrainerControl()
    flow.on_evaluate(None, state(30, 0.7, 0.1, 0.2, 0.15), control)
    assert (control.should_save, control.should_training_stop) == (False, True)


def test_the_first_signal_is_heard_and_the_second_interrupts() -> None:
    clock, said = Clock(), list[str]()
    before = signal.getsignal(signal.SIGTERM)

    def twice() -> None:
        with clock.listening(said.append):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            assert clock.reason() == "interrupt"
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert len(said) == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_time_is_up_after_its_minutes() -> None:
    assert Clock().reason() == ""
    assert Clock(max_minutes=10).reason() == ""
    assert Clock(max_minutes=-1).reason() == "time"
