"""Searcher: one open collection with what it was made with. A query in, an Answer out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Self

from naru.answering import READ, READ_CHARACTERS, matched
from naru.bm25 import Terms, known_share, query_vector
from naru.cutoffs import is_level, stand_in
from naru.documents import Hit
from naru.encoder import Encoder, open_encoder
from naru.errors import NaruError
from naru.filters import Filter
from naru.provenance import Provenance
from naru.relevance import RIVALS, Fit, Relevance, Scores, logit, probability
from naru.store import Collection, Request, Scored, Store
from naru.text import Analyzer
from search.answer import Answer, Cut, Note
from search.reading import read_query, terms_of

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
        chose (`precise`, `balanced`, `sensitive`); the answer says what it promises. With `anyway` hits stay hits
        where the answer says that there is none. Raises NaruError on an empty or overlong query, an unknown mode, a
        limit below 1, a cut-off out of range, or a name that nothing was calibrated for.
        """
        started = perf_counter()
        if limit < 1:
            raise NaruError(f"limit must be at least 1, got {limit}.")
        read = read_query(query, self.analyzer, self.statistics)
        fit = self.relevance.fit(mode)
        cut = self._cut(mode, cutoff, filter)
        scores, notes = fit.scores, [*read.notes]
        dense = bm25 = None
        if scores.lexical is not None:
            bm25 = query_vector(read.terms, self.statistics)
        if scores.semantic is not None:
            text = self.analyzer.spaced(read.query)
            dense = self.encoder.queries([text])[0]
            if not self.encoder.reads_whole(text):
                length = self.encoder.info.max_length
                message = f"The encoder read the first {length} tokens of the query."
                notes.append(Note("cut", message, {"tokens": length}))
        found = self.collection.search(
            Request(
                scores=scores,
                dense=dense,
                bm25=bm25,
                limit=max(limit + 1, RIVALS),  # one more tells whether the limit hides what reaches a cut-off
                prefetch=max(PREFETCH, limit),
                filter=filter,
            )
        )
        logits = fit.logits([one.logit for one in found])
        hits = tuple(_hit(*each) for each in zip(found[:limit], range(1, limit + 1), logits, strict=False))
        least = -math.inf if cut is None or cut.logit is None else cut.logit
        shown = tuple(hit for hit, said in zip(hits, logits, strict=False) if said >= least)
        if cut is not None and len(logits) > limit and logits[limit] >= least:
            cut = cut.short_of(limit)
        if found and not shown and (equals := _rivals(fit, found, least)) > 1:
            message = (
                f"{equals} passages answer about equally well, so none of them is likely enough to be the one: ask with "
                "a lower cut-off, or look at the near misses."
            )
            notes.append(Note("rivals", message, {"passages": equals}))
        if filter is not None and not found and not self.collection.count(filter):
            message = (
                "No passage fits the filter: see that its fields are there, and of the type it compares with."
            )
            notes.append(Note("filtered", message, {}))
        answerable = self._answerable(fit, found, read.terms)
        answered = self._answered(fit, answerable, shown, cut)
        missed = (answered is False or not shown) and not anyway
        return Answer(
            query=query,
            mode=mode,
            hits=() if missed else shown,
            calibrated=self.relevance.calibrated,
            tokens=tuple(read.tokens),
            notes=(*notes, *self._promises(cut)),
            milliseconds=(perf_counter() - started) * 1e3,
            answerable=answerable,
            answered=answered,
            near_misses=hits if missed else (),
            cutoff=cut,
        )

    def candidates(self, query: str, *, filter: Filter | None = None) -> Offer:
        """What a search would rank: both channels' PREFETCH best, with true scores, under no fitted weights.

        Raises NaruError on an empty or overlong query.
        """
        read = read_query(query, self.analyzer, self.statistics)
        bm25 = query_vector(read.terms, self.statistics)
        found = self.collection.search(
            Request(
                scores=Scores(0.0, 1.0, 1.0),
                dense=self.encoder.queries([self.analyzer.spaced(read.query)])[0],
                bm25=bm25,
                limit=2 * PREFETCH,
                prefetch=PREFETCH,
                filter=filter,
            )
        )
        return Offer(tuple(found), known_share(bm25, self.statistics))

    def terms(self, query: str) -> Terms:
        """What is looked for in passages, by namespace, its keyboard layout set right. NaruError as `search`."""
        return read_query(query, self.analyzer, self.statistics).terms

    def _cut(self, mode: str, cutoff: float | str | None, filter: Filter | None) -> Cut | None:
        if cutoff is None:
            return None
        if not isinstance(cutoff, str):
            return Cut(None, cutoff, logit(cutoff))
        if self.relevance.void is not None and is_level(cutoff):
            least = self.relevance.lapsed_at(mode, cutoff) or stand_in(cutoff)
            return Cut.in_place(cutoff, least, self.relevance.void)
        return Cut.at(self.relevance.fit(mode).level(cutoff), filtered=filter is not None)

    def _promises(self, cut: Cut | None) -> Iterator[Note]:
        """What is not promised after all."""
        if self.relevance.void is not None:
            message = f"Probabilities are a prior: {self.relevance.void}."
            yield Note("void", message, {"reason": self.relevance.void})
        if cut is None or cut.name is None or cut.void is None:
            return
        if cut.logit is None:
            message = (
                f"{cut.name!r} is not to be had on this collection ({cut.void}), so nothing was cut off."
            )
            yield Note("uncut", message, {"cutoff": cut.name, "reason": cut.void})
        elif cut.instead and cut.probability is not None:
            percent = f"{100 * cut.probability:.4g}%"  # 99.5 % are not all
            message = (
                f"{cut.name!r} is not to be had on this collection ({cut.void}): hits of {percent} and more are shown "
                "instead, without a promise."
            )
            yield Note("instead", message, {"cutoff": cut.name, "percent": percent, "reason": cut.void})
        else:
            yield Note("promise", f"{cut.name!r} promises nothing here: {cut.void}.", {"cutoff": cut.name})

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

    def _answerable(self, fit: Fit, found: Sequence[Scored], terms: Terms) -> float | None:
        if fit.answering is None:
            return None
        known = known_share(query_vector(terms, self.statistics), self.statistics)
        held = [
            terms_of(
                [
                    *self.analyzer.words(one.passage.title),
                    *self.analyzer.words(one.passage.text[:READ_CHARACTERS]),
                ]
            )
            for one in found[:READ]
        ]
        rows = [(one.logit, one.semantic, one.lexical) for one in found]
        said = fit.answering.logit(rows, known, matched(terms, held, self.statistics))
        return None if said is None else probability(said)

    def close(self) -> None:
        self.collection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
