"""What `naru evaluate` does between its options and its output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from evaluation.calibrate import judgements_hash
from evaluation.evaluate import Evaluation, Searched, assess, search_all
from evaluation.facts import report_facts
from evaluation.figures import Cut
from evaluation.findings import Findings, findings
from evaluation.measures import DEEPEST, MEASURES, deepest
from evaluation.report import write_report
from evaluation.results import check_ending, write_results
from evaluation.runs import Run, read_run, unanswered, write_run
from evaluation.slices import groups_by, parts
from evaluation.sources import DEEPEST_SERVED, Described, Encodes, Service, exact_run
from naru import __version__
from naru.basis import ASKED, Basis
from naru.beir import Beir, Split, write_qrels
from naru.documents import Document
from naru.errors import NaruError, first_few
from naru.relevance import MODES
from naru.sketch import held
from search import Searcher


class Stages(Protocol):
    def __call__(self, stage: str, done: int, total: int | None = None) -> None: ...


@dataclass(frozen=True)
class Asked:
    """What is evaluated, what is worked out, and which files are written."""

    beir: Path
    split: str
    modes: Sequence[str] = MODES
    dense: Sequence[str] = ()
    runs: Sequence[Path] = ()
    measures: Sequence[str] = MEASURES
    baseline: str | None = None
    slices: Sequence[str] = ()
    group: str | None = None
    intervals: bool = False
    run_file: Path | None = None
    per_query: Path | None = None
    qrels_file: Path | None = None
    report: Path | None = None


def run(
    asked: Asked,
    searcher: Searcher | Service | None,
    load: Callable[[str], Encodes],
    documents: Callable[[Path], Iterable[Document]],
    stages: Stages,
    note: Callable[[str], None],
) -> Findings:
    """Evaluate all that is asked for, write the files, and return what was found.

    `searcher` is searched in the modes asked for; `load` opens an encoder and `documents` the folder's corpus.
    NaruError where two systems have one name, or a report is wanted and nothing that was evaluated says probabilities.
    """
    judged = Beir(asked.beir).split(asked.split)
    depth = max(DEEPEST, deepest(asked.measures))
    _check(asked, judged, searcher, depth)
    modes = _modes(asked, searcher)
    doubts = list(_doubts(judged, searcher))
    searched: Searched | None = None
    if searcher is not None:
        searched = search_all(
            searcher, judged, modes, depth, lambda done, total: stages("evaluate", done, total)
        )
    runs = dict(searched.runs) if searched else {}
    for one in asked.dense:
        name = Path(one).name
        runs[name] = exact_run(load(one), documents(asked.beir), judged.queries, depth, partial(stages, name))
    for path in asked.runs:
        runs[path.stem] = read_run(path)
        if (left := unanswered(path, runs[path.stem], judged.answerable)) is not None:
            note(left)
    retrieve = searcher.collection.retrieve if isinstance(searcher, Searcher) else None
    evaluation = assess(judged, runs, measures=asked.measures, retrieve=retrieve, searched=searched)
    for doubt in (*doubts, *_strangers(judged, runs)):
        note(doubt)
    if evaluation.missing:  # which the table of means says too
        doubts.append(evaluation.warning())
    found = findings(
        evaluation,
        baseline=asked.baseline,
        slices=asked.slices,
        group=asked.group,
        intervals=asked.intervals or asked.report is not None,
    )
    _write(asked, evaluation, note)
    if asked.report is not None and searcher is not None:
        mode = modes[0]
        described = _described(searcher, asked, mode)
        facts = report_facts(found, searcher, described, mode=mode, retrieve=retrieve, doubts=doubts)
        note(f"Report written to {write_report(asked.report, facts)}")
    return found


def _check(asked: Asked, judged: Split, searcher: Searcher | Service | None, depth: int) -> None:
    """NaruError for what would fail only after all searches were done, or mean nothing."""
    if asked.report is not None and searcher is None:
        raise NaruError(
            "--report is on probabilities; expected a collection or --service, not only runs and encoders."
        )
    if asked.report is not None and asked.report.is_file():
        raise NaruError(
            f"--report {asked.report} is a file; expected a folder, which is made where there is none."
        )
    for option, path in (
        ("--run-file", asked.run_file),
        ("--per-query", asked.per_query),
        ("--qrels-file", asked.qrels_file),
    ):
        if path is not None and not path.parent.is_dir():
            raise NaruError(f"{option} {path}: there is no folder {path.parent}; make it first.")
    if asked.per_query is not None:
        check_ending(asked.per_query)
    if isinstance(searcher, Service) and depth > DEEPEST_SERVED:
        raise NaruError(
            f"--measures: one looks at {depth} hits, a service gives {DEEPEST_SERVED} at most. Evaluate its store instead."
        )
    groups_by(judged, asked.group)
    for field in asked.slices:
        parts(judged, field, list(judged.answerable))
    if isinstance(searcher, Searcher):
        wanted = judged.relevant
        if wanted and not searcher.collection.retrieve(wanted):
            raise NaruError(
                f"Not one of the {len(wanted):,} relevant passages of the split {judged.name!r} is in the collection "
                f"{searcher.collection.name!r}: {first_few(wanted)}. Give the judgements of this collection."
            )


def _modes(asked: Asked, searcher: Searcher | Service | None) -> list[str]:
    """The modes that are searched, the baseline's among them. NaruError where two systems would have one name."""
    modes = list(dict.fromkeys(asked.modes)) if searcher is not None else []
    if searcher is not None and asked.baseline in MODES and asked.baseline not in modes:
        modes.append(asked.baseline)
    named = [*modes, *(Path(one).name for one in asked.dense), *(path.stem for path in asked.runs)]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise NaruError(f"Two systems are named {', '.join(twice)}; rename the file or folder of one.")
    return modes


def _doubts(judged: Split, searcher: Searcher | Service | None) -> Iterator[str]:
    """What is to be known before any figure is believed."""
    if searcher is None:
        return
    void = searcher.relevance.void if isinstance(searcher, Searcher) else searcher.void
    if void is not None:
        yield f"Probabilities are a prior: {void}. Run `naru calibrate` again."
    if isinstance(searcher, Service):
        also = ", nor whether its calibration saw these queries" if searcher.described.calibrated else ""
        yield (
            f"A service does not tell whether it holds the relevant passages{also}: evaluate its store for that "
            "(--store)."
        )
    elif (seen := _seen(judged, searcher.relevance.basis)) is not None:
        yield seen


def _seen(judged: Split, basis: Basis | None) -> str | None:
    """A warning where the calibration saw queries that are evaluated."""
    if basis is None:
        return None
    share = 1.0
    if basis.judgements != judgements_hash(judged):
        found = held(basis.asked, (("", text) for text in judged.queries.values()), ASKED)
        if found is None:
            return (
                f"Whether the calibration was fitted to some of these queries ({basis.split!r}) is not known: it saw many, and "
                "keeps the hashes of some."
            )
        share = found
    if not share:
        return None
    which = "these very queries" if share == 1 else f"about {share:.0%} of these queries"
    return (
        f"The calibration was fitted to {which} ({basis.split!r}): its probabilities and cut-offs look better here than "
        "they are. Evaluate on others."
    )


def _strangers(judged: Split, runs: Mapping[str, Run]) -> Iterator[str]:
    """A warning for each system that found nothing of what is judged relevant."""
    for name, run in runs.items():
        if not any(
            grades.get(document, 0) > 0
            for query, grades in judged.answerable.items()
            for document, _ in run.get(query, ())
        ):
            yield (
                f"Not one relevant passage is among the hits of {name}: are these the judgements of what it searched?"
            )


def _write(asked: Asked, evaluation: Evaluation, note: Callable[[str], None]) -> None:
    if asked.run_file is not None:
        for name, found in evaluation.runs.items():
            path = asked.run_file
            if len(evaluation.runs) > 1:
                path = path.with_stem(f"{path.stem}.{name}")
            write_run(found, path, tag=f"naru-{name}")
            note(f"Run of {name} written to {path}")
    if asked.per_query is not None:
        write_results(evaluation, asked.per_query)
        note(f"Results query by query written to {asked.per_query}")
    if asked.qrels_file is not None:
        write_qrels(evaluation.judged.qrels, asked.qrels_file)
        note(f"Judgements written to {asked.qrels_file}")


def _described(searcher: Searcher | Service, asked: Asked, mode: str) -> Described:
    qrels = asked.beir / "qrels" / f"{asked.split}.tsv"
    made_from = {
        "naru": __version__,
        "judgements": f"{asked.beir.name}/qrels/{qrels.name}, SHA-256 {sha256(qrels.read_bytes()).hexdigest()}",
    }
    if isinstance(searcher, Service):
        about = searcher.described
        return replace(about, made_from=made_from | dict(about.made_from), cutoffs=searcher.cutoffs(mode))
    made = searcher.provenance
    return Described(
        searcher.collection.name,
        searcher.encoder.info.name,
        searcher.relevance.calibrated,
        made_from
        | {
            "collection": f"{made.passages:,} passages, indexed {made.created}",
            "encoder": searcher.encoder.fingerprint,
        },
        cutoffs=[Cut.of(one) for one in searcher.relevance.fit(mode).cutoffs],
    )
