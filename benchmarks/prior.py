"""Prior weights: which serve a collection that nobody has judged yet?

    python -m benchmarks.prior --data ../shared/data

Hybrid's direction (how much lexical for one unit of semantic) is the one whose least gain over lexical alone, in
nDCG@10 over the sets, is greatest: a prior must not make any collection worse. The rule is checked by leaving each
set out of the choice in turn. Scale and bias are then a logistic fit on the first two hits of each query, each set
counting alike: over all candidates the easy ones decide, and the hits that people read get probabilities far too
low (first hit of the demo: 0.10 where 0.58 are relevant). Cosines are in deviations above each
collection's background, as `naru/relevance.py` states its prior. Only calibrate/dev parts are read.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from benchmarks.sets import JudgedSet, indexed, judged_sets
from naru.bm25 import query_vector
from naru.relevance import MODES, Scores
from naru.store import Request
from naru.text import normalize
from search import Searcher

Floats = npt.NDArray[np.float64]
CANDIDATES = 100
RATIOS = range(20, 185, 5)
SHOWN = 2


@dataclass(frozen=True, slots=True)
class Candidates:
    """What one set's queries found: per candidate its query, standardised cosine, lexical score and judgement."""

    name: str
    query: npt.NDArray[np.int64]
    semantic: Floats
    lexical: Floats
    relevant: npt.NDArray[np.bool_]
    relevant_in_all: npt.NDArray[np.int64]

    def direction(self, mode: str, ratio: float) -> Floats:
        """What a mode ranks by, up to scale and bias; `ratio` is lexical weight over semantic weight."""
        return {
            "hybrid": self.semantic + ratio * self.lexical,
            "semantic": self.semantic,
            "lexical": self.lexical,
        }[mode]

    def ranks(self, logits: Floats) -> npt.NDArray[np.int64]:
        """Each candidate's place among its query's, by logit, from 0."""
        order = np.lexsort((-logits, self.query))
        starts = np.searchsorted(self.query[order], np.arange(len(self.relevant_in_all)))
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order)) - starts[self.query[order]]
        return ranks

    def ndcg(self, logits: Floats) -> float:
        """nDCG@10 of the candidates ranked by logit, over the queries that have an answer."""
        gains, totals = np.zeros(len(self.relevant_in_all)), np.zeros(len(self.relevant_in_all))
        rank = self.ranks(logits)
        top = rank < 10
        np.add.at(gains, self.query[top], self.relevant[top] / np.log2(rank[top] + 2))
        discounts = np.cumsum(1 / np.log2(np.arange(10) + 2))
        answerable = self.relevant_in_all > 0
        totals[answerable] = discounts[np.minimum(self.relevant_in_all[answerable], 10) - 1]
        return float((gains[answerable] / totals[answerable]).mean())


def collect(searcher: Searcher, judged: JudgedSet) -> Candidates:
    """The union of both channels' candidates for each query, with true scores, as serving retrieves them."""
    split = judged.beir.split(judged.choose)
    background = searcher.provenance.background
    scores = Scores(0.0, 1.0, 1.0)
    rows = []
    for number, (query, text) in enumerate(split.queries.items()):
        found = searcher.collection.search(
            Request(
                scores=scores,
                dense=searcher.encoder.queries([normalize(text).text])[0],
                bm25=query_vector(searcher.analyzer.query(text), searcher.statistics),
                limit=2 * CANDIDATES,
                prefetch=CANDIDATES,
            )
        )
        for hit in found:
            cosine = ((hit.semantic or 0.0) - background.mean) / background.deviation
            rows.append((number, cosine, hit.lexical or 0.0, split.qrels[query].get(hit.passage.id, 0) > 0))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    counts = np.array([sum(grade > 0 for grade in split.qrels[query].values()) for query in split.queries])
    return Candidates(judged.name, columns[0], columns[1], columns[2], columns[3].astype(bool), counts)


def gains(sets: Sequence[Candidates]) -> Floats:
    """What each ratio of RATIOS gains over lexical alone, in nDCG@10: [ratios, sets]."""
    lexical: Floats = np.array([one.ndcg(one.lexical) for one in sets])
    hybrid: Floats = np.array(
        [[one.ndcg(one.semantic + ratio * one.lexical) for one in sets] for ratio in RATIOS]
    )
    return hybrid - lexical


def fit(sets: Sequence[Candidates], mode: str, ratio: float) -> Scores:
    """Scale and bias of a mode by logistic regression on the first SHOWN hits, each set counting alike."""
    values, relevant, weights = [], [], []
    for one in sets:
        logits = one.direction(mode, ratio)
        first = one.ranks(logits) < SHOWN
        values.append(logits[first])
        relevant.append(one.relevant[first])
        weights.append(np.full(int(first.sum()), 1e4 / first.sum()))
    model = LogisticRegression(C=1e6, max_iter=1000)
    model.fit(np.concatenate(values)[:, None], np.concatenate(relevant), np.concatenate(weights))
    scale, bias = float(model.coef_[0, 0]), float(model.intercept_[0])
    return Scores(
        bias,
        None if mode == "lexical" else scale,
        None if mode == "semantic" else scale * (ratio if mode == "hybrid" else 1.0),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--store", type=Path, default=None, help="keep the collections here, and reuse them")
    given = parser.parse_args()

    sets = []
    for judged in judged_sets(given.data):
        with indexed(judged, given.encoder, store=given.store) as (searcher, _):
            sets.append(collect(searcher, judged))
    gained = gains(sets)

    print("| left out of the choice | ratio chosen | lexical | semantic | hybrid |\n|---|---|---|---|---|")
    for place, left in enumerate(sets):
        others = np.delete(gained, place, axis=1) if len(sets) > 1 else gained
        ratio = RATIOS[int(others.min(axis=1).argmax())]
        hybrid = left.ndcg(left.semantic + ratio * left.lexical)
        print(
            f"| {left.name} | {ratio} | {left.ndcg(left.lexical):.4f} | {left.ndcg(left.semantic):.4f} | {hybrid:.4f} |"
        )

    print("\n| ratio | " + " | ".join(one.name for one in sets) + " |\n|---|" + "---|" * len(sets))
    for ratio, row in zip(RATIOS, gained, strict=True):
        if ratio % 20 == 0:
            print(f"| {ratio} | " + " | ".join(f"{gain:+.4f}" for gain in row) + " |")

    ratio = RATIOS[int(gained.min(axis=1).argmax())]
    print(f"\nChosen on all sets: ratio {ratio}")
    for mode in MODES:
        print(f"  {mode:<9}{fit(sets, mode, ratio)}")


if __name__ == "__main__":
    main()
