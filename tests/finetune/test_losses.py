"""Every loss trains through the real trainer, and refuses what it cannot take."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer import losses as theirs
from sentence_transformers.sentence_transformer.modules import Pooling

from finetune import losses
from finetune.data import Rows
from finetune.losses import MAKERS, loss_for, prepared
from finetune.objectives.distillation import Distillation, Relations
from finetune.objectives.variants import BatchHardTriplet, Softmax, Triplet
from finetune.recipe import Loss, Source
from finetune.recipe.fitting import FITTING, PARAMETERS
from finetune.shapes import Shape
from indexer.parity import SENTENCES
from naru.errors import NaruError

FIRST, SECOND, THIRD, FOURTH = (list(SENTENCES[at : at + 6]) for at in (0, 6, 12, 18))
COLUMNS: dict[Shape, dict[str, list[Any]]] = {
    Shape.PAIRS: {"query": FIRST, "document": SECOND},
    Shape.TRIPLETS: {"query": FIRST, "document": SECOND, "negative": THIRD},
    Shape.SCORED: {"sentence1": FIRST, "sentence2": SECOND, "score": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]},
    Shape.LABELLED: {  # the first pair is alike and labelled 0: there is always a hard one
        "sentence1": FIRST,
        "sentence2": [FIRST[0], *SECOND[1:]],
        "label": [0, 1] * 3,
    },
    Shape.CLASSED_PAIRS: {"sentence1": FIRST, "sentence2": SECOND, "label": [0, 1, 2] * 2},
    Shape.CLASSED: {"sentence": FIRST, "label": [0, 1, 2] * 2},
    Shape.SENTENCES: {"sentence": FIRST},
    Shape.PARALLEL: {"source": FIRST, "target": SECOND},
}
CLASSES = {Shape.CLASSED_PAIRS: ("entailment", "neutral", "contradiction"), Shape.CLASSED: ("a", "b", "c")}
EVERY = [(shape, name) for shape, names in FITTING.items() for name in names]


def rows(shape: Shape, **more: list[Any]) -> Rows:
    dataset = Dataset.from_dict(COLUMNS[shape] | more)
    places: Any = None  # no loss asks where a row came from
    return Rows(str(shape), shape, dataset, places, CLASSES.get(shape, ()), [])


@pytest.fixture(scope="module")
def teacher(make_model: Callable[..., Path]) -> Path:
    return make_model("xlm-roberta")


@pytest.fixture
def model(make_model: Callable[..., Path]) -> SentenceTransformer:
    made = SentenceTransformer(str(make_model()), device="cpu")
    for module in made.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # the same on every machine
    return made


def source(shape: Shape, name: str, teacher: Path, matryoshka: list[int] | None = None) -> Source:
    """A source with this loss and what the loss must be told."""
    told: dict[str, dict[str, Any]] = {
        "gist": {"guide": str(teacher)},
        "cached-gist": {"guide": str(teacher), "mini_batch": 2},
        "cached-ranking": {"mini_batch": 2},
        "mse": {"teacher": str(teacher)},
        "relational": {"teacher": str(teacher)},
    }
    if (shape, name) == (Shape.CLASSED_PAIRS, "joint"):
        told["joint"] = {"together": ["entailment"]}
    return Source(str(shape), loss=Loss(name, told.get(name, {}), matryoshka))


def train(model: SentenceTransformer, loss: torch.nn.Module, data: Rows, folder: Path) -> list[float]:
    """The losses of three steps."""
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            output_dir=str(folder),
            max_steps=3,
            per_device_train_batch_size=6,
            learning_rate=1e-3,
            lr_scheduler_type="constant",
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            dataloader_pin_memory=False,
        ),
        train_dataset=data.dataset,
        loss=loss,
    )
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def check_training(model: SentenceTransformer, given: Source, data: Rows, tmp_path: Path) -> torch.nn.Module:
    """Train three steps: values finite, and every weight of the model and of the loss's own layers moved."""
    data = prepared(given, data, Path(), model, tmp_path / "vectors")
    loss = loss_for(given, data, model)
    watched = {
        name: weight
        for name, weight in loss.named_parameters()
        if "attention.self.query.weight" in name or "model" not in name
    }
    before = {name: weight.detach().clone() for name, weight in watched.items()}
    values = train(model, loss, data, tmp_path)
    assert len(values) == 3
    assert all(math.isfinite(value) and value > 0 for value in values)
    assert watched
    for name, weight in watched.items():
        assert torch.isfinite(weight).all()
        assert not torch.equal(weight, before[name]), name
    return loss


@pytest.mark.parametrize(("shape", "name"), EVERY, ids=[f"{name} on {shape}" for shape, name in EVERY])
def test_every_loss_trains_on_every_shape_it_fits(
    shape: Shape, name: str, model: SentenceTransformer, teacher: Path, tmp_path: Path
) -> None:
    check_training(model, source(shape, name, teacher), rows(shape), tmp_path)


ONE_EACH = {name: shape for shape, names in FITTING.items() for name in names}


@pytest.mark.parametrize("name", ONE_EACH)
def test_every_loss_trains_inside_matryoshka(
    name: str, model: SentenceTransformer, teacher: Path, tmp_path: Path
) -> None:
    given = source(ONE_EACH[name], name, teacher, [32, 16])
    loss = check_training(model, given, rows(ONE_EACH[name]), tmp_path)
    assert isinstance(loss, theirs.MatryoshkaLoss)
    assert loss.matryoshka_dims == (32, 16)


@pytest.mark.parametrize(
    ("name", "parameters"), [("relational", {}), ("mse", {"projection": True})], ids=["relational", "mse"]
)
def test_a_teacher_of_the_same_width_is_not_cut_with_the_student(
    name: str, parameters: dict[str, Any], model: SentenceTransformer, teacher: Path, tmp_path: Path
) -> None:
    """MatryoshkaLoss cuts labels that are as wide as the model."""
    given = Source("s", loss=Loss(name, {"teacher": str(teacher)} | parameters, [32, 8]))
    data = prepared(given, rows(Shape.SENTENCES), Path(), model, tmp_path)
    loss: Any = loss_for(given, data, model)
    widths = []
    inner = loss.loss.compute_loss_from_embeddings

    def seen(embeddings: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        widths.append((embeddings[0].shape[1], labels.flatten(1).shape[1]))
        return inner(embeddings, labels)

    loss.loss.compute_loss_from_embeddings = seen
    labels = torch.tensor(data.dataset["label"][:])
    assert torch.isfinite(loss([model.preprocess(FIRST)], labels))
    assert widths == [(32, 32), (8, 32)]


def test_a_student_cut_by_matryoshka_is_compared_at_length_1_whatever_it_ends_with(
    make_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Matryoshka normalises what it cuts: so the teacher's vectors, of other lengths here, are to be too."""
    plain = make_model(modules=[Pooling(32, "mean")])
    student = SentenceTransformer(str(plain), device="cpu").eval()
    given = Source("s", loss=Loss("mse", {"teacher": str(plain)}, [32, 16]))
    data = prepared(given, rows(Shape.SENTENCES), Path(), student, tmp_path)
    labels = 3 * torch.tensor(data.dataset["label"][:])
    # the teacher is the student, three times as long: the same directions at every dimension
    value = loss_for(given, data, student)([student.preprocess(FIRST)], labels)
    assert value.item() == pytest.approx(0, abs=1e-6)
    alone = Source("s", loss=Loss("mse", {"teacher": str(plain)}))
    assert loss_for(alone, data, student)([student.preprocess(FIRST)], labels).item() > 0.1


@pytest.mark.parametrize("name", ["ranking", "cached-ranking", "cached-gist", "triplet"])
def test_several_negatives_a_row(
    name: str, model: SentenceTransformer, teacher: Path, tmp_path: Path
) -> None:
    data = rows(Shape.TRIPLETS, negative_2=FOURTH)
    check_training(model, source(Shape.TRIPLETS, name, teacher), data, tmp_path)


def test_every_loss_of_the_table_is_made() -> None:
    assert set(MAKERS) == set(PARAMETERS) == {name for _, name in EVERY}


@pytest.mark.parametrize("shape", FITTING)
def test_without_a_name_the_default_of_the_shape_is_taken(
    shape: Shape, model: SentenceTransformer, teacher: Path, tmp_path: Path
) -> None:
    plain = Source("plain")
    if shape is Shape.SENTENCES:
        with pytest.raises(
            NaruError, match=r"data 'plain': sentences want a teacher: loss = \{name = \"mse\""
        ):
            loss_for(plain, rows(shape), model)
        return
    named = loss_for(source(shape, FITTING[shape][0], teacher), rows(shape), model)
    assert type(loss_for(plain, rows(shape), model)) is type(named)


@pytest.mark.parametrize("shape", COLUMNS)
def test_every_loss_that_does_not_fit_is_refused_with_those_that_do(
    shape: Shape, model: SentenceTransformer, teacher: Path
) -> None:
    for name in PARAMETERS.keys() - set(FITTING[shape]):
        with pytest.raises(NaruError) as refused:
            loss_for(source(shape, name, teacher), rows(shape), model)
        assert f"loss {name!r} does not fit {shape}. Fitting: {', '.join(FITTING[shape])}." in str(
            refused.value
        )


def test_parameters_reach_the_losses(model: SentenceTransformer, teacher: Path) -> None:
    def made(shape: Shape, name: str, **parameters: Any) -> Any:
        return loss_for(Source("s", loss=Loss(name, parameters)), rows(shape), model)

    assert made(Shape.PAIRS, "ranking").scale == 20.0
    assert made(Shape.PAIRS, "ranking").directions == ("query_to_doc", "doc_to_query")
    one_way = made(Shape.PAIRS, "ranking", temperature=0.02, symmetric=False)
    assert (one_way.scale, one_way.directions) == (50.0, ("query_to_doc",))
    cached = made(Shape.PAIRS, "cached-ranking", temperature=0.1, mini_batch=3)
    assert (cached.scale, cached.mini_batch_size) == (10.0, 3)
    gist = made(Shape.PAIRS, "gist", guide=str(teacher), temperature=0.02, margin=0.05, relative=True)
    assert (gist.temperature, gist.margin, gist.margin_strategy) == (0.02, 0.05, "relative")
    assert made(Shape.TRIPLETS, "triplet").triplet_margin == 1.0
    assert made(Shape.LABELLED, "contrastive").margin == 1.0
    assert made(Shape.LABELLED, "online-contrastive").margin == 1.0
    assert made(Shape.CLASSED, "batch-hard-triplet").triplet_margin == 1.0
    assert made(Shape.SCORED, "cosent", temperature=0.1).scale == 10.0
    assert made(Shape.SCORED, "angle").scale == 20.0
    assert made(Shape.SCORED, "hybrid").alpha == 0.7
    assert made(Shape.CLASSED, "joint").label_smoothing == 0.1
    assert made(Shape.LABELLED, "joint").together == [1]
    pairs = made(Shape.CLASSED_PAIRS, "joint", together=["contradiction", 0])
    assert (pairs.classes, pairs.together) == (3, [0, 2])
    with pytest.raises(
        NaruError, match=r"no class 'entails'\. There are: entailment, neutral, contradiction"
    ):
        made(Shape.CLASSED_PAIRS, "joint", together=["entails"])
    with pytest.raises(NaruError, match="wants `together`"):
        made(Shape.CLASSED_PAIRS, "joint")
    with pytest.raises(NaruError, match=r"'loss\.temperature' is 0"):
        made(Shape.PAIRS, "ranking", temperature=0)


@pytest.mark.parametrize(
    ("shape", "name", "given", "wanted"),
    [
        (Shape.PAIRS, "ranking", {"symmetric": False}, {"partition_mode": "joint"}),
        (Shape.PAIRS, "ranking", {}, {"partition_mode": "per_direction"}),
        (Shape.PAIRS, "cached-ranking", {"symmetric": False}, {"directions": ("query_to_doc",), "partition_mode": "joint"}),
        (Shape.PAIRS, "cached-ranking", {}, {"directions": ("query_to_doc", "doc_to_query")}),
        (Shape.PAIRS, "cached-gist", {"temperature": 0.02, "margin": 0.05, "relative": True, "mini_batch": 3},
         {"temperature": 0.02, "margin": 0.05, "margin_strategy": "relative", "mini_batch_size": 3}),
        (Shape.PAIRS, "cached-gist", {}, {"margin_strategy": "absolute"}),
        (Shape.TRIPLETS, "triplet", {"distance": "euclidean", "margin": 0.3},
         {"triplet_margin": 0.3, "distance_metric": "euclidean"}),
        (Shape.LABELLED, "contrastive", {"distance": "manhattan", "margin": 0.3}, {"margin": 0.3, "distance_metric": "manhattan"}),
        (Shape.LABELLED, "online-contrastive", {"distance": "euclidean", "margin": 0.3},
         {"margin": 0.3, "distance_metric": "euclidean"}),
        (Shape.CLASSED, "batch-hard-triplet", {"distance": "euclidean", "margin": 0.3},
         {"triplet_margin": 0.3, "distance_metric": "euclidean"}),
        (Shape.SCORED, "angle", {"temperature": 0.1}, {"scale": 10.0}),
        (Shape.LABELLED, "softmax", {"product": True}, {"concatenation_sent_multiplication": True}),
        (Shape.SCORED, "hybrid", {"alpha": 0.2, "temperature": 0.3, "margin": 0.1},
         {"alpha": 0.2, "temperature": 0.3, "margin": 0.1}),
        (Shape.CLASSED, "joint", {"weight": 2.0, "label_smoothing": 0.2, "temperature": 0.3},
         {"weight": 2.0, "label_smoothing": 0.2, "temperature": 0.3}),
        (Shape.SENTENCES, "relational", {"translations": True}, {"translations": True}),
    ],
)  # fmt: skip
def test_every_parameter_that_is_no_default_reaches_its_loss(
    shape: Shape,
    name: str,
    given: dict[str, Any],
    wanted: dict[str, Any],
    model: SentenceTransformer,
    teacher: Path,
) -> None:
    asked = {key: str(teacher) for key, of in (("guide", "gist"), ("teacher", "relational")) if of in name}
    loss: Any = loss_for(Source("s", loss=Loss(name, asked | given)), rows(shape), model)
    distances = {"triplet": losses.TRIPLET, "batch-hard-triplet": losses.BATCH}.get(name, losses.PAIR)
    for key, value in wanted.items():
        assert getattr(loss, key) == (distances[value] if key == "distance_metric" else value)


def test_a_guide_and_a_teacher_are_neither_trained_nor_saved(
    model: SentenceTransformer, teacher: Path, tmp_path: Path
) -> None:
    own = set(model.state_dict())
    for name in ("gist", "cached-gist"):
        loss: Any = loss_for(source(Shape.PAIRS, name, teacher), rows(Shape.PAIRS), model)
        assert {key.removeprefix("model.") for key in loss.state_dict()} == own
        assert not any(weight.requires_grad for weight in loss.guide.model.parameters())
        before = loss.guide.model.encode(FIRST)
        train(model, loss, rows(Shape.PAIRS), tmp_path)
        assert np.array_equal(loss.guide.model.encode(FIRST), before)


def test_what_does_not_fit_the_model_is_refused(model: SentenceTransformer, teacher: Path) -> None:
    with pytest.raises(NaruError, match=r"matryoshka \[64, 32\]: the model has 32 dimensions"):
        loss_for(source(Shape.PAIRS, "ranking", teacher, [64, 32]), rows(Shape.PAIRS), model)
    with pytest.raises(NaruError, match=r"takes one negative a row, here are 2: use 'cached-gist'"):
        loss_for(source(Shape.TRIPLETS, "gist", teacher), rows(Shape.TRIPLETS, negative_2=FOURTH), model)
    with pytest.raises(
        NaruError, match=r"the student has 32 dimensions, the teacher 48\. .*dimensions = \[48\]"
    ):
        Distillation(model, 48, unit=True)


def test_cached_ranking_is_ranking(model: SentenceTransformer, teacher: Path) -> None:
    model.eval()
    features = [model.preprocess(texts) for texts in (FIRST, SECOND)]
    values = [
        loss_for(source(Shape.PAIRS, name, teacher), rows(Shape.PAIRS), model)(features, None)
        for name in ("ranking", "cached-ranking")
    ]
    torch.testing.assert_close(*values, rtol=1e-5, atol=1e-6)


def test_distillation_is_the_mean_squared_error(model: SentenceTransformer) -> None:
    labels = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]])
    source_side, target_side = torch.tensor([[3.0, 3.0], [0.0, 0.0]]), torch.tensor([[1.0, 4.0], [0.0, 0.0]])
    plain = Distillation(model, 32, unit=False)
    # the first two of the teacher's dimensions: errors 0, 1, 0, 0 and 2, 0, 0, 0
    value = plain.compute_loss_from_embeddings([source_side, target_side], labels)
    assert value.item() == pytest.approx((1 / 4 + 4 / 4) / 2)
    unit = Distillation(model, 32, unit=True)
    value = unit.compute_loss_from_embeddings([torch.tensor([[0.6, 0.0], [0.0, 0.0]])], labels)
    assert value.item() == pytest.approx(0.8**2 / 4)  # of (.6, .8) and (0, 0)


def test_the_teacher_is_asked_once_and_its_vectors_are_kept(
    model: SentenceTransformer, teacher: Path, tmp_path: Path
) -> None:
    given, data = source(Shape.PARALLEL, "mse", teacher), rows(Shape.PARALLEL)
    made = prepared(given, data, Path(), model, tmp_path)
    assert made.dataset.column_names == ["source", "target", "label"]
    wanted = SentenceTransformer(str(teacher), device="cpu").encode(FIRST)  # of the source, not of the target
    np.testing.assert_allclose(np.asarray(made.dataset["label"]), wanted, rtol=1e-5, atol=1e-6)
    (file,) = tmp_path.rglob("*.arrow")
    written = file.stat().st_mtime_ns
    again = prepared(given, data, Path(), model, tmp_path)
    assert file.stat().st_mtime_ns == written
    assert again.dataset[:] == made.dataset[:]
    drawn = prepared(given, replace(data, dataset=data.dataset.select([3, 1])), Path(), model, tmp_path)
    np.testing.assert_allclose(np.asarray(drawn.dataset["label"]), wanted[[3, 1]], rtol=1e-5, atol=1e-6)
    assert drawn.dataset["target"][:] == [SECOND[3], SECOND[1]]
    other = prepared(given, rows(Shape.PARALLEL, source=THIRD), Path(), model, tmp_path)
    assert other.dataset[0]["label"] != made.dataset[0]["label"]
    assert prepared(
        source(Shape.PAIRS, "ranking", teacher), rows(Shape.PAIRS), Path(), model, tmp_path
    ).dataset


def test_relations_are_the_share_of_the_teacher_s_cosines_that_is_missed(model: SentenceTransformer) -> None:
    student = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])  # cosines .6, 0, .8
    teacher = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 3.0, 4.0]])  # cosines 0, 0, .6
    loss = Relations(model)
    value = loss.compute_loss_from_embeddings([student], teacher).item()
    assert value == pytest.approx((0.36 + 0 + 0.04) / (0.04 + 0.04 + 0.16))
    assert loss.compute_loss_from_embeddings([3 * teacher], teacher).item() == pytest.approx(0, abs=1e-6)


def test_relations_reach_across_columns_but_not_to_a_text_s_own_translation(
    model: SentenceTransformer,
) -> None:
    side = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    other = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    teacher = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    with_third = [torch.cat([columns, columns[:1]]) for columns in (side, other)]
    # cosines within `side` .6, 1, .6, within `other` 1, 1, 1, and across (row, other's row) 0, 0, .8, .8, 0, 0;
    # the teacher's are 0, 1, 0, the same, and 0, 1, 0, 0, 1, 0; the first two count twice as the matrix has them so
    missed = 2 * (0.36 + 0 + 0.36) + 2 * (1 + 0 + 1) + 2 * (0 + 1 + 0.64 + 0.64 + 1 + 0)
    spread = 24 * (1 / 3) * (2 / 3)
    value = Relations(model).compute_loss_from_embeddings(with_third, teacher).item()
    assert value == pytest.approx(missed / spread)


def test_relations_may_be_learnt_by_the_translations_alone(
    model: SentenceTransformer, teacher: Path, tmp_path: Path
) -> None:
    model.eval()
    vectors = torch.tensor(SentenceTransformer(str(teacher), device="cpu").encode(FIRST))
    features = [model.preprocess(texts) for texts in (FIRST, SECOND)]
    alone = Relations(model, translations=True)(features, vectors)
    assert torch.equal(alone, Relations(model)(features[1:], vectors))
    assert not torch.equal(alone, Relations(model)(features, vectors))


def test_a_teacher_of_another_dimension_is_followed_in_its_relations(
    make_model: Callable[..., Path], model: SentenceTransformer, tmp_path: Path
) -> None:
    from sentence_transformers.sentence_transformer.modules import Dense

    wide = make_model(modules=[Pooling(32, "mean"), Dense(32, 48)])
    given = Source("s", loss=Loss("relational", {"teacher": str(wide)}))
    check_training(model, given, rows(Shape.SENTENCES), tmp_path)


def test_a_student_of_another_dimension_learns_through_a_layer(
    make_model: Callable[..., Path], model: SentenceTransformer, tmp_path: Path
) -> None:
    from sentence_transformers.sentence_transformer.modules import Dense

    wide = make_model(modules=[Pooling(32, "mean"), Dense(32, 48)])
    given = Source("s", loss=Loss("mse", {"teacher": str(wide), "projection": True}, [32, 16]))
    loss: Any = check_training(model, given, rows(Shape.SENTENCES), tmp_path)
    assert loss.loss.projection.weight.shape == (48, 32)


def test_the_triplet_of_several_negatives_is_their_mean(model: SentenceTransformer) -> None:
    anchor, positive = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
    near, far = torch.tensor([[0.8, 0.6]]), torch.tensor([[-1.0, 0.0]])
    loss = Triplet(model, losses.TRIPLET["cosine"], 1.0)
    labels = torch.empty(0)
    # distances .4 to the positive, .2 and 2 to the negatives: .4 - .2 + 1 and max(0, .4 - 2 + 1)
    assert loss.compute_loss_from_embeddings([anchor, positive, near, far], labels).item() == pytest.approx(
        0.6
    )


def test_batch_hard_takes_the_furthest_of_the_class_and_the_nearest_of_others(
    model: SentenceTransformer,
) -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]])
    loss = BatchHardTriplet(model, losses.BATCH["cosine"], 1.0)
    value = loss.compute_loss_from_embeddings([vectors], torch.tensor([0, 0, 1, 1]))
    # (furthest of the class, nearest of the other): (.4, 1), (.4, .2), (1, .2), (1, 1.6)
    assert value.item() == pytest.approx((0.4 + 1.2 + 1.8 + 0.4) / 4, abs=1e-6)


def test_the_softmax_head_reads_both_vectors_and_their_difference(model: SentenceTransformer) -> None:
    loss = Softmax(model, 32, 3, product=False)
    assert loss.classifier.weight.shape == (3, 96)
    model.eval()
    u, v = (model.encode(texts, convert_to_tensor=True) for texts in (FIRST, SECOND))
    logits = torch.cat([u, v, (u - v).abs()], dim=1) @ loss.classifier.weight.T + loss.classifier.bias
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    value = loss([model.preprocess(texts) for texts in (FIRST, SECOND)], labels)
    torch.testing.assert_close(value, torch.nn.functional.cross_entropy(logits, labels), rtol=1e-5, atol=1e-6)
