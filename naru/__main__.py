"""The `naru` command. The one file of this package that may import a stage, and only inside a command.

Exit status: 0 done, 1 failed, 2 wrong use.
"""

from __future__ import annotations

import io
import json
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from enum import StrEnum
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from naru import __version__, settings, terminal
from naru.errors import NaruError
from naru.phrases import ENGLISH, KOREAN, Phrases
from naru.words import read_words

if TYPE_CHECKING:
    from evaluation.sources import Encodes
    from indexer.build import Summary
    from indexer.corpus import Corpus
    from naru.documents import Hit
    from naru.store import Store
    from naru.text import AnalyzerSettings
    from search import Answer, Searcher
    from search.highlight import Marked

app = typer.Typer(
    name="naru",
    help="Korean semantic search that knows when it has no answer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Mode(StrEnum):
    hybrid = "hybrid"
    semantic = "semantic"
    lexical = "lexical"


StoreOption = Annotated[
    str | None, typer.Option("--store", help="A folder, or the URL of a Qdrant server. [default: naru-data]")
]
CollectionOption = Annotated[
    str | None, typer.Option("--collection", help="Which collection; needless where the store has only one.")
]
EncoderOption = Annotated[
    str | None, typer.Option("--encoder", help="An encoder bundle. [default: the bundled naru-mini]")
]
RelevanceOption = Annotated[
    Path | None,
    typer.Option("--relevance", help="A calibration file, in place of the one kept with the collection."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"naru {__version__}")
        raise typer.Exit


@app.callback()
def _front_door(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def index(
    corpus: Annotated[
        list[str],
        typer.Argument(
            help="JSONL, JSON, CSV, TSV or Parquet, a folder of texts, a BEIR folder, or hf://NAME. Several make one "
            "collection."
        ),
    ],
    collection: Annotated[str, typer.Option("--collection", help="What to call it.")],
    store: StoreOption = None,
    encoder: EncoderOption = None,
    characters: Annotated[
        bool,
        typer.Option(
            "--characters/--no-characters", help="Index character bigrams: robust to typos, twice the size."
        ),
    ] = True,
    stopwords: Annotated[Path | None, typer.Option(help="A file of words to leave out, one a line.")] = None,
    user_words: Annotated[
        Path | None, typer.Option(help="A file of nouns to keep whole, one a line.")
    ] = None,
    text: Annotated[str, typer.Option(help="The field or column that holds the text.")] = "text",
    title: Annotated[str, typer.Option(help="That of the title; a question of a FAQ, say.")] = "title",
    id: Annotated[str | None, typer.Option("--id", help="That of the id. [default: id, or _id]")] = None,
    number_rows: Annotated[
        bool, typer.Option("--number-rows", help="Records have no id: their line is, or FILE:LINE.")
    ] = False,
    encoding: Annotated[
        str | None,
        typer.Option(
            help="The corpus files' encoding. [default: utf-8; in a folder of texts, CP949 where a file is not]"
        ),
    ] = None,
    skip_bad_rows: Annotated[bool, typer.Option(help="Go on past records that cannot be read.")] = False,
    rejects: Annotated[Path, typer.Option(help="Where skipped records go, with the reasons.")] = Path(
        "rejects.jsonl"
    ),
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Also where fewer than half of its passages (of fifty or more) would be left."
        ),
    ] = False,
    workers: Annotated[int, typer.Option(min=0, help="Analysing processes; 0 takes one a core.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Index corpora: analyse, embed, and publish them as one collection in a single step.

    They take the place of all that the collection held before; nothing is added to it.
    """
    from indexer.corpus import Corpus, Naming
    from naru.text import AnalyzerSettings

    if id is not None and number_rows:
        raise typer.BadParameter("--id and --number-rows are two ways to name a record; give one of them.")
    chosen = AnalyzerSettings(read_words(stopwords), read_words(user_words), characters)
    naming = Naming(id, title, text, number_rows)
    read = Corpus(*corpus, encoding=encoding, rejects=rejects if skip_bad_rows else None, naming=naming)
    summary = _index(collection, read, store, encoder, chosen, workers, replace)
    made = summary.provenance
    if as_json:
        said = {**summary.to_json(), "rejected": read.rejected, "folders": asdict(read.remarks)}
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    terminal.out.print(
        f"Indexed {made.passages:,} passages into {collection!r}"
        f"{'' if summary.replaced is None else f', in the place of {summary.replaced:,},'} in {summary.seconds:.1f} s "
        f"({summary.passages_per_second:,.0f} docs/s): analysed in {summary.analyse_seconds:.1f} s, "
        f"embedded in {summary.embed_seconds:.1f} s"
        f"{f' ({summary.reused:,} vectors known from before)' if summary.reused else ''}, "
        f"published in {summary.publish_seconds:.1f} s.",
        soft_wrap=True,
    )
    if summary.void:
        terminal.note(
            f"Its calibration no longer holds ({summary.void}): fit it again with naru calibrate BEIR --split SPLIT "
            f"--collection {collection}"
        )
    if made.truncated:
        terminal.note(
            f"{made.truncated:,} passages are longer than the encoder reads; the rest of them is found by "
            "its words only."
        )
    for remark in read.remarks.sentences():
        terminal.note(remark)
    if read.rejected:
        terminal.note(f"{read.rejected:,} records were skipped: {rejects} says why.")


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    collection: CollectionOption = None,
    store: StoreOption = None,
    encoder: EncoderOption = None,
    mode: Annotated[Mode, typer.Option(help="Both channels, meaning only, or words only.")] = Mode.hybrid,
    limit: Annotated[int, typer.Option(min=1, help="How many passages to show.")] = 5,
    cutoff: Annotated[
        str | None,
        typer.Option(
            help="Show nothing below this probability, or below a calibrated level: precise, balanced, sensitive."
        ),
    ] = None,
    filter: Annotated[
        str | None, typer.Option(help='Conditions as JSON: {"field": "category", "equals": "카드"}.')
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Show hits even where the collection holds no answer.")
    ] = False,
    relevance: RelevanceOption = None,
    service: Annotated[
        str | None, typer.Option(help="Ask a running service at this URL, which holds its store.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Search a collection, in a store or through a service."""
    from search.conditions import read_filter

    allowed = None if filter is None else read_filter(filter)
    if service is not None:
        if store or encoder or relevance:
            raise typer.BadParameter(
                "a service has its own store, encoder and calibration: leave out --store, --encoder and --relevance."
            )
        asked: dict[str, Any] = {"query": query, "mode": mode.value, "limit": limit, "anyway": anyway}
        asked["filter"] = None if filter is None else json.loads(filter)
        asked["cutoff"] = _number_or_name(cutoff)
        _ask(service, collection, asked, as_json)
        return
    with _searcher(store, collection, encoder, relevance) as searcher:
        answer = searcher.search(
            query,
            mode=mode.value,
            limit=limit,
            filter=allowed,
            cutoff=_number_or_name(cutoff),
            anyway=anyway,
        )
        if as_json:
            typer.echo(json.dumps(answer.to_json(), ensure_ascii=False))
        else:
            _show(answer, _snippets(answer, searcher))


@app.command()
def collections(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the collections of a store."""
    from naru.listing import listed

    with _store(settings.load(), store) as opened:
        found = list(listed(opened))
        location = opened.location
    if as_json:
        typer.echo(json.dumps({"collections": [asdict(one) for one in found]}, ensure_ascii=False))
        return
    if not found:
        terminal.note(_none_in(location))
        return
    terminal.collections(found)
    for one in found:
        if one.void or one.trouble:
            terminal.note(f"{one.name}: {one.trouble or one.void}")


@app.command()
def delete(
    name: Annotated[str, typer.Argument(help="The collection to withdraw.")],
    store: StoreOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Withdraw a collection, its calibration too; a service stops answering from it within seconds."""
    with _store(settings.load(), store) as opened:
        if opened.published(name) is not None and not yes:
            if not sys.stdin.isatty():
                raise NaruError(f"Nobody is here to ask: delete {name!r} with --yes.")
            typer.confirm(f"Delete {name!r} from {opened.location}? It cannot be undone.", abort=True)
        opened.delete(name)
        terminal.out.print(f"Deleted {name!r} from {opened.location}.", soft_wrap=True, markup=False)


@app.command()
def serve(
    store: StoreOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    encoder: EncoderOption = None,
) -> None:
    """Serve every collection of a store over HTTP, with the search page at /."""
    _serve(store, host, port, encoder)


@app.command()
def evaluate(
    beir: Annotated[Path, typer.Argument(help="A BEIR folder: queries.jsonl and qrels/SPLIT.tsv.")],
    split: Annotated[str, typer.Option(help="Which judgements: qrels/SPLIT.tsv.")],
    collection: CollectionOption = None,
    store: StoreOption = None,
    encoder: EncoderOption = None,
    mode: Annotated[
        list[Mode] | None, typer.Option(help="May be given several times. [default: all three]")
    ] = None,
    service: Annotated[
        str | None, typer.Option(help="Evaluate a running service at this URL instead of a store.")
    ] = None,
    dense: Annotated[
        list[str] | None,
        typer.Option(
            help="A bundle or sentence-transformers model; searches the folder's corpus exactly. Several times."
        ),
    ] = None,
    from_run: Annotated[
        list[Path] | None, typer.Option(help="A run to measure: TREC, or JSON. Several times.")
    ] = None,
    measures: Annotated[str | None, typer.Option(help='Such as "nDCG@5 P@3 Success@1".')] = None,
    baseline: Annotated[
        str | None, typer.Option(help="The mode, encoder or run that the others are compared with.")
    ] = None,
    slices: Annotated[
        list[str] | None, typer.Option("--slice", help="A field of the queries to split by. Several times.")
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
        if service is not None:
            searcher = opened.enter_context(Service(service, collection))
        elif store or collection or mode or report or baseline in list(Mode) or not (dense or from_run):
            searcher = opened.enter_context(_searcher(store, collection, encoder))
        stages = opened.enter_context(terminal.stages("searches"))
        found = run(asked, searcher, _encoder, Corpus, stages, terminal.note)
    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        terminal.out.print(*found.tables())


@app.command()
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
            help="MEASURE:MOST: exit with 1 when the mean falls by more, nDCG@10:0.01. Several times."
        ),
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="How many won and lost queries to show.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Say whether a run is better than another, by how much, how surely, and on which queries."""
    from evaluation.comparing import Wanted, compared

    wanted = Wanted(run_a, run_b, qrels, queries, measures, group, fail_if_worse or ())
    found, failures = compared(wanted)
    if as_json:
        said = found.to_json() | {"queries_by_measure": found.lists(), "failures": failures}
        typer.echo(json.dumps(said, ensure_ascii=False))
    else:
        terminal.out.print(found.table(), *found.shown(show), sep="\n", markup=False, soft_wrap=True)
    for failure in failures:
        terminal.error(failure)
    if failures:
        raise typer.Exit(1)


@app.command()
def pairs(
    file: Annotated[
        Path, typer.Argument(help="Pairs with labels or scores: TSV, CSV, JSONL, JSON, Parquet.")
    ],
    encoder: EncoderOption = None,
    positive: Annotated[
        float | None, typer.Option(help="Pairs of at least this score are labelled 1.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure an encoder on sentence pairs, and find the cosine that parts those that mean the same."""
    from evaluation.pairs import evaluate_pairs, read_pairs
    from naru.encoder import DEFAULT_ENCODER

    read = read_pairs(file, positive=positive)
    found = evaluate_pairs(_encoder(encoder or DEFAULT_ENCODER), read)
    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        terminal.out.print(*found.lines(), sep="\n", markup=False, soft_wrap=True)


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="A sentence-transformers folder, or its name on the Hub.")],
    bundle: Annotated[Path, typer.Argument(help="The bundle folder to write.")],
    precision: Annotated[
        str, typer.Option(help="Which graphs: fp32, int8, or both with a comma.")
    ] = "fp32,int8",
    name: Annotated[str | None, typer.Option(help="The encoder's name. [default: the model's]")] = None,
    base_model: Annotated[str | None, typer.Option(help="[default: as the model card says]")] = None,
    licence: Annotated[str | None, typer.Option(help="[default: as the model card says]")] = None,
    max_length: Annotated[int | None, typer.Option(min=2, help="Tokens read. [default: the model's]")] = None,
    query_prefix: Annotated[str | None, typer.Option(help="[default: the model's]")] = None,
    passage_prefix: Annotated[str | None, typer.Option(help="[default: the model's]")] = None,
    as_json: JsonOption = False,
) -> None:
    """Export an encoder to ONNX as a bundle that indexing and search load without torch."""
    from indexer.export import Overrides
    from indexer.export import export as export_model

    overrides = Overrides(
        name=name,
        base_model=base_model,
        licence=licence,
        max_length=max_length,
        query_prefix=query_prefix,
        passage_prefix=passage_prefix,
    )
    info = export_model(model, bundle, precision=tuple(precision.split(",")), overrides=overrides)
    if as_json:
        typer.echo(json.dumps(info.to_json(), ensure_ascii=False))
        return
    terminal.out.print(f"Exported {info.name}, {info.dimension} dimensions, to {bundle}", soft_wrap=True)
    terminal.out.print(
        f"{info.precision}: cosine with the source {info.parity.mean:.4f} on average, {info.parity.minimum:.4f} at "
        f"least, over {info.parity.sentences} sentences; fingerprint {info.fingerprint[:16]}",
        soft_wrap=True,
    )


# What is typed after these goes to finetune as it is, --help too.
HANDED_ON = {"ignore_unknown_options": True, "allow_extra_args": True}


@app.command(context_settings=HANDED_ON, add_help_option=False)
def train(context: typer.Context) -> None:
    """Adapt an encoder to your data by a recipe."""
    from finetune.command import run

    run("train", context.args, "naru train")


@app.command(context_settings=HANDED_ON, add_help_option=False)
def mine(context: typer.Context) -> None:
    """Find hard negatives for pairs of query and document."""
    from finetune.command import run
    from indexer.corpus import Corpus

    run("mine", context.args, "naru mine", Corpus)


EXAMPLES = (
    "현금영수증폰번호잘못적었어요",
    "아버지 돌아가셨는데 은행 돈 찾으려면",
    "김치찌개 맛있게 끓이는 법",
)


@app.command()
def demo(
    store: StoreOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    serve: Annotated[
        bool,
        typer.Option("--serve/--no-serve", envvar="DEMO_SERVE", help="Serve the search page afterwards."),
    ] = True,
    english: Annotated[bool, typer.Option("--english", help="Say it in English. [default: Korean]")] = False,
) -> None:
    """Index the demo corpus, show three searches, and serve the search page."""
    from indexer.corpus import Corpus
    from naru.text import AnalyzerSettings

    with as_file(files("naru.demo") / "corpus.jsonl") as corpus:
        summary = _index("demo", Corpus(corpus), store, None, AnalyzerSettings(), workers=1)
    said = ENGLISH if english else KOREAN
    terminal.out.print(said.indexed.format(summary.provenance.passages, summary.seconds), soft_wrap=True)
    _calibrate_demo(store)
    with _searcher(store, "demo", None) as searcher:
        for query in EXAMPLES:
            terminal.out.print(Text(f"\n{query}", style="bold"))
            answer = searcher.search(query, limit=3)
            _show(answer, _snippets(answer, searcher), said)
    if serve:
        terminal.out.print()
        _serve(store, host, port, None, {"demo": EXAMPLES})


@app.command()
def calibrate(
    beir: Annotated[Path, typer.Argument(help="A BEIR folder: queries.jsonl and qrels/SPLIT.tsv.")],
    split: Annotated[str, typer.Option(help="Which judgements to fit to; never those you report on.")],
    collection: CollectionOption = None,
    store: StoreOption = None,
    encoder: EncoderOption = None,
    group: Annotated[
        str | None,
        typer.Option(help="A metadata field of the passages: queries about one value go together."),
    ] = None,
    promise: Annotated[
        list[str] | None,
        typer.Option(
            help="A cut-off beside precise, balanced and sensitive, of that name: complete, silent or accurate; or one with "
            "a share, precise=0.8, sensitive=0.95, silent=0.05. Several times."
        ),
    ] = None,
    curve: Annotated[
        bool, typer.Option("--curve", help="Show how many judged queries are enough; takes minutes.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="Write the calibration to this file instead of keeping it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fit probabilities and cut-offs to judged queries, and keep them with the collection."""
    from evaluation.calibrate import calibrate as fit
    from evaluation.learning import curve as learning_curve
    from evaluation.learning import table as curve_table
    from naru.beir import Beir
    from naru.files import publish
    from naru.relevance import Relevance

    judged = Beir(beir).split(split)
    if output is not None and not output.parent.is_dir():
        raise NaruError(f"--output {output}: there is no folder {output.parent}; make it first.")
    with _searcher(store, collection, encoder) as searcher:
        with terminal.stages("searches") as stages:
            fitted = fit(
                searcher,
                judged,
                group=group,
                promises=promise or (),
                progress=lambda done, total: stages("calibrate", done, total),
            )
        prior = Relevance.prior(searcher.provenance.background)
        text = fitted.relevance.to_json()
        if output is None:
            searcher.collection.keep_relevance(text)
        else:
            publish(output, text)
    learnt = list(learning_curve(fitted.modes["hybrid"].candidates, prior)) if curve else []
    if as_json:
        said = fitted.to_json() | ({"curve": [asdict(one) for one in learnt]} if curve else {})
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    terminal.out.print(*fitted.tables(), *([curve_table(learnt)] if curve else []))
    for reason in fitted.reasons():
        terminal.note(reason)
    terminal.note(
        "Calibration kept with the collection; a service that serves it takes it over in seconds."
        if output is None
        else f"Calibration written to {output}."
    )


def _index(
    name: str,
    corpus: Corpus,
    store: str | None,
    encoder: str | None,
    chosen: AnalyzerSettings,
    workers: int,
    replace: bool = False,
) -> Summary:
    from indexer.build import Plan, default_workers
    from indexer.build import index as build
    from naru.encoder import DEFAULT_ENCODER, open_encoder

    given = settings.load()
    bundle = encoder or given.encoder.path or DEFAULT_ENCODER
    if bundle != DEFAULT_ENCODER and Path(bundle).exists():
        bundle = str(Path(bundle).resolve())
    plan = Plan(name, corpus.location, bundle, chosen, workers or default_workers(corpus.size), replace)

    with _store(given, store) as opened, terminal.stages("docs") as stages:

        def progress(stage: str, done: int) -> None:
            size = corpus.size if stage == "analyse" else None
            stages(stage, done, round(done * size / max(corpus.position, 1)) if size else None)

        return build(corpus, opened, open_encoder(bundle, threads=given.encoder.threads), plan, progress)


def _calibrate_demo(store: str | None) -> None:
    """Keep what the demo's judged queries taught, unless it was calibrated here or its passages were read otherwise."""
    from naru.relevance import Relevance

    fitted = (files("naru.demo") / "calibration.json").read_text("utf-8")
    with _searcher(store, "demo", None) as searcher:
        if not searcher.relevance.calibrated and Relevance.kept(fitted, searcher.provenance).calibrated:
            searcher.collection.keep_relevance(fitted)


def _serve(
    store: str | None,
    host: str | None,
    port: int | None,
    encoder: str | None,
    examples: Mapping[str, Sequence[str]] | None = None,
) -> None:
    from search.service import serve_store

    given = settings.load()
    flags = {"host": host, "port": port}
    service = given.service.model_copy(
        update={name: value for name, value in flags.items() if value is not None}
    )
    with _store(given, store) as opened:
        serve_store(opened, service, encoder=encoder, threads=given.encoder.threads, examples=examples)


def _encoder(name: str) -> Encodes:
    """An encoder bundle where there is one, else a model as training opens it: by preset, folder or name."""
    from naru.bundle import DESCRIPTION
    from naru.encoder import DEFAULT_ENCODER, open_encoder

    threads = settings.load().encoder.threads
    if name == DEFAULT_ENCODER or (Path(name) / DESCRIPTION).is_file():
        return open_encoder(name, threads=threads)
    try:
        from finetune.encoding import encoder_of
    except ImportError as error:
        raise NaruError(
            f"{name} is no encoder bundle; a sentence-transformers model needs: "
            'pip install ".[finetune]" in the folder of naru, or make setup.'
        ) from error
    return encoder_of(name, threads)


@contextmanager
def _store(given: settings.Settings, location: str | None) -> Iterator[Store]:
    from naru.store import open_store

    chosen = given.store
    store = open_store(
        location or chosen.location, api_key=chosen.api_key, timeout=chosen.timeout, wait=chosen.wait
    )
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _searcher(
    location: str | None, collection: str | None, encoder: str | None, relevance: Path | None = None
) -> Iterator[Searcher]:
    from search import Searcher

    given = settings.load()
    with (
        _store(given, location) as store,
        Searcher.open(
            store,
            collection or _only(store),
            encoder,
            relevance=relevance,
            threads=given.encoder.threads,
        ) as searcher,
    ):
        yield searcher


def _only(store: Store) -> str:
    names = store.names()
    if not names:
        raise NaruError(_none_in(store.location))
    if len(names) > 1:
        raise NaruError(
            f"{store.location} has several collections: say --collection with one of {', '.join(names)}."
        )
    return names[0]


def _none_in(location: str) -> str:
    store = shlex.quote(location)
    return f"There is no collection in {location}. Build one: naru index CORPUS --store {store} --collection NAME"


def _number_or_name(said: str | None) -> float | str | None:
    try:
        return None if said is None else float(said)
    except ValueError:
        return said


def _ask(service: str, collection: str | None, asked: Mapping[str, Any], as_json: bool) -> None:
    from evaluation.sources import Service
    from search.wire import read_answer

    with Service(service, collection) as opened:
        said = opened.ask(asked)
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    answer, snippets = read_answer(said)
    _show(answer, lambda hit: snippets[hit.passage.id])


def _snippets(answer: Answer, searcher: Searcher) -> Callable[[Hit], Marked]:
    from search.highlight import Highlighter

    highlighter = Highlighter(answer.tokens, searcher.analyzer, searcher.statistics, answer.query)
    return lambda hit: highlighter.highlight(hit.passage).snippet


def _show(answer: Answer, snippet_of: Callable[[Hit], Marked], said: Phrases = ENGLISH) -> None:
    if answer.near_misses:
        terminal.out.print(said.missed)
    elif not answer.hits:
        terminal.out.print(said.nothing)
    for hit in answer.hits or answer.near_misses:
        snippet = snippet_of(hit)
        terminal.hit(hit, snippet.text, snippet.spans)
    for note in answer.notes:
        terminal.note(note.message)
    cut = answer.cutoff
    if cut is not None and cut.probability is not None and cut.promise is not None and cut.void is None:
        terminal.note(
            f"Cut off at {terminal.percent(cut.probability)}: {cut.promise} (from {cut.queries:,} judged queries)."
        )
    if answer.answerable is not None:
        terminal.note(said.answerable.format(terminal.percent(answer.answerable)))
    state = said.calibrated if answer.calibrated else said.prior
    terminal.note(said.took.format(answer.mode, answer.milliseconds, state))


_INTERRUPTED = "interrupted; nothing half-done was published"
TERMINATED = 128 + signal.SIGTERM


def _terminated(*_: object) -> None:
    """As on Ctrl-C, what is half-done is cleaned up on the way out."""
    raise SystemExit(TERMINATED)


def main() -> None:
    """Run the command line; what a user can mend is one line on standard error and status 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may not know all of Unicode
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app()
    except NaruError as error:
        terminal.error(str(error))
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that is not ours
        terminal.error(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        terminal.error(_INTERRUPTED)
        sys.exit(130)
    except SystemExit as ended:
        if ended.code in (130, TERMINATED):  # 130 is what typer makes of Ctrl-C
            terminal.error(_INTERRUPTED)
        raise


if __name__ == "__main__":
    main()
