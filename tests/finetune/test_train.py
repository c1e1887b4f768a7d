from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer

from finetune.losses import loss_for
from finetune.model import assemble, run_in_bf16
from finetune.recipe import Source, load
from finetune.train import Outcome, train
from naru.errors import NaruError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(
    data: Path, start: Path, recipe_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Outcome, Path]:
    """One unbroken run of the small recipe; read, never changed, by the tests."""
    output = tmp_path_factory.mktemp("run") / "out"
    return train(load(recipe_file), data, start, output), output


def test_a_run_leaves_a_model_that_sentence_transformers_loads(run: tuple[Outcome, Path]) -> None:
    outcome, output = run
    assert outcome.finished
    assert outcome.model == output / "final"
    model = SentenceTransformer(str(outcome.model), device="cpu")
    assert model.max_seq_length == 48
    vectors = torch.from_numpy(model.encode(["서울 도서관", "부산 시장"]))
    assert vectors.shape == (2, 32)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    trained, untrained = model[0].model, assemble(output / "start", 48)[0].model
    layers = "encoder.layer.0.output.dense.weight"
    assert not torch.equal(trained.state_dict()[layers], untrained.state_dict()[layers])


def test_it_says_what_it_was_made_from(run: tuple[Outcome, Path], data: Path) -> None:
    outcome, output = run
    made = json.loads((outcome.model / "provenance.json").read_text())
    assert made["recipe"]["seed"] == 7
    assert made["steps"] == 6
    assert set(made["data"]) == {path.name for path in (data / "train").iterdir()}
    assert all(len(digest) == 64 for digest in made["data"].values())
    assert (
        set(outcome.after) == {"places_recall@1", "places_recall@10", "sts_spearman"} == set(outcome.before)
    )
    assert "CC BY-SA" in (outcome.model / "README.md").read_text()
    entries = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries if "loss" in entry] == [1, 2, 3, 4, 5, 6]
    assert (output / "latest" / "modules.json").is_file()


def test_a_run_that_goes_on_from_a_checkpoint_ends_at_the_same_weights(
    run: tuple[Outcome, Path], data: Path, start: Path, tmp_path: Path, write_recipe: Callable[..., Path]
) -> None:
    outcome, whole = run
    broken = tmp_path / "out"
    shutil.copytree(whole, broken, ignore=shutil.ignore_patterns("checkpoint-6", "final", "latest"))
    again = train(load(write_recipe()), data, start, broken, resume=True)
    assert again.finished
    assert again.before == outcome.before
    expected = SentenceTransformer(str(outcome.model), device="cpu").state_dict()
    for name, weights in SentenceTransformer(str(again.model), device="cpu").state_dict().items():
        torch.testing.assert_close(weights, expected[name], rtol=0, atol=0, msg=name)


def test_the_clock_stops_a_run_and_leaves_it_resumable(
    data: Path, start: Path, tmp_path: Path, write_recipe: Callable[..., Path]
) -> None:
    stopped = train(load(write_recipe()), data, start, tmp_path / "out", max_minutes=0)
    assert (stopped.steps, stopped.finished, stopped.model.name) == (1, False, "latest")
    assert (tmp_path / "out" / "checkpoints" / "checkpoint-1").is_dir()
    with pytest.raises(NaruError, match="holds a run already: go on with --resume"):
        train(load(write_recipe()), data, start, tmp_path / "out")


def test_nothing_to_resume_and_no_start_model_are_said(
    data: Path, tmp_path: Path, write_recipe: Callable[..., Path]
) -> None:
    recipe = load(write_recipe())
    with pytest.raises(NaruError, match="Nothing to resume"):
        train(recipe, data, tmp_path, tmp_path / "out", resume=True)
    with pytest.raises(NaruError, match=r"No model in .*config\.json is missing"):
        train(recipe, data, tmp_path, tmp_path / "out")


def test_the_body_in_bf16_stays_near_float32(run: tuple[Outcome, Path]) -> None:
    texts = ["서울 도서관은 언제 열었나요?", "부산 시장"]
    plain = assemble(run[1] / "start", 48)
    exact = plain.encode(texts, convert_to_tensor=True)
    run_in_bf16(plain)
    near = plain.encode(texts, convert_to_tensor=True)
    assert near.dtype == torch.float32
    assert not torch.equal(near, exact)
    assert (near * exact).sum(dim=1).min() > 0.995


def test_a_loss_that_does_not_fit_is_refused_with_those_that_do(run: tuple[Outcome, Path]) -> None:
    model = assemble(run[1] / "start", 48)
    with pytest.raises(NaruError, match=r"loss 'cosent' does not fit .* Fitting: ranking\."):
        loss_for(Source("s", "law", 1.0, loss="cosent"), ["query", "document"], model)


def test_the_command_names_what_is_wrong(data: Path, start: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(data), "--start", str(start), "--output", str(tmp_path / "out")]
    command = [sys.executable, "-m", "finetune", "no-such-recipe", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "finetune: No recipe 'no-such-recipe'" in result.stderr
