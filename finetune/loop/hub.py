"""A trained model to the Hugging Face Hub: only where the user asked for it."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from huggingface_hub import HfApi
from sentence_transformers import SentenceTransformer
from transformers import TrainerCallback

from finetune.checkpoints import Say
from finetune.finishing import finish
from finetune.recipe import Training
from naru.errors import NaruError

Describe = Callable[[Path, SentenceTransformer, int], None]
"""Called with a folder, the model saved in it, and the steps of the stage: writes its card."""


def push(folder: Path, name: str, private: bool, message: str, inside: str | None = None) -> str:
    """Upload a folder to the model repository `name` (OWNER/NAME), made where it is not there, below the folder
    `inside` of it: the address. NaruError where the Hub cannot be reached or refuses.
    """
    api = HfApi()
    try:
        address = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=address.repo_id, folder_path=folder, path_in_repo=inside, commit_message=message
        )
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise NaruError(
            f"{folder} was not pushed to the Hub as {name}: {error}. It is whole where it is: log in with `hf auth login` "
            f"and push it with `hf upload {name} {folder}`."
        ) from error
    return str(address)


class Pushes(TrainerCallback):
    """Pushes the model at every save, and its checkpoint where `hub_strategy` says so. A failure stops nothing.

    What is pushed is a model as at the end of a run: a copy with LoRA merged, and the card that `describe` writes into its
    folder. A projection that is fitted after training (PCA, whitening) is not in it yet.
    """

    def __init__(self, training: Training, say: Say, describe: Describe | None = None) -> None:
        self.training, self.say, self.describe = training, say, describe

    def on_save(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        name, private = self.training.hub_model_id, self.training.hub_private
        if name is None or self.training.hub_strategy == "end" or not state.is_world_process_zero:
            return
        message = f"Training in progress, step {state.global_step}"
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        inside = {"checkpoint": "last-checkpoint", "all_checkpoints": checkpoint.name}
        try:
            with tempfile.TemporaryDirectory(prefix="naru-push-") as folder:
                made = finish(copy.deepcopy(model))
                made.save_pretrained(folder, create_model_card=False)
                if self.describe is not None:
                    self.describe(Path(folder), made, state.global_step)
                push(Path(folder), name, private, message)
            if self.training.hub_strategy in inside:
                push(checkpoint, name, private, message, inside[self.training.hub_strategy])
        except NaruError as error:
            self.say(f"Warning: {error}")
