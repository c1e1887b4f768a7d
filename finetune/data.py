"""Readers: what lies in the data folder -> `datasets.Dataset` whose columns are one of the training shapes.

Shapes: (query, document), (query, document, negative), (sentence1, sentence2, score in 0..1). Each reader is named in
`READERS`, takes the folder, the number of rows wanted (None: all) and a random generator, and yields rows.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from datasets import Dataset

from finetune.pairs import Paragraph, degrade, sentence_pair, title_pair
from finetune.recipe import Source
from naru.errors import NaruError

Row = dict[str, Any]
Reader = Callable[[Path, random.Random], Iterator[Row]]


def read_source(source: Source, directory: Path, seed: int) -> Dataset:
    """The rows of one source of the recipe, the same for the same seed.

    Raises NaruError for an unknown reader, a missing file, or a source that yields no row.
    """
    if source.reader not in READERS:
        raise NaruError(
            f"Data {source.name!r}: unknown reader {source.reader!r}. Known: {', '.join(sorted(READERS))}."
        )
    rows: list[Row] = []
    for row in READERS[source.reader](directory, random.Random(f"{seed} {source.name}")):
        if source.rows is not None and len(rows) == source.rows:
            break
        rows.append(row)
    if not rows:
        raise NaruError(f"Data {source.name!r}: reader {source.reader!r} found no row in {directory}.")
    return Dataset.from_list(rows)


def table(directory: Path, name: str, rng: random.Random) -> Iterator[Row]:
    """The rows of a Parquet file in random order. NaruError when it is missing."""
    path = directory / f"{name}.parquet"
    if not path.is_file():
        raise NaruError(f"No data file {path}. Give the folder that holds it with --data.")
    columns = pq.read_table(path)
    order = list(range(columns.num_rows))
    rng.shuffle(order)
    for start in range(0, len(order), 4096):
        yield from columns.take(order[start : start + 4096]).to_pylist()


def pair(query: str, document: str) -> Row:
    return {"query": query, "document": document}


def wiki_titles(directory: Path, rng: random.Random) -> Iterator[Row]:
    for row in table(directory, "wiki_paragraphs", rng):
        if made := title_pair(Paragraph(row["title"], row["heading"], row["text"]), rng):
            yield pair(*made)


def wiki_sentences(directory: Path, rng: random.Random) -> Iterator[Row]:
    for row in table(directory, "wiki_paragraphs", rng):
        if made := sentence_pair(Paragraph(row["title"], row["heading"], row["text"]), rng):
            yield pair(*made)


def law(directory: Path, rng: random.Random) -> Iterator[Row]:
    return (pair(row["query"], row["document"]) for row in table(directory, "law_pairs", rng))


def sections(directory: Path, rng: random.Random) -> Iterator[Row]:
    """Headings of documentation and petitions -> their text (half of it with the title in front)."""
    for row in table(directory, "docs_sections", rng):
        if query := f"{row['title']} {row['section']}".strip():
            yield pair(degrade(query, rng), row["text"])
    for row in table(directory, "petitions", rng):
        yield pair(degrade(row["title"], rng), row["text"])


def answers(directory: Path, rng: random.Random) -> Iterator[Row]:
    """Questions with the passage that answers them; now and then as people type them."""
    for name in ("welfare_pairs", "tydiqa_train", "kobest_boolq", "kobest_hellaswag"):
        for row in table(directory, name, rng):
            query = degrade(row["query"], rng) if rng.random() < 0.3 else row["query"]
            yield pair(query, row["document"])
    for row in table(directory, "miracl_train", rng):
        for document in row["documents"]:
            yield pair(row["query"], document)


def judged_answers(directory: Path, rng: random.Random) -> Iterator[Row]:
    """Questions, an answering passage, and one that was judged (or built) not to answer."""
    for row in table(directory, "miracl_train", rng):
        for document in row["documents"]:
            if row["hard_negatives"]:
                yield {**pair(row["query"], document), "negative": rng.choice(row["hard_negatives"])}
    for row in table(directory, "kobest_hellaswag", rng):
        yield {**pair(row["query"], row["document"]), "negative": rng.choice(row["hard_negatives"])}


def small_talk(directory: Path, rng: random.Random) -> Iterator[Row]:
    return (pair(row["query"], row["document"]) for row in table(directory, "chatbot", rng))


def paraphrases(directory: Path, rng: random.Random) -> Iterator[Row]:
    """Two ways of asking the same thing."""
    groups: dict[tuple[str, int], list[str]] = {}
    for row in table(directory, "parakqc", rng):
        groups.setdefault((row["topic"], row["group"]), []).append(row["text"])
    for texts in groups.values():
        for first, second in zip(texts, texts[1:] + texts[:1], strict=True):
            yield pair(degrade(first, rng), second)
    for row in table(directory, "question_pair", rng):
        if row["is_duplicate"] == 0:  # in this file 0 says "the same question"
            yield pair(row["question1"], row["question2"])


def inference(directory: Path, rng: random.Random) -> Iterator[Row]:
    """Premise, a sentence it entails, a sentence it contradicts."""
    premises: dict[str, dict[str, str]] = {}
    for name in ("klue_nli", "xnli_ko"):
        for row in table(directory, name, rng):
            premises.setdefault(row["premise"], {})[row["label"]] = row["hypothesis"]
    for premise, by_label in premises.items():
        if {"entailment", "contradiction"} <= by_label.keys():
            yield {**pair(premise, by_label["entailment"]), "negative": by_label["contradiction"]}


def similarity(directory: Path, rng: random.Random) -> Iterator[Row]:
    """KorSTS training pairs without those that share a sentence with its evaluation parts; score 0..5 -> 0..1."""
    for row in table(directory, "korsts_train", rng):
        if not row["in_eval"]:
            yield {
                "sentence1": row["sentence1"],
                "sentence2": row["sentence2"],
                "score": row["score"] / 5,
            }


def translations(directory: Path, rng: random.Random) -> Iterator[Row]:
    """Korean and English blocks that say the same."""
    for row in table(directory, "parallel_en_ko", rng):
        if len(row["ko"]) >= 15:
            yield pair(row["ko"], row["en"])


READERS: dict[str, Reader] = {
    "answers": answers,
    "inference": inference,
    "judged_answers": judged_answers,
    "law": law,
    "paraphrases": paraphrases,
    "sections": sections,
    "similarity": similarity,
    "small_talk": small_talk,
    "translations": translations,
    "wiki_sentences": wiki_sentences,
    "wiki_titles": wiki_titles,
}
