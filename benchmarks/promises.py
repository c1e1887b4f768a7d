"""Do cut-offs keep their promises? Each is chosen on one half of the queries and checked on the other, 1,000 times.

    python -m benchmarks.promises --data ../shared/data [--store DIR] [--cache DIR] [--splits 1000]

korquad-dev (halved by passage asked about, and by article) and law: the formula is fitted on the calibrate/dev part, the
test part is halved. Made queries have 1 to 5 relevant passages, of which retrieval misses one in twenty-five, and 20 others;
logits are those of the model that made them. Prints a Markdown table:

    coverage    its mean over the splits, which is what is promised, and the splits in which it was at least the promise
                less the binomial error of both halves (one-sided: 95 % where it is kept exactly)
    precision   the splits that gave a cut-off, the share of all splits in which the other half broke the promise, and
                that in which all queries together did: the half that checks is a sample too
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.sets import JudgedSet, indexed, judged_sets
from evaluation import conformal
from evaluation.arrays import Booleans, Floats, Integers, renumbered
from evaluation.calibrate import cross_fit
from evaluation.candidates import Candidates, collect
from evaluation.fit import logits
from evaluation.precision import Aim, Shown, precision
from search import Searcher

CASES = (("korquad-dev", None), ("korquad-dev", "article"), ("law", None))
"""Set, and the metadata field whose values the promises are about; None: about queries."""
ALPHA = 0.1
AIMS = (Aim(0.9, 0.1, "query"), Aim(0.8, 0.1, "query"), Aim(0.9, 0.1, "hit"), Aim(0.8, 0.1, "hit"))
SEED = 20261121


@dataclass(frozen=True)
class Judged:
    """A set: its hits, whose units are never divided; of each query [q] the logit of its best relevant passage, -inf where
    it was missed; and the units [q] that coverage counts."""

    name: str
    hits: Shown
    best: Floats
    counted: Integers

    @classmethod
    def of(
        cls,
        name: str,
        query: Integers,
        logit: Floats,
        right: Booleans,
        missed: Booleans,
        clusters: Integers,
        counted: Integers,
    ) -> Judged:
        """From candidates [n], and units [q] of precision and of coverage; a `missed` row was relevant and not retrieved."""
        best = np.full(len(clusters), -np.inf)
        seen = right & ~missed
        np.maximum.at(best, query[seen], logit[seen])
        kept = ~missed
        hits = Shown.of(query[kept], logit[kept], right[kept], clusters, AIMS[0].depth)
        return cls(name, hits, best, counted)

    def halves(self, splits: int) -> Iterator[Booleans]:
        """[q] the half of the queries that chooses, units undivided."""
        rng = np.random.default_rng(SEED)
        units = int(self.hits.units.max()) + 1
        for _ in range(splits):
            yield (rng.permutation(units) < units // 2)[self.hits.units]


def made(queries: int = 4000) -> Judged:
    """1 to 5 relevant passages a query, scores normal with the same spread: the logit is linear in the score."""
    rng = np.random.default_rng(SEED)
    relevant = rng.integers(1, 6, queries)
    query = np.repeat(np.arange(queries), 25)
    right = (np.arange(25) < relevant[:, None]).ravel()
    kept = right | (np.tile(np.arange(25), queries) >= 5)
    apart, spread = 4.0, 1.4
    score = np.where(right, apart, 0.0) + spread * rng.standard_normal(len(query))
    logit = (apart * score - apart**2 / 2) / spread**2 + np.log(3 / 20)
    missed = right & (rng.random(len(query)) < 0.04)
    alone = np.arange(queries, dtype=np.int64)
    return Judged.of("made", query[kept], logit[kept], right[kept], missed[kept], alone, alone)


def real(judged: JudgedSet, group: str | None, searcher: Searcher, cache: Path | None) -> Judged:
    """The test part under the hybrid formula that the calibrate/dev part gives."""
    choose, report = (
        _candidates(judged, name, group, searcher, cache) for name in (judged.choose, judged.report)
    )
    prior = searcher.relevance.prior(searcher.provenance.background).scores("hybrid")
    fitted = cross_fit(choose, {"hybrid": prior})["hybrid"].fit
    return Judged.of(
        judged.name if group is None else f"{judged.name} by {group}",
        report.query,
        logits(report, fitted),
        report.right,
        np.zeros(len(report.query), np.bool_),
        report.clusters,
        report.units,
    )


def _candidates(
    judged: JudgedSet, name: str, group: str | None, searcher: Searcher, cache: Path | None
) -> Candidates:
    path = None if cache is None else cache / f"{judged.name}.{name}.{group or 'query'}.npz"
    if path is not None and path.is_file():
        return Candidates.load(path)
    found = collect(searcher, judged.beir.split(name), group=group)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        found.save(path)
    return found


def coverage_row(judged: Judged, splits: int) -> str:
    covered, kept = [], []
    unreachable = 0
    for chooses in judged.halves(splits):
        units = renumbered(judged.counted[chooses])
        bound = conformal.coverage(judged.best[chooses], units, ALPHA)
        if bound.cutoff is None:
            unreachable += 1
            continue
        other = judged.best[~chooses]
        error = (ALPHA * (1 - ALPHA) * (1 / len(other) + 1 / chooses.sum())) ** 0.5
        covered.append(float((other >= bound.cutoff).mean()))
        kept.append(covered[-1] >= 1 - ALPHA - 1.645 * error)
    if not covered:
        return f"| {judged.name} | coverage 90 % | none in {splits:,} | | |"
    return (
        f"| {judged.name} | coverage {1 - ALPHA:.0%} | {splits - unreachable:,} of {splits:,} | "
        f"{np.mean(covered):.4f} on average | at least 90 % within binomial error in {np.mean(kept):.1%} |"
    )


def precision_row(judged: Judged, aim: Aim, splits: int) -> str:
    other_half, everyone, answered = [], [], []
    for chooses in judged.halves(splits):
        cutoff = precision(judged.hits.select(chooses), aim)
        if cutoff is None:
            continue
        rest = judged.hits.select(~chooses)
        # Nothing shown breaks no promise.
        other_half.append(np.nan_to_num(rest.precision(cutoff, aim.per), nan=1.0) >= aim.p)
        everyone.append(np.nan_to_num(judged.hits.precision(cutoff, aim.per), nan=1.0) >= aim.p)
        answered.append(float((rest.counts(cutoff)[0] > 0).mean()))
    name = f"| {judged.name} | precision {aim.p:.0%} per {aim.per} | {len(other_half):,} of {splits:,} | "
    if not other_half:
        units = int(judged.hits.units.max() + 1) // 2
        least = aim.needed(judged.hits.size)
        few = f"; {units:,} units, {least:,} needed" if units < least else ""
        return name + f"never to be had{few} | |"
    broken = len(other_half) - int(np.sum(other_half))
    return (
        name + f"broken in {broken / splits:.1%} of the splits on the other half, "
        f"{(len(everyone) - np.sum(everyone)) / splits:.1%} on all queries | {np.mean(answered):.1%} of queries shown something |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--store", type=Path, default=None, help="keep the collections here, and reuse them")
    parser.add_argument(
        "--cache", type=Path, default=None, help="keep the candidates here; gone stale with another encoder"
    )
    parser.add_argument("--splits", type=int, default=1000)
    given = parser.parse_args()

    sets = [made()]
    for judged in judged_sets(given.data):
        groups = [group for name, group in CASES if name == judged.name]
        if groups:
            with indexed(judged, given.encoder, store=given.store) as (searcher, _):
                sets += [real(judged, group, searcher, given.cache) for group in groups]
    print("| queries | promise | splits with a cut-off | kept | |\n|---|---|---|---|---|")
    for one in sets:
        print(coverage_row(one, given.splits), flush=True)
        for aim in AIMS:
            print(precision_row(one, aim, given.splits), flush=True)


if __name__ == "__main__":
    main()
