"""naru train, naru mine and naru export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from naru import terminal
from naru.commands.options import JsonOption

HANDED_ON = {"ignore_unknown_options": True, "allow_extra_args": True}


def export(
    model: Annotated[str, typer.Argument(help="A sentence-transformers folder, or its name on the Hub.")],
    bundle: Annotated[Path, typer.Argument(help="The bundle folder to write.")],
    precision: Annotated[
        str, typer.Option(help="Which graphs: fp32, int8, or both with a comma.")
    ] = "fp32,int8",
    name: Annotated[str | None, typer.Option(help="The encoder's name. (default: the model's)")] = None,
    base_model: Annotated[str | None, typer.Option(help="(default: as the model card says)")] = None,
    licence: Annotated[str | None, typer.Option(help="(default: as the model card says)")] = None,
    max_length: Annotated[int | None, typer.Option(min=2, help="Tokens read. (default: the model's)")] = None,
    query_prefix: Annotated[str | None, typer.Option(help="(default: the model's)")] = None,
    passage_prefix: Annotated[str | None, typer.Option(help="(default: the model's)")] = None,
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


def train(context: typer.Context) -> None:
    """Adapt an encoder to your data by a recipe."""
    from finetune.command import run

    run("train", context.args, "naru train")


def mine(context: typer.Context) -> None:
    """Find hard negatives for pairs of query and document."""
    from finetune.command import run
    from indexer.corpus import Corpus

    run("mine", context.args, "naru mine", Corpus)
