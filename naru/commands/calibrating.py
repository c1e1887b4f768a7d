"""naru calibrate."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from naru import terminal
from naru.commands.opening import opened_searcher
from naru.commands.options import CollectionOption, EncoderOption, JsonOption, StoreOption
from naru.errors import NaruError


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
            "a share, precise=0.8, sensitive=0.95, silent=0.05. May be repeated."
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
    from evaluation.calibrated import plain, reasons, tables
    from evaluation.learning import curve as learning_curve
    from evaluation.learning import table as curve_table
    from naru.beir import Beir
    from naru.files import publish
    from naru.relevance import Relevance

    judged = Beir(beir).split(split)
    if output is not None and not output.parent.is_dir():
        raise NaruError(f"--output {output}: there is no folder {output.parent}; make it first.")
    with opened_searcher(store, collection, encoder) as searcher:
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
        said = plain(fitted) | ({"curve": [asdict(one) for one in learnt]} if curve else {})
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    terminal.out.print(*tables(fitted), *([curve_table(learnt)] if curve else []))
    for reason in reasons(fitted):
        terminal.note(reason)
    terminal.note(
        "Calibration kept with the collection; a service that serves it takes it over in seconds."
        if output is None
        else f"Calibration written to {output}."
    )
