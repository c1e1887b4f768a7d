"""How many judged queries are enough: what a fit on fewer of them is worth on queries that it did not see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from evaluation import fit as fitting
from evaluation.calibrate import LEAST, cross_fit, sigmoid
from evaluation.candidates import Candidates, of_mode
from evaluation.directions import ndcg
from evaluation.reliability import ece, log_loss
from naru import terminal
from naru.relevance import Relevance

REPEATS = 5
"""Draws that each size is a mean over."""

_SEED = 20261122


@dataclass(frozen=True, slots=True)
class Learnt:
    """`queries` with an answer were fitted to; of unseen queries nDCG@10 over the prior's, and of their first hits ECE and
    log loss. Means over draws; `worst` is the least gain."""

    queries: int
    gain: float
    worst: float
    ece: float
    log_loss: float


def curve(candidates: Candidates, prior: Relevance) -> Iterator[Learnt]:
    """Hybrid, fitted on 50, 100, 200, ... queries of one half of the candidates' and measured on the other half, whole
    clusters in each."""
    order = np.random.default_rng(_SEED).permutation(candidates.clusters.max() + 1)
    half = np.isin(candidates.clusters, order[: len(order) // 2])
    chosen, rest = candidates.select(half), candidates.select(~half)
    size, most = LEAST, int((chosen.relevant > 0).sum())
    while size <= most:
        yield learnt(chosen, rest, prior, size, REPEATS)
        size *= 2


def learnt(chosen: Candidates, rest: Candidates, prior: Relevance, size: int, repeats: int) -> Learnt:
    """Fitted on about `size` queries with an answer of the `chosen`, whole clusters drawn anew each time; measured on the
    `rest`."""
    offered = of_mode(rest, "hybrid")
    before = float(ndcg(offered, fitting.ranking(offered, prior.scores("hybrid"))).mean())
    found = [_fitted(chosen, offered, prior, size, seed) for seed in range(repeats)]
    gains = [gained - before for gained, _, _ in found]
    off, lost = np.mean([one[1:] for one in found], axis=0)
    return Learnt(size, float(np.mean(gains)), min(gains), float(off), float(lost))


def _fitted(
    chosen: Candidates, offered: Candidates, prior: Relevance, size: int, seed: int
) -> tuple[float, float, float]:
    """nDCG@10, and ECE and log loss of the first hits."""
    clusters = chosen.clusters
    order = np.random.default_rng(seed).permutation(clusters.max() + 1)
    counts = np.cumsum(np.bincount(clusters, chosen.relevant > 0)[order])
    drawn = np.isin(clusters, order[: int(np.searchsorted(counts, size)) + 1])
    fitted = cross_fit(chosen.select(drawn), {"hybrid": prior.scores("hybrid")})["hybrid"].fit
    logits = fitting.logits(offered, fitted)
    first = offered.ranks(logits) == 0
    said, right = sigmoid(logits[first]), offered.right[first]
    return float(ndcg(offered, logits).mean()), ece(said, right), log_loss(said, right)


def table(found: Iterable[Learnt]) -> Table:
    """A curve for the terminal."""
    made = terminal.table(
        "How many judged queries are enough",
        f"Hybrid, on the half of the queries that was left out; means over {REPEATS} draws.",
    )
    for name in ("queries", "nDCG@10 over the prior's", "worst draw", "ECE", "log loss"):
        made.add_column(name, justify="right")
    for one in found:
        made.add_row(
            f"{one.queries:,}",
            f"{one.gain:+.4f}",
            f"{one.worst:+.4f}",
            f"{one.ece:.3f}",
            f"{one.log_loss:.3f}",
        )
    return made
