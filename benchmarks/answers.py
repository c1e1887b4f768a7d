"""Does naru know when it has no answer? AUROC of the no-answer model against single scores, on test parts.

    python -m benchmarks.answers --data ../shared/data [--store DIR]

The demo has queries without an answer (four in five about subjects that the corpus covers). Of korquad-dev each query
is asked twice: as it is, and of a collection without its article: the article's passages are taken out, word
statistics, scores and the share known are those of what is left. Models are fitted on the calibrate parts; intervals
and gains are (paired) bootstraps of the test parts, korquad's by query.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.sets import JudgedSet, indexed, judged_sets
from evaluation.answerable import Queries, cross_fit, fit, matches, queries, without
from evaluation.answerable import logits as answering
from evaluation.arrays import Floats
from evaluation.calibrate import calibrate
from evaluation.candidates import Candidates, collect
from evaluation.rejection import auroc, auroc_gain, auroc_interval
from naru.bm25 import Counts, Statistics, count, document_vector, known_share, query_vector
from naru.relevance import MODES, Scores
from search import Searcher

MODE = "hybrid"
SETS = ("demo", "korquad-dev")


def scored(candidates: Candidates, scores: Scores) -> Floats:
    """[n] logits."""
    return (
        scores.bias
        + (scores.semantic or 0.0) * candidates.semantic
        + (scores.lexical or 0.0) * candidates.lexical
    )


def asked_without_article(
    searcher: Searcher, candidates: Candidates, texts: Mapping[str, str]
) -> tuple[Candidates, Callable[[int], Statistics]]:
    """Each query asked of the collection without the article of its relevant passage, whose title is the article's,
    and the statistics of that collection by the query's number."""
    article, counts = {}, {}
    members: dict[str, list[str]] = defaultdict(list)
    for passage in searcher.collection.passages():
        article[passage.id] = passage.title
        members[passage.title].append(passage.id)
        counts[passage.id] = count(searcher.analyzer.document(passage.text, passage.title))
    groups = candidates.groups or ()
    own = [article[passage] for passage in groups]  # queries group by their relevant passage
    gone = [
        article[passage] == own[query]
        for passage, query in zip(candidates.passages, candidates.query, strict=True)
    ]
    left = without(candidates, np.array(gone))
    statistics = {
        title: _less(searcher.statistics, [counts[passage] for passage in members[title]])
        for title in set(own)
    }
    lexical, known = left.lexical.copy(), left.known.copy()
    starts = np.searchsorted(left.query, np.arange(len(left.queries) + 1))
    vectors = {passage: document_vector(found, searcher.statistics) for passage, found in counts.items()}
    for number, query in enumerate(left.queries):
        known_then = statistics[own[number]]
        bm25 = query_vector(searcher.analyzer.query(texts[query]), known_then)
        known[number] = known_share(bm25, known_then)
        for row in range(starts[number], starts[number + 1]):
            lexical[row] = bm25.dot(vectors[left.passages[row]])
    return replace(left, lexical=lexical, known=known), lambda number: statistics[own[number]]


def _less(statistics: Statistics, gone: list[Counts]) -> Statistics:
    """The statistics of a collection without some documents; average lengths are left as they are."""
    frequencies = statistics.frequencies.astype(np.int64)
    for document in gone:
        frequencies[np.searchsorted(statistics.ids, document.ids)] -= 1
    return replace(
        statistics,
        documents=statistics.documents - len(gone),
        frequencies=np.maximum(frequencies, 0).astype(np.uint32),
    )


def part(searcher: Searcher, judged: JudgedSet, name: str) -> tuple[Queries, Floats, Floats]:
    """The signals of a part's queries with the baselines of each: its highest cosine and its highest BM25 score."""
    split = judged.beir.split(name)
    found = [collect(searcher, split)]
    statistics: list[Callable[[int], Statistics] | None] = [None]
    if not split.no_answer:
        left, of_query = asked_without_article(searcher, found[0], split.queries)
        found.append(left)
        statistics.append(of_query)
    scores = searcher.relevance.scores(MODE)
    given = []
    for one, of_one in zip(found, statistics, strict=True):
        logits = scored(one, scores)
        given.append(queries(one, logits, matches(searcher, one, logits, split.queries, of_one), MODE))
    both = given[0] if len(given) == 1 else given[0].with_(given[1])
    tops = [
        np.concatenate([_top(one, getattr(one, channel)) for one in found])
        for channel in ("semantic", "lexical")
    ]
    return both, tops[0], tops[1]


def _top(candidates: Candidates, scores: Floats) -> Floats:
    best = np.full(len(candidates.queries), -np.inf)
    np.maximum.at(best, candidates.query, scores)
    return best


def decisions(judged: JudgedSet, encoder: str | None, store: Path | None) -> Iterator[str]:
    """What is refused as served, by mode: of the test part, and of short queries about other subjects."""
    chosen, asked = judged.beir.split(judged.choose), judged.beir.split(judged.report)
    strange = (Path(__file__).parent / "off_subject.txt").read_text("utf-8").splitlines()
    with indexed(judged, encoder, store=store) as (searcher, _), TemporaryDirectory() as folder:
        kept = Path(folder) / "relevance.json"
        kept.write_text(calibrate(searcher, chosen).relevance.to_json(), "utf-8")
        served = Searcher(searcher.collection, searcher.encoder, relevance=kept)
        yield "| mode | below | queries with an answer, refused | without one, refused | off the subject, refused |"
        yield "|---|---|---|---|---|"
        for mode in MODES:
            model = served.relevance.fit(mode).answering
            assert model is not None
            sure = {
                text: served.search(text, mode=mode).answerable or 0.0
                for text in [*asked.queries.values(), *strange]
            }
            kinds = [
                [asked.queries[one] for one in asked.answerable],
                [asked.queries[one] for one in asked.no_answer],
            ]
            for least in (0.5, model.threshold):
                shares = [np.mean([sure[text] < least for text in texts]) for texts in (*kinds, strange)]
                yield f"| {mode} | {least:.2f} | " + " | ".join(f"{share:.1%}" for share in shares) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--store", type=Path, default=None, help="keep the collections here, and reuse them")
    parser.add_argument("--draws", type=int, default=5000)
    parser.add_argument("--set", action="append", choices=SETS, help="[default: both]")
    given = parser.parse_args()

    print(
        "| set | queries, without answer | score | AUROC | 95 % interval | model gains | 95 % interval | p |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for judged in judged_sets(given.data):
        if judged.name not in (given.set or SETS):
            continue
        with indexed(judged, given.encoder, store=given.store) as (searcher, _):
            choose, *_ = part(searcher, judged, judged.choose)
            report, cosine, bm25 = part(searcher, judged, judged.report)
        model = fit(choose)
        ours = answering(model, report)
        size = f"{len(ours):,}, {int((~report.answerable).sum()):,}"
        for name, scores in (("naru", ours), ("top cosine", cosine), ("top BM25", bm25)):
            low, high = auroc_interval(scores, report.answerable, draws=given.draws)
            row = f"| {judged.name} | {size} | {name} | {auroc(scores, report.answerable):.3f} | {low:.3f} to {high:.3f} |"
            if scores is ours:
                print(row + " | | |")
                continue
            gain = auroc_gain(ours, scores, report.answerable, draws=given.draws)
            print(row + f" {gain.difference:+.3f} | {gain.low:+.3f} to {gain.high:+.3f} | {gain.p:.4f} |")
        crossed = auroc(cross_fit(choose), choose.answerable)
        print(
            f"\n{judged.name}: cross-fitted on {judged.choose} {crossed:.3f}; weights {model.to_json()}\n",
            flush=True,
        )
        if judged.name == "demo":
            print("\n".join(decisions(judged, given.encoder, given.store)))


if __name__ == "__main__":
    main()
