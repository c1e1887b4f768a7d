"""Whole runs of small recipes: what they leave behind, and what they refuse."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense
from torch import nn

from finetune import checkpoints
from finetune.data import read
from finetune.digests import base_digests
from finetune.dryrun import predict
from finetune.held.splitting import held_out
from finetune.loop.arguments import arguments, check_machine, check_reporters, chosen_precision, on_cpu, rates
from finetune.loop.flow import Clock, Flow
from finetune.loop.samplers import LikeLength, Neighbours, NoDuplicates, Plain
from finetune.loop.trainer import Supply, Trainer
from finetune.losses import loss_for
from finetune.preparing import accumulation
from finetune.recipe import Adapter, Evaluation, Lora, Loss, Model, Recipe, Source, Stage, Training, load
from finetune.recipe.resolved import to_toml
from finetune.reporting.log import read_log
from finetune.reporting.record import locked
from finetune.stages import collate
from finetune.train import Options, Outcome, train
from naru.errors import NaruError


@pytest.fixture(scope="module")
def run(small: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    """One unbroken run of the staged recipe; read, never changed, by the tests."""
    output = tmp_path_factory.mktemp("run") / "out"
    return train(load(small / "staged.toml"), small, output), output


def loaded(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu")


def test_a_run_leaves_a_model_that_sentence_transformers_loads(
    run: tuple[Outcome, Path], staged: Callable[..., Recipe]
) -> None:
    outcome, output = run
    assert outcome.model == output / "model"
    assert (outcome.steps, outcome.stopped) == (outcome.planned, "")
    model, start = loaded(outcome.model), loaded(Path(staged().model.base))
    vectors = torch.from_numpy(model.encode(["서울 도서관", "부산 시장"]))
    assert vectors.shape == (2, 32)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    name = "0.model.encoder.layer.0.output.dense.weight"
    assert not torch.equal(model.state_dict()[name], start.state_dict()[name])
    saved = json.loads((outcome.model / "tokenizer.json").read_text())
    assert saved["truncation"]["max_length"] == 40  # the model's, not what a column was cut at in training


def test_it_says_what_it_was_made_from(run: tuple[Outcome, Path], small: Path) -> None:
    outcome, output = run
    for folder in (output, output / "model"):
        made = json.loads((folder / "provenance.json").read_text())
        assert made["recipe"]["seed"] == 11
        assert "torch" in made["versions"]
        assert "model.safetensors" in str(made["base"]["sha256"])
    files = json.loads((output / "provenance.json").read_text())["data"]
    assert set(files) == {"data pairs.first", "data graded", "data classed", "evaluation held"}
    assert all(len(digest) == 64 for of in files.values() for digest in of.values())
    assert to_toml(load(output / "recipe.toml")) == (output / "recipe.toml").read_text()
    card = (output / "model" / "README.md").read_text()
    assert "held" in card
    base = Path(load(small / "staged.toml").model.base)
    for told in (card, (output / "model" / "provenance.json").read_text()):
        assert base.name in told
        assert str(base.parent) not in told
    assert str(base) in (output / "recipe.toml").read_text()
    assert (output / "report.html").is_file()
    assert (output / "curves.png").is_file()
    assert set(outcome.before) == set(outcome.after)
    assert "held_cosine_ndcg@10" in outcome.after


def test_the_log_counts_steps_through_all_stages(run: tuple[Outcome, Path]) -> None:
    outcome, output = run
    log = read_log(output / "log.jsonl")
    assert log.start["planned"] == outcome.planned
    assert {row["name"]: row["loss"] for row in log.start["data"]} == {
        "pairs.first": "ranking",
        "graded": "cosent",
        "classed": "softmax",
    }
    assert all(row["passes"] > 0 for row in log.start["data"])
    losses = [entry for entry in log.entries if entry.loss is not None]
    assert [entry.at for entry in losses] == list(range(1, outcome.steps + 1))
    assert list(dict.fromkeys(entry.stage for entry in losses)) == ["all of it", "domain"]
    assert log.evaluations[-1].at == outcome.steps


def test_a_stage_ends_with_its_best_model(run: tuple[Outcome, Path]) -> None:
    _, output = run
    stage = output / "checkpoints" / "1-all-of-it"
    saved = checkpoints.steps(stage)
    state = json.loads((saved[max(saved)] / "trainer_state.json").read_text())
    scores = {entry["step"]: entry["eval_score"] for entry in state["log_history"] if "eval_score" in entry}
    best = max(scores, key=lambda step: (scores[step], -step))
    kept = torch.load(stage / "done" / "weights.pt")["model"]
    for name, tensor in torch.load(saved[best] / "weights.pt")["model"].items():
        torch.testing.assert_close(kept[name], tensor, rtol=0, atol=0, msg=name)


def test_the_clock_stops_a_run_and_leaves_a_model_and_a_way_on(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path, run: tuple[Outcome, Path]
) -> None:
    output = tmp_path / "out"
    stopped = train(staged(), small, output, Options(max_minutes=0))
    assert (stopped.steps, stopped.stopped) == (1, "time")
    assert loaded(output / "model").get_embedding_dimension() == 32
    with pytest.raises(NaruError, match="holds a run already: go on with --resume"):
        train(staged(), small, output)
    again = train(staged(), small, output, Options(resume=True))
    assert again.stopped == ""
    assert again.before == stopped.before
    expected = load_file(run[1] / "model" / "model.safetensors")
    for name, tensor in load_file(output / "model" / "model.safetensors").items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-6, msg=name)


def test_a_finished_run_is_finished(run: tuple[Outcome, Path], small: Path, tmp_path: Path) -> None:
    outcome, output = run
    shutil.copytree(output, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "model")
    again = train(load(small / "staged.toml"), small, tmp_path / "out", Options(resume=True))
    assert (again.steps, again.after) == (outcome.steps, outcome.after)
    assert (tmp_path / "out" / "model" / "modules.json").is_file()


def test_a_run_is_resumed_as_it_was_begun_or_not_at_all(
    run: tuple[Outcome, Path], small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    with pytest.raises(NaruError, match="Nothing to resume: no run in"):
        train(staged(), small, tmp_path / "none", Options(resume=True))
    output = tmp_path / "out"
    shutil.copytree(run[1], output)
    with pytest.raises(NaruError, match=r"another recipe: it has 'seed = 11' where this one has 'seed = 12'"):
        train(staged("seed=12"), small, output, Options(resume=True))
    elsewhere = tmp_path / "data"
    shutil.copytree(small, elsewhere)
    with (elsewhere / "graded.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"sentence1": "하나", "sentence2": "둘", "score": 0.5}\n')
    with pytest.raises(NaruError, match="The files of data graded have changed since"):
        train(staged(), elsewhere, output, Options(resume=True))


def test_without_held_out_data_a_share_of_the_queries_is_held_out(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = staged("training.steps=2", "held_out=0.2")
    short = replace(recipe, evaluation=[], stage=[], data=recipe.data[:2])
    outcome = train(short, small, tmp_path / "out")
    assert {key.split("_")[0] for key in outcome.after} == {"pairs.first", "graded"}
    rows = read_log(tmp_path / "out" / "log.jsonl").start["data"]
    assert [row["rows"] for row in rows] == [56, 32]


def test_the_smallest_accumulation_of_a_stage_holds_for_all(staged: Callable[..., Recipe]) -> None:
    assert accumulation(staged()) is None
    changes = ("training.evaluation_accumulation=8", "stage.1.training.evaluation_accumulation=2")
    assert accumulation(staged(*changes)) == 2


def test_no_evaluation_at_all(small: Path, staged: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe = replace(staged("training.steps=2", "held_out=0"), evaluation=[], stage=[])
    outcome = train(recipe, small, tmp_path / "out")
    assert (outcome.steps, outcome.before, outcome.after) == (2, {}, {})
    assert (tmp_path / "out" / "model" / "README.md").is_file()


def test_the_weights_of_the_last_checkpoints_are_averaged(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = replace(staged("training.steps=6", "training.save_steps=2", "training.average=2"), stage=[])
    train(recipe, small, tmp_path / "out")
    saved = checkpoints.steps(tmp_path / "out" / "checkpoints" / "1-staged")
    name = "0.model.embeddings.word_embeddings.weight"
    last = [torch.load(saved[step] / "weights.pt")["model"][name] for step in (4, 6)]
    kept = load_file(tmp_path / "out" / "model" / "model.safetensors")["embeddings.word_embeddings.weight"]
    torch.testing.assert_close(kept, (last[0] + last[1]) / 2)
    assert not torch.equal(*last)


def test_the_mean_is_the_same_after_a_stop_between_its_checkpoints(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the clock saves is for the resumed run to begin from, and no part of the mean."""
    recipe = replace(staged("training.steps=6", "training.save_steps=2", "training.average=2"), stage=[])
    train(recipe, small, tmp_path / "whole")
    asked: list[str] = []

    def reason(clock: Clock) -> str:
        asked.append("time" if len(asked) == 4 else "")
        return asked[-1]

    monkeypatch.setattr(Clock, "reason", reason)
    stopped = train(recipe, small, tmp_path / "out")
    folder = tmp_path / "out" / "checkpoints" / "1-staged"
    assert (stopped.stopped, stopped.steps, list(checkpoints.steps(folder))) == ("time", 5, [2, 4, 5])
    train(recipe, small, tmp_path / "out", Options(resume=True))
    assert list(checkpoints.steps(folder)) == list(
        checkpoints.steps(tmp_path / "whole" / "checkpoints" / "1-staged")
    )
    made, expected = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("out", "whole"))
    for name, tensor in expected.items():
        torch.testing.assert_close(made[name], tensor, rtol=0, atol=0)


def test_a_broken_checkpoint_is_left_out_of_the_mean(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = replace(staged("training.steps=6", "training.save_steps=2", "training.average=2"), stage=[])
    train(recipe, small, tmp_path / "out")
    folder = tmp_path / "out" / "checkpoints" / "1-staged"
    checkpoints.remove(folder / "done")
    (folder / "checkpoint-4" / "weights.pt").write_bytes(b"broken")
    train(recipe, small, tmp_path / "out", Options(resume=True))
    name = "0.model.embeddings.word_embeddings.weight"
    last = torch.load(folder / "checkpoint-6" / "weights.pt")["model"][name]
    kept = load_file(tmp_path / "out" / "model" / "model.safetensors")["embeddings.word_embeddings.weight"]
    torch.testing.assert_close(kept, last)
    said = capsys.readouterr().err
    assert "checkpoint-4: weights.pt has 6 bytes" in said.replace("\n", "")
    assert "there are 1 checkpoints" in said


def test_two_runs_do_not_share_a_folder(small: Path, staged: Callable[..., Recipe], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with locked(tmp_path / "out", resume=False), pytest.raises(NaruError, match="Another process trains in"):
        train(staged(), small, tmp_path / "out")


def test_a_folder_of_the_user_s_is_never_taken_for_a_run_s(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    mine = tmp_path / "mine" / "start" / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(
        NaruError, match=r"start exists and was not made by a training run.* another --output"
    ):
        train(staged("training.steps=2"), small, tmp_path / "mine")
    assert mine.read_text() == "mine"


def test_a_run_that_saved_nothing_makes_room(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    changes = ["training.steps=2", "training.evaluate=no"]
    wild = staged(*changes, "training.learning_rate=1e30", "training.clip=1e30", "training.warmup=0")
    with pytest.raises(NaruError, match="The loss is nan at step"):
        train(replace(wild, stage=[]), small, output)
    assert (output / "recipe.toml").exists()
    mended = replace(staged(*changes), stage=[])
    assert train(mended, small, output).steps == 2
    assert "had saved no step: this one takes its place" in capsys.readouterr().err
    assert read_log(output / "log.jsonl").steps == 2
    with pytest.raises(NaruError, match="holds a run already"):
        train(mended, small, output)


def test_a_recipe_that_lies_in_the_folder_is_no_run(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    (tmp_path / "recipe.toml").write_text("mine")
    with pytest.raises(NaruError, match="holds a run already"):
        train(staged(), small, tmp_path)
    assert (tmp_path / "recipe.toml").read_text() == "mine"


def test_a_run_does_not_go_on_from_another_base(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    train(staged(), small, tmp_path / "out", Options(max_minutes=0))
    told = tmp_path / "out" / "provenance.json"
    said = json.loads(told.read_text("utf-8"))
    said["base"]["sha256"] = dict.fromkeys(said["base"]["sha256"], "0" * 64)
    told.write_text(json.dumps(said), "utf-8")
    with pytest.raises(NaruError, match=r"The model .* has changed since the run in .* began"):
        train(staged(), small, tmp_path / "out", Options(resume=True))
    told.unlink()
    with pytest.raises(NaruError, match=r"provenance\.json is gone or damaged"):
        train(staged(), small, tmp_path / "out", Options(resume=True))


def test_a_share_of_the_start_is_mixed_into_the_end(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    """The second stage starts from what the first one ended with; a resumed run knows its start as well."""
    recipe = staged("training.save_steps=1", "stage.1.training.steps=3", "stage.1.training.start_share=0.25")
    train(recipe, small, tmp_path / "out")
    folder = tmp_path / "out" / "checkpoints"
    first, second = sorted(folder.iterdir())
    name = "0.model.embeddings.word_embeddings.weight"
    start, end = (
        torch.load(path / "weights.pt")["model"][name] for path in (first / "done", second / "checkpoint-3")
    )
    kept = load_file(tmp_path / "out" / "model" / "model.safetensors")["embeddings.word_embeddings.weight"]
    torch.testing.assert_close(kept, 0.75 * end + 0.25 * start)
    assert not torch.equal(start, end)

    checkpoints.remove(second / "done")
    train(recipe, small, tmp_path / "out", Options(resume=True))
    again = load_file(tmp_path / "out" / "model" / "model.safetensors")["embeddings.word_embeddings.weight"]
    torch.testing.assert_close(again, kept, rtol=0, atol=0)


def test_training_stops_early_without_gain(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = staged("training.steps=20", "training.evaluate=steps", "training.evaluate_steps=1")
    # Nothing beats the first evaluation by more than a figure can be.
    training = replace(recipe.training, early_stopping=1, early_stopping_threshold=2.0)
    outcome = train(replace(recipe, training=training, stage=[]), small, tmp_path / "out")
    assert (outcome.steps, outcome.planned, outcome.stopped) == (2, 20, "")


def test_adapter_pca_whitening_and_lora_leave_a_plain_model(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = replace(staged("training.steps=3"), stage=[])
    model = replace(recipe.model, adapter=Adapter([24]), pca=0.9, whitening=0.5, lora=Lora(rank=2))
    outcome = train(replace(recipe, model=model), small, tmp_path / "out")
    assert outcome.model is not None
    made = loaded(outcome.model)
    assert not any("lora" in name for name in made.state_dict())
    assert len([module for module in made if isinstance(module, Dense)]) == 3
    assert made.encode(["서울"]).shape[1] < 24
    assert read_log(tmp_path / "out" / "log.jsonl").evaluations[-1].figures == outcome.after


class Hub:
    """Keeps what is pushed, in place of the Hub."""

    folder: Path

    def create_repo(self, name: str, **_: Any) -> Any:
        return SimpleNamespace(repo_id=name)

    def upload_folder(self, folder_path: Path, commit_message: str, **_: Any) -> None:
        shutil.copytree(folder_path, self.folder / commit_message.rpartition(" ")[2])


def test_what_is_pushed_on_the_way_is_a_plain_model(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hub, "folder", tmp_path / "hub", raising=False)
    monkeypatch.setattr("finetune.loop.hub.HfApi", Hub)
    changes = ("training.steps=4", "training.save_steps=2", "training.hub_model_id=me/x")
    recipe = replace(staged(*changes, "training.best_model=false", "training.evaluate=no"), stage=[])
    train(replace(recipe, model=replace(recipe.model, lora=Lora(rank=2))), small, tmp_path / "out")
    first, last, end = (
        load_file(tmp_path / "hub" / name / "model.safetensors") for name in ("2", "4", "staged")
    )
    assert first.keys() == last.keys() == end.keys()
    for name, tensor in end.items():
        torch.testing.assert_close(last[name], tensor, rtol=0, atol=0, msg=name)
    assert any(not torch.equal(first[name], tensor) for name, tensor in end.items())
    assert loaded(tmp_path / "hub" / "2").encode(["서울"]).shape == (1, 32)
    assert "2 of 4 steps" in (tmp_path / "hub" / "2" / "README.md").read_text("utf-8")


def test_naru_mini_in_small(mini: Recipe, data: Path, tmp_path: Path) -> None:
    outcome = train(mini, data, tmp_path / "out")
    assert outcome.steps == 6
    keys = {"places_cosine_ndcg@10", "sts_spearman_cosine"}
    assert keys <= set(outcome.before) & set(outcome.after)
    model = loaded(tmp_path / "out" / "model")
    assert model.max_seq_length == 48
    assert model.tokenizer.tokenize("도서관") != ["[UNK]"]
    again = train(mini, data, tmp_path / "out", Options(resume=True))
    assert again.after == outcome.after


def test_bad_rows_stop_a_run_or_are_left_out(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    shutil.copytree(small, root)
    with (root / "pairs.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"query": "빈 답", "document": " "}\n')
    recipe = replace(staged("training.steps=2"), stage=[])
    for refused in (lambda: predict(recipe, root), lambda: train(recipe, root, tmp_path / "out")):
        with pytest.raises(NaruError, match="--skip-bad-rows"):
            refused()
        out, err = capsys.readouterr()
        assert (out, "Checked before training" in err) == ("", True)
    assert not (tmp_path / "out" / "recipe.toml").exists()
    train(recipe, root, tmp_path / "out", Options(skip_bad_rows=True))
    assert "빈 답" in (tmp_path / "out" / "rejects.jsonl").read_text()


def test_a_loss_that_does_not_fit_is_refused_by_line_before_the_model_is_loaded(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("no model")
    recipe = staged('data.graded.loss="softmax"', f"model.base={tmp_path / 'broken'}")
    with pytest.raises(NaruError, match=r"'softmax' does not fit scored-pairs\. Fitting: cosent"):
        train(recipe, small, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("model.base=./none", "model.base"),
        ("data.0.loss={name='gist', guide='./none'}", "data[0].loss.guide"),
        ("data.1.loss={name='relational', teacher='./none'}", "data[1].loss.teacher"),
    ],
)
def test_a_missing_model_is_refused_by_key_before_data_are_read(
    change: str, key: str, small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").touch()
    unread = f"data.0.path={tmp_path / 'notes.txt'}"  # no format of data: reading it would be refused
    for run_it in (
        lambda recipe: train(recipe, small, tmp_path / "out"),
        lambda recipe: predict(recipe, small),
    ):
        with pytest.raises(NaruError) as caught:
            run_it(staged(change, unread))
        said = str(caught.value)
        assert said.startswith(f"--set {change}: recipe key {key!r}: './none' is neither a folder")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        ("data.0.reader=lore", "data[0].reader", "is 'lore', no reader."),
        ("data.0.shape=triplets", "data[0].shape", "triplets want negative, and its columns are"),
        ("data.0.columns={query='물음'}", "data[0].columns.query", "no column '물음' (named for query)"),
        ("data.0.columns={asked='query'}", "data[0].columns.asked", "columns names 'asked', none of ours"),
        ("evaluation.0.columns={query='물음'}", "evaluation[0].columns.query", "no column '물음'"),
        ("model.fresh={hidden=30}", "model.fresh.hidden", "4 attention heads do not divide 30 dimensions"),
    ],
)
def test_what_the_recipe_says_of_data_and_sizes_is_refused_by_key(
    change: str, key: str, said: str, small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    with pytest.raises(NaruError) as caught:
        train(staged(change), small, tmp_path / "out")
    assert str(caught.value).startswith(f"--set {change}: recipe key {key!r}")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("reader", "columns", "said"),
    [
        ("passages", "{body='본문'}", "names body, and the reader 'passages' takes text and title."),
        ("law", "{text='본문'}", "names text, and the reader 'law' has columns of its own."),
    ],
)
def test_columns_that_a_reader_does_not_ask_for_are_refused_by_key(
    reader: str, columns: str, said: str, small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    with pytest.raises(NaruError) as caught:
        train(staged(f"data.0.reader={reader}", f"data.0.columns={columns}"), small, tmp_path / "out")
    assert str(caught.value) == f"--set data.0.columns={columns}: recipe key 'data[0].columns' {said}"


def test_heads_that_do_not_divide_are_refused_by_key(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = staged("model.fresh={hidden=30}", "model.attention_heads=7")
    with pytest.raises(
        NaruError, match=r"^--set model\.attention_heads=7: .*7 attention heads do not divide 30"
    ):
        train(recipe, small, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        ("model.max_length=5000", "model.max_length", "max_length is 5000, and"),
        ("model.frozen_layers=90", "model.frozen_layers", "frozen_layers is 90, and the model has"),
        (
            "data.0.loss={name='ranking', matryoshka=[4096, 8]}",
            "data[0].loss.matryoshka",
            "the model has",
        ),
    ],
)
def test_what_does_not_fit_the_model_is_refused_by_key(
    change: str, key: str, said: str, small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = staged(change)
    for run_it in (lambda: train(recipe, small, tmp_path / "out"), lambda: predict(recipe, small)):
        with pytest.raises(NaruError) as caught:
            run_it()
        assert str(caught.value).startswith(f"--set {change}: recipe key {key!r}: ")
        assert said in str(caught.value)


def test_a_loss_that_is_no_number_stops_the_run(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = replace(
        staged("training.learning_rate=1e30", "training.clip=1e30", "training.warmup=0"), stage=[]
    )
    with pytest.raises(NaruError, match="The loss is nan at step"):
        train(recipe, small, tmp_path / "out")


def made(model: SentenceTransformer, training: Training, folder: Path, loss: Any = None) -> Trainer:
    """A trainer over the pairs of `small`."""
    root = folder.parent
    source = Source("pairs", "pairs.jsonl")
    rows = read(source, root, 0)
    return Trainer(
        model=model,
        args=arguments(training, folder, 1, {}, "test", evaluates=False),
        supply=Supply([rows], [1.0], [None], training.sampler, [1]),
        losses=[loss or loss_for(source, rows, model)],
        collate=collate([source], {"pairs": rows}, model, 16, 32),
        evaluator=None,
        callbacks=[],
        training=training,
        say=print,
        flow=Flow(training, Clock()),
    )


def test_what_a_teacher_compares_comes_with_its_neighbours(small: Path) -> None:
    rows = read(Source("pairs", "pairs.jsonl"), small, 0)
    other = replace(rows, name="other")
    both = [rows, other]
    kinds = {
        sampler: [
            type(source)
            for source in Supply(both, [1, 1], [None, None], sampler, [1], ["other"]).batches(4, 4).sources
        ]
        for sampler in ("like-length", "by-class", "plain")
    }
    assert kinds == {
        "like-length": [LikeLength, Neighbours],
        "by-class": [NoDuplicates, Neighbours],
        "plain": [Plain, Plain],
    }


def test_a_recipe_learns_the_relations_of_a_teacher(
    small: Path, staged: Callable[..., Recipe], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    parallel = [{"en": f"sentence {i} says this", "ko": f"문장 {i}은 이렇게 말한다"} for i in range(40)]
    (tmp_path / "parallel.jsonl").write_text("\n".join(map(json.dumps, parallel)), encoding="utf-8")
    teacher = str(make_model("xlm-roberta"))
    taught = Source(
        "taught",
        str(tmp_path / "parallel.jsonl"),
        loss=Loss("relational", {"teacher": teacher, "translations": True}),
    )
    recipe = replace(staged("training.steps=2"), data=[taught], stage=[])
    assert train(recipe, small, tmp_path / "out").steps == 2
    assert list((tmp_path / "out").rglob("*.arrow"))
    for folder in (tmp_path / "out", tmp_path / "out" / "model"):
        asked = json.loads((folder / "provenance.json").read_text())["asked"]
        name = teacher if folder == tmp_path / "out" else Path(teacher).name
        assert asked == {name: base_digests(teacher, tmp_path)}


@pytest.mark.parametrize(
    ("name", "figure", "parameters"),
    [
        ("mse", "negative_mse", {}),
        ("mse", "spearman_cosine", {"projection": True}),
        ("relational", "spearman_cosine", {}),
    ],
)
def test_what_is_held_out_of_a_distillation_is_measured_against_the_teacher(
    name: str,
    figure: str,
    parameters: dict[str, Any],
    staged: Callable[..., Recipe],
    make_model: Callable[..., Path],
    tmp_path: Path,
) -> None:
    words = "서울 부산 대구 광주 대전 도서관 시장 공원 박물관 학교".split()
    lines = [json.dumps({"sentence": f"{one} {other}"}) for one in words for other in words]
    (tmp_path / "plain.jsonl").write_text("\n".join(lines), encoding="utf-8")
    teacher = str(make_model("xlm-roberta"))
    taught = Source("taught", "plain.jsonl", loss=Loss(name, {"teacher": teacher, **parameters}))
    changes = ("training.steps=2", "held_out=0.2", "training.precision=fp32")
    recipe = replace(staged(*changes), data=[taught], stage=[], evaluation=[])
    outcome = train(recipe, tmp_path, tmp_path / "out")
    start = read_log(tmp_path / "out" / "log.jsonl").start
    assert [row["rows"] for row in start["data"]] == [80]
    assert (start["sets"], start["sizes"], start["primary"]) == (["taught"], [20], [f"taught_{figure}"])
    assert outcome.before[f"taught_{figure}"] != outcome.after[f"taught_{figure}"]
    if figure == "negative_mse":
        apart = held_out(read(taught, tmp_path, 11), 0.2, 11)[1].dataset["sentence"][:]
        vectors = [loaded(path).encode(apart) for path in (tmp_path / "out" / "model", Path(teacher))]
        vectors = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in vectors]
        wanted = -100 * ((vectors[0] - vectors[1]) ** 2).mean()
        assert outcome.after["taught_negative_mse"] == pytest.approx(wanted, rel=1e-4)


def test_held_out_data_are_measured_against_a_teacher_they_name(
    small: Path, staged: Callable[..., Recipe], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "plain.jsonl").write_text('{"text": "글 하나"}\n{"text": "글 둘"}\n', encoding="utf-8")
    teacher = str(make_model("xlm-roberta"))
    asked = Evaluation("e", str(tmp_path / "plain.jsonl"), shape="teacher-vectors", teacher=teacher)
    recipe = replace(staged("training.steps=2"), stage=[], evaluation=[asked])
    assert "e_negative_mse" in train(recipe, small, tmp_path / "out").after
    wide = replace(recipe, evaluation=[replace(asked, teacher="naru-mini")])
    with pytest.raises(NaruError, match="vectors have 384 dimensions; the model's have 32"):
        train(wide, small, tmp_path / "other")


def test_classes_without_a_measure_are_trained_on_whole(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = staged("training.steps=2", "held_out=0.2")
    short = replace(recipe, evaluation=[], stage=[], data=recipe.data[2:])
    assert train(short, small, tmp_path / "out").after == {}
    (row,) = read_log(tmp_path / "out" / "log.jsonl").start["data"]
    assert row["rows"] == 40
    assert "nothing held out: classed-pairs of 3 classes have no measure" in row["notes"]


def test_the_bundled_base_is_named_by_its_hashes(tmp_path: Path) -> None:
    found = base_digests("naru-mini", tmp_path)
    assert {"model.safetensors", "tokenizer.json", "1_Pooling/config.json"} <= found.keys()


class Narrow(nn.Module):
    """A loss that runs out of memory, as CUDA does, on more rows than fit."""

    def __init__(self, loss: nn.Module, room: int) -> None:
        super().__init__()
        self.loss, self.room = loss, room
        self.sizes: list[int] = []

    def forward(
        self, features: list[Mapping[str, torch.Tensor]], labels: torch.Tensor | None
    ) -> torch.Tensor:
        self.sizes.append(len(features[0]["input_ids"]))
        if self.sizes[-1] > self.room and len(self.sizes) > 2:  # not at once: the weights have moved by then
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        loss: torch.Tensor = self.loss(features, labels)
        return loss


def test_a_batch_too_large_begins_again_at_half_the_size(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(small, tmp_path / "data")
    training = Training(steps=3, batch_size=16, auto_batch_size=True, save="steps", save_steps=1, log_steps=1)
    ends = []
    for room, batch_size in ((5, 16), (99, 4)):
        model = loaded(Path(staged().model.base)).eval()
        folder = tmp_path / "data" / f"run-{room}"
        source = Source("pairs", "pairs.jsonl")
        loss = Narrow(loss_for(source, read(source, tmp_path / "data", 0), model), room)
        trainer = made(model, replace(training, batch_size=batch_size), folder, loss)
        trainer.train()
        assert loss.sizes[-3:] == [4, 4, 4]
        assert max(checkpoints.steps(folder)) == 3
        ends.append(model.state_dict())
    assert "begins again with batches of 8" in capsys.readouterr().out
    for name, tensor in ends[0].items():  # nothing of the failed attempts is left
        torch.testing.assert_close(tensor, ends[1][name], rtol=0, atol=1e-6, msg=name)


def test_checkpointed_gradients_are_the_same(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    shutil.copytree(small, tmp_path / "data")
    ends = []
    for thrifty in (False, True):
        model = loaded(Path(staged().model.base))
        training = Training(steps=2, batch_size=8, gradient_checkpointing=thrifty, save="no")
        made(model, training, tmp_path / "data" / f"run-{thrifty}").train()
        ends.append(model.state_dict())
    for name, tensor in ends[0].items():
        torch.testing.assert_close(ends[1][name], tensor, msg=name)


def test_layers_learn_at_their_own_rates(small: Path, staged: Callable[..., Recipe], tmp_path: Path) -> None:
    shutil.copytree(small, tmp_path / "data")
    model = loaded(Path(staged().model.base))
    model.insert(2, Dense(32, 8))
    training = Training(steps=2, batch_size=8, learning_rate=1e-5, embedding_learning_rate=1e-2, save="no")
    layers = rates(model, Model("x", adapter=Adapter([8], learning_rate=1e-3)), training)
    trainer = made(model, training, tmp_path / "data" / "run")
    trainer.args.learning_rate_mapping = layers
    trainer.create_optimizer()
    optimizer: Any = trainer.optimizer
    rate = {id(tensor): group["lr"] for group in optimizer.param_groups for tensor in group["params"]}
    found = {name: rate[id(tensor)] for name, tensor in model.named_parameters()}
    assert found.pop("0.model.embeddings.word_embeddings.weight") == 1e-2
    assert found.pop("2.linear.weight") == found.pop("2.linear.bias") == 1e-3
    assert set(found.values()) == {1e-5}


def with_a_head(
    small: Path, base: str, training: Training, folder: Path
) -> tuple[Trainer, dict[str, torch.Tensor], Callable[[], dict[str, torch.Tensor]]]:
    """A trainer whose loss has weights of its own, what they are, and how to ask what they have become."""
    shutil.copytree(small, folder / "data")
    model = loaded(Path(base))
    source = Source("classed", "classed.jsonl", shape="classed-pairs")
    rows = read(source, folder / "data", 0)
    loss: Any = loss_for(source, rows, model)
    trainer = Trainer(
        model=model,
        args=arguments(training, folder / "data" / "run", 1, {}, "test", evaluates=False),
        supply=Supply([rows], [1.0], [None], "plain", [1]),
        losses=[loss],
        collate=collate([source], {"classed": rows}, model, 16, 16),
        evaluator=None,
        callbacks=[],
        training=training,
        say=print,
        flow=Flow(training, Clock()),
    )
    before = {name: tensor.clone() for name, tensor in checkpoints.parameters(loss, model)}
    assert before
    return trainer, before, lambda: dict(checkpoints.parameters(loss, model))


def test_the_gradients_of_a_head_do_not_add_up(
    small: Path, staged: Callable[..., Recipe], tmp_path: Path
) -> None:
    """The stock trainer clears only the model's; a head's would add up over all steps."""
    training = Training(steps=3, batch_size=8, save="no", clip=1e9)
    trainer, before, now = with_a_head(small, staged().model.base, training, tmp_path)
    trainer.train()
    for name, tensor in now().items():
        assert tensor.grad is None
        assert not torch.equal(tensor, before[name])


def test_a_head_is_clipped_with_the_model(small: Path, staged: Callable[..., Recipe], tmp_path: Path) -> None:
    """The stock trainer clips the model's gradients only."""
    training = Training(
        steps=2,
        batch_size=8,
        save="no",
        clip=1e-12,
        optimizer="sgd",
        learning_rate=0.5,
        warmup=0,
        weight_decay=0,
    )
    trainer, before, now = with_a_head(small, staged().model.base, training, tmp_path)
    trainer.train()
    for name, tensor in now().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=1e-9)


def test_the_trainer_gets_every_number_of_the_recipe(tmp_path: Path) -> None:
    training = Training(
        epochs=3, batch_size=12, accumulate=2, learning_rate=3e-5, scheduler="cosine", warmup=0.2, weight_decay=0.05,
        clip=0.5, optimizer="adamw_torch", evaluate="steps", evaluate_steps=7, save="steps", save_steps=14, log_steps=3,
    )  # fmt: skip
    args = arguments(training, tmp_path / "checkpoints" / "1-x", 9, {}, "name", evaluates=True)
    assert (args.num_train_epochs, args.max_steps, args.per_device_train_batch_size) == (3, -1, 12)
    assert (args.gradient_accumulation_steps, args.learning_rate, str(args.lr_scheduler_type.value)) == (
        2,
        3e-5,
        "cosine",
    )
    assert (args.warmup_ratio, args.warmup_steps, args.weight_decay, args.max_grad_norm) == (
        0.2,
        0,
        0.05,
        0.5,
    )
    assert (str(args.optim.value), args.eval_steps, args.save_steps, args.logging_steps) == (
        "adamw_torch",
        7,
        14,
        3,
    )
    assert (args.seed, args.report_to) == (9, [])
    steps = arguments(
        replace(training, steps=5, warmup=360), tmp_path / "a" / "b", 9, {}, "name", evaluates=False
    )
    assert (steps.max_steps, steps.warmup_steps, str(steps.eval_strategy.value)) == (5, 360, "no")


@pytest.mark.skipif(not on_cpu(), reason="there is a GPU, which precision is chosen for")
@pytest.mark.parametrize(("has_instructions", "precision"), [(True, "bf16"), (False, "fp32")])
def test_a_cpu_trains_in_what_it_multiplies_fast(
    has_instructions: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: has_instructions)
    assert chosen_precision(Training()) == precision


def test_what_this_machine_does_not_have_is_said() -> None:
    if not torch.cuda.is_available():
        with pytest.raises(NaruError, match='precision is "fp16", which a CPU does not compute'):
            chosen_precision(Training(precision="fp16"))
        recipe = Recipe("r", Model("naru-mini"), [], stage=[Stage("s", training=Training(precision="fp16"))])
        with pytest.raises(NaruError, match=r"recipe key 'stage\[0\]\.training\.precision': precision is"):
            check_machine(recipe)
    assert chosen_precision(Training(precision="bf16")) == "bf16"
    with pytest.raises(
        NaruError, match="'no_such_reporter', which is not installed: pip install no_such_reporter"
    ):
        check_reporters(Training(report_to=["no_such_reporter"]))


def test_training_reads_texts_as_the_model_will(make_model: Callable[..., Path], small: Path) -> None:
    model = SentenceTransformer(
        str(make_model()),
        device="cpu",
        prompts={"query": "질문: ", "document": "문서: "},
        default_prompt_name="query",
    ).eval()
    sources = [Source("pairs", "pairs.jsonl"), Source("graded", "graded.jsonl")]
    rows = {source.name: read(source, small, 0) for source in sources}
    batches = collate(sources, rows, model, None, None)
    for number, (source, encoders) in enumerate(
        zip(sources, [(model.encode_query, model.encode_document), (model.encode, model.encode)], strict=True)
    ):
        dataset = rows[source.name].dataset
        batch = batches([{**dataset[at], "dataset_name": str(number)} for at in range(4)])
        for at, (column, encode) in enumerate(zip(dataset.column_names[:2], encoders, strict=True)):
            prefix = f"{at}_{column}_"
            features = {
                key.removeprefix(prefix): value for key, value in batch.items() if key.startswith(prefix)
            }
            with torch.no_grad():
                vectors = model(features)["sentence_embedding"].numpy()
            np.testing.assert_allclose(vectors, encode(dataset[:4][column]), atol=1e-5)


def test_prompts_that_pooling_leaves_out_are_left_out_in_training(
    make_model: Callable[..., Path], small: Path
) -> None:
    model = SentenceTransformer(
        str(make_model()), device="cpu", prompts={"query": "질문: ", "document": ""}
    ).eval()
    pooling: Any = model[1]
    pooling.include_prompt = False
    source = Source("pairs", "pairs.jsonl")
    rows = read(source, small, 0)
    batch = collate([source], {"pairs": rows}, model, None, None)(
        [{**rows.dataset[at], "dataset_name": "0"} for at in range(4)]
    )
    features = {
        key.removeprefix("0_query_"): value for key, value in batch.items() if key.startswith("0_query_")
    }
    with torch.no_grad():
        vectors = model(features)["sentence_embedding"].numpy()
    np.testing.assert_allclose(vectors, model.encode_query(rows.dataset[:4]["query"]), atol=1e-5)
