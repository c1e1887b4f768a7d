"""naru judgements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from naru import terminal
from naru.commands.options import JsonOption


def judgements(
    judged: Annotated[
        Path,
        typer.Argument(
            help="CSV, TSV, JSONL, JSON or Parquet: a question and the id of a document that answers it."
        ),
    ],
    output: Annotated[Path, typer.Option(help="The BEIR folder to write.")],
    query: Annotated[str, typer.Option(help="The column that holds the question.")] = "query",
    document: Annotated[
        str, typer.Option(help="The column with the document's id; empty where nothing answers the question.")
    ] = "document",
    score: Annotated[
        str, typer.Option(help="The column with a grade, where there is one; 0 is no answer.")
    ] = "score",
    part: Annotated[
        list[str] | None,
        typer.Option(help="NAME=SHARE, once for each part. (default: train=1, calibrate=1, test=1)"),
    ] = None,
    corpus: Annotated[
        list[str] | None,
        typer.Option(help="What `naru index` reads: checks the ids, and puts corpus.jsonl into the folder."),
    ] = None,
    id: Annotated[
        str | None, typer.Option("--id", help="The corpus's field with the id, as for naru index.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Its field with the title.")] = None,
    text: Annotated[str, typer.Option(help="Its field with the text.")] = "text",
    encoding: Annotated[str | None, typer.Option(help="Of these files. (default: utf-8)")] = None,
    as_json: JsonOption = False,
) -> None:
    """Turn judged questions of a table into a BEIR folder, for calibrate, evaluate and train.

    They are dealt into parts; questions with an answer in common come into the same one.
    """
    from evaluation.judgements import PARTS, Fields, dealt, read_judged, write_beir
    from indexer.corpus import Corpus, Naming

    shares = dict(map(_share, part)) if part else PARTS
    questions = read_judged(judged, Fields(query, document, score), encoding)
    parts = dealt(questions, shares)
    read = Corpus(*corpus, encoding=encoding, naming=Naming(id, title, text)) if corpus else None
    write_beir(output, questions, parts, read)
    counts = {
        name: {"queries": len(numbers), "answerable": sum(bool(questions[one].answers) for one in numbers)}
        for name, numbers in parts.items()
    }
    if as_json:
        typer.echo(json.dumps({"output": str(output), "parts": counts}, ensure_ascii=False))
        return
    said = "; ".join(
        f"{name} {found['queries']:,} ({found['queries'] - found['answerable']:,} without an answer)"
        for name, found in counts.items()
    )
    terminal.out.print(f"{len(questions):,} questions written to {output}: {said}.", soft_wrap=True)


def _share(said: str) -> tuple[str, float]:
    name, _, share = said.partition("=")
    try:
        number = float(share)
    except ValueError:
        number = 0.0
    if not name.replace("-", "_").isidentifier() or not 0 < number < float("inf"):
        raise typer.BadParameter(f"--part {said}: expected NAME=SHARE, such as test=0.3.")
    return name, number
