"""A corpus becomes a published collection: analyse and count, then embed and write, then swap in.

BM25 weights need the average length and a query's IDF needs every document, so the corpus is read once and
analysed into a spool on disk (by several processes: Mecab holds the GIL), and the spool is embedded. Bad
records therefore stop a build before the long part, and nothing is visible until all of it is.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import IO, Any

from indexer.analysing import analyse, batched, spooled
from indexer.background import Reservoir
from indexer.remembered import Remembered
from naru.bm25 import Statistics, document_vector
from naru.documents import Document
from naru.encoder import Encoder
from naru.errors import NaruError, UnavailableError
from naru.provenance import Provenance
from naru.relevance import DamagedError, Relevance
from naru.sketch import Sketcher
from naru.store import Description, Manifest, Point, Store, Vector
from naru.text import Analyzer, AnalyzerSettings, normalize

Progress = Callable[[str, int], None]
"""Called with the stage ("analyse" or "embed") and how many documents it has done so far."""

_BLOCK = 1024
_SAMPLE = 1000
_WORTH_WORKERS = 1_000_000  # bytes
_WORTH_ASKING = 50  # passages; a smaller collection is made again in seconds


@dataclass(frozen=True, slots=True)
class Summary:
    """What a build did. `truncated` passages are longer than the encoder reads; BM25 still has them whole. `replaced`
    is how many passages the version before had (None: there was none); `void` says why its calibration does not hold
    for this one. `encoder_before` is the encoder of that version where it was another. `reused` vectors were there from an
    earlier build."""

    provenance: Provenance
    analyse_seconds: float
    embed_seconds: float
    publish_seconds: float
    replaced: int | None = None
    void: str | None = None
    encoder_before: str | None = None
    reused: int = 0

    @property
    def seconds(self) -> float:
        return self.analyse_seconds + self.embed_seconds + self.publish_seconds

    @property
    def passages_per_second(self) -> float:
        return self.provenance.passages / max(self.seconds, 1e-9)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "seconds": self.seconds, "passages_per_second": self.passages_per_second}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to build: the collection's name, where its documents come from, and what reads them. `replace`: also where
    that leaves fewer than half of the passages there are, of fifty or more."""

    name: str
    corpus: str
    encoder: str
    settings: AnalyzerSettings = field(default_factory=AnalyzerSettings)
    workers: int = 1
    replace: bool = False


def default_workers(size: int | None) -> int:
    """How many processes analyse a corpus of `size` bytes (None: not known): one where starting more costs more."""
    return 1 if size is not None and size < _WORTH_WORKERS else min(os.cpu_count() or 1, 8)


def index(
    documents: Iterable[Document], store: Store, encoder: Encoder, plan: Plan, progress: Progress
) -> Summary:
    """Build and publish a collection, in the place of the version before. NaruError when there is nothing to index, a
    text cannot be read, or fewer than half of fifty passages or more would be left and the plan does not say `replace`."""
    before = _before(store, plan.name)
    with (
        tempfile.TemporaryFile(prefix="naru-spool-") as spool,
        store.build(plan.name, encoder.dimension) as build,
        Remembered(store.cache(plan.name), encoder.fingerprint, encoder.dimension) as remembered,
    ):
        started = perf_counter()
        statistics = analyse(documents, spool, plan.settings, plan.workers, partial(progress, "analyse"))
        if statistics.documents == 0:
            raise NaruError(f"{plan.corpus}: no documents to index.")
        _check_left(statistics.documents, before, store, plan)
        analysed = perf_counter()

        spool.seek(0)
        embedding = Embedding(encoder, remembered)
        sample, sketcher = Reservoir(_SAMPLE), Sketcher()
        build.add(_points(spool, statistics, embedding, sample, sketcher, progress))
        embedded = perf_counter()

        provenance = Provenance(
            collection=plan.name,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            corpus=plan.corpus,
            passages=statistics.documents,
            truncated=embedding.truncated,
            encoder=plan.encoder,
            encoder_fingerprint=encoder.fingerprint,
            analyzer=plan.settings,
            analyzer_fingerprint=Analyzer(plan.settings).fingerprint,
            background=sample.background(),
            sketch=sketcher.sketch(),
        )
        build.publish(Manifest(provenance.to_facts(), statistics))
        remembered.keep_used()
        return Summary(
            provenance,
            analysed - started,
            embedded - analysed,
            perf_counter() - embedded,
            replaced=None if before is None else before.passages,
            void=None if before is None else _void(before.relevance, provenance),
            encoder_before=None if before is None else _other_encoder(before, provenance),
            reused=remembered.reused,
        )


def _before(store: Store, name: str) -> Description | None:
    try:
        return store.describe(name)
    except UnavailableError:  # what it holds is not known: it may be most of what there is
        raise
    except NaruError:  # a damaged version is mended by building it again
        return None


def _check_left(documents: int, before: Description | None, store: Store, plan: Plan) -> None:
    if before is None or plan.replace or before.passages < _WORTH_ASKING:
        return
    if 2 * documents < before.passages:
        raise NaruError(
            f"The collection {plan.name!r} in {store.location} has {before.passages:,} passages, and {plan.corpus} has "
            f"{documents:,}. Indexing replaces the whole collection. To add, pass all corpora to one command; to keep "
            "both, choose another --collection; to shrink it on purpose, add --replace. Nothing was changed."
        )


def _void(relevance: str | None, made: Provenance) -> str | None:
    if relevance is None:
        return None
    try:
        basis = Relevance.from_json(relevance, "the calibration kept with it").basis
    except DamagedError as error:  # holds for nothing
        return error.reason
    return None if basis is None else basis.void(made)


def _other_encoder(before: Description, made: Provenance) -> str | None:
    was = before.facts.get("encoder_fingerprint")
    return None if was in (None, made.encoder_fingerprint) else str(before.facts.get("encoder"))


def _points(
    spool: IO[bytes],
    statistics: Statistics,
    embedding: Embedding,
    sample: Reservoir,
    sketcher: Sketcher,
    progress: Progress,
) -> Iterator[Point]:
    done = 0
    for block in batched(spooled(spool), _BLOCK):
        dense = embedding.vectors([normalize(passage.full_text).text for passage, _ in block])
        for (passage, counts), vector in zip(block, dense, strict=True):
            sample.offer(vector)
            sketcher.add(passage.title, passage.text)
            yield Point(passage, vector, document_vector(counts, statistics))
        done += len(block)
        progress("embed", done)


class Embedding:
    """Texts to vectors, remembered ones as they were; `truncated` counts those that are longer than the encoder reads."""

    def __init__(self, encoder: Encoder, remembered: Remembered) -> None:
        self._encoder, self._remembered = encoder, remembered
        self._before = encoder.truncated
        self._cut = 0

    def vectors(self, texts: list[str]) -> Vector:
        found, known = self._remembered.vectors(texts, self._encoder.passages)
        self._cut += self._encoder.cut(known)
        return found

    @property
    def truncated(self) -> int:
        return self._encoder.truncated - self._before + self._cut
