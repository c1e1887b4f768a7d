"""Weak retrieval pairs of the length that is served: passages of several paragraphs, asked about by rules."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pyarrow.parquet as pq

from finetune.weak.noise import MISTYPED, typed
from finetune.weak.pairs import PARENTHESES, SENTENCE, ask, degrade

SHORTEST, LONGEST = 250, 800  # characters of a passage; half of those of KorQuAD lie between 390 and 590
NAMED = 0.35  # share of questions that begin with the title
Row = dict[str, str]


def wiki_questions(path: Path, rng: random.Random) -> Iterator[Row]:
    """One question a passage; passages are disjoint runs of an article's paragraphs, in random order."""
    passages = list(runs(path, rng))
    rng.shuffle(passages)
    for title, text in passages:
        if made := question(text, rng, kept=0.6):
            query, document = made
            if rng.random() < NAMED:  # who asks names the thing; the sentence may only say "it"
                query = f"{PARENTHESES.sub('', title)} {query}"
            titled = f"{title}\n{document}" if rng.random() < 0.5 else document
            yield {"query": typed(query, rng, MISTYPED), "document": titled}


def runs(path: Path, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Title and text of passages: neighbouring paragraphs joined until a length drawn anew for each is reached."""
    file = pq.ParquetFile(path)
    rows = (
        row
        for batch in file.iter_batches(batch_size=4096, columns=["article_id", "title", "text"])
        for row in batch.to_pylist()
    )
    for _, article in groupby(rows, key=lambda row: row["article_id"]):
        joined, wanted = "", rng.randint(SHORTEST, LONGEST)
        title = ""
        for row in article:
            title = row["title"]
            joined = f"{joined} {row['text']}" if joined else row["text"]
            if len(joined) >= wanted:
                yield title, joined
                joined, wanted = "", rng.randint(SHORTEST, LONGEST)
        if len(joined) >= SHORTEST // 2:
            yield title, joined


def question(text: str, rng: random.Random, kept: float) -> tuple[str, str] | None:
    """A question about one sentence of the text, and the text, in a share `kept` of cases with that sentence.

    None where no sentence is long enough.
    """
    sentences = SENTENCE.split(text)
    long_enough = [at for at, sentence in enumerate(sentences) if len(sentence) >= 15]
    if not long_enough:
        return None
    at = rng.choice(long_enough)
    query = degrade(ask(sentences[at], rng), rng)
    if len(sentences) > 1 and rng.random() >= kept:
        text = " ".join(sentence for place, sentence in enumerate(sentences) if place != at)
    return (query, text) if len(query) >= 5 else None
