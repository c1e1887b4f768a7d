"""Searcher: one open collection with what it was made with. A query in, an Answer out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from naru.bm25 import Terms, query_vector
from naru.documents import Hit
from naru.encoder import Encoder, open_encoder
from naru.errors import NaruError
from naru.filters import Filter
from naru.provenance import Provenance
from naru.relevance import Relevance, logit, probability
from naru.store import Collection, Request, Scored, Store
from naru.text import Analyzer, Token, normalize
from search.keyboard import mistyped

MAX_QUERY = 10_000
"""Characters; far beyond any question, and what one analysis may cost is bounded by it."""

PREFETCH = 100
"""Candidates from each channel. More changes no first page; see docs/results.md."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was done to the query: `keyboard` (read as Hangul keystrokes: `typed`, `read`) or `cut`
    (the encoder read its first `tokens` only). The message says it in English; a page may say it otherwise."""

    kind: str
    message: str
    values: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search found. `calibrated` is False while probabilities rest on prior weights.

    `tokens` are the query's own, for highlighting; `milliseconds` is the whole search.
    """

    query: str
    mode: str
    hits: tuple[Hit, ...]
    calibrated: bool
    tokens: tuple[Token, ...]
    notes: tuple[Note, ...]
    milliseconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for programs: what `naru search --json` prints."""
        hits = [
            {
                "rank": hit.rank,
                "id": hit.passage.id,
                "title": hit.passage.title,
                "text": hit.passage.text,
                "metadata": dict(hit.passage.metadata),
                "probability": hit.probability,
                "logit": hit.logit,
                "semantic": hit.semantic,
                "lexical": hit.lexical,
            }
            for hit in self.hits
        ]
        return {
            "query": self.query,
            "mode": self.mode,
            "calibrated": self.calibrated,
            "hits": hits,
            "notes": [asdict(note) for note in self.notes],
            "milliseconds": self.milliseconds,
        }


class Searcher:
    """Searches one collection. Safe to share between threads."""

    def __init__(self, collection: Collection, encoder: Encoder, analyzer: Analyzer | None = None) -> None:
        """NaruError when encoder or analyzer are not those the collection was indexed with."""
        self.collection = collection
        self.provenance = Provenance.from_facts(collection.manifest.facts)
        self.encoder = encoder
        self.analyzer = analyzer or Analyzer(self.provenance.analyzer)
        self.provenance.check(self.encoder, self.analyzer)
        self.statistics = collection.manifest.statistics
        self.relevance = Relevance.prior(self.provenance.background)

    @classmethod
    def open(cls, store: Store, name: str, encoder: str | None = None) -> Self:
        """Open a collection by name, with the encoder it names unless another path is given."""
        collection = store.open(name)
        try:
            wanted = encoder or Provenance.from_facts(collection.manifest.facts).encoder
            return cls(collection, open_encoder(wanted))
        except BaseException:
            collection.close()
            raise

    def search(
        self,
        query: str,
        *,
        mode: str = "hybrid",
        limit: int = 10,
        filter: Filter | None = None,
        cutoff: float | None = None,
    ) -> Answer:
        """The best passages for a query, best first.

        `cutoff` is a probability in (0, 1) below which nothing is shown. Raises NaruError on an empty or
        overlong query, an unknown mode, a limit below 1 or a cut-off out of range.
        """
        started = perf_counter()
        if not query.strip():
            raise NaruError("The query is empty: type at least one word.")
        if len(query) > MAX_QUERY:
            raise NaruError(f"The query has {len(query):,} characters; at most {MAX_QUERY:,} are searched.")
        if limit < 1:
            raise NaruError(f"limit must be at least 1, got {limit}.")
        scores = self.relevance.scores(mode)
        notes: list[Note] = []
        read = normalize(query).text
        tokens = self.analyzer.query_tokens(query)
        dense = bm25 = None
        hangul = mistyped(query, tokens, self.analyzer, self.statistics)
        if hangul is not None:
            tokens, read = hangul.tokens, normalize(hangul.query).text
            message = f"Searched for {hangul.read!r}: {hangul.typed!r} looks typed on an English layout."
            notes.append(Note("keyboard", message, {"typed": hangul.typed, "read": hangul.read}))
        if scores.lexical is not None:
            bm25 = query_vector(_terms(tokens), self.statistics)
        if scores.semantic is not None:
            dense = self.encoder.queries([read])[0]
            if not self.encoder.reads_whole(read):
                length = self.encoder.info.max_length
                message = f"The encoder read the first {length} tokens of the query."
                notes.append(Note("cut", message, {"tokens": length}))
        found = self.collection.search(
            Request(
                scores=scores,
                dense=dense,
                bm25=bm25,
                limit=limit,
                prefetch=max(PREFETCH, limit),
                filter=filter,
                threshold=None if cutoff is None else logit(cutoff),
            )
        )
        return Answer(
            query=query,
            mode=mode,
            hits=tuple(_hit(scored, rank) for rank, scored in enumerate(found, start=1)),
            calibrated=self.relevance.calibrated,
            tokens=tuple(tokens),
            notes=tuple(notes),
            milliseconds=(perf_counter() - started) * 1e3,
        )

    def close(self) -> None:
        self.collection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _terms(tokens: list[Token]) -> Terms:
    terms: dict[str, list[str]] = {}
    for token in tokens:
        terms.setdefault(token.namespace, []).append(token.text)
    return terms


def _hit(scored: Scored, rank: int) -> Hit:
    return Hit(
        passage=scored.passage,
        rank=rank,
        logit=scored.logit,
        probability=probability(scored.logit),
        semantic=scored.semantic,
        lexical=scored.lexical,
    )
