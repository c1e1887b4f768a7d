"""Killed at any moment, a run that is resumed ends with the weights of the unbroken one.

The runs here have dropout, three data sets with weights, a head that only the loss knows, and two stages.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from finetune import checkpoints
from finetune.recipe import Loss, Recipe, Source
from finetune.reporting.log import read_log
from finetune.train import Options, train

Killer = Callable[[Recipe, Path, Path, Callable[[], bool]], int]


@pytest.fixture(scope="module")
def kill() -> Killer:
    """kill(recipe, root, output, when): train in a process of its own, SIGKILL it as soon as `when()`; its exit code."""
    context = multiprocessing.get_context("forkserver")  # whose children find everything imported
    context.set_forkserver_preload(["finetune.train"])
    first = context.Process(
        target=time.sleep, args=(0,)
    )  # waits for the imports: nobody's time is measured with them
    first.start()
    first.join()

    def killed(recipe: Recipe, root: Path, output: Path, when: Callable[[], bool]) -> int:
        options = Options(resume=(output / "recipe.toml").exists())
        child = context.Process(target=train, args=(recipe, root, output, options))
        child.start()
        while child.is_alive() and not when():
            time.sleep(0.0005)
        child.kill()
        child.join()
        assert child.exitcode is not None
        return child.exitcode

    return killed


def weights(output: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """All weights that a run ended with: of the model, and of each stage with the heads of its losses."""
    yield from load_file(output / "model" / "model.safetensors").items()
    for stage in ("1-all-of-it", "2-domain"):
        saved: dict[str, Any] = torch.load(output / "checkpoints" / stage / "done" / "weights.pt")
        for name, own in saved["losses"].items():
            yield from ((f"{stage} {name} {key}", tensor) for key, tensor in own.items())


def assert_same(output: Path, unbroken: Path) -> None:
    expected = dict(weights(unbroken))
    assert any("classifier" in name for name in expected)
    for name, tensor in weights(output):
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-6, msg=name)


@pytest.fixture(scope="module")
def unbroken(small: Path, tmp_path_factory: pytest.TempPathFactory, kill: Killer) -> Path:
    from finetune.recipe import load

    output = tmp_path_factory.mktemp("unbroken") / "run"
    assert kill(load(small / "staged.toml"), small, output, lambda: False) == 0
    return output


def steps(output: Path) -> int:
    log = output / "log.jsonl"
    return read_log(log).steps if log.exists() else 0


def test_three_kills_change_nothing(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path, kill: Killer, unbroken: Path
) -> None:
    output, recipe = tmp_path / "run", staged()
    first = output / "checkpoints" / "1-all-of-it"

    def writing() -> bool:
        return (first / ".checkpoint-8.part").exists()

    assert kill(recipe, small, output, writing) == -9
    assert kill(recipe, small, output, lambda: steps(output) >= 14) == -9
    assert kill(recipe, small, output, lambda: (output / "checkpoints" / "2-domain").exists()) == -9
    assert kill(recipe, small, output, lambda: False) == 0
    assert_same(output, unbroken)
    assert read_log(output / "log.jsonl").steps == read_log(unbroken / "log.jsonl").steps


def test_a_broken_checkpoint_is_named_and_the_one_before_it_serves(
    small: Path,
    staged: Callable[..., Recipe],
    tmp_path: Path,
    kill: Killer,
    unbroken: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    output, recipe = tmp_path / "run", staged()
    assert kill(recipe, small, output, lambda: steps(output) >= 13) == -9
    folder = output / "checkpoints" / "1-all-of-it"
    *_, earlier, last = checkpoints.steps(folder).values()
    weights = last / "weights.pt"
    weights.write_bytes(weights.read_bytes()[:-100])
    capfd.readouterr()
    train(recipe, small, output, Options(resume=True))
    said = "".join(capfd.readouterr().err.split())
    assert f"Skipped{last}:weights.pthas" in said
    assert str(earlier) not in said
    assert_same(output, unbroken)


def test_the_vectors_of_a_teacher_outlive_a_stop(
    staged: Callable[..., Recipe],
    make_model: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The clock stops the teacher between two shards; whole ones are there when the run goes on."""
    monkeypatch.setattr("finetune.objectives.distillation.SHARD", 40)
    words = "서울 부산 대구 광주 대전 도서관 시장 공원 박물관 학교".split()
    lines = [json.dumps({"sentence": f"{one} {other}"}) for one in words for other in words]
    (tmp_path / "plain.jsonl").write_text("\n".join(lines), encoding="utf-8")
    taught = Source("taught", "plain.jsonl", loss=Loss("mse", {"teacher": str(make_model("xlm-roberta"))}))
    changes = ("training.steps=2", "held_out=0.1", "training.precision=fp32")
    recipe = replace(staged(*changes), data=[taught], stage=[], evaluation=[])
    whole = train(recipe, tmp_path, tmp_path / "whole")

    output = tmp_path / "run"
    written: dict[Path, int] = {}
    for done in (1, 2, 3, 4):  # 90 rows in three shards, and ten that are held out
        stopped = train(recipe, tmp_path, output, Options(resume=done > 1, max_minutes=0))
        assert (stopped.model, stopped.steps, stopped.stopped) == (None, 0, "time")
        there = {file: file.stat().st_mtime_ns for file in (output / "vectors").rglob("*.arrow")}
        assert len(there) == done
        assert written.items() <= there.items()
        written = there
    (output / "vectors" / ".left.part").mkdir()  # by a killed process
    made = train(recipe, tmp_path, output, Options(resume=True))
    assert (made.steps, made.before, made.after) == (2, whole.before, whole.after)
    assert not (output / "vectors" / ".left.part").exists()
    expected = load_file(tmp_path / "whole" / "model" / "model.safetensors")
    for name, tensor in load_file(output / "model" / "model.safetensors").items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        (),
        (
            "training.accumulate=2",
            "training.evaluate=steps",
            "training.evaluate_steps=3",
            "training.save_steps=2",
        ),
        ("stage.0.training.early_stopping=1", "stage.0.training.epochs=5"),
        ("training.average=2", "training.sampler=like-length", "training.scheduler=cosine"),
    ],
    ids=["plain", "accumulated", "stopped early", "averaged"],
)
def test_twenty_kills_at_random_moments_change_nothing(
    changes: tuple[str, ...], small: Path, staged: Callable[..., Recipe], tmp_path: Path, kill: Killer
) -> None:
    recipe, output = staged(*changes), tmp_path / "run"
    began = time.monotonic()
    assert kill(recipe, small, tmp_path / "unbroken", lambda: False) == 0
    whole = time.monotonic() - began
    rng = random.Random(len(changes))
    kills, runs = 0, 1
    while kills < 20:
        until = time.monotonic() + rng.uniform(0.3, 1.0) * whole
        if kill(recipe, small, output, lambda until=until: time.monotonic() > until) == 0:  # type: ignore[misc]
            assert_same(output, tmp_path / "unbroken")
            output, runs = tmp_path / f"run-{runs}", runs + 1
        else:
            kills += 1
    assert kill(recipe, small, output, lambda: False) == 0
    assert_same(output, tmp_path / "unbroken")
