"""What a run says of itself: whose folder it is, what it was made from, the facts of its card."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

from finetune import checkpoints
from finetune.evaluators import primary
from finetune.held import Held, Lesson
from finetune.loop.arguments import chosen_precision
from finetune.recipe import Recipe
from finetune.recipe.resolved import to_toml
from finetune.reporting.card import CardFacts, DataFacts, encoder_facts, versions
from finetune.reporting.log import read_log
from finetune.reporting.origins import Origins
from finetune.reporting.publishing import published, short
from naru import terminal
from naru.errors import NaruError
from naru.files import publish

RECIPE, PROVENANCE = "recipe.toml", "provenance.json"


def claim(recipe: Recipe, output: Path, resume: bool) -> None:
    """Take the output folder for a run, or for one to go on. NaruError where it holds one and should not, or the
    reverse, or the run there is of another recipe."""
    kept = output / RECIPE
    if not resume:
        _check_free(output)
    if resume and not kept.exists():
        raise NaruError(f"Nothing to resume: no run in {output}. Leave out --resume to begin.")
    if resume:
        then, now = kept.read_text(encoding="utf-8").splitlines(), to_toml(recipe).splitlines()
        for before, after in zip([*then, ""], [*now, ""], strict=False):
            if before != after:
                raise NaruError(
                    f"The run in {output} is of another recipe: it has {before or 'nothing more'!r} where this one has "
                    f"{after or 'nothing more'!r}. Give the recipe and the flags it began with, or another --output."
                )
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NaruError(f"{output}: no folder can be made there: {error.strerror}.") from error


def _check_free(output: Path) -> None:
    """NaruError where a folder holds a run of which something was saved, or what no run of ours leaves."""
    recipe, stages = output / RECIPE, output / "checkpoints"
    saved = (output / "model").exists() or any(
        folder.name == "done" or folder.name.startswith("checkpoint-") for folder in stages.glob("*/*")
    )
    ours = recipe.exists() and (output / PROVENANCE).exists()  # and no recipe.toml that a user keeps there
    if (recipe.exists() or stages.exists()) and (saved or not ours):
        raise NaruError(
            f"{output} holds a run already: go on with --resume, delete it, or give another --output."
        )
    start = output / "start"
    if start.exists() and not (start / checkpoints.FILES).is_file():
        raise NaruError(
            f"{start} exists and was not made by a training run, which needs that path. Give another --output."
        )


def _make_free(output: Path) -> None:
    """Remove a run that saved nothing, but for the vectors of teachers: they are the same for any recipe."""
    _check_free(output)
    shutil.rmtree(output / "start", ignore_errors=True)
    if (output / RECIPE).exists():
        terminal.note(f"The run in {output} had saved no step: this one takes its place.")
        shutil.rmtree(output / "checkpoints", ignore_errors=True)
        for name in (RECIPE, "log.jsonl", PROVENANCE):
            (output / name).unlink(missing_ok=True)


@contextmanager
def locked(output: Path, resume: bool) -> Iterator[None]:
    """The output folder for one process alone; without `resume` a run that saved nothing makes room. NaruError while
    another process trains there."""
    file = os.open(output / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NaruError(
                f"Another process trains in {output}. Wait for it, stop it, or give another --output."
            ) from error
        if not resume:
            _make_free(output)
        yield
    finally:
        os.close(file)


@dataclass(frozen=True)
class Record:
    """A run's recipe, its data as a table, the SHA-256 of its files and of its models', and what it measures."""

    recipe: Recipe
    output: Path
    data: Sequence[Mapping[str, Any]]
    files: Mapping[str, Mapping[str, str]]
    models: Mapping[str, Mapping[str, str]]
    held: Sequence[Held | Lesson]
    origins: Origins
    licence: str | None = None  # the base's own

    @property
    def primary(self) -> list[str]:
        """The key of each held-out set's foremost figure."""
        return [primary(one.shape, one.name) for one in self.held]

    @property
    def plain(self) -> dict[str, Any]:
        """The recipe as plain values."""
        return _plain(self.recipe)

    @property
    def asked(self) -> dict[str, Mapping[str, str]]:
        """The models that losses ask."""
        return {name: files for name, files in self.models.items() if name != self.recipe.model.base}

    def check(self) -> None:
        """NaruError where a run is to go on with other data than it began with."""
        if not (self.output / RECIPE).exists():
            return
        try:
            then = json.loads((self.output / PROVENANCE).read_text(encoding="utf-8"))
            data, models = then["data"], {then["base"]["name"]: then["base"]["sha256"], **then["asked"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NaruError(
                f"{self.output / PROVENANCE} is gone or damaged, so nothing tells whether the run can go on: give "
                "another --output."
            ) from error
        precision = chosen_precision(self.recipe.training)
        if then.get("precision", precision) != precision:
            raise NaruError(
                f"The run in {self.output} began in {then['precision']}, and this machine would go on in {precision}: "
                "the weights would be others. Go on where it began, or give another --output."
            )
        for name, files in self.models.items():
            if models.get(name) != dict(files):
                raise NaruError(
                    f"The model {name} has changed since the run in {self.output} began: it cannot go on from "
                    "another. Bring it back, or give another --output."
                )
        for name, files in self.files.items():
            if data.get(name) != files:
                raise NaruError(
                    f"The files of {name} have changed since the run in {self.output} began: it cannot go on with "
                    "others. Bring them back, or give another --output."
                )

    def write(self) -> None:
        """Begin: `provenance.json`, then `recipe.toml`, after which a run can be resumed. Or go on: what a killed
        process left half-written goes."""
        if (self.output / RECIPE).exists():
            checkpoints.sweep(self.output)
            return
        base = self.recipe.model.base
        made_from = {
            "recipe": self.plain,
            "base": {"name": base, "sha256": self.models[base]},
            "asked": self.asked,
            "data": self.files,
            "precision": chosen_precision(self.recipe.training),
            "versions": versions(),
        }
        publish(self.output / PROVENANCE, json.dumps(made_from, ensure_ascii=False, indent=2) + "\n")
        publish(self.output / RECIPE, to_toml(self.recipe))

    def start(self, planned: int) -> dict[str, Any]:
        """The first line of the log."""
        return {
            "recipe": self.plain,
            "planned": planned,
            "data": self.data,
            "sets": [one.name for one in self.held],
            "sizes": [one.size for one in self.held],
            "primary": self.primary,
            "versions": versions(),
        }

    def card(self, model: SentenceTransformer, steps: int, planned: int) -> CardFacts:
        """The facts of the card of a model that took so many steps."""
        recipe, log = published(self.recipe), read_log(self.output / "log.jsonl")
        return CardFacts(
            name=recipe.name,
            base=recipe.model.base,
            encoder=encoder_facts(model),
            recipe=_plain(recipe),
            recipe_text=to_toml(recipe),
            steps=steps,
            planned=planned,
            seed=recipe.seed,
            data=[
                DataFacts(
                    name=row["name"],
                    rows=row["rows"],
                    shape=row["shape"],
                    loss=row["loss"],
                    weight=row["weight"],
                    notes=[row["notes"]],
                    sha256=self.files[f"data {row['name']}"],
                )
                for row in self.data
            ],
            before=log.before,
            after=log.after,
            sets={one.name: one.shape for one in self.held},
            sizes={one.name: one.size for one in self.held},
            primary=self.primary,
            licence=recipe.licence,
            inherited=self.licence,
            description=recipe.description,
            minutes=round(log.minutes, 1),
            base_sha256=self.models[self.recipe.model.base],
            asked={short(name): files for name, files in self.asked.items()},
            versions=versions(),
            origins=self.origins,
        )


def _plain(recipe: Recipe) -> dict[str, Any]:
    return {key: value for key, value in asdict(recipe).items() if key != "places"}
