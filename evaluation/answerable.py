"""Fit the no-answer model: a logistic regression over the signals of each query, its strength chosen and its
probabilities set right on queries that the fit did not see.

Every signal speaks for an answer, so no weight is below 0, and ridge keeps few judgements from being over-read: of
STRENGTHS the one with the least cross-fitted log loss, then scale and bias of the cross-fitted logits (Platt, 1999),
because ridge leaves them too timid. Folds take whole clusters. A search says "no answer" below the probability that nine of
ten queries with an answer reach, or a lower one that parts the two kinds better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from evaluation import conformal
from evaluation.arrays import Booleans, Floats, Integers, renumbered
from evaluation.candidates import Candidates
from naru.answering import DEPTH, READ, Answering, held_terms, matched, signals
from naru.bm25 import Statistics, Terms
from naru.errors import NaruError
from naru.relevance import probability
from search import Searcher

STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0)
"""What the likelihood counts against the ridge (scikit-learn's C), over standardised signals."""

FOLDS = 5
MOST_REFUSED = 0.1
"""Of the queries with an answer, the share that "no answer" may cost. What they found is shown as near misses."""

LEAST = 30
"""Queries of each kind; fewer say nothing about ten weights."""

_SEED = 20261121


@dataclass(frozen=True)
class Queries:
    """The signals [q, s] of queries with candidates, by name, whether each has an answer, its cluster [q], which folds keep
    together, and the unit [q] that what is promised counts."""

    names: tuple[str, ...]
    signals: Floats
    answerable: Booleans
    clusters: Integers
    units: Integers

    def select(self, chosen: Booleans) -> Queries:
        return Queries(
            self.names,
            self.signals[chosen],
            self.answerable[chosen],
            self.clusters[chosen],
            self.units[chosen],
        )

    def with_(self, others: Queries) -> Queries:
        """Both, clusters and units numbered alike."""
        return Queries(
            self.names,
            np.concatenate([self.signals, others.signals]),
            np.concatenate([self.answerable, others.answerable]),
            np.concatenate([self.clusters, others.clusters]),
            np.concatenate([self.units, others.units]),
        )


def matches(
    searcher: Searcher,
    candidates: Candidates,
    logits: Floats,
    texts: Mapping[str, str],
    statistics: Callable[[int], Statistics] | None = None,
) -> Floats:
    """[q] what share of each query one of its first READ hits by `logits` [n] holds, as `naru.answering.matched`.

    `texts` are the queries' by id; `statistics` are those of a query by its number where they are not the collection's.
    """
    first = candidates.ranks(logits) < READ
    wanted = list(dict.fromkeys(candidates.passages[row] for row in np.flatnonzero(first)))
    terms = {
        passage.id: held_terms(searcher.analyzer, passage) for passage in searcher.collection.retrieve(wanted)
    }
    held: list[list[Terms]] = [[] for _ in candidates.queries]
    for row in np.flatnonzero(first):
        held[candidates.query[row]].append(terms[candidates.passages[row]])
    return np.array(
        [
            matched(
                searcher.terms(texts[query]),
                held[number],
                searcher.statistics if statistics is None else statistics(number),
            )
            for number, query in enumerate(candidates.queries)
        ]
    )


def queries(candidates: Candidates, logits: Floats, held: Floats, mode: str = "hybrid") -> Queries:
    """The signals of each query, from its candidates in one mode, their logits [n] and `matches` [q].

    NaruError where a query has no candidate at all: leave it out, it is never answered.
    """
    order = np.lexsort((candidates.ranks(logits), candidates.query))
    starts = np.searchsorted(candidates.query[order], np.arange(len(candidates.queries) + 1))
    rows = []
    for number, query in enumerate(candidates.queries):
        of_query = order[starts[number] : starts[number + 1]][:DEPTH]
        if not len(of_query):
            raise NaruError(f"The query {query!r} has no candidates; leave it out: it is never answered.")
        both = mode == "hybrid"
        hits = [
            (
                float(logits[row]),
                float(candidates.semantic[row]) if both else None,
                float(candidates.lexical[row]) if both else None,
            )
            for row in of_query
        ]
        rows.append(signals(hits, float(candidates.known[number]), float(held[number])))
    names = tuple(rows[0])
    values = np.array([[row[name] for name in names] for row in rows])
    return Queries(names, values, candidates.relevant > 0, candidates.clusters, candidates.units)


def fit(given: Queries) -> Answering:
    """NaruError with fewer than LEAST queries of a kind."""
    without = int((~given.answerable).sum())
    if min(without, len(given.answerable) - without) < LEAST:
        raise NaruError(
            f"{without} of {len(given.answerable)} judged queries have no answer; a no-answer model needs at least "
            f"{LEAST} with and {LEAST} without. Judge more: a query without an answer has rows of score 0 only."
        )
    fold = _folds(given)
    seen = [_cross_logits(given, fold, strength) for strength in STRENGTHS]
    plain = [_log_loss(logits, given.answerable) for logits in seen]
    chosen = int(np.argmin(plain))
    scale, shift = _weigh(seen[chosen][:, None], given.answerable, 1e6)
    held_out = seen[chosen] * scale[0] + shift
    weights, bias = _weigh(given.signals, given.answerable, STRENGTHS[chosen])
    weights, bias = weights * scale[0], bias * float(scale[0]) + shift
    named = {name: float(weight) for name, weight in zip(given.names, weights, strict=True)}
    return Answering(bias, named, len(given.answerable), without, _threshold(held_out, given))


def _threshold(held_out: Floats, given: Queries) -> float:
    """The probability below which most more of the queries without an answer lie than of those with one (Youden, 1950), by
    cross-fitted logits [q]; of the latter at most MOST_REFUSED, as split conformal counts them. Where they are too few for
    that count, none. Of equal ones that nearest a half."""
    units = renumbered(given.units[given.answerable])
    bound = conformal.coverage(held_out[given.answerable], units, MOST_REFUSED)
    most = held_out[given.answerable].min() if bound.cutoff is None else bound.cutoff
    tried = np.append(held_out, [most, 0.0])
    tried = np.unique(tried[tried <= most])
    below = [
        np.searchsorted(np.sort(held_out[kind]), tried) / kind.sum()
        for kind in (given.answerable, ~given.answerable)
    ]
    parted = below[1] - below[0]
    best = tried[parted >= parted.max() - 1e-12]
    return probability(float(best[np.abs(best).argmin()]))


def logits(model: Answering, given: Queries) -> Floats:
    """[q] of P(answerable), as `Answering.logit` computes it one by one."""
    weights = np.array([model.weights[name] for name in given.names])
    found: Floats = model.bias + given.signals @ weights
    return found


def cross_fit(given: Queries) -> Floats:
    """[q] logits of P(answerable), each by a model that saw nothing of its query's cluster. NaruError where what is left
    without a fold has fewer than LEAST queries of a kind."""
    fold = _folds(given)
    found = np.empty(len(fold))
    for number in range(FOLDS):
        found[fold == number] = logits(fit(given.select(fold != number)), given.select(fold == number))
    return found


def _folds(given: Queries) -> Integers:
    """[q] from 0; clusters are dealt out in random order, those without an answer apart, so each fold has its share."""
    cluster, first = np.unique(given.clusters, return_index=True)
    rng = np.random.default_rng(_SEED)
    of_cluster = np.zeros(len(cluster), np.int64)
    for kind in (True, False):
        places = np.flatnonzero(given.answerable[first] == kind)
        of_cluster[rng.permutation(places)] = np.arange(len(places)) % FOLDS
    return of_cluster[np.searchsorted(cluster, given.clusters)]


def _cross_logits(given: Queries, fold: Integers, strength: float) -> Floats:
    found = np.empty(len(fold))
    for number in range(FOLDS):
        weights, bias = _weigh(given.signals[fold != number], given.answerable[fold != number], strength)
        found[fold == number] = given.signals[fold == number] @ weights + bias
    return found


def _weigh(values: Floats, answerable: Booleans, strength: float) -> tuple[Floats, float]:
    """Weights, none below 0, and bias of a ridge logistic regression over the standardised columns, for the columns
    as they are."""
    from scipy.optimize import minimize

    mean, deviation = values.mean(axis=0), values.std(axis=0)
    deviation[deviation < 1e-12] = 1.0
    standard = (values - mean) / deviation
    sign = np.where(answerable, 1.0, -1.0)

    def loss(at: Floats) -> tuple[float, Floats]:
        margin = sign * (standard @ at[:-1] + at[-1])
        pull = -strength * sign / (1 + np.exp(np.minimum(margin, 700)))
        slope = np.append(pull @ standard + at[:-1], pull.sum())
        return strength * float(np.logaddexp(0, -margin).sum()) + 0.5 * float(at[:-1] @ at[:-1]), slope

    bounds = [(0, None)] * values.shape[1] + [(None, None)]
    found = minimize(
        loss, np.zeros(values.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-12
    )
    weights: Floats = found.x[:-1] / deviation
    return weights, float(found.x[-1] - weights @ mean)


def _log_loss(logits: Floats, answerable: Booleans) -> float:
    return float(np.logaddexp(0.0, np.where(answerable, -logits, logits)).mean())


def without(candidates: Candidates, removed: Booleans) -> Candidates:
    """The same queries asked of a collection from which the rows [n] `removed` are gone: the next ones move up.

    Every relevant passage must be among what was removed: none has an answer then.
    """
    if (candidates.right & ~removed).any():
        raise ValueError("This is a bug: a relevant passage is left of a query that shall have no answer.")
    return replace(candidates.rows(~removed), relevant=np.zeros_like(candidates.relevant))
