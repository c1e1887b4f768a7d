"""naru index."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naru import settings, terminal
from naru.commands.opening import opened_store
from naru.commands.options import EncoderOption, JsonOption, StoreOption
from naru.words import read_words

if TYPE_CHECKING:
    from indexer.build import Summary
    from indexer.corpus import Corpus
    from naru.text import AnalyzerSettings


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
            "--characters/--no-characters",
            help="Index character bigrams: robust to typos, a quarter more space.",
        ),
    ] = True,
    stopwords: Annotated[Path | None, typer.Option(help="A file of words to leave out, one a line.")] = None,
    user_words: Annotated[
        Path | None, typer.Option(help="A file of nouns to keep whole, one a line.")
    ] = None,
    text: Annotated[str, typer.Option(help="The field or column that holds the text.")] = "text",
    title: Annotated[
        str | None,
        typer.Option(
            help="The field that holds the title (for a FAQ, the question). (default: title, where there is one)"
        ),
    ] = None,
    id: Annotated[
        str | None, typer.Option("--id", help="The field that holds the id. (default: id, or _id)")
    ] = None,
    number_rows: Annotated[
        bool,
        typer.Option(
            "--number-rows", help="Take the line of a record for its id; FILE:LINE of several files."
        ),
    ] = False,
    encoding: Annotated[
        str | None,
        typer.Option(
            help="The corpus files' encoding. (default: utf-8; in a folder of texts, CP949 or UTF-16 where a file is not)"
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
    summary = build(collection, read, store, encoder, chosen, workers, replace)
    made = summary.provenance
    if as_json:
        said = {**summary.to_json(), "rejected": read.rejected, "folders": asdict(read.remarks)}
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    terminal.out.print(
        f"Indexed {made.passages:,} passages into {collection!r}"
        f"{'' if summary.replaced is None else f', replacing {summary.replaced:,},'} in {summary.seconds:.1f} s "
        f"({summary.passages_per_second:,.0f} docs/s): analysed in {summary.analyse_seconds:.1f} s, "
        f"embedded in {summary.embed_seconds:.1f} s"
        f"{f' ({summary.reused:,} vectors reused)' if summary.reused else ''}, "
        f"published in {summary.publish_seconds:.1f} s.",
        soft_wrap=True,
    )
    if summary.encoder_before is not None:
        terminal.note(
            f"It was indexed with {summary.encoder_before} before, and with {made.encoder} now. To stay with an encoder: "
            "--encoder, or `path` under [encoder] in naru.toml."
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


def build(
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
    plan = Plan(name, corpus.location, bundle, chosen, workers or default_workers(corpus.bytes), replace)

    with opened_store(given, store) as opened, terminal.stages("docs") as stages:

        def progress(stage: str, done: int) -> None:
            size = corpus.size if stage == "analyse" else None
            stages(stage, done, round(done * size / max(corpus.position, 1)) if size else None)

        return build(corpus, opened, open_encoder(bundle, threads=given.encoder.threads), plan, progress)
