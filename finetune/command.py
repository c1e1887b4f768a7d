"""The commands `train` and `mine`, as `naru` and `python -m finetune` offer them. Importing this loads no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from naru import terminal
from naru.documents import Document
from naru.errors import NaruError, Stopped, missing_extra
from naru.words import read_words

if TYPE_CHECKING:
    from finetune.recipe import Recipe
    from finetune.train import Outcome

OpenCorpus = Callable[[str], Iterable[Document]]

app = typer.Typer(
    name="naru",
    help="Adapt an encoder.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def run(command: str, arguments: Sequence[str], name: str, corpus: OpenCorpus | None = None) -> None:
    """Run `train` or `mine` with what was typed after `name`; `corpus` opens what --corpus names.

    It ends in SystemExit with the command's status, or in a NaruError for the caller to print.
    """
    group: Any = typer.main.get_command(app)
    group.commands[command].main(list(arguments), prog_name=name, obj=corpus)


@app.command()
def train(
    recipe: Annotated[
        str, typer.Argument(help="A TOML file, or a shipped recipe: e5-triplets, naru-mini-domain, ...")
    ],
    output: Annotated[
        Path | None,
        typer.Option(help="The run's folder: model/, report.html, checkpoints/. Not for --dry-run."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]PATH", help="A data set of the recipe. May be repeated."),
    ] = None,
    evaluation: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]PATH", help="Held-out data; else a share of the queries is held out."),
    ] = None,
    base: Annotated[str | None, typer.Option(help="The model to start from. (default: the recipe's)")] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            help="What the recipe's paths are relative to. (default: its folder; here for a shipped one)"
        ),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key: training.epochs=3. May be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="20 steps on 200 rows, to predict time and memory of the whole.")
    ] = False,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave out rows that cannot be trained on: rejects.jsonl.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    max_minutes: Annotated[float | None, typer.Option(min=0, help="Stop, resumably, after so long.")] = None,
    push_to_hub: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Push the model to the Hugging Face Hub.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Adapt an encoder to your data by a recipe, and measure what it gained on data held out."""
    from finetune.recipe import load
    from finetune.recipe.typed import filled
    from finetune.reporting.origins import origins

    # Paths typed here are relative to here, those of the recipe to the root.
    given = filled(
        load(recipe, change or []), data or (), evaluation or (), _base_from_here(base), Path.cwd()
    )
    place = root or (Path(recipe).parent if Path(recipe).is_file() else Path())
    if push_to_hub is not None:
        given = _pushed_to(given, push_to_hub)
    if dry_run:
        _dry_run(given, place, skip_bad_rows, as_json)
        return
    if output is None:
        raise typer.BadParameter("say where the run's folder goes.", param_hint="--output")
    training = _training()
    options = training.Options(resume, skip_bad_rows, max_minutes, origins(recipe))
    outcome: Outcome = training.train(given, place, output, options)
    from finetune.preparing import processes_at_work

    if not processes_at_work().is_main_process:
        return
    if as_json:
        said = {**asdict(outcome), "report": output / "report.html"}
        typer.echo(json.dumps(said, ensure_ascii=False, default=str))
    else:
        _show(outcome, output)
    if outcome.stopped == "interrupt":
        raise Stopped(130)


def _training() -> Any:
    """`finetune.train`, or what to install for it. The terminal is ours: `datasets` draws no bars of its own."""
    try:
        import datasets

        import finetune.train
    except ModuleNotFoundError as error:
        raise missing_extra(f"Training needs {error.name}", "finetune") from error
    datasets.disable_progress_bars()
    return finetune.train


def _dry_run(recipe: Recipe, root: Path, skip_bad_rows: bool, as_json: bool) -> None:
    _training()
    from finetune.dryrun import predict

    prediction = predict(recipe, root, skip_bad_rows)
    if as_json:
        typer.echo(json.dumps(prediction.to_json(), ensure_ascii=False))
    else:
        terminal.out.print(prediction.table())


def _show(outcome: Outcome, output: Path) -> None:
    from finetune.measuring.sts import compared
    from finetune.reporting.log import read_log
    from finetune.reporting.report import comparison

    if outcome.model is not None:
        log = read_log(output / "log.jsonl")
        made = comparison(log)
        if made.rows:
            table = Table(*map(str, made.columns))
            for row in made.rows[: len(log.primary)]:
                table.add_row(*(str(getattr(cell, "text", cell)) for cell in row))
            terminal.out.print(table)
            for one in compared(log.start, outcome.before, outcome.after):
                terminal.out.print(one.table())
        terminal.out.print(f"Model: {outcome.model}  Report: {output / 'report.html'}", soft_wrap=True)
    if outcome.pushed is not None:
        terminal.out.print(f"Pushed: {outcome.pushed}", soft_wrap=True)
    if outcome.stopped:
        why = "The time is over" if outcome.stopped == "time" else "Stopped"
        terminal.out.print(
            f"{why} after {outcome.steps:,} of {outcome.planned:,} steps; the same command with --resume goes on.",
            soft_wrap=True,
        )


def _base_from_here(base: str | None) -> str | None:
    return str(Path(base).absolute()) if base is not None and Path(base).exists() else base


@app.command()
def mine(
    context: typer.Context,
    data: Annotated[
        str, typer.Argument(help="Pairs of query and document, in any format that training reads.")
    ],
    output: Annotated[Path, typer.Option(help="The JSONL file of triplets to write.")],
    corpus: Annotated[
        str | None,
        typer.Option(help="Where negatives come from, as in `naru index`. (default: the data's documents)"),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of a BEIR folder or a Hub data set.")] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="A bundle, or a sentence-transformers folder; judges what any source offers."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="bm25, encoder, random, with commas. (default: bm25, with --encoder bm25,encoder)"),
    ] = None,
    number: Annotated[int, typer.Option(min=1, help="Negatives a row.")] = 3,
    skip: Annotated[int, typer.Option(min=0, help="First ranks of each source to leave out.")] = 0,
    look: Annotated[int, typer.Option(min=1, help="Ranks of each source to look at after those.")] = 100,
    share: Annotated[
        str, typer.Option(help="A negative scores at most this share of its positive; or none.")
    ] = "0.95",
    absolute_margin: Annotated[
        float | None, typer.Option(min=0, help="A negative scores at least so much below its positive.")
    ] = None,
    relative_margin: Annotated[
        float | None, typer.Option(min=0, help="The same, as a share of the positive's score.")
    ] = None,
    check: Annotated[str | None, typer.Option(help="A cross-encoder that reads query and candidate.")] = None,
    check_limit: Annotated[float, typer.Option(help="The most it may give a negative.")] = 0.5,
    fill: Annotated[
        bool, typer.Option("--fill/--no-fill", help="Fill rows up with random passages, or leave them out.")
    ] = True,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave out pairs without a text, and say how many.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    sample: Annotated[int, typer.Option(min=0, help="Rows to show.")] = 5,
    stopwords: Annotated[Path | None, typer.Option(help="A file of words to leave out, one a line.")] = None,
    user_words: Annotated[
        Path | None, typer.Option(help="A file of nouns to keep whole, one a line.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find hard negatives for pairs: passages that look like the answer and are none."""
    _training()
    from finetune.encoding import encoder_of
    from finetune.mining.opening import cross_encoder, pairs_of
    from finetune.negatives import Limits, Mining, Models
    from finetune.negatives import mine as find
    from naru.text import AnalyzerSettings

    chosen = source or ("bm25,encoder" if encoder else "bm25")
    mining = Mining(
        number=number,
        sources=tuple(name.strip() for name in chosen.split(",")),
        skip=skip,
        look=look,
        limits=Limits(absolute_margin, relative_margin, _share(share)),
        check_limit=check_limit,
        fill=fill,
        skip_bad_rows=skip_bad_rows,
        seed=seed,
        sample=sample,
        analyzer=AnalyzerSettings(read_words(stopwords), read_words(user_words)),
    )
    opened: OpenCorpus | None = context.obj
    if corpus is not None and opened is None:
        raise NaruError("--corpus is read by `naru mine`.")
    documents = opened(corpus) if corpus is not None and opened is not None else None
    models = Models(
        encoder_of(encoder) if encoder is not None else None,
        cross_encoder(check) if check is not None else None,
    )
    with terminal.stages("texts") as stages:
        mined = find(pairs_of(data, split, skip_bad_rows), documents, output, mining, models, stages)
    if as_json:
        typer.echo(json.dumps(mined.to_json(), ensure_ascii=False))
        return
    terminal.out.print(mined.table())
    if mined.samples:
        terminal.out.print(mined.sample_table())


def _share(text: str) -> float | None:
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither a number nor none.", param_hint="--share") from None


def _pushed_to(recipe: Recipe, name: str) -> Recipe:
    """The recipe with a place on the Hub, for the pushes of its stages too."""
    stages = [replace(stage, training=replace(stage.training, hub_model_id=name)) for stage in recipe.stage]
    return replace(recipe, training=replace(recipe.training, hub_model_id=name), stage=stages)
