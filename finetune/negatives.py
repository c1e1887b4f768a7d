"""Hard negatives: passages that look like an answer to a query and are none, mined for a trainer.

    rankings    BM25 (our analyzer) and the encoder rank the corpus for each query, without its known positives
    window      of each ranking skip the first ranks, look at the next; the sources take turns
    limits      what scores too near the row's positive is taken for an answer that nobody judged
    check       a cross-encoder, where there is one, reads the query with each candidate

The output is JSONL, a row a pair: `query`, `document`, `negative_1` ... `negative_n`, in the order in which they
were picked. Passages are written as the encoder reads them (title, line break, text), and so is a positive that
the corpus holds: if only negatives had titles, a model would learn to tell them by that.

Texts, counts and vectors lie in temporary files (a passage: its text, and 4 bytes x the dimension). In memory
are about 100 bytes a passage, the vectors of the queries, 8 bytes x (skip + look) a query and source, and one
block of the inverted index (some 250 MB while it is built).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import IO

import numpy as np

from finetune.encoding import Encoder
from finetune.mining.dense import Dense
from finetune.mining.lexical import Lexical, Spool
from finetune.mining.pairs import Pair, Pairs
from finetune.mining.passages import Passages
from finetune.mining.picking import Check, Field, Picker
from finetune.mining.ranking import Judge, Positions, Progress, RandomRanking, Ranking
from finetune.mining.report import Mined, Picked
from finetune.mining.settings import Limits, Mining
from naru.documents import Document
from naru.errors import NaruError
from naru.files import replacing
from naru.text import Analyzer

__all__ = ["Check", "Encoder", "Limits", "Mined", "Mining", "Models", "Pair", "Progress", "mine"]

_SPARE = 4  # random passages at hand for each negative, as the limits may drop some
_TELL = 256  # passages between two calls of progress


@dataclass(frozen=True, slots=True)
class Models:
    """What reads texts while mining."""

    encoder: Encoder | None = None
    check: Check | None = None


def mine(
    pairs: Iterable[Pair],
    corpus: Iterable[Document] | None,
    output: Path,
    mining: Mining,
    models: Models,
    progress: Progress,
) -> Mined:
    """Write `mining.number` hard negatives for each pair to `output`, whole or not at all.

    `corpus` None: the pairs' own documents. Passages that say the same count once; one that says what a positive
    of the query says is never its negative. The same input and models give the same file.

    Raises NaruError for a blank pair or one that is not valid Unicode (unless those are skipped), an empty corpus, no
    pairs, the source "encoder" without an encoder, an output that cannot be written, and when no row finds its negatives.
    """
    if "encoder" in mining.sources and models.encoder is None:
        raise NaruError(
            'The source "encoder" needs an encoder, and none was given: give one, or mine with bm25.'
        )
    started = perf_counter()
    with _published(output) as file, TemporaryDirectory(prefix="naru-mine-") as name, ExitStack() as stack:
        folder = Path(name)
        file_of_pairs = stack.enter_context((folder / "pairs").open("w+b"))
        judged = Pairs(pairs, file_of_pairs, mining.skip_bad_rows)
        passages = Passages(stack.enter_context((folder / "passages").open("w+b")), judged.positives)
        spool = Spool(stack.enter_context((folder / "counts").open("w+b")), Analyzer(mining.analyzer))
        documents = judged.as_corpus() if corpus is None else corpus
        for done, document in enumerate(passages.distinct(documents), start=1):
            if "bm25" in mining.sources:
                spool.add(document)
            if done % _TELL == 0:
                progress("read", done, None)
        if not len(passages):
            raise NaruError("The corpus to mine holds no text; expected passages to take negatives from.")
        progress("read", len(passages), len(passages))

        excluded = [_places(passages, keys) for keys in judged.positives]
        dense = None
        if models.encoder is not None:
            dense = Dense(models.encoder, judged.queries, passages.texts, folder, progress)
        field = _field(judged, spool, dense, excluded, len(passages), mining, progress)
        picker = Picker(judged, passages, field, mining, models.check)
        written, samples = 0, list[Picked]()
        stride = max(1, len(judged.rows) // max(1, mining.sample))
        for row in picker.rows(progress):
            negatives = {f"negative_{at}": one.text for at, one in enumerate(row.negatives, start=1)}
            line = {"query": row.query, "document": row.document, **negatives}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            if written % stride == 0 and len(samples) < mining.sample:
                samples.append(row)
            written += 1
        if not written:
            drops = ", ".join(f"{name} {count:,}" for name, count in picker.dropped.items() if count)
            raise NaruError(
                f"None of the {len(judged.rows):,} pairs found {mining.number} negatives among {len(passages):,} "
                f"passages. Candidates: {picker.candidates:,}; dropped: {drops or 'none'}. Ask for fewer negatives, "
                "look at more ranks, loosen the limits, or give a larger corpus."
            )
    return Mined(
        output=output,
        settings=mining,
        judge="the encoder" if dense is not None else "BM25" if field.judge is not None else "nobody",
        pairs=len(judged.rows),
        queries=len(judged.queries),
        passages=len(passages),
        bad=judged.bad,
        skipped=passages.skipped,
        candidates=picker.candidates,
        dropped=dict(picker.dropped),
        written=written,
        short=picker.short,
        filled=picker.filled,
        seconds=perf_counter() - started,
        samples=tuple(samples),
    )


def _places(passages: Passages, positives: Iterable[int]) -> Positions:
    """Where the corpus holds any of these positives: ascending, distinct."""
    return np.array(sorted({place for one in positives for place in passages.find(one)}), np.int32)


def _field(
    pairs: Pairs,
    spool: Spool,
    dense: Dense | None,
    excluded: list[Positions],
    size: int,
    mining: Mining,
    progress: Progress,
) -> Field:
    """Rank the corpus by each source."""
    depth = mining.skip + mining.look
    lot = RandomRanking(size, _SPARE * mining.number, excluded, (mining.seed, 0)) if mining.fill else None
    rankings: dict[str, Ranking] = {}
    judge: Judge | None = dense
    if "random" in mining.sources:
        rankings["random"] = RandomRanking(size, depth, excluded, (mining.seed, 1))
    if "encoder" in mining.sources and dense is not None:
        rankings["encoder"] = dense.nearest(depth, excluded, progress)
    if "bm25" in mining.sources:
        lots = [one for one in (lot, rankings.get("random")) if one is not None]
        drawn = [
            np.concatenate([places, *(one.top(query) for one in lots)])
            for query, places in enumerate(excluded)
        ]
        lexical = Lexical(spool, pairs.queries, depth, excluded, drawn, progress)
        rankings["bm25"] = lexical
        judge = dense or lexical
    return Field({source: rankings[source] for source in mining.sources}, lot, judge)


@contextmanager
def _published(path: Path) -> Iterator[IO[str]]:
    if path.is_dir():
        raise NaruError(f"{path}: is a folder; expected the name of a file to write.")
    if not path.parent.is_dir():
        raise NaruError(f"{path}: cannot be written: there is no folder {path.parent}.")
    with replacing(path) as file:
        yield file
