"""naru evaluate, naru compare and naru pairs."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naru import terminal
from naru.commands.opening import any_encoder, opened_searcher, service_asked
from naru.commands.options import AskedOption, CollectionOption, EncoderOption, JsonOption, Mode
from naru.errors import NaruError

if TYPE_CHECKING:
    from evaluation.sources import Service
    from search import Searcher


def evaluate(
    beir: Annotated[Path, typer.Argument(help="A BEIR folder: queries.jsonl and qrels/SPLIT.tsv.")],
    split: Annotated[str, typer.Option(help="Which judgements: qrels/SPLIT.tsv.")],
    collection: CollectionOption = None,
    store: AskedOption = None,
    encoder: EncoderOption = None,
    mode: Annotated[list[Mode] | None, typer.Option(help="May be repeated. (default: all three)")] = None,
    service: Annotated[
        str | None, typer.Option(help="Evaluate a running service at this URL instead of a store.")
    ] = None,
    dense: Annotated[
        list[str] | None,
        typer.Option(
            help="A bundle or sentence-transformers model; searches the folder's corpus exactly. May be repeated."
        ),
    ] = None,
    from_run: Annotated[
        list[Path] | None, typer.Option(help="A run to measure: TREC, or JSON. May be repeated.")
    ] = None,
    measures: Annotated[str | None, typer.Option(help='Such as "nDCG@5 P@3 Success@1".')] = None,
    baseline: Annotated[
        str | None, typer.Option(help="The mode, encoder or run that the others are compared with.")
    ] = None,
    slices: Annotated[
        list[str] | None, typer.Option("--slice", help="A field of the queries to split by. May be repeated.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(help="A field of queries that stand or fall together, for intervals and tests."),
    ] = None,
    intervals: Annotated[bool, typer.Option("--intervals", help="Add 95% bootstrap intervals.")] = False,
    run_file: Annotated[
        Path | None,
        typer.Option(help="Write the rankings as a TREC run; with several modes, one file a mode."),
    ] = None,
    per_query: Annotated[
        Path | None, typer.Option(help="Write the results of each query, as .csv or .jsonl.")
    ] = None,
    qrels_file: Annotated[Path | None, typer.Option(help="Write the judgements as TREC qrels.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a report with charts into this folder.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure rankings against judgements: of a collection, a service, encoders or run files."""
    from evaluation.command import Asked, run
    from evaluation.measures import MEASURES, measure_names
    from evaluation.sources import Service
    from indexer.corpus import Corpus

    asked = Asked(
        beir=beir,
        split=split,
        modes=[chosen.value for chosen in mode or list(Mode)],
        dense=dense or (),
        runs=from_run or (),
        measures=MEASURES if measures is None else measure_names(measures),
        baseline=baseline,
        slices=slices or (),
        group=group,
        intervals=intervals,
        run_file=run_file,
        per_query=per_query,
        qrels_file=qrels_file,
        report=report,
    )
    with ExitStack() as opened:
        searcher: Searcher | Service | None = None
        of_collection = store or collection or mode or report or baseline in list(Mode)
        if service or of_collection or not (dense or from_run):
            asks = service_asked(service, store)
            if asks is not None:
                searcher = opened.enter_context(Service(asks, collection))
            else:
                searcher = opened.enter_context(opened_searcher(store, collection, encoder))
        stages = opened.enter_context(terminal.stages("searches"))
        found = run(asked, searcher, any_encoder, Corpus, stages, terminal.note)
    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        terminal.out.print(*found.tables())


def compare(
    run_a: Annotated[
        str, typer.Argument(help="Before: a TREC or JSON run, or FILE.jsonl#MODE of evaluate --per-query.")
    ],
    run_b: Annotated[str, typer.Argument(help="After: likewise.")],
    qrels: Annotated[Path | None, typer.Option(help="Judgements, of BEIR or TREC; runs need them.")] = None,
    queries: Annotated[
        Path | None, typer.Option(help="queries.jsonl, to show texts and to group by.")
    ] = None,
    measures: Annotated[str | None, typer.Option(help='Such as "nDCG@5 P@3 Success@1".')] = None,
    group: Annotated[str | None, typer.Option(help="A field of queries that stand or fall together.")] = None,
    fail_if_worse: Annotated[
        list[str] | None,
        typer.Option(
            help="MEASURE:MOST: exit with 1 when the mean falls by more, nDCG@10:0.01. May be repeated."
        ),
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="How many won and lost queries to show.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Say whether a run is better than another, by how much, how surely, and on which queries.

    Exit status: 1 where a measure fell by more than --fail-if-worse allows, 2 where the two cannot be compared.
    """
    from evaluation.comparing import Wanted, compared

    wanted = Wanted(run_a, run_b, qrels, queries, measures, group, fail_if_worse or ())
    try:
        found, failures = compared(wanted)
    except NaruError as error:  # in CI a typing error is no regression
        terminal.error(str(error))
        raise typer.Exit(2) from error
    if as_json:
        said = found.to_json() | {"queries_by_measure": found.lists(), "failures": failures}
        typer.echo(json.dumps(said, ensure_ascii=False))
    else:
        terminal.out.print(found.table(), *found.shown(show), sep="\n", markup=False, soft_wrap=True)
    for failure in failures:
        terminal.error(failure)
    if failures:
        raise typer.Exit(1)


def pairs(
    file: Annotated[
        Path, typer.Argument(help="Pairs with labels or scores: TSV, CSV, JSONL, JSON, Parquet.")
    ],
    encoder: EncoderOption = None,
    positive: Annotated[
        float | None, typer.Option(help="Pairs of at least this score are labelled 1.")
    ] = None,
    alike: Annotated[
        int, typer.Option(min=0, max=1, help="The label that says that two sentences mean the same.")
    ] = 1,
    as_json: JsonOption = False,
) -> None:
    """Measure an encoder on sentence pairs, and find the cosine cut-off for those that mean the same."""
    from evaluation.pairs import evaluate_pairs, read_pairs
    from naru.encoder import DEFAULT_ENCODER

    read = read_pairs(file, positive=positive, alike=alike)
    found = evaluate_pairs(any_encoder(encoder or DEFAULT_ENCODER), read)
    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        terminal.out.print(*found.lines(), sep="\n", markup=False, soft_wrap=True)
