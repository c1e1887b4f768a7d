"""What a loss demands of rows, batches and models is refused by file, line and key, before a model is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune.dryrun import predict
from finetune.encoders.width import width_of
from finetune.model import open_model
from finetune.recipe import Model, load
from finetune.train import train
from naru.errors import NaruError

HEAD = """name = "demanding"
held_out = 0
[model]
base = "base"
"""
PAIRS = [{"query": f"물음 {at}", "document": f"답 {at}"} for at in range(6)]
TRIPLETS = [{**row, **{f"negative_{n}": f"{row['document']} 아님 {n}" for n in (1, 2, 3)}} for row in PAIRS]
CLASSED_PAIRS = [
    {"sentence1": f"글 {at}", "sentence2": f"말 {at}", "label": ["함의", "모순"][at % 2]} for at in range(6)
]
SENTENCES = [{"sentence": f"글 {at}"} for at in range(6)]
SCORED = [{"sentence1": f"글 {at}", "sentence2": f"말 {at}", "score": at / 5} for at in range(6)]


def folder_with(root: Path, rows: list[dict[str, Any]]) -> Path:
    """Data and models that nothing but their configuration is there of: loading one is refused otherwise."""
    for name, width in (("base", 32), ("teacher", 48)):
        (root / name).mkdir()
        (root / name / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": width}))
    for file, those in (("rows", rows), ("held", [{"sentence": "따로 둔 글"}])):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in those)
        (root / f"{file}.jsonl").write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("rows", "model", "training", "data", "line", "key", "said"),
    [
        (
            TRIPLETS, "", "", 'loss = {name = "gist", guide = "teacher"}', 8, "data[0].loss",
            "takes one negative a row, here are 3: use 'cached-gist'",
        ),
        (
            CLASSED_PAIRS, "", "", 'loss = {name = "joint", together = ["xx"]}', 8, "data[0].loss.together",
            "no class 'xx'. There are: 모순, 함의.",
        ),
        (
            CLASSED_PAIRS[::2], "", "", 'loss = "softmax"', 8, "data[0].loss", "all rows are of one: '함의'",
        ),
        (
            SENTENCES, "[model.adapter]\ndimensions = [8]\n", "", 'loss = {name = "mse", teacher = "teacher"}',
            10, "data[0].loss.teacher", "the student has 8 dimensions, the teacher 48",
        ),
        (
            PAIRS, "", "", 'loss = {name = "ranking", matryoshka = [64, 8]}', 8, "data[0].loss.matryoshka",
            "the model has 32 dimensions",
        ),
        (
            PAIRS, "", "[training]\nbatch_size = 1\n", "", 6, "training.batch_size",
            "is 1, and loss 'ranking' over the pairs of 'rows' learns by comparing the rows of a batch",
        ),
        (SCORED, "", "", "batch_size = 1", 8, "data[0].batch_size", "is 1, and loss 'cosent'"),
        (PAIRS[:1], "", "", "", 7, "data[0].path", "leaves 1 row to train on, and loss 'ranking'"),
        (
            PAIRS, "", '[training]\nsampler = "by-class"\n', "", 6, "training.sampler",
            "no data here are sentences with classes: these are pairs",
        ),
        (
            PAIRS, "", '[[evaluation]]\nname = "taught"\npath = "held.jsonl"\nshape = "teacher-vectors"\n'
            'teacher = "teacher"\n', "", 9, "evaluation[0].teacher",
            "have 48 dimensions; the model's have 32",
        ),
    ],
    ids="negatives classes one-class teacher matryoshka batch own-batch one-row sampler held-out".split(),
)  # fmt: skip
def test_it_is_refused_by_line_before_a_model_is_loaded(
    rows: list[dict[str, Any]],
    model: str,
    training: str,
    data: str,
    line: int,
    key: str,
    said: str,
    tmp_path: Path,
) -> None:
    root = folder_with(tmp_path, rows)
    file = root / "recipe.toml"
    file.write_text(
        f'{HEAD}{model}{training}[[data]]\nname = "rows"\npath = "rows.jsonl"\n{data}\n', encoding="utf-8"
    )
    recipe = load(file)
    for run_it in (lambda: train(recipe, root, root / "out"), lambda: predict(recipe, root)):
        with pytest.raises(NaruError) as caught:
            run_it()
        message = str(caught.value)
        assert message.startswith(f"{file}:{line}: recipe key {key!r}")
        assert said in message
    assert not (root / "out" / "recipe.toml").exists()


def test_a_row_with_negatives_has_something_to_be_compared_with(tmp_path: Path) -> None:
    root = folder_with(tmp_path, TRIPLETS)
    (root / "recipe.toml").write_text(
        f'{HEAD}[training]\nbatch_size = 1\n[[data]]\nname = "rows"\npath = "rows.jsonl"\n'
    )
    with pytest.raises(NaruError, match="cannot be loaded as an encoder"):  # so far it comes
        train(load(root / "recipe.toml"), root, root / "out")


def test_a_folder_says_how_wide_its_vectors_are(make_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_model()
    assert width_of(folder) == open_model(Model(base=str(folder)), tmp_path, 0).get_embedding_dimension()
    (tmp_path / "modules.json").write_text('[{"type": "sentence_transformers.models.CNN", "path": "0"}]')
    assert width_of(tmp_path) is None


def test_a_stage_without_classes_may_inherit_their_sampler(tmp_path: Path) -> None:
    root = folder_with(tmp_path, PAIRS)
    classed = [{"sentence": f"글 {at}", "label": f"종류 {at % 2}"} for at in range(8)]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in classed)
    (root / "classed.jsonl").write_text(text, encoding="utf-8")
    head = f'{HEAD}[training]\nbatch_size = 4\nsampler = "by-class"\n'
    both = "".join(f'[[data]]\nname = "{name}"\npath = "{name}.jsonl"\n' for name in ("rows", "classed"))
    stages = '[[stage]]\nname = "a"\n[[stage]]\nname = "b"\ndata = ["rows"]\n'
    (root / "recipe.toml").write_text(f"{head}{both}{stages}")
    with pytest.raises(NaruError, match="cannot be loaded as an encoder"):  # so far it comes
        train(load(root / "recipe.toml"), root, root / "out")
    (root / "recipe.toml").write_text(f'{head}{both}{stages}[stage.training]\nsampler = "by-class"\n')
    with pytest.raises(NaruError, match=r"recipe key 'stage\[1\]\.training\.sampler' is \"by-class\""):
        train(load(root / "recipe.toml"), root, root / "out")
