"""Prior weights: which serve a collection that nobody has judged yet?

    python -m benchmarks.prior --data ../shared/data

Hybrid's direction (how much lexical for one unit of semantic): a prior must not make a collection worse than words
alone, so of the ratios at which no set loses more nDCG@10 than its standard error, the one that gains most on average is
chosen. Bias, scale and rivalry are then the likeliest for the first hits of as many queries of each set as the smallest has, as
`evaluation/fit.py` fits them for one collection. All are checked by leaving each set out in turn. Cosines are in
deviations above each collection's background, as `naru/relevance.py` states its prior. Only calibrate/dev parts are read.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.sets import JudgedSet, indexed, judged_sets
from evaluation.arrays import Floats, renumbered
from evaluation.calibrate import sigmoid
from evaluation.candidates import Candidates, collect, of_mode
from evaluation.directions import ndcg
from evaluation.fit import Page, likeliest, logits, ranking
from evaluation.intervals import grouped
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


@dataclass(frozen=True, eq=False)
class Gains:
    """What each ratio of RATIOS gains over lexical alone, in nDCG@10, and the standard error: [ratios, sets]."""

    mean: Floats
    error: Floats

    @classmethod
    def of(cls, sets: Sequence[Candidates]) -> Gains:
        means, errors = zip(*map(_gains, sets), strict=True)
        return cls(np.stack(means, axis=1), np.stack(errors, axis=1))

    def without(self, place: int) -> Gains:
        """The other sets alone."""
        return Gains(np.delete(self.mean, place, axis=1), np.delete(self.error, place, axis=1))

    def best(self) -> int:
        """The ratio of the greatest mean gain over the sets among those at which no set loses more than its standard
        error; the last, nearest to words alone, where there is none."""
        harmless = (self.mean >= -self.error).all(axis=1)
        if not harmless.any():
            return RATIOS[-1]
        return RATIOS[int(np.where(harmless, self.mean.mean(axis=1), -np.inf).argmax())]


def _gains(one: Candidates) -> tuple[Floats, Floats]:
    """A set's mean gain and its standard error at each ratio; queries of one unit are not independent."""
    lexical = ndcg(one, one.lexical)
    found = [ndcg(one, one.semantic + ratio * one.lexical) for ratio in RATIOS]
    gained: Floats = np.stack(found, axis=1) - lexical[:, None]
    mean = gained.mean(axis=0)
    sums, _ = grouped(gained - mean, renumbered(one.clusters[one.relevant > 0]))
    return mean, np.sqrt((sums**2).sum(axis=0)) / len(gained)


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
    gained = Gains.of(list(sets.values()))

    print(
        "| left out of the choice | ratio chosen | lexical | semantic | hybrid | ECE of the first hit | log loss |"
    )
    print("|---|---|---|---|---|---|---|")
    for place, (name, left) in enumerate(sets.items()):
        others = [one for other, one in sets.items() if other != name] or [left]
        ratio = (gained.without(place) if len(sets) > 1 else gained).best()
        said = logits(left, fit(others, "hybrid", ratio))
        first = left.ranks(said) == 0
        probability, right = sigmoid(said[first]), left.right[first]
        found = (left.lexical, left.semantic, left.semantic + ratio * left.lexical)
        cells = " | ".join(f"{ndcg(left, one).mean():.4f}" for one in found)
        print(
            f"| {name} | {ratio} | {cells} | {ece(probability, right):.3f} | {log_loss(probability, right):.3f} |"
        )

    print("\n| ratio | " + " | ".join(sets) + " |\n|---|" + "---|" * len(sets))
    for ratio, means, errors in zip(RATIOS, gained.mean, gained.error, strict=True):
        if ratio % 20 == 0:
            cells = " | ".join(
                f"{mean:+.4f} ± {error:.4f}" for mean, error in zip(means, errors, strict=True)
            )
            print(f"| {ratio} | {cells} |")

    ratio = gained.best()
    print(f"\nChosen on all sets: ratio {ratio}")
    for mode in MODES:
        fitted = fit(list(sets.values()), mode, ratio)
        print(f"  {mode:<9}{fitted.scores}, rivalry {fitted.rivalry:.3f}")


if __name__ == "__main__":
    main()
