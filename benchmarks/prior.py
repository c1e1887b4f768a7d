"""Prior weights: which serve a collection that nobody has judged yet?

    python -m benchmarks.prior --data ../shared/data

Fits the logistic formula on the candidates that the engine returns for the calibrate/dev queries of all sets
but one (each set counts alike) and measures nDCG@10 on the one left out, against lexical alone. Cosines are in
deviations above each collection's background, as `naru/relevance.py` states its prior. The last row fits on
all sets: that is the prior. Only calibrate/dev parts are read.
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


@dataclass(frozen=True, slots=True)
class Candidates:
    """What one set's queries found: per candidate its query, standardised cosine, lexical score and judgement."""

    name: str
    query: npt.NDArray[np.int64]
    semantic: Floats
    lexical: Floats
    relevant: npt.NDArray[np.bool_]
    relevant_in_all: npt.NDArray[np.int64]

    def features(self, mode: str) -> Floats:
        columns = {
            "hybrid": [self.semantic, self.lexical],
            "semantic": [self.semantic],
            "lexical": [self.lexical],
        }
        return np.stack(columns[mode], axis=1)

    def ndcg(self, logits: Floats) -> float:
        """nDCG@10 of the candidates ranked by logit, over the queries that have an answer."""
        order = np.lexsort((-logits, self.query))
        gains, totals = np.zeros(len(self.relevant_in_all)), np.zeros(len(self.relevant_in_all))
        starts = np.searchsorted(self.query[order], np.arange(len(gains)))
        rank = np.arange(len(order)) - starts[self.query[order]]
        top = rank < 10
        np.add.at(gains, self.query[order][top], self.relevant[order][top] / np.log2(rank[top] + 2))
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


def fit(sets: Sequence[Candidates], mode: str) -> Scores:
    """The logistic weights over several sets, each counting alike."""
    features = np.concatenate([one.features(mode) for one in sets])
    relevant = np.concatenate([one.relevant for one in sets])
    weights = np.concatenate([np.full(len(one.query), 1e4 / len(one.relevant_in_all)) for one in sets])
    model = LogisticRegression(C=1e6, max_iter=1000).fit(features, relevant, weights)
    found = iter(model.coef_[0].tolist())
    semantic = next(found) if mode != "lexical" else None
    lexical = next(found) if mode != "semantic" else None
    return Scores(float(model.intercept_[0]), semantic, lexical)


def logits(one: Candidates, scores: Scores) -> Floats:
    return scores.bias + (scores.semantic or 0.0) * one.semantic + (scores.lexical or 0.0) * one.lexical


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
        print(
            f"{judged.name}: {len(sets[-1].query):,} candidates of {len(sets[-1].relevant_in_all):,} queries",
            flush=True,
        )

    print(f"\n{'left out':<14}{'lexical':>9}{'semantic':>10}{'hybrid':>9}   weights fitted on the others")
    for left in sets:
        others = [one for one in sets if one is not left]
        prior = fit(others or sets, "hybrid")
        print(
            f"{left.name:<14}{left.ndcg(left.lexical):>9.4f}{left.ndcg(left.semantic):>10.4f}"
            f"{left.ndcg(logits(left, prior)):>9.4f}   {_said(prior)}"
        )
    print("\nfitted on all:")
    for mode in MODES:
        print(f"  {mode:<9} {_said(fit(sets, mode))}")

    prior = fit(sets, "hybrid")
    print(
        "\nnDCG@10 by lexical weight per unit of semantic weight (fitted on all: "
        f"{(prior.lexical or 0) / (prior.semantic or 1):.1f})"
    )
    ratios = (4, 6, 8, 10, 12, 15, 20, 30, 50)
    print(f"{'':<14}" + "".join(f"{ratio:>8}" for ratio in ratios))
    for one in sets:
        print(
            f"{one.name:<14}"
            + "".join(f"{one.ndcg(one.semantic + ratio * one.lexical):>8.4f}" for ratio in ratios)
        )


def _said(scores: Scores) -> str:
    parts = [f"bias {scores.bias:.2f}"]
    parts += [f"semantic {scores.semantic:.3f}"] if scores.semantic is not None else []
    parts += [f"lexical {scores.lexical:.2f}"] if scores.lexical is not None else []
    return ", ".join(parts)


if __name__ == "__main__":
    main()
