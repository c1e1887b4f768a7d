"""The judged sets that benchmarks read: three Korean ones beside the project, and the bundled demo."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from indexer.build import Plan, Summary, index
from indexer.corpus import Corpus
from naru.beir import Beir
from naru.encoder import open_encoder
from naru.store import open_store
from naru.text import AnalyzerSettings
from search import Searcher


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """A BEIR folder, the split that may choose things and the split that only reports."""

    name: str
    folder: Path
    choose: str
    report: str

    @property
    def beir(self) -> Beir:
        return Beir(self.folder)


def judged_sets(data: Path) -> list[JudgedSet]:
    """The sets that exist on this machine; the demo always does."""
    demo = JudgedSet("demo", Path(str(files("naru.demo"))), "calibrate", "test")
    shared = [
        JudgedSet("korquad-dev", data / "beir" / "korquad-dev", "calibrate", "test"),
        JudgedSet("law", data / "beir" / "law", "dev", "test"),
        JudgedSet("welfare", data / "beir" / "welfare", "calibrate", "test"),
    ]
    return [found for found in [*shared, demo] if found.folder.is_dir()]


@contextmanager
def indexed(
    judged: JudgedSet,
    encoder: str | None = None,
    settings: AnalyzerSettings | None = None,
    store: Path | None = None,
) -> Iterator[tuple[Searcher, Summary | None]]:
    """The set as a collection, in `store` where it is reused if it is there, else in a folder gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="naru-benchmark-") as folder:
        opened = open_store(str(store or folder))
        summary = None
        if judged.name not in opened.names():
            plan = Plan(
                judged.name, str(judged.folder), encoder or "naru-mini", settings or AnalyzerSettings(), 2
            )
            corpus = Corpus(judged.folder)
            summary = index(corpus, opened, open_encoder(encoder), plan, lambda stage, done: None)
        with Searcher.open(opened, judged.name, encoder) as searcher:
            yield searcher, summary
        opened.close()
