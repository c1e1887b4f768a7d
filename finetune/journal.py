"""What a run leaves behind while it goes: its figures line by line, and a model that can be used at any moment."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from transformers import TrainerCallback


class Journal(TrainerCallback):
    """Writes every logged figure to `log.jsonl`, a usable model to `latest/` at each save, and watches the clock."""

    def __init__(
        self, output: Path, model: SentenceTransformer, began: float, max_minutes: float | None
    ) -> None:
        self.output, self.model, self.began = output, model, began
        self.deadline = None if max_minutes is None else began + 60 * max_minutes

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        minutes = round((time.monotonic() - self.began) / 60, 2)
        line = json.dumps({"step": state.global_step, "minutes": minutes, **(logs or {})}, ensure_ascii=False)
        with (self.output / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            control.should_save = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        save_whole(self.model, self.output / "latest")

    def first_figures(self) -> dict[str, float]:
        """The figures before the first step, as the log of the run holds them."""
        for line in (self.output / "log.jsonl").read_text(encoding="utf-8").splitlines():
            entry: dict[str, float] = json.loads(line)
            if entry["step"] == 0 and any(key.startswith("eval_") for key in entry):
                return entry
        return {}


def save_whole(model: SentenceTransformer, folder: Path) -> None:
    """Save a model so that its folder is at every moment absent or whole."""
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}")
    model.save_pretrained(str(fresh), create_model_card=False)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
