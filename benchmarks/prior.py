"""Prior weights: which serve a collection that nobody has judged yet?

    python -m benchmarks.prior --data ../shared/data

Hybrid's direction (how much lexical for one unit of semantic): a prior must not make any collection worse, so what
counts is the least gain over lexical alone, in nDCG@10, among the sets; of the ratios that keep half of the greatest
such gain, the nearest to words alone is chosen, since a collection not seen may like meaning less than these do. Bias,
scale and rivalry are then the likeliest for the first hits of as many queries of each set as the smallest has, as
`evaluation/fit.py` fits them for one collection. All are checked by leaving each set out in turn. Cosines are in
deviations above each collection's background, as `naru/relevance.py` states its prior. Only calibrate/dev parts are read.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.sets import JudgedSet, indexed, judged_sets
from evaluation.calibrate import sigmoid
from evaluation.candidates import Candidates, Floats, collect, of_mode
from evaluation.directions import ndcg
from evaluation.fit import Page, likeliest, logits, ranking
from evaluation.reliability import ece, log_loss
from naru.relevance import MODES, Fit, Scores
from search import Searcher

RATIOS = range(20, 185, 5)

Sets = dict[str, Candidates]


def standardised(searcher: Searcher, judged: JudgedSet) -> Candidates:
    """A set's candidates, cosines in deviations above the collection's background."""
    background = searcher.provenance.background
    found = collect(searcher, judged.beir.split(judged.choose))
    return replace(found, semantic=(found.semantic - background.mean) / background.deviation)


def gains(sets: Sequence[Candidates]) -> Floats:
    """What each ratio of RATIOS gains over lexical alone, in nDCG@10: [ratios, sets]."""
    lexical: Floats = np.array([ndcg(one, one.lexical).mean() for one in sets])
    hybrid: Floats = np.array(
        [[ndcg(one, one.semantic + ratio * one.lexical).mean() for one in sets] for ratio in RATIOS]
    )
    return hybrid - lexical


def safest(gained: Floats) -> int:
    """Of the ratios that keep half of the greatest least gain over the sets, the nearest to words alone."""
    least = gained.min(axis=1)
    return RATIOS[int(np.flatnonzero(least >= least.max() - abs(least.max()) / 2)[-1])]


def fit(sets: Sequence[Candidates], mode: str, ratio: float) -> Fit:
    """Bias, scale and rivalry of a mode, each set counting alike."""
    start = Scores(
        0.0, None if mode == "lexical" else 1.0, {"hybrid": ratio, "lexical": 1.0, "semantic": None}[mode]
    )
    few = min(len(one.queries) for one in sets)
    pages = []
    for one in sets:
        offered = of_mode(one, mode)
        chosen = np.random.default_rng(1).permutation(len(one.queries)) < few
        pages.append(Page.of(offered, ranking(offered, start)).select(chosen))
    spread = float(np.concatenate([page.scores[:, 0] for page in pages]).std())
    page = Page(
        np.concatenate([page.scores for page in pages]) / spread,
        np.concatenate([page.right for page in pages]),
    )
    bias, scale, rivalry = likeliest(page)
    weights = [
        None if weight is None else scale / spread * weight for weight in (start.semantic, start.lexical)
    ]
    return Fit(Scores(bias, *weights), rivalry)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--store", type=Path, default=None, help="keep the collections here, and reuse them")
    given = parser.parse_args()

    sets: Sets = {}
    for judged in judged_sets(given.data):
        with indexed(judged, given.encoder, store=given.store) as (searcher, _):
            sets[judged.name] = standardised(searcher, judged)
    gained = gains(list(sets.values()))

    print(
        "| left out of the choice | ratio chosen | lexical | semantic | hybrid | ECE of the first hit | log loss |"
    )
    print("|---|---|---|---|---|---|---|")
    for place, (name, left) in enumerate(sets.items()):
        others = [one for other, one in sets.items() if other != name] or [left]
        ratio = safest(np.delete(gained, place, axis=1) if len(sets) > 1 else gained)
        said = logits(left, fit(others, "hybrid", ratio))
        first = left.ranks(said) == 0
        probability, right = sigmoid(said[first]), left.right[first]
        found = (left.lexical, left.semantic, left.semantic + ratio * left.lexical)
        cells = " | ".join(f"{ndcg(left, one).mean():.4f}" for one in found)
        print(
            f"| {name} | {ratio} | {cells} | {ece(probability, right):.3f} | {log_loss(probability, right):.3f} |"
        )

    print("\n| ratio | " + " | ".join(sets) + " |\n|---|" + "---|" * len(sets))
    for ratio, row in zip(RATIOS, gained, strict=True):
        if ratio % 20 == 0:
            print(f"| {ratio} | " + " | ".join(f"{gain:+.4f}" for gain in row) + " |")

    ratio = safest(gained)
    print(f"\nChosen on all sets: ratio {ratio}")
    for mode in MODES:
        fitted = fit(list(sets.values()), mode, ratio)
        print(f"  {mode:<9}{fitted.scores}, rivalry {fitted.rivalry:.3f}")


if __name__ == "__main__":
    main()
