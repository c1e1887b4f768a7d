"""Ranking on every judged set: each mode of naru, and reciprocal rank fusion of its two channels beside them.

    python -m benchmarks.quality --data ../shared/data [--split report|choose] [--store DIR]

Prints a Markdown table. `report` reads the test parts: run it to report, not to choose. The fusion is what most
engines offer by default (k = 60; Cormack, Clarke and Buettcher, 2009), over the very same candidates. p-values are
of a paired randomisation test on nDCG@10 per query, hybrid against lexical (10,000 sign flips).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.sets import indexed, judged_sets
from evaluation.evaluate import evaluate
from evaluation.measures import MEASURES, Measured, measure
from evaluation.runs import Ranking, Run
from naru.relevance import MODES

K = 60


def fused(runs: list[Run]) -> Run:
    """Reciprocal rank fusion of several runs over the same queries."""
    result: dict[str, Ranking] = {}
    for query in runs[0]:
        scores: dict[str, float] = defaultdict(float)
        for run in runs:
            for rank, (document, _) in enumerate(run[query], start=1):
                scores[document] += 1 / (K + rank)
        result[query] = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:100]
    return result


def p_value(ours: Measured, theirs: Measured, name: str = "nDCG@10") -> tuple[float, float]:
    """Mean difference, and how often random signs give one as large (two-sided)."""
    mine, yours = ours.per_query[name], theirs.per_query[name]
    difference = np.array([mine[query] - yours[query] for query in mine])
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(10_000, len(difference)))
    extreme = np.abs((signs * difference).mean(axis=1)) >= abs(difference.mean()) - 1e-12
    return float(difference.mean()), float((extreme.sum() + 1) / (len(extreme) + 1))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--split", choices=["report", "choose"], default="report")
    parser.add_argument("--store", type=Path, default=None, help="keep the collections here, and reuse them")
    given = parser.parse_args()

    print("| set | mode | " + " | ".join(MEASURES) + " |")
    print("|---|---|" + "---|" * len(MEASURES))
    verdicts = []
    for judged in judged_sets(given.data):
        split = judged.report if given.split == "report" else judged.choose
        with indexed(judged, given.encoder, store=given.store) as (searcher, _):
            found = evaluate(searcher, judged.beir, split, modes=MODES)
        answerable = judged.beir.split(split).answerable
        rows = dict(found.measured)
        rows["rank fusion"] = measure(fused([found.runs["semantic"], found.runs["lexical"]]), answerable)
        for mode, measured in rows.items():
            figures = " | ".join(f"{measured.means[name]:.4f}" for name in MEASURES)
            print(f"| {judged.name} {split} ({found.queries:,}) | {mode} | {figures} |", flush=True)
        mean, p = p_value(rows["hybrid"], rows["lexical"])
        verdicts.append(f"{judged.name}: hybrid minus lexical {mean:+.4f}, p = {p:.4f}")
    print("\nnDCG@10, " + "; ".join(verdicts) + ".")


if __name__ == "__main__":
    main()
