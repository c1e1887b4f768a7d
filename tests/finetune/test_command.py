"""`naru train`, `python -m finetune` and `naru mine` as they are typed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import CrossEncoder
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from finetune.mining.opening import cross_encoder
from finetune.reporting.log import read_log
from naru.errors import NaruError

ROOT = Path(__file__).parents[2]
ONE_STAGE = ["--set", "stage=[]"]


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NARU__")}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


def run(*command: str, status: int = 0, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def staged(small: Path, *arguments: str) -> list[str]:
    return ["naru", "train", str(small / "staged.toml"), *arguments]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_naru_train_trains_and_says_what_it_gained(small: Path, tmp_path: Path) -> None:
    flags = ["--set", "training.steps=3", *ONE_STAGE, "--json", "--output", "out"]
    done = run(*staged(small, *flags), cwd=tmp_path)
    said = json.loads(done.stdout)
    assert (said["model"], said["steps"], said["planned"], said["stopped"]) == ("out/model", 3, 3, "")
    assert said["after"].keys() == said["before"].keys()
    assert "step 3 of 3  loss" in done.stderr
    assert (tmp_path / said["report"]).is_file()
    again = run(*staged(small, *flags), cwd=tmp_path, status=1)
    assert (
        again.stderr
        == "error: out holds a run already: go on with --resume, delete it, or give another --output.\n"
    )


def test_paths_typed_here_are_of_here(small: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_bytes((small / "pairs.jsonl").read_bytes())
    flags = ["--data", "mine.jsonl", "--base", str(small), "--set", "training.steps=2", "--output", "out"]
    done = run("naru", "train", "e5-triplets", *flags, cwd=tmp_path, status=1)
    assert str(small) in done.stderr  # no model in it: the data were read before


@pytest.mark.parametrize("command", [["naru", "train"], ["finetune"]], ids=" ".join)
def test_help_and_wrong_use(command: Sequence[str]) -> None:
    said = run(*command, "--help").stdout
    assert "--max-minutes" in said
    assert "default: the recipe's" in said
    done = run(*command, "few-samples", "--data", "x.jsonl", status=2)
    assert "--output" in done.stderr
    assert run(*command, status=2).stderr.startswith(
        f"Usage: {'naru train' if command[0] == 'naru' else 'python'}"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--set", "training.learning_rat=1"], "learning_rat"),
        (["--set", "training.epochs=0"], "--set training.epochs=0"),
        (["--set", "data.graded.loss=softmax"], "'softmax' does not fit scored-pairs"),
        (["--set", "data.graded.path=nowhere.jsonl"], "nowhere.jsonl"),
        (["--data", "other=x.jsonl"], "no data 'other'"),
        (["--data", "graded=x.jsonl"], "error: --data graded=x.jsonl: no such file"),
    ],
)
def test_bad_recipes_are_refused_in_a_line(
    flags: list[str], message: str, small: Path, tmp_path: Path
) -> None:
    done = run(*staged(small, *flags, "--output", str(tmp_path / "out")), status=1)
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert not (tmp_path / "out" / "recipe.toml").exists()


def test_a_dry_run_predicts_and_keeps_nothing(small: Path, tmp_path: Path) -> None:
    done = run(*staged(small, "--dry-run", "--json"), cwd=tmp_path)
    said = json.loads(done.stdout)
    assert said["steps"] == 2 * 18 + 12
    assert said["total_minutes"] == pytest.approx(sum(said["minutes"].values()))
    assert set(said["minutes"]) == {"reading and opening", "training", "evaluation", "checkpoints"}
    assert 50 * 2**20 < said["peak_bytes"] < 20 * 2**30
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_saves_and_says_how_to_go_on(small: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        *staged(small, "--set", "training.epochs=300", *ONE_STAGE, "--output", str(output)),
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    log = output / "log.jsonl"
    until = time.monotonic() + 100
    while time.monotonic() < until and not (log.exists() and read_log(log).steps >= 3):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said, noted = process.communicate(timeout=60)
    assert process.returncode == 130, noted
    assert "Stopping: after this step all is saved" in noted
    assert "the same command with --resume goes on" in said
    assert "error:" not in noted
    assert "Traceback" not in noted
    (stage,) = (output / "checkpoints").iterdir()
    assert max(int(path.name.split("-")[1]) for path in stage.glob("checkpoint-*")) == read_log(log).steps
    assert not (output / "model").exists()


def test_accelerate_launches_it(small: Path, tmp_path: Path) -> None:
    launch = ["accelerate.commands.launch", "--cpu", "--num_processes", "1", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "-m", "finetune"]
    flags = ["--set", "training.steps=2", *ONE_STAGE, "--output", str(tmp_path / "out")]
    run(*launch, str(small / "staged.toml"), *flags)
    assert (tmp_path / "out" / "model" / "modules.json").is_file()


@pytest.mark.slow
def test_two_processes_share_the_batches_and_one_of_them_writes(small: Path, tmp_path: Path) -> None:
    launch = ["torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29617", "-m", "finetune"]
    done = run(*launch, str(small / "staged.toml"), "--output", str(tmp_path / "out"), "--json")
    said = json.loads(done.stdout)
    assert said["steps"] == said["planned"] == 2 * 9 + 6  # of 18 and 12 batches in an epoch
    logged = [entry["step"] for entry in lines(tmp_path / "out" / "log.jsonl") if "loss" in entry]
    assert logged == list(range(1, said["steps"] + 1))
    (tmp_path / "out" / "model" / "modules.json").unlink()
    run(*launch, str(small / "staged.toml"), "--output", str(tmp_path / "out"), "--resume")
    assert (tmp_path / "out" / "model" / "modules.json").is_file()


@pytest.fixture(scope="module")
def mined(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mined")
    (folder / "pairs.jsonl").write_bytes((small / "pairs.jsonl").read_bytes())
    records = [
        {"id": str(at), "title": "안내", "text": f"{row['document']} 표를 산다."}
        for at, row in enumerate(lines(small / "held.jsonl"))
    ]
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (folder / "corpus.jsonl").write_text(text, encoding="utf-8")
    return folder


def test_mined_negatives_are_what_training_reads(mined: Path) -> None:
    said = json.loads(
        run(
            "naru",
            "mine",
            "pairs.jsonl",
            "--output",
            "out.jsonl",
            "--number",
            "2",
            "--share",
            "none",
            "--json",
            cwd=mined,
        ).stdout
    )
    assert (said["pairs"], said["written"]) == (70, 70)
    rows = lines(mined / "out.jsonl")
    assert list(rows[0]) == ["query", "document", "negative_1", "negative_2"]
    documents = {row["document"] for row in rows}
    assert {row["negative_1"] for row in rows} <= documents
    assert all(row["negative_1"] != row["document"] for row in rows)
    from finetune.data import read
    from finetune.recipe import Source
    from finetune.shapes import Shape

    assert read(Source("mined", "out.jsonl"), mined, 0).shape is Shape.TRIPLETS


def test_mining_another_corpus_with_an_encoder(mined: Path, tiny_bundle: Path) -> None:
    flags = ["--corpus", "corpus.jsonl", "--encoder", str(tiny_bundle), "--number", "1", "--sample", "1"]
    said = run("naru", "mine", "pairs.jsonl", "--output", "other.jsonl", *flags, cwd=mined).stdout
    assert "judged by the encoder" in said
    assert "a look at some rows" in said
    assert all(row["negative_1"].endswith("표를 산다.") for row in lines(mined / "other.jsonl"))


def test_mining_with_a_model_and_a_cross_encoder(mined: Path, small: Path, tmp_path: Path) -> None:
    base = Path(json.loads((small / "base.json").read_text()))
    tokenizer: Any = AutoTokenizer
    config = AutoConfig.from_pretrained(base, num_labels=1)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path / "cross")
    tokenizer.from_pretrained(base).save_pretrained(tmp_path / "cross")
    assert 0 < CrossEncoder(str(tmp_path / "cross")).predict([("가", "나")])[0] < 1
    flags = ["--encoder", str(base), "--check", str(tmp_path / "cross"), "--check-limit", "0", "--no-fill"]
    done = run("naru", "mine", "pairs.jsonl", "--output", "none.jsonl", *flags, cwd=mined, status=1)
    assert "None of the 70 pairs found 3 negatives" in done.stderr  # no probability is 0
    assert not (mined / "none.jsonl").exists()


def test_what_is_no_cross_encoder_does_not_judge(small: Path, tmp_path: Path) -> None:
    base = Path(json.loads((small / "base.json").read_text()))
    with pytest.raises(NaruError, match="is a sentence encoder, which gives one vector a text"):
        cross_encoder("naru-mini")
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in base.iterdir():
        if file.is_file() and file.name != "modules.json":
            (bare / file.name).write_bytes(file.read_bytes())
    with pytest.raises(
        NaruError, match=r"has no trained head for pairs \(classifier\.bias, classifier\.weight\)"
    ):
        cross_encoder(str(bare))
    with pytest.raises(NaruError, match="no model in this folder"):
        cross_encoder(str(tmp_path))
    model = CrossEncoder(str(bare), num_labels=1)
    model.save_pretrained(str(tmp_path / "cross"))
    assert 0 < cross_encoder(str(tmp_path / "cross"))([("가", "나")])[0] < 1
    state = model.model.state_dict()
    (tmp_path / "cross" / "model.safetensors").unlink()
    torch.save(state, tmp_path / "cross" / "pytorch_model.bin")
    assert 0 < cross_encoder(str(tmp_path / "cross"))([("가", "나")])[0] < 1


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--check", "./nope"], 1, "'./nope' is neither a folder, a preset, nor a name on the Hub"),
        (["--share", "much"], 2, "'much' is neither a number nor none"),
        (["--share", "2"], 1, "share is 2.0"),
        (["--source", "bm26"], 1, "sources are bm26"),
        (["--source", "encoder"], 1, 'The source "encoder" needs an encoder'),
        (["--stopwords", "nowhere.txt"], 1, "nowhere.txt: cannot be read"),
    ],
)
def test_what_cannot_be_mined_is_said(flags: list[str], status: int, message: str, mined: Path) -> None:
    done = run("naru", "mine", "pairs.jsonl", "--output", "bad.jsonl", *flags, cwd=mined, status=status)
    assert message in done.stderr
    assert not (mined / "bad.jsonl").exists()


def test_pairs_without_a_text_are_named_or_left_out(mined: Path) -> None:
    rows = [json.dumps(row, ensure_ascii=False) for row in lines(mined / "pairs.jsonl")]
    rows.insert(2, '{"query": "빈 답", "document": " "}')
    (mined / "holes.jsonl").write_text(
        "\n".join([*rows, '{"query": null, "document": "답"}']), encoding="utf-8"
    )
    mine = ["naru", "mine", "holes.jsonl", "--output", "whole.jsonl", "--share", "none"]
    done = run(*mine, cwd=mined, status=1)
    assert "holes.jsonl:3: its document is blank" in done.stderr
    assert "--skip-bad-rows" in done.stderr
    said = json.loads(run(*mine, "--skip-bad-rows", "--json", cwd=mined).stdout)
    assert (said["bad"], said["pairs"], said["written"]) == (2, 70, 70)
    shown = run(*mine, "--skip-bad-rows", cwd=mined).stdout
    assert re.search(r"left out before: bad rows +2\b", shown)
    with (mined / "holes.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n{broken\n")
    done = run(*mine, cwd=mined, status=1)
    assert "holes.jsonl:73: not JSON" in done.stderr
    assert "--skip-bad-rows" in done.stderr
    said = json.loads(run(*mine, "--skip-bad-rows", "--json", cwd=mined).stdout)
    assert (said["bad"], said["pairs"], said["written"]) == (3, 70, 70)


def test_graded_pairs_have_no_negatives(small: Path, tmp_path: Path) -> None:
    done = run("naru", "mine", str(small / "graded.jsonl"), "--output", str(tmp_path / "x"), status=1)
    assert "these are scored-pairs; negatives are mined for pairs" in done.stderr
