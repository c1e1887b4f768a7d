"""Speed side by side, in one run: indexing, each part of a query, and what character bigrams cost.

    python -m benchmarks.speed --data ../shared/data [--set law]

Figures are of the machine at hand; compare the ratios.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.sets import indexed, judged_sets
from evaluation.evaluate import evaluate
from naru.bm25 import query_vector
from naru.relevance import MODES
from naru.text import AnalyzerSettings

QUERIES = 500


def milliseconds(work: Callable[[str], object], queries: Sequence[str]) -> tuple[float, float]:
    """Median and 95th percentile of one call, after ten calls that warm up."""
    for query in queries[:10]:
        work(query)
    times = []
    for query in queries:
        started = perf_counter()
        work(query)
        times.append((perf_counter() - started) * 1e3)
    return float(np.median(times)), float(np.percentile(times, 95))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--set", default="demo", help="demo, or a folder of DATA/beir")
    given = parser.parse_args()
    judged = next(one for one in judged_sets(given.data) if one.name == given.set)
    split = judged.beir.split(judged.choose)
    queries = list(split.queries.values())[:QUERIES]

    print(f"{judged.name}: {len(queries)} queries, median and 95th percentile in ms\n")
    for characters in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            settings = AnalyzerSettings(characters=characters)
            with indexed(judged, settings=settings, store=Path(folder)) as (searcher, summary):
                assert summary is not None
                size = sum(path.stat().st_blocks * 512 for path in Path(folder).rglob("*") if path.is_file())
                print(f"character bigrams {'on' if characters else 'off'}")
                print(
                    f"  index     {summary.provenance.passages:,} passages at {summary.passages_per_second:,.0f} a "
                    f"second (analyse {summary.analyse_seconds:.1f} s, embed {summary.embed_seconds:.1f} s, publish "
                    f"{summary.publish_seconds:.1f} s); {size / summary.provenance.passages / 1024:.1f} KiB a passage"
                )
                parts: dict[str, Callable[[str], object]] = {
                    "analyse": lambda query: query_vector(
                        searcher.analyzer.query(query), searcher.statistics
                    ),
                    "spaces": searcher.analyzer.spaced,
                    "encode": lambda query: searcher.encoder.queries([query]),
                    **{mode: lambda query, mode=mode: searcher.search(query, mode=mode) for mode in MODES},  # type: ignore[misc]
                }
                for name, work in parts.items():
                    median, tail = milliseconds(work, queries)
                    print(f"  {name:<9} {median:6.2f} {tail:7.2f}")
                found = evaluate(searcher, judged.beir, judged.choose, modes=["lexical"])
                print(f"  lexical nDCG@10 {found.measured['lexical'].means['nDCG@10']:.4f}\n", flush=True)


if __name__ == "__main__":
    main()
