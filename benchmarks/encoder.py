"""An encoder by itself: semantic recall, queries typed badly, sentence similarity, precision, size and speed.

    python -m benchmarks.encoder --data ../shared/data [--split report|choose] [--encoder BUNDLE] [--source MODEL]

Every passage of a set is embedded once and searched exactly. `--source` is the float32 model the bundle was exported
from (a sentence-transformers folder): its recall stands beside. `report` reads the test parts: run it to report, not
to choose. Set-ups that share words with the passage favour BM25; those of naru's lexical mode stand in benchmarks.quality's table.
"""

from __future__ import annotations

import argparse
import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from time import perf_counter
from typing import Protocol

import numpy as np
from scipy.stats import spearmanr
from tokenizers import Tokenizer

from benchmarks.sets import JudgedSet, judged_sets
from evaluation.pairs import read_pairs
from indexer.corpus import Corpus
from naru.bundle import TOKENIZER
from naru.documents import Passage
from naru.encoder import Encoder, Vectors, open_encoder
from naru.text import Analyzer, normalize
from naru.text.jamo import LEADS, VOWELS, is_syllable, join, split

TOKENS = 128  # of the passages whose embedding is timed
TIMED = 400
AS_SERVED = Analyzer().spaced


class Encodes(Protocol):
    def queries(self, texts: Sequence[str]) -> Vectors: ...

    def passages(self, texts: Sequence[str]) -> Vectors: ...


@dataclass(frozen=True, slots=True)
class Model:
    """A sentence-transformers model as an object with queries() and passages()."""

    folder: Path

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts)

    def passages(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts)

    def _encode(self, texts: Sequence[str]) -> Vectors:
        from sentence_transformers import SentenceTransformer

        model: SentenceTransformer = SentenceTransformer(str(self.folder), device="cpu")
        return np.asarray(model.encode(list(texts), batch_size=32, normalize_embeddings=True))


def without_spaces(query: str, _rng: random.Random) -> str:
    return "".join(query.split())


def stray_space(query: str, rng: random.Random) -> str:
    at = rng.randrange(1, max(len(query), 2))
    return f"{query[:at]} {query[at:]}"


def one_letter(query: str, rng: random.Random) -> str:
    """One lead or vowel of one syllable replaced by any other."""
    places = [at for at, character in enumerate(query) if is_syllable(character)]
    if not places:
        return query
    at = rng.choice(places)
    lead, vowel, tail = split(query[at])
    if rng.random() < 0.5:
        lead = rng.choice(LEADS.replace(lead, ""))
    else:
        vowel = rng.choice(VOWELS.replace(vowel, ""))
    return query[:at] + join(lead, vowel, tail) + query[at + 1 :]


def half_the_spaces(query: str, rng: random.Random) -> str:
    return re.sub(r"\s+", lambda blank: blank[0] if rng.random() < 0.5 else "", query)


def decomposed(query: str, _rng: random.Random) -> str:
    return unicodedata.normalize("NFD", query)


def as_typed(query: str) -> str:
    """The normal form, no spaces put in."""
    return normalize(query).text


MISTAKES: dict[str, Callable[[str, random.Random], str]] = {
    "no spaces": without_spaces,
    "half the spaces": half_the_spaces,
    "stray space": stray_space,
    "one letter": one_letter,
    "NFD": decomposed,
}


@dataclass(frozen=True, slots=True)
class Recall:
    """Share of the answerable queries whose first hit, and one of whose first ten hits, is relevant."""

    first: float
    ten: float


class Exact:
    """One set's passages as vectors, and its answerable queries."""

    def __init__(self, judged: JudgedSet, part: str, encoder: Encodes) -> None:
        one = judged.beir.split(part)
        self.relevant = [
            {passage for passage, grade in grades.items() if grade > 0} for grades in one.answerable.values()
        ]
        self.queries = [one.queries[query] for query in one.answerable]
        passages = [Passage(d.id, d.text, d.title, d.metadata) for d in Corpus(judged.folder)]
        self.ids = [passage.id for passage in passages]
        self.vectors = encoder.passages([passage.full_text for passage in passages])
        self.encoder = encoder

    def recall(
        self,
        mistake: Callable[[str, random.Random], str] | None = None,
        read: Callable[[str], str] = AS_SERVED,
    ) -> Recall:
        """Recall of the queries as they are, or each with a mistake, read as serving does or otherwise."""
        rng = random.Random(1)
        typed = [mistake(query, rng) if mistake else query for query in self.queries]
        vectors = self.encoder.queries([read(query) for query in typed])
        first = ten = 0
        for start in range(0, len(typed), 512):
            cosines = vectors[start : start + 512] @ self.vectors.T
            best = np.argsort(-cosines, axis=1, kind="stable")[:, :10]
            for row, relevant in zip(best, self.relevant[start : start + 512], strict=True):
                found = [self.ids[place] in relevant for place in row]
                first += found[0]
                ten += any(found)
        return Recall(first / len(typed), ten / len(typed))


def speed(encoder: Encoder, bundle: Path, texts: Sequence[str]) -> float:
    """Passages a second of TOKENS tokens each, the best of three rounds over TIMED passages."""
    tokenizer = Tokenizer.from_file(str(bundle / TOKENIZER))
    tokenizer.no_truncation()
    cut: list[str] = []
    for text in texts:
        offsets = tokenizer.encode(text, add_special_tokens=False).offsets
        if len(offsets) >= TOKENS - 2 and len(cut) < TIMED:
            cut.append(text[: offsets[TOKENS - 3][1]])
    seconds = []
    for _ in range(3):
        started = perf_counter()
        encoder.passages(cut)
        seconds.append(perf_counter() - started)
    return len(cut) / min(seconds)


def similarity(encoder: Encodes, path: Path) -> float:
    """Spearman correlation of cosines with the scores of a file of sentence pairs."""
    pairs = read_pairs(path)
    assert pairs.scores is not None, f"{path} has no scores"
    cosines = (encoder.queries(pairs.first) * encoder.queries(pairs.second)).sum(axis=1)
    return float(spearmanr(cosines, pairs.scores).statistic)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", default=None, help="a bundle; default: the bundled naru-mini")
    parser.add_argument("--source", type=Path, default=None, help="the float32 model of the bundle")
    parser.add_argument("--split", choices=["report", "choose"], default="report")
    parser.add_argument("--sets", nargs="*", default=None)
    given = parser.parse_args()
    bundle = Path(given.encoder or str(files("naru") / "bundled" / "naru-mini"))
    encoder = open_encoder(bundle)

    titles = [
        "R@1",
        "R@10",
        *(f"{name}, R@10 kept" for name in MISTAKES),
        "none put in: no / half the spaces",
        "float32 R@1",
        "float32 R@10",
    ]
    print("| set | " + " | ".join(titles) + " |\n|---|" + "---|" * len(titles))
    timed: list[str] = []
    for judged in judged_sets(given.data):
        if given.sets is not None and judged.name not in given.sets:
            continue
        part = judged.report if given.split == "report" else judged.choose
        exact = Exact(judged, part, encoder)
        clean = exact.recall()
        cells = [f"{clean.first:.4f}", f"{clean.ten:.4f}"]
        cells += [f"{exact.recall(mistake).ten / clean.ten:.1%}" for mistake in MISTAKES.values()]
        unmended = [exact.recall(mistake, as_typed).ten for mistake in (without_spaces, half_the_spaces)]
        cells.append(" / ".join(f"{ten / clean.ten:.1%}" for ten in unmended))
        if given.source is None:
            cells += ["", ""]
        else:
            other = Exact(judged, part, Model(given.source)).recall()
            cells += [f"{other.first:.4f}", f"{other.ten:.4f}"]
        print(f"| {judged.name} {part} ({len(exact.queries):,}) | " + " | ".join(cells) + " |", flush=True)
        if judged.name == "korquad-dev":
            timed = [d.text for d in Corpus(judged.folder)]

    names = {"KorSTS dev": "korsts-dev.tsv"}
    if given.split == "report":
        names |= {"KorSTS test": "korsts-test.tsv", "KLUE-STS dev": "klue-sts-v1.1_dev.json"}
    for name, file in names.items():
        path = given.data / "sts" / file
        if path.is_file():
            print(f"\n{name}: cosine Spearman {similarity(encoder, path):.4f}")
    if timed:
        print(f"\n{speed(encoder, bundle, timed):.0f} passages of {TOKENS} tokens a second")


if __name__ == "__main__":
    main()
