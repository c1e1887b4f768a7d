"""Can the probabilities be trusted, and do fitted weights rank best? On the test parts, fitted on calibrate/dev.

    python -m benchmarks.calibration --data ../shared/data [--store FOLDER] [--curve]

Prints Markdown tables: reliability of the first hit and of the hits that the balanced cut-off shows, beside the raw cosine
and rank fusion; hits shown with P in 0.75 to 0.85; the ranking beside words alone, meaning alone and rank fusion, with
paired randomisation tests over units (korquad: articles; else queries that ask for the same passage), Holm-corrected
over a set's three comparisons. `--curve` adds what fewer judgements would give. Hits are all of a query's candidates,
ranked as serving ranks them. It reads the test parts: run it to report, not to choose.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.sets import JudgedSet, indexed, judged_sets
from evaluation import fit as fitting
from evaluation.arrays import Booleans, Floats, renumbered
from evaluation.calibrate import LEAST, Calibration, by_cosine, by_fusion, calibrate, sigmoid
from evaluation.candidates import Candidates, collect, of_mode
from evaluation.compare import flips, holm
from evaluation.directions import ndcg
from evaluation.figures import Estimate
from evaluation.intervals import bootstrap, grouped
from evaluation.learning import learnt
from evaluation.reliability import reliability
from naru.relevance import MODES, Relevance

GROUPS = {"korquad-dev": "article"}
SIZES = (50, 100, 200, 400, 800, 1600)
REPEATS = 10
SURE = 0.05


@dataclass(frozen=True, eq=False)
class Reported:
    """One set: what was fitted on its choosing part, its prior, and the candidates of its reporting part."""

    name: str
    prior: Relevance
    calibration: Calibration
    chosen: Candidates
    test: Candidates

    def said(self, mode: str) -> tuple[Candidates, Floats]:
        """The test part's candidates in a mode, and the logit of each."""
        offered = of_mode(self.test, mode)
        return offered, fitting.logits(offered, self.calibration.modes[mode].fit)

    def balanced(self, mode: str) -> float:
        """The logit of the balanced cut-off."""
        return self.calibration.modes[mode].fit.cutoff("balanced")


def report(judged: JudgedSet, encoder: str | None, store: Path | None) -> Reported:
    group = GROUPS.get(judged.name)
    with indexed(judged, encoder, store=store) as (searcher, _):
        fitted = calibrate(searcher, judged.beir.split(judged.choose), group=group)
        chosen = fitted.modes["hybrid"].candidates
        test = collect(searcher, judged.beir.split(judged.report), group=group)
        return Reported(judged.name, Relevance.prior(searcher.provenance.background), fitted, chosen, test)


def trust(sets: Sequence[Reported]) -> Iterator[str]:
    """A row a set and a way to say how sure one is of the first hit, and of what the balanced cut-off shows."""
    yield "| set | said by | hits | n | mean P | relevant | ECE | Brier | log loss |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for one in sets:
        for mode in MODES:
            offered, logits = one.said(mode)
            shape = one.calibration.modes[mode].fit.map
            name = f"{mode}, map {'none' if shape is None else type(shape).__name__.lower()}"
            yield _trusted(one.name, name, "first", offered, sigmoid(logits), offered.ranks(logits) == 0)
            yield _trusted(one.name, name, "balanced", offered, sigmoid(logits), logits >= one.balanced(mode))
        for name, scores in (("raw cosine", by_cosine(one.test)), ("rank fusion", by_fusion(one.test))):
            yield _trusted(one.name, name, "first", one.test, scores, one.test.ranks(scores) == 0)


def near(sets: Sequence[Reported], low: float = 0.75, high: float = 0.85) -> Iterator[str]:
    """Hits shown with a probability in between: how many of them are relevant."""
    yield f"| set | mode | hits with P in {low} to {high} | relevant | 95 % interval |"
    yield "|---|---|---|---|---|"
    every: dict[str, list[tuple[Booleans, Booleans]]] = {}
    for one in sets:
        for mode in MODES:
            offered, logits = one.said(mode)
            among = (sigmoid(logits) >= low) & (sigmoid(logits) < high)
            right = offered.right[among]
            every.setdefault(mode, []).append((right, among))
            yield _share(one.name, mode, right)
    for mode, found in every.items():
        yield _share("all sets", mode, np.concatenate([right for right, _ in found]))


def ranked(sets: Sequence[Reported]) -> Iterator[str]:
    """nDCG@10 of hybrid as fitted, and what it gains over each rival."""
    rivals = ("lexical", "semantic", "rank fusion")
    yield "| set | queries | hybrid, fitted | " + " | ".join(f"over {rival}" for rival in rivals) + " |"
    yield "|---|---|---|" + "---|" * len(rivals)
    for one in sets:
        offered, logits = one.said("hybrid")
        fitted = ndcg(offered, logits)
        there = one.test.relevant > 0
        units = renumbered(one.test.clusters[there])
        against = [ndcg(*one.said(mode), queries=there) for mode in ("lexical", "semantic")]
        against.append(ndcg(one.test, by_fusion(one.test)))
        gains = np.stack([fitted - rival for rival in against], axis=1)
        lows, highs = bootstrap(gains, units)
        doubts = holm(flips(grouped(gains, units)[0]))
        cells = [
            f"{gain.mean():+.4f} [{low:+.4f}, {high:+.4f}], p {doubt:.4f}"
            + (" **" + ("better" if gain.mean() > 0 else "worse") + "**" if doubt < SURE else "")
            for gain, low, high, doubt in zip(gains.T, lows, highs, doubts, strict=True)
        ]
        yield f"| {one.name} | {len(fitted):,} | {fitted.mean():.4f} | " + " | ".join(cells) + " |"


def curve(sets: Sequence[Reported]) -> Iterator[str]:
    """What fewer judged queries give on the test part: hybrid, means over REPEATS draws of whole units."""
    yield "| set | judged queries | nDCG@10 over the prior's | worst draw | ECE of the first hit | log loss |"
    yield "|---|---|---|---|---|---|"
    for one in sets:
        answerable = one.chosen.relevant > 0
        for size in (size for size in SIZES if size < 0.9 * answerable.sum()):
            found = learnt(one.chosen, one.test, one.prior, size, REPEATS)
            yield (
                f"| {one.name} | {size:,} | {found.gain:+.4f} | {found.worst:+.4f} | {found.ece:.3f} | "
                f"{found.log_loss:.3f} |"
            )


def _trusted(
    name: str, mode: str, hits: str, offered: Candidates, probability: Floats, among: Booleans
) -> str:
    said, right = probability[among], offered.right[among]
    found: dict[str, Estimate] = reliability(said, right, offered.clusters[offered.query[among]])
    cells = " | ".join(str(estimate) for estimate in found.values())
    return f"| {name} | {mode} | {hits} | {len(said):,} | {said.mean():.3f} | {right.mean():.3f} | {cells} |"


def _share(name: str, mode: str, right: Booleans) -> str:
    if not len(right):
        return f"| {name} | {mode} | 0 | – | – |"
    from scipy.stats import binomtest

    ends = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return f"| {name} | {mode} | {len(right):,} | {right.mean():.3f} | {ends.low:.3f} to {ends.high:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--store", type=Path, default=None, help="keep the collections here, and reuse them")
    parser.add_argument("--set", action="append", help="one of the sets by name; may be given several times")
    parser.add_argument(
        "--curve", action="store_true", help=f"what fewer judgements give, from {LEAST} on; takes minutes"
    )
    given = parser.parse_args()
    sets = [
        report(judged, given.encoder, given.store)
        for judged in judged_sets(given.data)
        if not given.set or judged.name in given.set
    ]
    for part in (trust, near, ranked, *([curve] if given.curve else [])):
        print(*part(sets), "", sep="\n", flush=True)


if __name__ == "__main__":
    main()
