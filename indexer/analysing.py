"""Documents to passages with their token counts, by several processes: Mecab holds the GIL.

What a worker imports is what it takes: neither the engine nor the encoder's runtime.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from itertools import islice
from multiprocessing import get_context
from typing import IO, TypeVar

from naru.bm25 import Counts, Statistics, StatisticsCounter, count
from naru.documents import Document, Passage
from naru.errors import NaruError
from naru.text import Analyzer, AnalyzerSettings

Progress = Callable[[int], None]
"""Called with how many documents are done."""

CHUNK = 128  # documents that a worker gets at a time

T = TypeVar("T")
Analysed = list[tuple[Passage, Counts]]


def analyse(
    documents: Iterable[Document],
    spool: IO[bytes],
    settings: AnalyzerSettings,
    workers: int,
    progress: Progress,
) -> Statistics:
    """Analyse all documents into the spool, in order, by so many processes; what their tokens come to.

    NaruError, with its id, for a document that cannot be analysed.
    """
    counter = StatisticsCounter()
    done = 0
    for chunk in _analysed(documents, settings, workers):
        pickle.dump(chunk, spool, pickle.HIGHEST_PROTOCOL)
        for _, counts in chunk:
            counter.add(counts)
        done += len(chunk)
        progress(done)
    return counter.statistics()


def _analysed(documents: Iterable[Document], settings: AnalyzerSettings, workers: int) -> Iterator[Analysed]:
    """Analysed chunks in corpus order; with several workers, a bounded number of chunks is in flight."""
    chunks = batched(documents, CHUNK)
    if workers <= 1:
        analyzer = Analyzer(settings)
        yield from (_analyse_chunk(chunk, analyzer) for chunk in chunks)
        return
    with ExitStack() as stack:
        pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (settings,))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        flying: list[Future[Analysed]] = []
        for chunk in chunks:
            flying.append(pool.submit(_analyse_in_worker, chunk))
            if len(flying) >= 4 * workers:
                yield flying.pop(0).result()
        for future in flying:
            yield future.result()


def _analyse_chunk(chunk: list[Document], analyzer: Analyzer) -> Analysed:
    analysed = []
    for document in chunk:
        passage = Passage(document.id, document.text, document.title, document.metadata)
        try:
            analysed.append((passage, count(analyzer.document(document.text, document.title))))
        except NaruError as error:
            raise NaruError(f"Document {document.id!r}: {error}") from error
    return analysed


_worker_analyzer: Analyzer


def _start_worker(settings: AnalyzerSettings) -> None:
    global _worker_analyzer
    _worker_analyzer = Analyzer(settings)


def _analyse_in_worker(chunk: list[Document]) -> Analysed:
    return _analyse_chunk(chunk, _worker_analyzer)


def spooled(spool: IO[bytes]) -> Iterator[tuple[Passage, Counts]]:
    """What `analyse` has put there, in order."""
    while True:
        try:
            yield from pickle.load(spool)
        except EOFError:
            return


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
