"""Does adapting an encoder to a domain pay? And mining hard negatives for it? Trained, then measured on held-out queries.

    python -m benchmarks.adaptation --data ../shared/data --base MODEL --work DIR [--only demo,law,negatives]

MODEL is a sentence-transformers folder that saw neither the demo nor court precedents. `naru train
benchmarks/recipes/general.toml --root DATA` makes one that searches, `similarity.toml` beside it one that only
compares sentences. Three parts:

    demo        the demo's triplets, alone (naru-mini-domain) and with weak pairs made of the collection's own passages, as
                whoever indexes it has them (naru-mini-collection); measured on its test part, of whose passages the
                triplets hold a sixth
    law         pairs of court precedents, by a recipe beside this file; measured on beir/law
    negatives   a sample of those pairs, the same steps with random, mined, and mined and filtered negatives

Each part asks for semantic search: every passage of the corpus is embedded and searched exactly. Runs and figures stay
in DIR: what is finished is not done again, and what --minutes (or Ctrl-C) cut off goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import numpy.typing as npt
from sentence_transformers import SentenceTransformer

from benchmarks.sets import JudgedSet, judged_sets
from evaluation.compare import Difference, compare
from evaluation.measures import Measured, measure
from evaluation.sources import Encodes, exact_run
from finetune.data import read
from finetune.digests import base_digests, digests
from finetune.encoders.precision import run_in_bf16
from finetune.encoding import SentenceEncoder
from finetune.loop.arguments import on_cpu
from finetune.negatives import Limits, Mining, Models, Pair, mine
from finetune.recipe import Recipe, Source, load
from finetune.recipe.resolved import to_toml
from finetune.recipe.typed import filled
from finetune.reporting.record import RECIPE
from finetune.train import Options, train
from indexer.corpus import Corpus
from naru import terminal
from naru.errors import NaruError
from naru.files import publish

PARTS = ("demo", "law", "negatives")
MEASURES = ("nDCG@10", "R@1", "R@10", "R@100")
PAIRS = 6_000  # that negatives are mined for; their documents are what is mined
SEED = 20261121
LAW = "train/law_pairs.parquet"
BOTH = ("bm25", "encoder")
TELL = 4096  # passages between two lines of progress
MINED = {
    "random": Mining(2, ("random",), limits=Limits(share=None), seed=SEED),
    "mined, unfiltered": Mining(2, BOTH, limits=Limits(share=None), seed=SEED),
    "mined, at most 95 % of the positive": Mining(2, BOTH, limits=Limits(share=0.95), seed=SEED),
}

Vectors = npt.NDArray[np.float32]


class OutOfTimeError(Exception):
    """A training stopped by the clock; what it has done is kept."""


@dataclass(frozen=True)
class Bench:
    """Where things are, and until when (seconds of `monotonic`) training may go on."""

    data: Path
    base: Path
    work: Path
    deadline: float | None

    def minutes(self) -> float | None:
        return None if self.deadline is None else max(0.0, (self.deadline - monotonic()) / 60)

    def recipe(self, name: str, data: Mapping[str, Path], watched: Path | None = None) -> Recipe:
        """A recipe beside this file or a shipped one, of these data and the base; `watched` is the folder of its
        `calibrate`."""
        beside = Path(__file__).parent / "recipes" / f"{name}.toml"
        given = load(beside if beside.is_file() else name)
        paths = [f"{of}={path.absolute()}" for of, path in data.items()]
        held = [] if watched is None else [f"calibrate={watched.absolute()}:calibrate"]
        return filled(given, paths, held, str(self.base.absolute()))

    def kept(self, name: str, made_of: Any, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """NAME.json in the work folder, made if it is not there. NaruError where it was made of something else."""
        path = self.work / f"{name}.json"
        key = sha256(json.dumps(made_of, sort_keys=True, default=str).encode()).hexdigest()
        if not path.is_file():
            publish(path, json.dumps({"made_of": key, **make()}, ensure_ascii=False))
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found["made_of"] != key:
            raise NaruError(
                f"{path}: made with another base, recipe or data. Remove it and the folder {name}, or give another --work."
            )
        return found


@dataclass(frozen=True)
class Adapted:
    """A training run, and how its model ranks the held-out queries."""

    steps: int
    minutes: float
    measured: Measured


@dataclass(frozen=True, slots=True)
class Remembering:
    """An encoder that embeds each text once: two minings read the same ones."""

    encoder: Encodes
    seen: dict[str, Vectors]

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._vectors("query", self.encoder.queries, texts)

    def passages(self, texts: Sequence[str]) -> Vectors:
        return self._vectors("passage", self.encoder.passages, texts)

    def _vectors(
        self, kind: str, encode: Callable[[Sequence[str]], Vectors], texts: Sequence[str]
    ) -> Vectors:
        fresh = [text for text in dict.fromkeys(texts) if f"{kind} {text}" not in self.seen]
        if fresh:
            self.seen.update(zip((f"{kind} {text}" for text in fresh), encode(fresh), strict=True))
        return np.stack([self.seen[f"{kind} {text}"] for text in texts])


def opened(folder: Path) -> SentenceEncoder:
    """The model as searching reads it; on a CPU in bf16, which moves its vectors by a cosine of some 2e-5."""
    model = SentenceTransformer(str(folder))
    if on_cpu():
        run_in_bf16(model)
    return SentenceEncoder(model)


def ranked(folder: Path, judged: JudgedSet) -> Measured:
    """Exact semantic search of the report part's answerable queries over the whole corpus."""
    terminal.note(f"Measuring {folder} on {judged.name} {judged.report}.")
    part = judged.beir.split(judged.report)
    queries = {query: part.queries[query] for query in part.answerable}
    with terminal.stages("passages") as stages:

        def progress(done: int) -> None:
            stages("embed", done)
            if done % TELL == 0 and not sys.stderr.isatty():
                terminal.note(f"{done:,} passages embedded")

        run = exact_run(opened(folder), Corpus(judged.folder), queries, 100, progress)
    return measure(run, part.answerable, MEASURES)


def before(bench: Bench, judged: JudgedSet) -> Measured:
    """The base as it is."""
    name = f"base-{judged.name}"
    found = bench.kept(name, _of(bench, judged), lambda: {"measured": asdict(ranked(bench.base, judged))})
    return Measured(**found["measured"])


def adapted(bench: Bench, name: str, recipe: Recipe, judged: JudgedSet) -> Adapted:
    """Train by the recipe, go on with it, or read what came of it; `name` is its folder in the work folder."""
    output = bench.work / name

    def make() -> dict[str, Any]:
        terminal.note(f"Training {name}.")
        outcome = train(
            recipe, Path(), output, Options((output / RECIPE).exists(), max_minutes=bench.minutes())
        )
        if outcome.stopped == "interrupt":
            raise KeyboardInterrupt
        if outcome.stopped or outcome.model is None:
            raise OutOfTimeError
        log = [json.loads(line) for line in (output / "log.jsonl").read_text(encoding="utf-8").splitlines()]
        measured = ranked(outcome.model, judged)
        return {"steps": outcome.steps, "minutes": log[-1]["minutes"], "measured": asdict(measured)}

    made_of = [_of(bench, judged), to_toml(recipe), digests(recipe, Path())]
    found = bench.kept(name, made_of, make)
    return Adapted(found["steps"], found["minutes"], Measured(**found["measured"]))


def _of(bench: Bench, judged: JudgedSet) -> list[Any]:
    return [
        base_digests(str(bench.base), Path()),
        judged.name,
        judged.report,
        judged.beir.split(judged.report).qrels,
    ]


def adaptation(bench: Bench, name: str, data: str, recipe: Recipe, judged: JudgedSet) -> str:
    """The row of a run on `data`: before, after, and how much of what was missing before is there."""
    start = before(bench, judged)
    end = adapted(bench, name, recipe, judged)
    change = _change(start, end.measured)
    return (
        f"| {judged.name} {judged.report} ({len(start.per_query['nDCG@10']):,}) | {data} | {end.steps:,} | "
        f"{change.a:.4f} | {change.b:.4f} | {_interval(change)} | {change.value / (1 - change.a):.1%} | "
        f"{start.means['R@10']:.4f} | {end.measured.means['R@10']:.4f} |"
    )


def demo(bench: Bench, judged: JudgedSet) -> Iterator[str]:
    pairs, documents = judged.folder / "triplets.jsonl", judged.folder / "corpus.jsonl"
    collection = bench.recipe("naru-mini-collection", {"pairs": pairs, "documents": documents}, judged.folder)
    yield adaptation(bench, "demo-collection", "triplets and the collection's passages", collection, judged)
    domain = bench.recipe("naru-mini-domain", {"domain": pairs}, judged.folder)
    yield adaptation(bench, "demo", "triplets", domain, judged)


def law(bench: Bench, judged: JudgedSet) -> Iterator[str]:
    recipe = bench.recipe("adapt-law", {"pairs": bench.data / LAW})
    yield adaptation(bench, "law", "pairs", recipe, judged)


def negatives(bench: Bench, judged: JudgedSet) -> Iterator[str]:
    """One table: the same steps with negatives of three kinds."""
    mined = negatives_of(bench)
    start = before(bench, judged)
    runs = {
        name: adapted(bench, f"negatives-{number}", bench.recipe("negatives", {"pairs": path}), judged)
        for number, (name, path) in enumerate(mined.items(), start=1)
    }
    yield "| negatives | steps | nDCG@10 | R@1 | R@10 | nDCG@10 against random | against unfiltered |"
    yield "|---|---|---|---|---|---|---|"
    yield f"| (before) | 0 | {_figures(start)} | | |"
    random, unfiltered, _ = runs
    for name, one in runs.items():
        against = [
            "" if name in (other, random) else _interval(_change(runs[other].measured, one.measured))
            for other in (random, unfiltered)
        ]
        yield f"| {name} | {one.steps:,} | {_figures(one.measured)} | {' | '.join(against)} |"
    yield ""
    for name in runs:
        said = json.loads(mined[name].with_suffix(".json").read_text(encoding="utf-8"))
        share = said["dropped"]["share"] / max(1, said["candidates"])
        yield (
            f"{name}: {said['candidates']:,} candidates for {said['pairs']:,} pairs among {said['passages']:,} "
            f"passages, {share:.1%} dropped by share, {said['filled']:,} of {2 * said['written']:,} negatives filled up "
            f"at random, {said['seconds']:.0f} s.  "
        )


def negatives_of(bench: Bench) -> Mapping[str, Path]:
    """The mined files by name; a sample of the pairs is mined from its own documents."""
    paths = {name: bench.work / f"mined-{number}.jsonl" for number, name in enumerate(MINED, start=1)}
    encoder: Remembering | None = None
    for name, path in paths.items():
        if path.is_file() and path.with_suffix(".json").is_file():
            continue
        terminal.note(f"Mining negatives: {name}.")
        encoder = encoder or Remembering(opened(bench.base), {})
        rows = read(Source("law", str((bench.data / LAW).absolute()), rows=PAIRS), Path(), SEED)
        pairs = (Pair(row["query"], row["document"]) for row in rows.dataset)
        models = Models(encoder if "encoder" in MINED[name].sources else None)
        with terminal.stages("texts") as stages:
            found = mine(pairs, None, path, MINED[name], models, stages)
        terminal.err.print(found.table())
        publish(path.with_suffix(".json"), json.dumps(found.to_json(), ensure_ascii=False, default=str))
    return paths


def _change(start: Measured, end: Measured) -> Difference:
    found = compare(("before", start), ("after", end)).differences
    return next(one for one in found if one.measure == "nDCG@10")


def _interval(change: Difference) -> str:
    return f"{change.value:+.4f} [{change.low:+.4f}, {change.high:+.4f}]"


def _figures(measured: Measured) -> str:
    return " | ".join(f"{measured.means[name]:.4f}" for name in ("nDCG@10", "R@1", "R@10"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--base", type=Path, required=True, help="the sentence-transformers folder to start from"
    )
    parser.add_argument("--work", type=Path, required=True, help="where runs and figures are kept")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=None, help="stop training, resumably, after so long")
    given = parser.parse_args()
    parts = given.only.split(",")
    if wrong := set(parts) - set(PARTS):
        parser.error(f"--only {', '.join(sorted(wrong))}: expected some of {', '.join(PARTS)}")
    sets = {judged.name: judged for judged in judged_sets(given.data)}
    if "law" not in sets and parts != ["demo"]:
        parser.error(f"--data {given.data}: no beir/law there; --only demo needs none")
    given.work.mkdir(parents=True, exist_ok=True)
    deadline = None if given.minutes is None else monotonic() + 60 * given.minutes
    bench = Bench(given.data, given.base, given.work, deadline)

    try:
        if rows := [part for part in ("demo", "law") if part in parts]:
            print(
                "| set | trained on | steps | before | after | change | of the rest | R@10 before | after |"
            )
            print("|---|" + "---|" * 8, flush=True)
        for part in rows:
            for row in {"demo": demo, "law": law}[part](bench, sets[part]):
                print(row, flush=True)
        if "negatives" in parts:
            print("\n" + "\n".join(negatives(bench, sets["law"])), flush=True)
    except OutOfTimeError:
        terminal.note("The time is over; the same command goes on.")


if __name__ == "__main__":
    main()
