"""Models of the Hugging Face Hub: fetched once, then opened from the cache without a network."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from naru.errors import NaruError

OTHERS = [
    "onnx/*",
    "openvino/*",
    "*.onnx",
    "*.h5",
    "*.msgpack",
    "*.ot",
    "*.gguf",
    "*.png",
]  # other formats of weights
WEIGHTS = (
    "model.safetensors",
    "pytorch_model.bin",
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
)


def fetched(name: str, cache: Path | None = None) -> Path:
    """The folder of a model of the Hub: from the cache if it is there, else downloaded into it.

    NaruError where it is in neither, saying which cache was looked into.
    """
    try:
        kept = Path(snapshot_download(name, cache_dir=cache, local_files_only=True))
        if any((kept / weights).is_file() for weights in WEIGHTS):
            return kept
    except (LocalEntryNotFoundError, OSError):
        pass  # not there: from the network
    except HFValidationError as error:
        raise NaruError(
            f"{name!r} is neither a folder, a preset, nor a name on the Hub (OWNER/NAME): {error}"
        ) from error
    try:
        names = HfApi().list_repo_files(name)
        safe = any(one.endswith(".safetensors") for one in names)
        ignored = [*OTHERS, *(["*.bin"] if safe else [])]
        return Path(snapshot_download(name, cache_dir=cache, ignore_patterns=ignored))
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise NaruError(
            f"{name}: not in the cache {cache or constants.HF_HUB_CACHE}, and the Hub does not give it "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no answer'}). Without a network, "
            "copy the model's folder here and name it, or fetch it where there is one (`hf download`) and copy the cache."
        ) from error
