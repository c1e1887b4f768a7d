"""Cut-offs chosen by what they promise, with the evidence for it: what a service calls precise, balanced, sensitive.

    precise     at least 90 % of the hits shown are relevant, with confidence 90 %: of all hits where the judgements
                suffice for that, else of a query's hits, on average over queries
    balanced    the best F1 on the judged queries: no guarantee, a measurement
    sensitive   for at least 90 % of the queries that have an answer, the best relevant passage is shown

and, where they are asked for, with other shares than 90 % too:

    complete    for at least 90 % of the queries that have an answer, every relevant passage is shown
    silent      at most 10 % of the queries that have no answer are shown anything, with confidence 90 %
    accurate    the best accuracy on the judged queries' candidates: no guarantee, a measurement

Promises with a confidence count the passages asked about as units, for queries about one are right or wrong together;
the others count queries; all of them groups, where those were asked for. Each level is its promise; `sensitive` need not
lie below `precise`. Promises hold for queries drawn like the judged ones, of the whole collection; logits must be
cross-fitted: a model that saw a query knows too much of it. A candidate that nobody judged counts as not relevant, so
where judgements are few true precision is higher than promised and a precise cut-off stricter than it need be; coverage
is that of the passages that were judged relevant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from evaluation import conformal
from evaluation.arrays import Booleans, Floats, Integers, renumbered
from evaluation.candidates import Candidates
from evaluation.precision import Aim, Shown, enough, precision
from evaluation.sweeps import best_accuracy, best_f1
from naru.cutoffs import Cutoff, Guarantee, read_promise
from naru.relevance import probability

_NOTHING = "none of the judged queries has a relevant passage among its candidates"


@dataclass(frozen=True)
class _Level:
    """A cut-off before its number is known: what it is called and promises, and what it rests on."""

    name: str
    promise: str
    queries: int
    units: int
    guarantee: Guarantee | None = None
    unit: Literal["query", "passage", "group"] = "query"

    def at(self, logit: float, found: dict[str, float]) -> Cutoff:
        return self._made(logit, probability(logit), found)

    def none(self, reason: str, found: dict[str, float] | None = None, needed: int | None = None) -> Cutoff:
        return self._made(None, None, found or {}, reason, needed)

    def too_few(self, needed: int, there: str) -> Cutoff:
        return self.none(f"too few judgements: {there}, {needed} needed at least", needed=needed)

    def _made(
        self,
        logit: float | None,
        said: float | None,
        found: dict[str, float],
        reason: str = "",
        needed: int | None = None,
    ) -> Cutoff:
        return Cutoff(
            self.name,
            self.promise,
            logit,
            said,
            self.queries,
            self.units,
            found,
            reason,
            needed,
            self.guarantee,
            self.unit,
        )


@dataclass(frozen=True)
class Offered:
    """Candidates of one mode with the logits of their probabilities [n] (`evaluation.fit.logits`)."""

    candidates: Candidates
    logits: Floats

    def best_f1(self, name: str = "balanced") -> Cutoff:
        """All candidates of all queries in one; relevant passages that retrieval missed count as not found."""
        level = self._measured(name, "the best F1 on the judged queries; a measurement, no guarantee")
        if not self.candidates.right.any():
            return level.none(_NOTHING)
        missed = int(self.candidates.relevant.sum() - self.candidates.right.sum())
        best = best_f1(self.logits, self.candidates.right, missed)
        return level.at(best.cutoff, {"F1": best.value, "precision": best.precision, "recall": best.recall})

    def best_accuracy(self, name: str = "best accuracy") -> Cutoff:
        """All candidates of all queries in one. Most are not relevant, so it tends to be strict."""
        promise = "the best accuracy over the candidates of the judged queries; a measurement, no guarantee"
        level = self._measured(name, promise)
        if not self.candidates.right.any():
            return level.none(_NOTHING)
        best = best_accuracy(self.logits, self.candidates.right)
        found = {"accuracy": best.value, "precision": best.precision, "recall": best.recall}
        return level.at(best.cutoff, found)

    def coverage(self, alpha: float = 0.1, *, every: bool = False, name: str = "sensitive") -> Cutoff:
        """For 1 - `alpha` of the queries with an answer the best relevant passage is shown, or `every` one of them."""
        which = "every relevant passage is" if every else "the best relevant passage is"
        promise = f"for at least {_percent(1 - alpha)} of the queries that have an answer, {which} shown"
        answerable = self.candidates.relevant > 0
        scores = self._lowest() if every else self._highest(self.candidates.right)
        units = renumbered(self.candidates.units[answerable])
        scores = scores[answerable]
        recall = float(np.isfinite(scores).mean()) if len(scores) else math.nan
        level = self._promised(name, promise, Guarantee("coverage", 1 - alpha), units)
        bound = conformal.coverage(scores, units, alpha)
        if bound.needed is not None:
            return level.too_few(bound.needed, self._counted(level.units, "queries with an answer"))
        if bound.cutoff is None:
            reason = f"unreachable: retrieval offers it for {recall:.1%} of the queries only"
            return level.none(reason, {"recall": recall})
        covered = float((scores >= bound.cutoff).mean())
        shown = float((self.logits >= bound.cutoff).sum() / max(1, len(self.candidates.queries)))
        return level.at(bound.cutoff, {"coverage": covered, "recall": recall, "shown": shown})

    def precision(self, aim: Aim | None = None, name: str = "precise") -> Cutoff:
        """Without an `aim`: 0.9 with confidence 0.9, per hit where there are units enough to certify that, else per
        query. Only the number of units decides, which the guarantee survives. Queries about one passage are one unit: they
        are right or wrong together, and taken for independent they would certify too much."""
        hits = Shown.of(
            self.candidates.query,
            self.logits,
            self.candidates.right,
            renumbered(self.candidates.clusters),
            (aim or Aim()).depth,
        )
        units, size = len(np.unique(hits.units)), hits.size
        if aim is None:
            aim = Aim(per="hit")
            aim = aim if units >= 2 * aim.needed(size) else Aim(per="query")
        of = "the hits shown" if aim.per == "hit" else "a query's hits shown, on average over queries,"
        promise = (
            f"of {of} at least {_percent(aim.p)} are relevant, with confidence {_percent(1 - aim.delta)} "
            f"(of a query's first {aim.depth} hits)"
        )
        guarantee = Guarantee("precision", aim.p, 1 - aim.delta, aim.per)
        level = self._promised(name, promise, guarantee, self.candidates.clusters)
        level = replace(level, queries=len(self.candidates.queries))
        there = self._counted(units, "queries")
        if units < level.queries and not self.candidates.asked:
            unanswerable = self.candidates.relevant == 0
            apart = len(np.unique(self.candidates.clusters[unanswerable]))
            there = f"{units - apart:,} passages asked about"
            there += f" and {apart:,} queries without an answer" if apart else ""
            level = replace(level, unit="passage")
        if units < (least := aim.needed(size)):
            return level.too_few(least, there)
        cutoff = precision(hits, aim)
        if cutoff is None:
            needed = enough(hits, aim)
            best = hits.best(aim.per) if len(hits.query) else 0.0
            seen = f"best observed: {best:.0%}" + (", which may be luck" if best > aim.p else "")
            more = (
                f"about {needed:,} like these would be needed"
                if needed
                else "sixteen times as many would not be enough either"
            )
            return level.none(f"{there} do not certify that precision ({seen}); {more}", needed=needed)
        shown, right = hits.counts(cutoff)
        found = {
            "precision": hits.precision(cutoff, aim.per),
            "shown": float(shown.mean()),
            "answered": float((shown > 0).mean()),
            "recall": float(right.sum() / max(1, self.candidates.relevant.sum())),
        }
        return level.at(cutoff, found)

    def silence(self, q: float = 0.1, delta: float = 0.1, *, name: str = "silent") -> Cutoff:
        """At most a share `q` of the queries without an answer gets anything shown."""
        promise = (
            f"at most {_percent(q)} of the queries without an answer get anything shown, "
            f"with confidence {_percent(1 - delta)}"
        )
        without = self.candidates.relevant == 0
        best = self._highest(np.ones(len(self.logits), np.bool_))[without]
        units = renumbered(self.candidates.units[without])
        level = self._promised(name, promise, Guarantee("silence", q, 1 - delta), units)
        bound = conformal.silence(best, units, q, delta)
        if bound.needed is not None:
            return level.too_few(bound.needed, self._counted(level.units, "queries without an answer"))
        if bound.cutoff is None:
            return level.none("so few queries without an answer have a candidate that none need be cut off")
        shown = len(np.unique(units[best >= bound.cutoff]))
        found = {
            "shown": shown / level.units,
            "shown at most": conformal.share_at_most(shown, level.units, delta),
        }
        return level.at(bound.cutoff, found)

    def _measured(self, name: str, promise: str) -> _Level:
        return _Level(name, promise, len(self.candidates.queries), len(np.unique(self.candidates.units)))

    def _promised(self, name: str, promise: str, guarantee: Guarantee, units: Integers) -> _Level:
        """`units` are those of the queries that it rests on."""
        unit: Literal["query", "group"] = "group" if self.candidates.asked else "query"
        return _Level(name, promise, len(units), len(np.unique(units)), guarantee, unit)

    def _counted(self, units: int, queries: str) -> str:
        """So many units, by what they are: queries, or groups of them."""
        return f"{units:,} groups of {queries}" if self.candidates.asked else f"{units:,} {queries}"

    def _highest(self, rows: Booleans) -> Floats:
        """[q] the highest logit among the rows of each query, -inf where it has none."""
        best = np.full(len(self.candidates.queries), -np.inf)
        np.maximum.at(best, self.candidates.query[rows], self.logits[rows])
        return best

    def _lowest(self) -> Floats:
        """[q] the lowest logit of each query's relevant passages, -inf where retrieval missed one."""
        right = self.candidates.right
        lowest = np.full(len(self.candidates.queries), np.inf)
        np.minimum.at(lowest, self.candidates.query[right], self.logits[right])
        found = np.bincount(self.candidates.query[right], minlength=len(lowest))
        lowest[found < self.candidates.relevant] = -np.inf
        return lowest


def levels(offered: Offered) -> tuple[Cutoff, Cutoff, Cutoff]:
    """precise, balanced, sensitive."""
    return offered.precision(), offered.best_f1(), offered.coverage()


def promised(offered: Offered, asked: str) -> Cutoff:
    """A cut-off by its promise: one of PROMISES, perhaps with a share, `precise=0.8`; its name is what was `asked`.

    The share is that of the hits shown that are relevant (`precise`), of the queries with an answer whose passage is shown
    (`sensitive`, `complete`), or of the queries without an answer that are shown anything (`silent`).
    Raises NaruError on another name, and on a share that is not between 0 and 1.
    """
    kind, share = read_promise(asked)
    match kind:
        case "precise":
            return offered.precision(None if share is None else Aim(share), name=asked)
        case "silent":
            return offered.silence(0.1 if share is None else share, name=asked)
        case "accurate":
            return offered.best_accuracy(name=asked)
        case _:
            alpha = 0.1 if share is None else 1 - share
            return offered.coverage(alpha, every=kind == "complete", name=asked)


def _percent(share: float) -> str:
    """A share as it was promised, not rounded to another."""
    return f"{100 * share:.10g}%"
