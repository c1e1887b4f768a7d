from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss

from finetune.objectives.hybrid import HybridLoss
from finetune.objectives.joint import JointLoss
from indexer.parity import SENTENCES
from naru.errors import NaruError

QUESTIONS, ANSWERS = list(SENTENCES[:12]), list(SENTENCES[12:24])


@pytest.fixture
def model(make_model: Callable[..., Path]) -> SentenceTransformer:
    return SentenceTransformer(str(make_model()), device="cpu")


def softmax(logits: list[float]) -> list[float]:
    total = sum(math.exp(logit) for logit in logits)
    return [math.exp(logit) / total for logit in logits]


def divergence(wanted: list[float], given: list[float]) -> float:
    return sum(q * math.log(q / p) for q, p in zip(wanted, given, strict=True))


# Cosines by hand: first anchor with both passages .6 and 0, second one .8 and 1; lengths must not matter.
ANCHORS = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
PASSAGES = torch.tensor([[3.0, 4.0], [0.0, 0.5]])


def test_hybrid_is_the_sum_worked_by_hand(model: SentenceTransformer) -> None:
    loss = HybridLoss(model, alpha=0.7, temperature=0.5, margin=0.2)
    value = loss.compute_loss_from_embeddings([ANCHORS, PASSAGES], torch.tensor([1, 0]))
    cosine = ((1 - 0.6) + (1 - 0.2)) / 2
    first = divergence(softmax([1 / 0.5, 0]), softmax([0.6 / 0.5, 0]))
    second = divergence([0.5, 0.5], softmax([0.8 / 0.5, 1 / 0.5]))
    assert value.item() == pytest.approx(0.7 * cosine + 0.3 * (first + second) / 2, abs=1e-6)


def test_hybrid_with_grades_is_the_sum_worked_by_hand(model: SentenceTransformer) -> None:
    value = HybridLoss(model).compute_loss_from_embeddings([ANCHORS, PASSAGES], torch.tensor([0.5, 0.9]))
    cosine = ((0.6 - 0.5) + (1 - 0.9)) / 2  # both above their grades
    first = divergence(softmax([0.5 / 0.1, 0]), softmax([0.6 / 0.1, 0]))
    second = divergence(softmax([0, 0.9 / 0.1]), softmax([0.8 / 0.1, 1 / 0.1]))
    assert value.item() == pytest.approx(0.7 * cosine + 0.3 * (first + second) / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("cosine", "label", "expected"),
    [(-0.3, 0.5, 0.3), (0.25, 0.5, 0.0), (0.6, 0.5, 0.1), (0.9, 1.0, 0.1), (-0.9, 0.0, 0.0), (0.2, 0.0, 0.2)],
)
def test_a_grade_leaves_the_cosine_a_range(
    cosine: float, label: float, expected: float, model: SentenceTransformer
) -> None:
    pair = [torch.tensor([[1.0, 0.0]]), torch.tensor([[cosine, math.sqrt(1 - cosine * cosine)]])]
    value = HybridLoss(model, alpha=1.0).compute_loss_from_embeddings(pair, torch.tensor([label]))
    assert value.item() == pytest.approx(expected, abs=1e-6)


def test_hybrid_without_kl_is_torchs_cosine_embedding_loss_on_binary_labels(
    model: SentenceTransformer,
) -> None:
    generator = torch.Generator().manual_seed(1)
    pair = [torch.randn(20, 8, generator=generator) for _ in range(2)]
    labels = torch.randint(0, 2, (20,), generator=generator)
    value = HybridLoss(model, alpha=1.0, margin=0.1).compute_loss_from_embeddings(pair, labels)
    expected = torch.nn.CosineEmbeddingLoss(margin=0.1)(*pair, 2 * labels - 1)
    torch.testing.assert_close(value, expected)


def test_hybrid_is_zero_where_cosines_equal_the_labels(model: SentenceTransformer) -> None:
    vectors = torch.eye(4)
    value = HybridLoss(model).compute_loss_from_embeddings([vectors, vectors], torch.ones(4))
    assert value.item() == pytest.approx(0, abs=1e-6)


def test_joint_of_sentences_is_the_sum_worked_by_hand(model: SentenceTransformer) -> None:
    vectors = torch.tensor([[2.0, 0.0], [0.6, 0.8], [0.0, 1.0]])  # cosines .6, 0, .8
    loss = JointLoss(model, 2, weight=0.5, temperature=0.5)
    loss.head = torch.nn.Linear(2, 2)
    with torch.no_grad():
        loss.head.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        loss.head.bias.copy_(torch.tensor([0.0, 0.3]))
    value = loss.compute_loss_from_embeddings([vectors], torch.tensor([0, 0, 1]))
    contrastive = -(math.log(softmax([0.6 / 0.5, 0])[0]) + math.log(softmax([0.6 / 0.5, 0.8 / 0.5])[0])) / 2
    logits, classes = [[2.0, 0.3], [0.6, 1.1], [0.0, 1.3]], [0, 0, 1]
    smoothed = 0.0
    for row, label in zip(logits, classes, strict=True):
        shares = softmax(row)
        smoothed -= 0.95 * math.log(shares[label]) + 0.05 * math.log(
            shares[1 - label]
        )  # 0.9 + 0.1 / 2, 0.1 / 2
    assert value.item() == pytest.approx(contrastive + 0.5 * smoothed / 3, abs=1e-6)


def test_joint_of_pairs_is_the_sum_worked_by_hand(model: SentenceTransformer) -> None:
    loss = JointLoss(model, 3, label_smoothing=0.0, temperature=0.5, together=[0])
    loss.head = torch.nn.Linear(6, 3)
    with torch.no_grad():
        loss.head.weight.zero_()
        loss.head.weight[0, 5] = 1.0  # of |u - v|, the second dimension
        loss.head.bias.zero_()
    value = loss.compute_loss_from_embeddings([ANCHORS, PASSAGES], torch.tensor([0, 2]))
    contrastive = -math.log(softmax([0.6 / 0.5, 0])[0])  # the first row; the second is only its negative
    classification = -(math.log(softmax([4, 0, 0])[0]) + math.log(softmax([1.5, 0, 0])[2])) / 2
    assert value.item() == pytest.approx(contrastive + classification, abs=1e-6)


def test_without_two_rows_of_a_class_only_the_head_learns(model: SentenceTransformer) -> None:
    loss = JointLoss(model, 2)
    vectors = model.encode(list(SENTENCES[:2]), convert_to_tensor=True).clone().requires_grad_()
    value = loss.compute_loss_from_embeddings([vectors], torch.tensor([0, 1]))
    head = torch.nn.functional.cross_entropy(loss.head(vectors), torch.tensor([0, 1]), label_smoothing=0.1)
    torch.testing.assert_close(value, head)
    value.backward()
    assert torch.isfinite(vectors.grad).all()
    pairs = JointLoss(model, 2, weight=0, together=[1])
    assert pairs.compute_loss_from_embeddings([vectors, vectors], torch.tensor([0, 0])).item() == 0


CASES: dict[str, tuple[Callable[[SentenceTransformer], torch.nn.Module], dict[str, list[Any]]]] = {
    "hybrid, binary": (
        HybridLoss,
        {"anchor": QUESTIONS, "passage": ANSWERS, "label": [0, 1] * 6},
    ),
    "hybrid, scores": (
        HybridLoss,
        {"anchor": QUESTIONS, "passage": ANSWERS, "score": [step / 11 for step in range(12)]},
    ),
    "hybrid, Matryoshka": (
        lambda model: MatryoshkaLoss(model, HybridLoss(model), [32, 16]),
        {"anchor": QUESTIONS, "passage": ANSWERS, "label": [0, 1] * 6},
    ),
    "joint, sentences": (
        lambda model: JointLoss(model, 3),
        {"text": QUESTIONS, "label": [0, 1, 2] * 4},
    ),
    "joint, pairs": (
        lambda model: JointLoss(model, 3, together=[0]),
        {"sentence1": QUESTIONS, "sentence2": ANSWERS, "label": [0, 1, 2] * 4},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_trainer_brings_it_down(case: str, model: SentenceTransformer, tmp_path: Path) -> None:
    make, columns = CASES[case]
    torch.manual_seed(2)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # its noise is as large as what a few steps gain
    loss = make(model)
    heads = [module for module in loss.modules() if isinstance(module, JointLoss)]
    untrained = [head.head.weight.detach().clone() for head in heads]
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            output_dir=str(tmp_path),
            max_steps=16,
            per_device_train_batch_size=12,
            learning_rate=5e-4,
            lr_scheduler_type="constant",
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            dataloader_pin_memory=False,
        ),
        train_dataset=Dataset.from_dict(columns),
        loss=loss,
    )
    trainer.train()
    values = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert sum(values[-4:]) / 4 < values[0]
    for head, before in zip(heads, untrained, strict=True):
        assert not torch.equal(head.head.weight, before)


def test_the_head_is_not_in_the_saved_model(model: SentenceTransformer, tmp_path: Path) -> None:
    loss = JointLoss(model, 3)
    model.save(str(tmp_path), create_model_card=False)
    saved = SentenceTransformer(str(tmp_path), device="cpu")
    assert len(saved) == 3  # transformer, pooling, normalisation
    again = JointLoss(saved, 3)
    again.head.load_state_dict(loss.head.state_dict())
    labels = torch.tensor([0, 1, 1])
    vectors = [model.encode(list(SENTENCES[:3]), convert_to_tensor=True).clone()]
    torch.testing.assert_close(
        again.compute_loss_from_embeddings(vectors, labels),
        loss.compute_loss_from_embeddings(vectors, labels),
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda model: HybridLoss(model, alpha=1.2), "alpha is 1.2"),
        (lambda model: HybridLoss(model, temperature=0), "temperature is 0"),
        (lambda model: HybridLoss(model, margin=1), "margin is 1"),
        (lambda model: JointLoss(model, 1), "1 classes"),
        (lambda model: JointLoss(model, 2, weight=-1), "weight is -1"),
        (lambda model: JointLoss(model, 2, label_smoothing=1), "label_smoothing is 1"),
        (lambda model: JointLoss(model, 2, temperature=-0.1), "temperature is -0.1"),
        (
            lambda model: JointLoss(model, 2, together=[2]),
            r"together is \[2\], expected one or more of 0 to 1",
        ),
        (lambda model: JointLoss(model, 2, together=[]), r"together is \[\]"),
    ],
)
def test_parameters_out_of_range_are_refused(
    make: Callable[[SentenceTransformer], object], message: str, model: SentenceTransformer
) -> None:
    with pytest.raises(NaruError, match=message):
        make(model)


def test_rows_that_do_not_fit_are_refused(model: SentenceTransformer) -> None:
    vectors = torch.eye(2)
    hybrid, sentences = HybridLoss(model), JointLoss(model, 2)
    with pytest.raises(NaruError, match=r"labels from 1 to 5, expected 0 to 1\. Divide"):
        hybrid.compute_loss_from_embeddings([vectors, vectors], torch.tensor([1.0, 5.0]))
    with pytest.raises(NaruError, match="labels from nan"):
        hybrid.compute_loss_from_embeddings([vectors, vectors], torch.tensor([math.nan, 1.0]))
    with pytest.raises(NaruError, match="rows of 3 texts"):
        hybrid.compute_loss_from_embeddings([vectors] * 3, torch.tensor([1.0, 1.0]))
    with pytest.raises(NaruError, match="rows of 2 texts, expected 1; give `together`"):
        sentences.compute_loss_from_embeddings([vectors] * 2, torch.tensor([0, 1]))
    with pytest.raises(NaruError, match=r"labels from 0 to 2 .*expected whole numbers from 0 to 1"):
        sentences.compute_loss_from_embeddings([vectors], torch.tensor([0, 2]))
    with pytest.raises(NaruError, match=r"torch\.float32"):
        sentences.compute_loss_from_embeddings([vectors], torch.tensor([0.0, 1.0]))
