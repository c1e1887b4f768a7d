"""Searcher: one open collection with what it was made with. A query in, an Answer out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Self

from naru.answering import DEPTH, READ, held_terms, matched
from naru.bm25 import SparseVector, Terms, known_share, query_vector
from naru.cutoffs import is_level
from naru.documents import Hit
from naru.encoder import Encoder, open_encoder
from naru.errors import NaruError
from naru.filters import Filter
from naru.provenance import Provenance
from naru.relevance import RIVALS, Fit, Relevance, Scores, logit, probability
from naru.store import Collection, Request, Scored, Store, Vector
from naru.text import Analyzer
from search import notes
from search.answer import Answer, Cut
from search.notes import Note
from search.reading import Reading, read_query

_ABOUT_EQUAL = math.log(2)
"""Logits between two hits of which neither is twice as likely as the other."""

PREFETCH = 100
"""Candidates from each channel. More changes no first page; see docs/results.md."""


@dataclass(frozen=True, slots=True)
class Offer:
    """All that retrieval offers for one query: what both channels prefetch, each with both true scores.

    `known` is the share in [0, 1] of the query's BM25 weight whose tokens the collection knows.
    """

    scored: tuple[Scored, ...]
    known: float


@dataclass(frozen=True, slots=True)
class _Asked:
    """A query as both channels search it; `whole`: the encoder read all of it."""

    terms: Terms
    bm25: SparseVector
    dense: Vector | None
    whole: bool


class Searcher:
    """Searches one collection. Safe to share between threads."""

    def __init__(
        self,
        collection: Collection,
        encoder: Encoder,
        analyzer: Analyzer | None = None,
        *,
        relevance: Path | None = None,
    ) -> None:
        """Without a `relevance` file probabilities are those of the calibration kept beside the collection, or a
        prior. NaruError when encoder or analyzer are not those the collection was indexed with, or the file does
        not hold for the collection."""
        self.collection = collection
        self.provenance = Provenance.from_facts(collection.manifest.facts)
        self.encoder = encoder
        self.analyzer = analyzer or Analyzer(self.provenance.analyzer)
        self.provenance.check(self.encoder, self.analyzer, collection.location)
        self.statistics = collection.manifest.statistics
        if relevance is None:
            self.relevance = Relevance.kept(collection.relevance(), self.provenance)
        else:
            self.relevance = Relevance.read(relevance, self.provenance)

    @classmethod
    def open(
        cls,
        store: Store,
        name: str,
        encoder: str | None = None,
        *,
        relevance: Path | None = None,
        threads: int | None = None,
    ) -> Self:
        """Open a collection by name, with the encoder it names unless another path is given, and the calibration
        kept beside it unless another file is given. `threads` are the cores that one encoding may use."""
        collection = store.open(name)
        try:
            wanted = encoder or Provenance.from_facts(collection.manifest.facts).encoder
            return cls(collection, open_encoder(wanted, threads=threads), relevance=relevance)
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
        cutoff: float | str | None = None,
        anyway: bool = False,
    ) -> Answer:
        """The best passages for a query, best first.

        `cutoff` is a probability in (0, 1) below which nothing is shown, or the name of a cut-off that calibration
        chose (`precise`, `balanced`, `sensitive`, or one that was asked of it, `precise=0.8`); the answer says what it
        promises. With `anyway` hits stay hits where the answer says that there is none: those that reach the cut-off,
        else all. Raises NaruError on an empty or overlong query, an unknown mode, a
        limit below 1, a cut-off out of range, or a name that nothing was calibrated for.
        """
        started = perf_counter()
        if limit < 1:
            raise NaruError(f"limit must be at least 1, got {limit}.")
        read = read_query(query, self.analyzer, self.statistics)
        fit = self.relevance.fit(mode)
        cut = self._cut(mode, cutoff, filter)
        asked = self._asked(read, dense=fit.scores.semantic is not None)
        # One more than the limit tells whether that hides what reaches a cut-off.
        depth = max(limit + 1, RIVALS, DEPTH)
        found = self._retrieved(asked, fit.scores, depth, max(PREFETCH, limit), filter)
        logits = fit.logits([one.logit for one in found])
        hits = tuple(_hit(*each) for each in zip(found[:limit], range(1, limit + 1), logits, strict=False))
        least = -math.inf if cut is None or cut.logit is None else cut.logit
        shown = tuple(hit for hit, said in zip(hits, logits, strict=False) if said >= least)
        if cut is not None and len(logits) > limit and logits[limit] >= least:
            cut = cut.short_of(limit)
        said = [*read.notes]
        if not asked.whole:
            said.append(notes.cut_short(self.encoder.info.max_length))
        if found and not shown and (equals := _rivals(fit, found, least)) > 1:
            said.append(notes.rivals(equals))
        if filter is not None and not found and not self.collection.count(filter):
            said.append(notes.filtered())
        answerable = self._answerable(fit, found, asked)
        answered = self._answered(fit, answerable, shown, cut)
        missed = answered is False or not shown
        wanted = (shown or hits) if anyway else ()
        return Answer(
            query=query,
            mode=mode,
            hits=wanted if missed else shown,
            calibrated=self.relevance.calibrated,
            tokens=tuple(read.tokens),
            notes=(*said, *self._promises(cut)),
            milliseconds=(perf_counter() - started) * 1e3,
            answerable=answerable,
            answered=answered,
            near_misses=hits if missed and not anyway else (),
            cutoff=cut,
        )

    def candidates(self, query: str, *, filter: Filter | None = None) -> Offer:
        """What a search would rank: both channels' PREFETCH best, 2 * PREFETCH passages at most, with true scores, under
        no fitted weights: in the order of the sum of both.

        Raises NaruError on an empty or overlong query.
        """
        asked = self._asked(read_query(query, self.analyzer, self.statistics), dense=True)
        found = self._retrieved(asked, Scores(0.0, 1.0, 1.0), 2 * PREFETCH, PREFETCH, filter)
        return Offer(tuple(found), known_share(asked.bm25, self.statistics))

    def terms(self, query: str) -> Terms:
        """What is looked for in passages, by namespace, its keyboard layout set right. NaruError as `search`."""
        return read_query(query, self.analyzer, self.statistics).terms

    def _asked(self, read: Reading, *, dense: bool) -> _Asked:
        bm25 = query_vector(read.terms, self.statistics)
        if not dense:
            return _Asked(read.terms, bm25, None, True)
        text = self.analyzer.spaced(read.query)
        return _Asked(read.terms, bm25, self.encoder.queries([text])[0], self.encoder.reads_whole(text))

    def _retrieved(
        self, asked: _Asked, scores: Scores, limit: int, prefetch: int, filter: Filter | None
    ) -> list[Scored]:
        return self.collection.search(
            Request(
                scores=scores,
                dense=asked.dense if scores.semantic is not None else None,
                bm25=asked.bm25 if scores.lexical is not None else None,
                limit=limit,
                prefetch=prefetch,
                filter=filter,
            )
        )

    def _cut(self, mode: str, cutoff: float | str | None, filter: Filter | None) -> Cut | None:
        if cutoff is None:
            return None
        if not isinstance(cutoff, str):
            return Cut(None, cutoff, logit(cutoff))
        void = self.relevance.void
        if void is None or not is_level(cutoff):
            return Cut.at(self.relevance.fit(mode).level(cutoff), filtered=filter is not None)
        lapsed = self.relevance.lapsed_at(mode, cutoff)
        return Cut.in_place(cutoff, void) if lapsed is None else Cut.lapsed(lapsed, void)

    def _promises(self, cut: Cut | None) -> Iterator[Note]:
        """What is not promised after all."""
        if self.relevance.void is not None:
            yield notes.void(self.relevance.void)
        if cut is None or cut.name is None or cut.void is None:
            return
        if cut.probability is None:
            yield notes.uncut(cut.name, cut.void)
        elif cut.instead:
            yield notes.instead(cut.name, cut.probability, cut.void)
        else:
            yield notes.unkept(cut.name, cut.void)

    def _answered(
        self, fit: Fit, answerable: float | None, shown: Sequence[Hit], cut: Cut | None
    ) -> bool | None:
        if not self.relevance.calibrated:
            return None
        if not shown:
            return False
        if cut is not None and cut.name is not None and cut.logit is not None and not cut.instead:
            return True  # what a level promises counts what it shows: nothing else may hide it
        if fit.answering is not None and answerable is not None:
            return answerable >= fit.answering.threshold
        return None if cut is None or cut.logit is None else True

    def _answerable(self, fit: Fit, found: Sequence[Scored], asked: _Asked) -> float | None:
        if fit.answering is None:
            return None
        held = [held_terms(self.analyzer, one.passage) for one in found[:READ]]
        rows = [(one.logit, one.semantic, one.lexical) for one in found]
        known = known_share(asked.bm25, self.statistics)
        said = fit.answering.logit(rows, known, matched(asked.terms, held, self.statistics))
        return None if said is None else probability(said)

    def close(self) -> None:
        self.collection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _rivals(fit: Fit, found: Sequence[Scored], least: float) -> int:
    """How many of the first hits are about as good as the best, where that one would reach the logit `least` without the
    others."""
    best = found[0].logit
    if fit.logits([best])[0] < least:
        return 0
    return sum(one.logit >= best - _ABOUT_EQUAL for one in found[:RIVALS])


def _hit(scored: Scored, rank: int, said: float) -> Hit:
    return Hit(
        passage=scored.passage,
        rank=rank,
        logit=scored.logit,
        probability=probability(said),
        semantic=scored.semantic,
        lexical=scored.lexical,
    )
