"""Folders that are whole or not there, and weights that come back as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from finetune import checkpoints
from naru.errors import NaruError


def written(folder: Path, text: str = "weights") -> Path:
    with checkpoints.published(folder) as part:
        (part / "a.txt").write_text(text)
        (part / "inner").mkdir()
        (part / "inner" / "b.txt").write_text("more")
    return folder


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


class Loss(nn.Module):
    """A loss with a head and a buffer of its own."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.head = nn.Linear(3, 2)
        self.register_buffer("seen", torch.zeros(1))


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-5"

    def write_and_fail() -> None:
        with checkpoints.published(folder) as part:
            (part / "a.txt").write_text("half")
            assert not folder.exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []
    assert checkpoints.broken(written(folder)) is None
    assert list(json.loads((folder / "files.json").read_text())) == ["a.txt", "inner/b.txt"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    folder = written(tmp_path / "checkpoint-5")
    written(folder, "others")
    assert (folder / "a.txt").read_text() == "others"
    assert hidden(tmp_path) == []


def test_a_disk_that_refuses_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NaruError, match="checkpoint-5: cannot be written: Not a directory"):
        written(tmp_path / "file" / "checkpoint-5")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda f: (f / "a.txt").write_text("weight"), "a.txt has 6 bytes, expected 7"),
        (lambda f: (f / "a.txt").write_text("Weights"), "the content of a.txt has changed"),
        (lambda f: (f / "inner" / "b.txt").unlink(), "b.txt: No such file"),
        (lambda f: (f / "files.json").unlink(), "files.json: No such file"),
        (lambda f: (f / "files.json").write_text('{"a.txt": [7'), "files.json is no list of files"),
        (lambda f: (f / "files.json").write_text("[1]"), "files.json is no list of files"),
    ],
    ids=["cut short", "changed", "missing", "no list", "half a list", "another list"],
)
def test_broken_checkpoints_are_named_and_skipped(damage: object, reason: str, tmp_path: Path) -> None:
    for step in (5, 10, 100):
        written(tmp_path / f"checkpoint-{step}")
    (tmp_path / "checkpoint-best").mkdir()  # not ours
    damage(tmp_path / "checkpoint-100")  # type: ignore[operator]
    said: list[str] = []
    assert checkpoints.newest(tmp_path, said.append) == tmp_path / "checkpoint-10"
    assert len(said) == 1
    assert "checkpoint-100" in said[0]
    assert reason in said[0]


def test_no_checkpoint_at_all(tmp_path: Path) -> None:
    assert checkpoints.newest(tmp_path / "nowhere", print) is None


def test_only_the_last_and_the_spared_stay(tmp_path: Path) -> None:
    for step in (2, 4, 6, 8, 10):
        written(tmp_path / f"checkpoint-{step}")
    checkpoints.rotate(tmp_path, keep=2, spared=[4])
    assert list(checkpoints.steps(tmp_path)) == [4, 8, 10]
    assert hidden(tmp_path) == []


def test_checkpoints_of_the_clock_do_not_count_and_go_unless_they_are_the_last(tmp_path: Path) -> None:
    for step in (2, 4, 5, 6, 7):
        folder = written(tmp_path / f"checkpoint-{step}")
        if step in (5, 7):
            (folder / checkpoints.EARLY).touch()
    assert list(checkpoints.whole(tmp_path, print)) == [2, 4, 6]
    checkpoints.rotate(tmp_path, keep=2)
    assert list(checkpoints.steps(tmp_path)) == [4, 6, 7]


def test_what_a_killed_process_left_goes(tmp_path: Path) -> None:
    checkpoints.begin(tmp_path / "1-stage" / "checkpoint-5")
    (tmp_path / "1-stage" / ".checkpoint-3.gone").mkdir()
    written(tmp_path / "1-stage" / "checkpoint-4")
    checkpoints.sweep(tmp_path)
    assert [path.name for path in (tmp_path / "1-stage").iterdir()] == ["checkpoint-4"]


def test_weights_and_heads_come_back(tmp_path: Path) -> None:
    model, other = nn.Linear(4, 3), nn.Linear(4, 3)
    loss, another = Loss(model), Loss(other)
    loss.seen += 2  # type: ignore[operator]
    checkpoints.save_weights(tmp_path, model, {"kinds": loss})
    saved = torch.load(tmp_path / "weights.pt")
    assert set(saved["losses"]["kinds"]) == {"head.weight", "head.bias", "seen"}
    checkpoints.load_weights(tmp_path, other, {"kinds": another, "others": Loss(other)})
    for (name, tensor), again in zip(loss.state_dict().items(), another.state_dict().values(), strict=True):
        torch.testing.assert_close(again, tensor, rtol=0, atol=0, msg=name)


def test_buffers_of_the_model_are_not_the_loss_s(tmp_path: Path) -> None:
    model = nn.BatchNorm1d(3)
    checkpoints.save_weights(tmp_path, model, {"kinds": Loss(model)})
    saved = torch.load(tmp_path / "weights.pt")
    assert set(saved["losses"]["kinds"]) == {"head.weight", "head.bias", "seen"}


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    checkpoints.save_weights(tmp_path, nn.Linear(4, 3), {})
    with pytest.raises(NaruError, match="weights do not fit the model of this recipe"):
        checkpoints.load_weights(tmp_path, nn.Linear(5, 3))


def test_a_blend_lies_between_two_models() -> None:
    model, start = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    nn.init.constant_(model.weight, 2.0)
    nn.init.constant_(start.weight, 10.0)
    model.num_batches_tracked += 7
    checkpoints.blend(model, checkpoints.weights(start), 0.25)
    assert model.weight.tolist() == [4.0, 4.0]
    assert model.num_batches_tracked.item() == 7


def test_the_mean_of_weights(tmp_path: Path) -> None:
    folders = []
    for number, value in enumerate((1.0, 2.0, 6.0)):
        model = nn.BatchNorm1d(2)
        nn.init.constant_(model.weight, value)
        model.num_batches_tracked += number
        folders.append(tmp_path / str(number))
        folders[-1].mkdir()
        checkpoints.save_weights(folders[-1], model, {})
    mean = nn.BatchNorm1d(2)
    checkpoints.average(folders, mean)
    assert mean.weight.tolist() == [3.0, 3.0]
    assert mean.num_batches_tracked.item() == 2  # a count has no mean: the last one's
