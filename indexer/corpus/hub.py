"""Hugging Face datasets: saved in a folder, or streamed from the Hub. Wants the `datasets` package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from naru.errors import NaruError
from naru.records import Bad, Row

_SCHEME = "hf://"


def is_dataset(folder: Path) -> bool:
    """Whether `save_to_disk` made this folder."""
    return (folder / "dataset_dict.json").is_file() or (
        (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    )


class HubDataset:
    """One split, by rows from 1; without a name, the only split there is."""

    def __init__(self, name: str, split: str) -> None:
        self.name = name
        self._rows = _split(name, split)
        # Streamed rows are not counted beforehand.
        self.size: int | None = len(self._rows) if hasattr(self._rows, "__len__") else None
        self.position = 0

    @classmethod
    def parse(cls, location: str) -> HubDataset:
        """`hf://OWNER/NAME[:SPLIT]`, or `hf://FOLDER[:SPLIT]`."""
        path, _, last = location.removeprefix(_SCHEME).rpartition("/")
        last, _, split = last.partition(":")
        if not last:
            raise NaruError(f"{location}: names no dataset; expected {_SCHEME}OWNER/NAME[:SPLIT].")
        return cls(f"{path}/{last}" if path else last, split)

    def __iter__(self) -> Iterator[Row | Bad]:
        self.position = 0
        for fields in self._rows:
            self.position += 1
            yield Row(f"{_SCHEME}{self.name}", self.position, fields, fields)


def _split(name: str, split: str) -> Any:
    try:
        import datasets  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError as error:
        raise NaruError(
            f"{_SCHEME}{name}: reading Hugging Face datasets needs a package more: pip install datasets"
        ) from error
    try:
        saved = Path(name).is_dir()
        found = datasets.load_from_disk(name) if saved else datasets.load_dataset(name, streaming=True)
    except (OSError, ValueError) as error:
        raise NaruError(f"{_SCHEME}{name}: no dataset could be opened: {error}") from error
    if not isinstance(found, dict):
        if split:
            raise NaruError(f"{_SCHEME}{name}: is one saved split; got :{split}, expected no split name.")
        return found
    if split in found:
        return found[split]
    if not split and len(found) == 1:
        return next(iter(found.values()))
    raise NaruError(
        f"{_SCHEME}{name}: {f'no split {split!r}' if split else 'which split?'} "
        f"Expected {' or '.join(f'{_SCHEME}{name}:{known}' for known in found)}."
    )
