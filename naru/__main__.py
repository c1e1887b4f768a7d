"""The `naru` command. The one file of this package that may import a stage, and only inside a command.

Exit status: 0 done, 1 failed, 2 wrong use.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from naru import __version__, settings, terminal
from naru.errors import NaruError

if TYPE_CHECKING:
    from indexer.build import Summary
    from indexer.corpus import Corpus
    from naru.store import Store
    from naru.text import AnalyzerSettings
    from search import Answer, Searcher

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
        str,
        typer.Argument(help="JSONL, CSV, TSV or Parquet, a folder of texts, a BEIR folder, or hf://NAME."),
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
    encoding: Annotated[str, typer.Option(help="The corpus files' encoding.")] = "utf-8",
    skip_bad_rows: Annotated[bool, typer.Option(help="Go on past records that cannot be read.")] = False,
    rejects: Annotated[Path, typer.Option(help="Where skipped records go, with the reasons.")] = Path(
        "rejects.jsonl"
    ),
    workers: Annotated[int, typer.Option(min=0, help="Analysing processes; 0 takes one a core.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Index a corpus: analyse, embed, and publish it as one collection in a single step."""
    from indexer.corpus import Corpus
    from naru.text import AnalyzerSettings

    chosen = AnalyzerSettings(_lines(stopwords), _lines(user_words), characters)
    read = Corpus(corpus, encoding=encoding, rejects=rejects if skip_bad_rows else None)
    summary = _index(collection, read, store, encoder, chosen, workers)
    made = summary.provenance
    if as_json:
        typer.echo(json.dumps({**summary.to_json(), "rejected": read.rejected}, ensure_ascii=False))
        return
    terminal.out.print(
        f"Indexed {made.passages:,} passages into {collection!r} in {summary.seconds:.1f} s "
        f"({summary.passages_per_second:,.0f} docs/s): analysed in {summary.analyse_seconds:.1f} s, "
        f"embedded in {summary.embed_seconds:.1f} s, published in {summary.publish_seconds:.1f} s.",
        soft_wrap=True,
    )
    if made.truncated:
        terminal.note(
            f"{made.truncated:,} passages are longer than the encoder reads; the rest of them is found by "
            "its words only."
        )
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
    cutoff: Annotated[float | None, typer.Option(help="Show nothing below this probability.")] = None,
    filter: Annotated[
        str | None, typer.Option(help='Conditions as JSON: {"field": "category", "equals": "카드"}.')
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Search a collection."""
    from search.conditions import read_filter

    allowed = None if filter is None else read_filter(filter)
    with _searcher(store, collection, encoder) as searcher:
        answer = searcher.search(query, mode=mode.value, limit=limit, filter=allowed, cutoff=cutoff)
        if as_json:
            typer.echo(json.dumps(answer.to_json(), ensure_ascii=False))
        else:
            _show(answer, searcher)


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
    run_file: Annotated[
        Path | None,
        typer.Option(help="Write the rankings as a TREC run; with several modes, one file a mode."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the ranking of a collection against judgements."""
    from evaluation.beir import Beir
    from evaluation.evaluate import evaluate as measure
    from evaluation.runs import write_run

    modes = [chosen.value for chosen in mode or list(Mode)]
    judged = Beir(beir)
    with _searcher(store, collection, encoder) as searcher, terminal.stages("searches") as stages:
        measured = measure(
            searcher,
            judged,
            split,
            modes=modes,
            retrieve=searcher.collection.retrieve,
            progress=lambda done, total: stages("evaluate", done, total),
        )
    if run_file is not None:
        for name, run in measured.runs.items():
            path = run_file if len(modes) == 1 else run_file.with_stem(f"{run_file.stem}.{name}")
            write_run(run, path, tag=f"naru-{name}")
            terminal.note(f"Run of {name} written to {path}")
    if as_json:
        typer.echo(json.dumps(measured.to_json(), ensure_ascii=False))
    else:
        terminal.out.print(measured.table())


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
) -> None:
    """Index the demo corpus, show three searches, and serve the search page."""
    from indexer.corpus import Corpus
    from naru.text import AnalyzerSettings

    with as_file(files("naru.demo") / "corpus.jsonl") as corpus:
        summary = _index("demo", Corpus(corpus), store, None, AnalyzerSettings(), workers=1)
    terminal.out.print(
        f"나루은행·나루시청 도움말 {summary.provenance.passages:,}건을 {summary.seconds:.1f}초에 "
        "색인했습니다. (The demo is a fictional Korean help desk.)",
        soft_wrap=True,
    )
    with _searcher(store, "demo", None) as searcher:
        for query in EXAMPLES:
            terminal.out.print(Text(f"\n{query}", style="bold"))
            _show(searcher.search(query, limit=3), searcher)
    if serve:
        terminal.out.print()
        _serve(store, host, port, None, {"demo": EXAMPLES})


def _index(
    name: str, corpus: Corpus, store: str | None, encoder: str | None, chosen: AnalyzerSettings, workers: int
) -> Summary:
    from indexer.build import Plan, default_workers
    from indexer.build import index as build
    from naru.encoder import DEFAULT_ENCODER, open_encoder

    given = settings.load()
    bundle = encoder or given.encoder.path or DEFAULT_ENCODER
    if Path(bundle).exists():
        bundle = str(Path(bundle).resolve())
    plan = Plan(name, corpus.location, bundle, chosen, workers or default_workers(corpus.size))

    with _store(given, store) as opened, terminal.stages("docs") as stages:

        def progress(stage: str, done: int) -> None:
            size = corpus.size if stage == "analyse" else None
            stages(stage, done, round(done * size / max(corpus.position, 1)) if size else None)

        return build(corpus, opened, open_encoder(bundle, threads=given.encoder.threads), plan, progress)


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
def _searcher(location: str | None, collection: str | None, encoder: str | None) -> Iterator[Searcher]:
    from search import Searcher

    with (
        _store(settings.load(), location) as store,
        Searcher.open(store, collection or _only(store), encoder) as searcher,
    ):
        yield searcher


def _only(store: Store) -> str:
    names = store.names()
    if not names:
        raise NaruError(
            f"There is no collection in {store.location}. Build one: naru index CORPUS --collection NAME"
        )
    if len(names) > 1:
        raise NaruError(
            f"{store.location} has several collections: say --collection with one of {', '.join(names)}."
        )
    return names[0]


def _show(answer: Answer, searcher: Searcher) -> None:
    from search.highlight import Highlighter

    highlighter = Highlighter(answer.tokens, searcher.analyzer, searcher.statistics)
    for hit in answer.hits:
        snippet = highlighter.highlight(hit.passage).snippet
        terminal.hit(hit, snippet.text, snippet.spans)
    if not answer.hits:
        terminal.out.print("Nothing found.")
    for note in answer.notes:
        terminal.note(note.message)
    state = "calibrated" if answer.calibrated else "not calibrated: probabilities are a prior"
    terminal.note(f"{answer.mode}, {answer.milliseconds:.0f} ms, {state}")


def _lines(path: Path | None) -> tuple[str, ...]:
    """The words of a file, one a line; blank lines and lines that start with # do not count."""
    if path is None:
        return ()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NaruError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def main() -> None:
    """Run the command line; what a user can mend is one line on standard error and status 1."""
    try:
        app()
    except NaruError as error:
        terminal.error(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        terminal.error("interrupted; nothing half-done was published")
        sys.exit(130)


if __name__ == "__main__":
    main()
