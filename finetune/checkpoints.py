"""Checkpoints: folders that are whole or not there, and the weights in them.

    checkpoints/1-general/checkpoint-500/   weights.pt, optimizer.pt, scheduler.pt, rng_state.pth, trainer_state.json,
                                            files.json: size and SHA-256 of each
    checkpoints/1-general/done/             the weights that the next stage begins from, result.json, files.json

A folder is written under a hidden name, brought to the disk, and renamed. `files.json` is written last: a folder that a
copy or a full disk has damaged is told from a whole one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from naru.errors import NaruError

WEIGHTS = "weights.pt"
STATE = "trainer_state.json"
FILES = "files.json"
EARLY = "early"  # in a checkpoint that only the clock asked for; the unbroken run has none at its step

Say = Callable[[str], None]
"""Called with a line for people."""


def hidden(folder: Path) -> Path:
    """Where a folder is written before it appears."""
    return folder.with_name(f".{folder.name}.part")


def begin(folder: Path) -> Path:
    """An empty hidden folder to write into; what a killed process left there goes."""
    part = hidden(folder)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    return part


def publish(folder: Path, listed: bool = True) -> None:
    """Let the folder that was begun appear, in place of one that is there, with a list of its files or without."""
    part = hidden(folder)
    if listed:
        files = {
            file.relative_to(part).as_posix(): _facts(file)
            for file in sorted(part.rglob("*"))
            if file.is_file()
        }
        (part / FILES).write_text(json.dumps(files, indent=1), encoding="utf-8")
    for path in [*part.rglob("*"), part]:
        _to_disk(path)
    gone = _gone(folder)
    if folder.exists():
        folder.rename(gone)
    part.rename(folder)
    _to_disk(folder.parent)
    shutil.rmtree(gone, ignore_errors=True)


@contextmanager
def published(folder: Path, listed: bool = True) -> Iterator[Path]:
    """A folder to write into that appears under its name once all of it is written.

    NaruError, and nothing appears, where the disk refuses.
    """
    try:
        yield begin(folder)
        publish(folder, listed)
    except OSError as error:
        raise NaruError(f"{folder}: cannot be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(hidden(folder), ignore_errors=True)


def remove(folder: Path) -> None:
    """Delete a folder so that no broken one is seen meanwhile."""
    gone = _gone(folder)
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _gone(folder: Path) -> Path:
    """A free name for a folder on its way out."""
    gone = folder.with_name(f".{folder.name}.gone")
    shutil.rmtree(gone, ignore_errors=True)
    return gone


def sweep(folder: Path) -> None:
    """Delete what a killed process left half-written or half-deleted anywhere in a folder."""
    for left in [*folder.rglob(".*.part"), *folder.rglob(".*.gone")]:
        shutil.rmtree(left, ignore_errors=True)


def broken(folder: Path) -> str | None:
    """What is wrong with a published folder; None where it is as it was written."""
    try:
        listed = json.loads((folder / FILES).read_text(encoding="utf-8"))
        for name, (size, digest) in listed.items():
            path = folder / name
            if path.stat().st_size != size:
                return f"{name} has {path.stat().st_size:,} bytes, expected {size:,}"
            if _facts(path)[1] != digest:
                return f"the content of {name} has changed"
    except OSError as error:
        return f"{Path(str(error.filename)).name}: {error.strerror}"
    except (ValueError, TypeError, AttributeError):
        return f"{FILES} is no list of files"
    return None


def steps(folder: Path) -> dict[int, Path]:
    """The checkpoints of a stage by step, ascending."""
    found = {path.name.removeprefix("checkpoint-"): path for path in folder.glob("checkpoint-*")}
    return {int(step): found[step] for step in sorted(filter(str.isdigit, found), key=int)}


def whole(folder: Path, say: Say) -> dict[int, Path]:
    """The checkpoints that the unbroken run has as well, by step, ascending; broken ones are named and left out."""
    found = {step: path for step, path in steps(folder).items() if not (path / EARLY).exists()}
    reasons = {step: reason for step, path in found.items() if (reason := broken(path)) is not None}
    for step, reason in reasons.items():
        say(f"Skipped {found[step]}: {reason}.")
    return {step: path for step, path in found.items() if step not in reasons}


def newest(folder: Path, say: Say) -> Path | None:
    """The whole checkpoint of the highest step; broken ones are named on the way. None where there is none."""
    for path in reversed(steps(folder).values()):
        reason = broken(path)
        if reason is None:
            return path
        say(f"Skipped {path}: {reason}.")
    return None


def rotate(folder: Path, keep: int, spared: Collection[int] = ()) -> None:
    """Delete all checkpoints but the last `keep` and those of the spared steps; early ones do not count, and go unless
    they are the last."""
    found = steps(folder)
    early = [step for step, path in found.items() if (path / EARLY).exists()]
    for step in [*[step for step in found if step not in early][:-keep], *early]:
        if step not in spared and not (step in early and step == max(found)):
            remove(found[step])


def save_weights(folder: Path, model: nn.Module, losses: Mapping[str, nn.Module]) -> None:
    """Write the model's weights, and the parameters that losses have of their own, by name of their data."""
    own = {
        name: {key: tensor.detach() for key, tensor in parameters(loss, model)}
        for name, loss in losses.items()
    }
    try:
        torch.save({"model": model.state_dict(), "losses": own}, folder / WEIGHTS)
    except (OSError, RuntimeError) as error:  # torch tells a full disk by a RuntimeError
        raise NaruError(f"{folder / WEIGHTS}: cannot be written (is the disk full?): {error}") from error


def load_weights(folder: Path, model: nn.Module, losses: Mapping[str, nn.Module] | None = None) -> None:
    """Put saved weights into a model, and into those losses that were saved. NaruError where they do not fit."""
    restore(_read(folder), model, losses or {}, folder)


def average(folders: Sequence[Path], model: nn.Module) -> None:
    """Put the mean of several checkpoints' weights into a model; what is no floating-point number is the last one's."""
    mean: dict[str, Tensor] = {}
    for number, folder in enumerate(folders, start=1):
        for key, tensor in _read(folder)["model"].items():
            if key in mean and tensor.is_floating_point():
                mean[key] += (tensor.double() - mean[key]) / number
            else:
                mean[key] = tensor.double() if tensor.is_floating_point() else tensor
    restore({"model": mean, "losses": {}}, model, {}, folders[-1])


def weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of a model's weights as they are now, in main memory."""
    return {key: tensor.detach().cpu().clone() for key, tensor in model.state_dict().items()}


def blend(model: nn.Module, start: Mapping[str, Tensor], share: float) -> None:
    """Make each weight of a model (1 - share) * its own + share * that of `start`; numbers that are counts stay.

    What training has gained and what it has forgotten lie on a line between the two, and its middle often keeps most
    of both (WiSE-FT: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
    """
    mixed = {
        key: tensor.cpu().double().lerp(start[key].double(), share) if tensor.is_floating_point() else tensor
        for key, tensor in model.state_dict().items()
    }
    model.load_state_dict(mixed)


def restore(saved: Mapping[str, Any], model: nn.Module, losses: Mapping[str, nn.Module], place: Path) -> None:
    """Put weights, as `torch.load` gives them back, into a model and its losses."""
    try:
        model.load_state_dict(saved["model"])
        for name, loss in losses.items():
            of = saved["losses"].get(name, {})
            with torch.no_grad():
                for key, tensor in parameters(loss, model):
                    if key in of:
                        tensor.copy_(of[key])
    except RuntimeError as error:
        raise NaruError(f"{place}: its weights do not fit the model of this recipe: {error}") from error


def parameters(loss: nn.Module, model: nn.Module) -> list[tuple[str, Tensor]]:
    """The parameters and buffers of a loss that are not the model's: heads of classes, projections."""
    models = {id(tensor) for tensor in chain(model.parameters(), model.buffers())}
    named = chain(loss.named_parameters(), loss.named_buffers())
    return [(name, tensor) for name, tensor in named if id(tensor) not in models]


def _read(folder: Path) -> dict[str, Any]:
    saved: dict[str, Any] = torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True)
    return saved


def _facts(path: Path) -> list[Any]:
    with path.open("rb") as file:
        return [path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()]


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
