"""Readers of weak pairs: rules that make training rows of texts that were not written as such (naru-mini's data).

Each is named in `READERS`, takes a Parquet file, or the folder for one that joins several, and a random generator, and
yields rows of one training shape. `typed_NAME` is the same with two fifths of the queries as people mistype them.
`passages` is for anybody's documents: it reads what `naru index` reads, in the formats of training data.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from finetune.rows.records import records, shuffled
from finetune.weak.noise import MISTYPED, typed
from finetune.weak.pairs import Paragraph, degrade, keyword_pair, sentence_pair, title_pair
from finetune.weak.passages import wiki_questions
from naru.errors import NaruError

Row = dict[str, Any]
Reader = Callable[[Path, random.Random], Iterator[Row]]
ENTAILED = {"entailment": 0.9, "neutral": 0.5, "contradiction": 0.25}  # as similarity
SAME, SAME_TOPIC, STRANGE = 1.0, 0.35, 0.05  # similarity of two requests
KINDS = {sentence_pair: 9, keyword_pair: 9, title_pair: 2}  # how often `passages` makes each
TURNS, LEAST, ENOUGH = 40, 4, 16_000  # it takes each document so often; at least; the rows it then stops at
REQUESTS = 6  # paraphrases used of each request
SHORTEST, LONGEST = 12, 260  # characters of an English block that is taken with its translation
LEAST_ENGLISH, MOST_ENGLISH = 1.0, 3.6  # of its characters for each Korean one
HANGUL = re.compile("[가-힣]")


def pair(query: str, document: str) -> Row:
    return {"query": query, "document": document}


def wiki_titles(path: Path, rng: random.Random) -> Iterator[Row]:
    for row in shuffled(path, rng):
        if made := title_pair(Paragraph(row["title"], row["heading"], row["text"]), rng):
            yield pair(*made)


def wiki_sentences(path: Path, rng: random.Random) -> Iterator[Row]:
    for row in shuffled(path, rng):
        if made := sentence_pair(Paragraph(row["title"], row["heading"], row["text"]), rng):
            yield pair(*made)


def passages(path: Path, rng: random.Random, columns: Mapping[str, str] | None = None) -> Iterator[Row]:
    """A sentence of a document put as a question, some of its words, or its title -> the document: for a domain that
    nobody has judged. All documents have their turn before one has its next: the first rows are of all of them.

    Records have `text` and perhaps `title`, by these names or those that `columns` gives them; of a BEIR folder, its corpus.
    NaruError naming the line without a text.
    """
    file = path / "corpus.jsonl" if path.is_dir() else path
    title, text = (columns or {}).get("title", "title"), (columns or {}).get("text", "text")
    seen: set[int] = set()
    for turn in range(TURNS):
        if turn >= LEAST and len(seen) >= ENOUGH:
            return
        for line, record in records(str(file), Path(), None):
            heading, body = record.get(title) or "", record.get(text)
            if not isinstance(body, str) or not isinstance(heading, str):
                raise NaruError(
                    f"{file}:{line}: has {', '.join(map(repr, record))}; documents to make pairs of have {text!r}, a "
                    f'string, and perhaps {title!r}. Others are named by columns = {{text = "…", title = "…"}}.'
                )
            (kind,) = rng.choices(list(KINDS), list(KINDS.values()))
            made = kind(Paragraph(heading, "", body), rng)
            if made is None or not made[0]:
                continue
            row = pair(typed(made[0], rng, MISTYPED), made[1])
            key = hash((row["query"], row["document"]))
            if key not in seen and row["query"] and row["query"] != row["document"]:
                seen.add(key)
                yield row


def law(path: Path, rng: random.Random) -> Iterator[Row]:
    return (pair(row["query"], row["document"]) for row in shuffled(path, rng))


def sections(folder: Path, rng: random.Random) -> Iterator[Row]:
    """Headings of documentation and petitions -> their text."""
    for row in shuffled(folder / "docs_sections.parquet", rng):
        if query := f"{row['title']} {row['section']}".strip():
            yield pair(degrade(query, rng), row["text"])
    for row in shuffled(folder / "petitions.parquet", rng):
        yield pair(degrade(row["title"], rng), row["text"])


def answers(folder: Path, rng: random.Random) -> Iterator[Row]:
    """Questions with the passage that answers them; now and then as people type them."""
    for name in ("welfare_pairs", "tydiqa_train", "kobest_boolq", "kobest_hellaswag"):
        for row in shuffled(folder / f"{name}.parquet", rng):
            query = degrade(row["query"], rng) if rng.random() < 0.3 else row["query"]
            yield pair(query, row["document"])
    for row in shuffled(folder / "miracl_train.parquet", rng):
        for document in row["documents"]:
            yield pair(row["query"], document)


def judged_answers(folder: Path, rng: random.Random) -> Iterator[Row]:
    """Questions, an answering passage, and one that was judged (or built) not to answer."""
    for row in shuffled(folder / "miracl_train.parquet", rng):
        for document in row["documents"]:
            if row["hard_negatives"]:
                yield {**pair(row["query"], document), "negative": rng.choice(row["hard_negatives"])}
    for row in shuffled(folder / "kobest_hellaswag.parquet", rng):
        yield {**pair(row["query"], row["document"]), "negative": rng.choice(row["hard_negatives"])}


def small_talk(path: Path, rng: random.Random) -> Iterator[Row]:
    return (pair(row["query"], row["document"]) for row in shuffled(path, rng))


def paraphrases(folder: Path, rng: random.Random) -> Iterator[Row]:
    """Two ways of asking the same thing."""
    groups: dict[tuple[str, int], list[str]] = {}
    for row in shuffled(folder / "parakqc.parquet", rng):
        groups.setdefault((row["topic"], row["group"]), []).append(row["text"])
    for texts in groups.values():
        for first, second in zip(texts, texts[1:] + texts[:1], strict=True):
            yield pair(degrade(first, rng), second)
    for row in shuffled(folder / "question_pair.parquet", rng):
        if row["is_duplicate"] == 0:  # in this file 0 says "the same question"
            yield pair(row["question1"], row["question2"])


def inference(folder: Path, rng: random.Random) -> Iterator[Row]:
    """Premise, a sentence it entails, a sentence it contradicts."""
    premises: dict[str, dict[str, str]] = {}
    for name in ("klue_nli", "xnli_ko"):
        for row in shuffled(folder / f"{name}.parquet", rng):
            premises.setdefault(row["premise"], {})[row["label"]] = row["hypothesis"]
    for premise, by_label in premises.items():
        if {"entailment", "contradiction"} <= by_label.keys():
            yield {**pair(premise, by_label["entailment"]), "negative": by_label["contradiction"]}


def similarity(path: Path, rng: random.Random) -> Iterator[Row]:
    """KorSTS training pairs without those that share a sentence with its evaluation parts; score 0..5 -> 0..1."""
    for row in shuffled(path, rng):
        if not row["in_eval"]:
            yield _scored(row["sentence1"], row["sentence2"], row["score"] / 5)


def graded(folder: Path, rng: random.Random) -> Iterator[Row]:
    """Inference and requests as scored pairs: more shades of likeness than sentences written for it have."""
    rows: list[Row] = []
    for name in ("klue_nli", "xnli_ko"):
        for row in shuffled(folder / f"{name}.parquet", rng):
            rows.append(_scored(row["premise"], row["hypothesis"], ENTAILED[row["label"]]))
    topics: dict[str, dict[int, list[str]]] = {}
    for row in shuffled(folder / "parakqc.parquet", rng):
        topics.setdefault(row["topic"], {}).setdefault(row["group"], []).append(row["text"])
    for groups in topics.values():
        for group, texts in groups.items():
            for text in texts[:REQUESTS]:
                near, far = rng.choice(list(groups)), topics[rng.choice(list(topics))]
                rows.append(_scored(text, rng.choice(groups[near]), SAME if near == group else SAME_TOPIC))
                rows.append(_scored(text, rng.choice(texts), SAME))
                score = SAME_TOPIC if far is groups else STRANGE
                rows.append(_scored(text, rng.choice(far[rng.choice(list(far))]), score))
    rng.shuffle(rows)
    return (row for row in rows if row["sentence1"] != row["sentence2"])


def _scored(first: str, second: str, score: float) -> Row:
    return {"sentence1": first, "sentence2": second, "score": score}


def translations(path: Path, rng: random.Random) -> Iterator[Row]:
    """English blocks and the Korean ones that say the same, as far as their lengths and letters can tell."""
    for row in shuffled(path, rng):
        source, target = " ".join(row["en"].split()), " ".join(row["ko"].split())
        likely = target and LEAST_ENGLISH < len(source) / len(target) < MOST_ENGLISH
        if likely and SHORTEST <= len(source) <= LONGEST and len(HANGUL.findall(target)) > 0.4 * len(target):
            yield {"source": source, "target": target}


def translated_similarity(path: Path, rng: random.Random) -> Iterator[Row]:
    """The sentences of KorSTS's training pairs with their English originals, each once, but for those that its
    evaluation parts share."""
    rows = [row for row in shuffled(path, rng) if not row["in_eval"]]
    found = {row[f"sentence{side}"]: row[f"sentence{side}_en"] for row in rows for side in (1, 2)}
    return ({"source": original, "target": text} for text, original in sorted(found.items()))


def mistyped(reader: Reader) -> Reader:
    """The reader's rows, a share of the queries as people mistype them."""

    def read(path: Path, rng: random.Random) -> Iterator[Row]:
        for row in reader(path, rng):
            yield {**row, "query": typed(row["query"], rng, MISTYPED)}

    return read


_OF_QUERIES: dict[str, Reader] = {
    "answers": answers,
    "judged_answers": judged_answers,
    "law": law,
    "paraphrases": paraphrases,
    "sections": sections,
    "wiki_titles": wiki_titles,
}
READERS: dict[str, Reader] = {
    **_OF_QUERIES,
    **{f"typed_{name}": mistyped(reader) for name, reader in _OF_QUERIES.items()},
    "graded": graded,
    "inference": inference,
    "passages": passages,
    "similarity": similarity,
    "small_talk": small_talk,
    "translated_similarity": translated_similarity,
    "translations": translations,
    "wiki_questions": wiki_questions,
    "wiki_sentences": wiki_sentences,
}
