from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from finetune.recipe import Evaluation, Loss, Recipe, load
from finetune.recipe.agreement import check_paths
from finetune.recipe.fitting import check_fits
from finetune.recipe.lines import lines_of
from finetune.recipe.resolved import to_toml
from finetune.recipe.typed import filled
from finetune.shapes import Shape
from naru.errors import NaruError

RECIPE = """\
name = "tiny"
held_out = 0.2

[model]
base = "some-model"
adapter = {dimensions = [64, 16], learning_rate = 1e-3}

[training]
steps = 6
evaluate = "steps"
evaluate_steps = 3
report_to = [
    "tensorboard",  # a comment ] here
]

[[data]]
name = "law"
path = "law.jsonl"
shape = "triplets"
loss = {name = "triplet", margin = 1.5}
weight = 3

[[data]]
name = "scores"
score_range = [0, 5]

[[evaluation]]
name = "dev"
path = "dev.jsonl"

[[stage]]
name = "first"
data = ["law"]

[[stage]]
name = "second"
weights = {law = 1, scores = 2}
[stage.training]
epochs = 2
evaluate = "epoch"
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """write(old, new) -> the recipe above with one passage replaced."""

    def make(old: str = "", new: str = "") -> Path:
        assert old in RECIPE
        path = tmp_path / "recipe.toml"
        path.write_text(RECIPE.replace(old, new, 1) if old else RECIPE, encoding="utf-8")
        return path

    return make


@pytest.fixture
def recipe(write: Callable[..., Path]) -> Recipe:
    return load(write())


BAD = [
    ("steps = 6\n", "steps = 6\nstepz = 7\n", 10, "training.stepz", "Did you mean 'steps'"),
    ("held_out", "heldout", 2, "heldout", "Did you mean 'held_out'"),
    ("steps = 6\n", 'steps = "6"\n', 9, "training.steps", "'6', expected a whole number"),
    ("steps = 6\n", "steps = true\n", 9, "training.steps", "True, expected a whole number"),
    ("steps = 6\n", "steps = 0\n", 9, "training.steps", "0, expected 1 or more"),
    ("steps = 6\n", "steps = 6\nlearning_rate = 0\n", 10, "training.learning_rate", "a number above 0"),
    ("steps = 6\n", "steps = 6\nlearning_rate = nan\n", 10, "training.learning_rate", "a number above 0"),
    ("steps = 6\n", "steps = 6\nclip = inf\n", 10, "training.clip", "a number above 0"),
    (
        "steps = 6\n",
        'steps = 6\nscheduler = "cosin"\n',
        10,
        "training.scheduler",
        "expected one of linear, cosine",
    ),
    (
        "steps = 6\n",
        "steps = 6\nearly_stopping = 2\nsave_steps = 3\n",
        11,
        "training.save_steps",
        'save = "steps"',
    ),
    ('evaluate = "steps"', 'evaluate = "no"', 11, "training.evaluate_steps", 'wants evaluate = "steps"'),
    ("evaluate_steps = 3\n", "", 10, "training.evaluate", "wants evaluate_steps"),
    ('"tensorboard"', '"tensorbored"', 13, "training.report_to[0]", "expected one of tensorboard, wandb"),
    ("[training]", "[trainings]", 8, "trainings", "Did you mean 'training'"),
    ("held_out = 0.2", "held_out = 1.0", 2, "held_out", "expected 0 to 0.9"),
    ('base = "some-model"\n', "", 4, "model.base", "is missing, and has no default"),
    ('base = "some-model"', "base = 3", 5, "model.base", "3, expected a text in quotes"),
    ("1e-3", "1e-3, rate = 1", 6, "model.adapter.rate", "is unknown"),
    ("[64, 16]", "[64, 0]", 6, "model.adapter.dimensions[1]", "0, expected 1 or more"),
    ("[64, 16]", "[]", 6, "model.adapter.dimensions", "is empty"),
    ("[training]", "attention_heads = 8\n[training]", 8, "model.attention_heads", "[model.fresh]"),
    ("[training]", "fresh = {layer = 2}\n[training]", 8, "model.fresh.layer", "Did you mean 'layers'"),
    ("[training]", "frozen_layers = 2\nlora = {}\n[training]", 8, "model.frozen_layers", "Leave one out"),
    ("[training]", "pca = 0\n[training]", 8, "model.pca", "0, expected a number above 0"),
    ("weight = 3", 'weight = "3"', 21, "data[0].weight", "'3', expected a number"),
    ('"triplets"', '"triples"', 19, "data[0].shape", "expected one of"),
    ('"triplets"', '"retrieval"', 19, "data[0].shape", "expected one of"),
    ("margin = 1.5", "margin = -1", 20, "data[0].loss.margin", "-1, expected a number above 0"),
    ("margin = 1.5", "margn = 1", 20, "data[0].loss.margn", "Did you mean 'margin'"),
    ("margin = 1.5", "matryoshka = [32, 64]", 20, "data[0].loss.matryoshka", "dimensions that fall"),
    ('{name = "triplet", margin = 1.5}', '"tripled"', 20, "data[0].loss", "Did you mean 'triplet'"),
    ('name = "triplet"', 'name = "gist"', 20, "data[0].loss.margin", None),
    ('{name = "triplet", margin = 1.5}', "7", 20, "data[0].loss", "expected a table"),
    ("[0, 5]", "[5, 0]", 25, "data[1].score_range", "the lowest and the highest"),
    ("[0, 5]", "5", 25, "data[1].score_range", "5, expected a list"),
    ('name = "scores"', 'name = "law"', 24, "data[1].name", "for the second time"),
    ('name = "scores"\n', "", 23, "data[1].name", "is missing"),
    (
        'data = ["law"]',
        'training.start_share = 0.5\ndata = ["law"]',
        33,
        "stage[0].training.start_share",
        "later stage",
    ),
    ('data = ["law"]', 'data = ["lawn"]', 33, "stage[0].data[0]", "Did you mean 'law'"),
    ('data = ["law"]', "data = []", 33, "stage[0].data", "is empty"),
    ("scores = 2", "score = 2", 37, "stage[1].weights.score", "Did you mean 'scores'"),
    ('path = "dev.jsonl"', 'shape = "teacher-vectors"', 29, "evaluation[0].shape", "wants a teacher"),
    ('path = "dev.jsonl"', 'teacher = "m"', 29, "evaluation[0].teacher", 'wants shape = "teacher-vectors"'),
    ("epochs = 2", "epochs = -2", 39, "stage[1].training.epochs", "expected a number above 0"),
    ("epochs = 2", 'precision = "fp32"', 39, "stage[1].training.precision", "holds for the whole run"),
    ("epochs = 2", 'hub_model_id = "a/b"', 39, "stage[1].training.hub_model_id", "holds for the whole run"),
    (
        "[training]",
        "frozen_layers = 1\n[training]\nembedding_learning_rate = 1e-3",
        10,
        "training.embedding_learning_rate",
        "frozen_layers keeps the embeddings",
    ),
    ("epochs = 2", "epoch = 2", 39, "stage[1].training.epoch", "Did you mean 'epochs'"),
]


@pytest.mark.parametrize(("old", "new", "line", "key", "message"), BAD, ids=[f"{b[3]}: {b[1]}" for b in BAD])
def test_a_bad_recipe_is_refused_by_key_and_line(
    write: Callable[..., Path], old: str, new: str, line: int, key: str, message: str | None
) -> None:
    path = write(old, new)
    with pytest.raises(NaruError) as refused:
        load(path)
    if message is None:  # a loss whose required parameter is not there
        assert str(refused.value).startswith(f"{path}:{line}: recipe key 'data[0].loss.guide' is missing")
        return
    assert str(refused.value).startswith(f"{path}:{line}: recipe key {key!r} ")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            '"cosent"',
            "loss 'cosent' does not fit triplets. Fitting: ranking, cached-ranking, gist, cached-gist, triplet.",
        ),
        ('"joint"', "loss 'joint' does not fit triplets"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused_with_those_that_do(
    write: Callable[..., Path], loss: str, message: str
) -> None:
    path = write('{name = "triplet", margin = 1.5}', loss)
    with pytest.raises(NaruError) as refused:
        load(path)
    assert str(refused.value).startswith(f"{path}:20: data 'law': {message}")


def test_a_loss_is_refused_for_the_shape_that_the_data_turn_out_to_have(write: Callable[..., Path]) -> None:
    path = write("score_range", 'loss = "ranking"\nscore_range')
    recipe = load(path)
    check_fits(recipe, {"law": Shape.TRIPLETS})
    with pytest.raises(NaruError) as refused:
        check_fits(recipe, {"scores": Shape.SCORED, "law": Shape.TRIPLETS})
    assert str(refused.value).startswith(
        f"{path}:25: data 'scores': loss 'ranking' does not fit scored-pairs."
    )


def test_what_is_not_toml_is_refused_with_its_line(write: Callable[..., Path]) -> None:
    with pytest.raises(NaruError, match=r"recipe\.toml: not TOML: .*line 2"):
        load(write("held_out = 0.2", "held_out = "))


def test_bytes_of_other_editors(write: Callable[..., Path]) -> None:
    path = write()
    path.write_bytes(b"\xef\xbb\xbf" + RECIPE.replace("\n", "\r\n").encode())
    assert load(path).at("data[1].name") == f"{path}:24"
    path.write_bytes('name = "한글"'.encode("cp949"))
    with pytest.raises(NaruError, match=r"recipe\.toml: not TOML: 'utf-8' codec can't decode"):
        load(path)


def test_a_recipe_without_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('name = "r"\ndata = []\nmodel.base = "m"\n', encoding="utf-8")
    with pytest.raises(NaruError, match=r"r\.toml:2: recipe key 'data' is empty"):
        load(path)


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(
        NaruError, match=r"No recipe 'naru-minni': .* Did you mean 'naru-mini'\? Known here: .*few-samples"
    ):
        load("naru-minni")


def test_values_arrive_typed(recipe: Recipe) -> None:
    law, scores = recipe.data
    assert (law.weight, type(law.weight)) == (3.0, float)
    assert law.loss == Loss("triplet", {"margin": 1.5})
    assert scores.score_range == [0.0, 5.0]
    assert scores.loss is None
    assert recipe.model.adapter is not None
    assert recipe.model.adapter.activation == "relu"
    assert recipe.training.report_to == ["tensorboard"]


def test_a_stage_says_only_what_differs(recipe: Recipe) -> None:
    first, second = (stage.training for stage in recipe.stage)
    assert first == recipe.training
    assert (second.epochs, second.steps) == (2.0, None)  # steps of [training] would win over epochs
    assert (second.evaluate, second.evaluate_steps) == ("epoch", None)
    assert second.report_to == ["tensorboard"]


def test_changes_are_typed_like_the_file(write: Callable[..., Path]) -> None:
    recipe = load(
        write(),
        [
            "training.learning_rate=3e-5",
            "training.scheduler=cosine",
            "data.law.weight = 2",
            "data[1].loss=angle",
            "data.law.loss={name='ranking', matryoshka=[16, 8]}",
            "model.lora.rank=4",
            "stage.second.training.epochs=1",
        ],
    )
    assert (recipe.training.learning_rate, recipe.training.scheduler) == (3e-5, "cosine")
    assert recipe.data[0].weight == 2.0
    assert recipe.data[0].loss == Loss("ranking", {}, [16, 8])
    assert recipe.data[1].loss == Loss("angle")
    assert recipe.model.lora is not None
    assert recipe.model.lora.rank == 4
    assert recipe.stage[1].training.epochs == 1.0
    assert recipe.stage[1].training.learning_rate == 3e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "training.step=3",
            "--set training.step=3: recipe key 'training.step' is unknown. Did you mean 'steps'",
        ),
        ("training.steps=many", "--set training.steps=many: recipe key 'training.steps' is 'many'"),
        ("data.law.loss={name='triplet', margin=0}", "recipe key 'data[0].loss.margin' is 0"),
        ("data.lav.weight=1", "--set data.lav.weight=1: no table 'lav'. Did you mean 'law'"),
        ("data[2].weight=1", "--set data[2].weight=1: no table '2'"),
        ("name.first=1", "--set name.first=1: 'name' is 'tiny', and has no keys"),
        ("data=1", "--set data=1: recipe key 'data' is 1, expected a list"),
        ("stage={name = 'a'}", "'stage' is one table, expected a list of them: write [[stage]]."),
        ("stage.name=x", "'stage' is a list"),
        ("training.steps", "expected key=value"),
    ],
)
def test_a_bad_change_is_refused_by_the_change(write: Callable[..., Path], change: str, message: str) -> None:
    with pytest.raises(NaruError) as refused:
        load(write(), [change])
    assert message in str(refused.value)
    assert str(refused.value).startswith(f"--set {change}")


def test_the_files_of_the_user_fill_what_is_open(recipe: Recipe) -> None:
    made = filled(recipe, ["mine.csv"], ["test=beir/law:dev", "held/more.jsonl"], "my-model")
    assert [source.path for source in made.data] == ["law.jsonl", "mine.csv"]
    assert made.evaluation[1:] == [
        Evaluation("test", "beir/law", "dev"),
        Evaluation("more", "held/more.jsonl"),
    ]
    assert made.model.base == "my-model"
    replaced = filled(recipe, ["law=hf://org/law:ko/train", "scores=b.csv"], ["dev=other.jsonl"])
    assert [source.path for source in replaced.data] == ["hf://org/law:ko/train", "b.csv"]
    assert replaced.data[0].split is None
    assert replaced.evaluation == [Evaluation("dev", "other.jsonl")]
    assert replaced.model.base == "some-model"


def test_a_base_given_beside_the_recipe_is_named_so(recipe: Recipe) -> None:
    made = filled(recipe, ["a.csv"], ["hub=hf://org/name/test"], base="./other")
    assert (made.model.base, made.at("model.base")) == ("./other", "--base ./other")


def test_files_that_do_not_fit_the_recipe_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(
        NaruError, match=r"recipe\.toml:23: data 'scores' has no path: give --data scores=PATH"
    ):
        filled(recipe)
    with pytest.raises(NaruError, match=r"--data lav=a\.csv: .* no data 'lav'\. Did you mean 'law'"):
        filled(recipe, ["lav=a.csv"])
    with pytest.raises(
        NaruError, match=r"--data b\.csv: every data set of tiny has its path\. .*: law, scores"
    ):
        filled(recipe, ["a.csv", "b.csv"])


def test_a_missing_file_is_refused_by_key_and_line(recipe: Recipe, tmp_path: Path) -> None:
    whole = filled(recipe, ["a.txt,b.txt"], ["hub=hf://org/name/test"])
    for name in ("law.jsonl", "dev.jsonl", "a.txt", "b.txt"):
        (tmp_path / name).touch()
    check_paths(whole, tmp_path)
    (tmp_path / "b.txt").unlink()
    with pytest.raises(NaruError, match=r"^--data a\.txt,b\.txt: no such file: nothing at .*b\.txt"):
        check_paths(whole, tmp_path)
    (tmp_path / "law.jsonl").unlink()
    with pytest.raises(NaruError, match=r"recipe\.toml:18: recipe key 'data\[0\]\.path' names 'law\.jsonl'"):
        check_paths(whole, tmp_path)


def test_the_resolved_recipe_reads_back_equal(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "resolved.toml"
    path.write_text(to_toml(recipe), encoding="utf-8")
    assert load(path) == recipe
    assert "weight_decay = 0.01" in path.read_text(encoding="utf-8")  # defaults are written out


def test_the_lines_of_keys_are_found_in_every_form_of_toml() -> None:
    lines = lines_of(
        "# [no.table]\n"
        'a = """\n'
        "b = 1\n"
        '"""\n'
        "  'c.d'.e = {f = 1, g.h = [\n"
        "    1, # [[x]]\n"
        "    {i = ']'}]}\n"
        "[t . u]  # t.u\n"
        "v = 2024-01-01 07:00:00\n"
        'w = "\\"[x]"\n'
        "[[t.l]]\n"
        "m = 1\n"
        "[t.l.n]\n"
        "o = 1\n"
        "[[t.l]]\n"
        "m = '''\n"
        "x = 3''' \n"
    )
    assert {key: line for key, line in lines.items() if key not in ("t", "t.l")} == {
        "a": 2,
        "c.d": 5,
        "c.d.e": 5,
        "c.d.e.f": 5,
        "c.d.e.g": 5,
        "c.d.e.g.h": 5,
        "c.d.e.g.h[0]": 6,
        "c.d.e.g.h[1]": 7,
        "c.d.e.g.h[1].i": 7,
        "t.u": 8,
        "t.u.v": 9,
        "t.u.w": 10,
        "t.l[0]": 11,
        "t.l[0].m": 12,
        "t.l[0].n": 13,
        "t.l[0].n.o": 14,
        "t.l[1]": 15,
        "t.l[1].m": 16,
    }
