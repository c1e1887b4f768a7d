"""Does the collection hold an answer? One decision for the whole query, as a probability of its own.

    logit = bias + sum of weight * signal,   P(answerable) = 1 / (1 + exp(-logit))

over what the first DEPTH hits of a search look like, before any cut-off, the share of the query that the collection
knows, and the share that one of its first passages holds. `evaluation.answerable` fits the weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from naru.bm25 import Statistics, Terms, token_id
from naru.documents import Passage
from naru.errors import NaruError
from naru.text import Analyzer, terms_of

DEPTH = 10
"""Hits that are looked at; a search must ask for as many, without a cut-off, even where it shows fewer."""

READ = 5
"""Hits whose words are looked at."""

READ_CHARACTERS = 4_000
"""Characters of each of them: what a search may cost is bounded, however long the documents are."""

Row = tuple[float, float | None, float | None]
"""A hit: the logit the engine ranked it by, cosine and lexical score, None for a channel that the mode leaves out."""


def held_terms(analyzer: Analyzer, passage: Passage) -> Terms:
    """The terms of a passage's title and of the beginning of its text, which `matched` looks at."""
    words = [*analyzer.words(passage.title), *analyzer.words(passage.text[:READ_CHARACTERS])]
    return terms_of(words)


def matched(query: Terms, passages: Sequence[Terms], statistics: Statistics) -> float:
    """The largest share in [0, 1] of the query's distinct terms, by idf, that one of the passages holds; 0 without.

    Unlike the BM25 score it asks for each word once, in passages of any length, and for morphemes only.
    """
    terms = list(dict.fromkeys(query.get("term", ())))
    if not terms:
        return 0.0
    idf = statistics.idf(np.array([token_id("term", term) for term in terms], np.uint32))
    total = float(idf.sum())
    if total <= 0:
        return 0.0
    held = [set(passage.get("term", ())) for passage in passages]
    return max(
        (float(sum(idf[place] for place, term in enumerate(terms) if term in one)) / total for one in held),
        default=0.0,
    )


def signals(hits: Sequence[Row], known: float, matched: float) -> dict[str, float]:
    """What is looked at, by name: of the logit, and of each channel where the mode has two, the best of the first
    DEPTH hits, how far it lies above the second best and how far above the mean of the rest; and `known`, the
    share in [0, 1] of the query's BM25 weight whose tokens the collection knows; and `matched`, of the first READ.

    `hits` are best first by logit. A distance is 0 where there is one hit only. ValueError without hits.
    """
    if not hits:
        raise ValueError("This is a bug: signals need a hit; nothing found is not answered.")
    found = {"known": known, "matched": matched}
    logits, semantic, lexical = zip(*hits[:DEPTH], strict=True)
    channels = {"logit": logits}
    if None not in semantic and None not in lexical:
        channels |= {"semantic": semantic, "lexical": lexical}
    for name, values in channels.items():
        best, *rest = sorted(values, reverse=True)
        found[name] = best
        found[f"{name}, over second"] = best - rest[0] if rest else 0.0
        found[f"{name}, over rest"] = best - sum(rest) / len(rest) if rest else 0.0
    return found


@dataclass(frozen=True, slots=True)
class Answering:
    """The weights of one mode, fitted on `queries` judged queries of which `unanswerable` have no answer.

    The probability is that of queries drawn like those: where other shares have no answer, it is off by as much.
    Below `threshold` a search says that there is no answer.
    """

    bias: float
    weights: Mapping[str, float]
    queries: int
    unanswerable: int
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.bias, self.threshold, *self.weights.values()))):
            raise ValueError(f"the weights of a no-answer model are finite numbers, got {self}")

    def logit(self, hits: Sequence[Row], known: float, matched: float) -> float | None:
        """Of a search; None where nothing was found. NaruError where the hits are not of the mode fitted."""
        if not hits:
            return None
        found = signals(hits, known, matched)
        if found.keys() != self.weights.keys():
            raise NaruError(
                f"The no-answer model weighs {', '.join(sorted(self.weights))}; this search gives "
                f"{', '.join(sorted(found))}: it was fitted for another mode."
            )
        return self.bias + sum(self.weights[name] * value for name, value in found.items())

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"weights": dict(self.weights)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`. NaruError when fields are missing or unknown."""
        try:
            return cls(**values)
        except TypeError as error:
            raise NaruError(
                f"A stored no-answer model has the fields {sorted(values)}; expected those of "
                f"naru.answering.Answering ({error})."
            ) from error
