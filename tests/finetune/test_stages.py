"""What a stage will do, told before it begins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finetune.data import read
from finetune.recipe import Model, Recipe, Source, Training
from finetune.stages import Plan, legs, plan


def planned(folder: Path, questions: int, answers: int, training: Training) -> Plan:
    """Of `questions` pairs whose documents are `answers` texts in turn."""
    rows = [{"query": f"질문 {row}", "document": f"답 {row % answers}"} for row in range(questions)]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "pairs.jsonl").write_text(text, encoding="utf-8")
    source = Source("faq", "pairs.jsonl")
    recipe = Recipe("few", Model("base"), data=[source], training=training)
    (leg,) = legs(recipe, folder)
    return plan(leg, {"faq": read(source, folder, recipe.seed)}, recipe.seed)


def test_a_plan_counts_steps_and_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training = Training(epochs=3, batch_size=8, warmup=0.1, sampler="no-duplicates")
    assert planned(tmp_path, 40, 40, training) == Plan(15, 5, [3.0])
    assert capsys.readouterr().err == ""


def test_rows_that_no_batch_takes_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twelve questions to seven answers: a batch of seven, and five rows that fill no half of thirteen."""
    training = Training(batch_size=13, warmup=0.1, sampler="no-duplicates")
    assert planned(tmp_path, 12, 7, training).an_epoch == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "Data 'faq': 5 of 12 rows are in no batch of a pass" in said
    assert "Batches smaller than 13 take more of them: --set training.batch_size=N" in said

    planned(tmp_path, 12, 7, Training(batch_size=7, warmup=0.1, sampler="no-duplicates"))
    assert capsys.readouterr().err == ""


def test_a_warm_up_longer_than_the_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planned(tmp_path, 40, 40, Training(steps=5, batch_size=8, warmup=5))
    assert "warmup = 5 steps, and 5 are planned" in capsys.readouterr().err
    planned(tmp_path, 40, 40, Training(steps=5, batch_size=8, warmup=4))
    assert capsys.readouterr().err == ""
