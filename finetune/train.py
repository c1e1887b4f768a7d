"""Train an encoder by a recipe; reads top to bottom: data, checks, model, stages, finish, card, report.

    naru train e5-triplets --data my.jsonl --output RUN
    naru train recipe.toml --output RUN --max-minutes 60      stops resumably
    naru train recipe.toml --output RUN --resume              goes on where it was, to the very same weights
    accelerate launch -m finetune recipe.toml --output RUN    on several processes

RUN gets `model/` (what sentence-transformers and the Hub take as it is), `report.html`, `curves.png`, `log.jsonl`,
`recipe.toml` (every default written out), `provenance.json`, `checkpoints/` and, where rows were left out,
`rejects.jsonl`.

On a machine that gives free memory back to its host, keep it: GLIBC_TUNABLES=glibc.malloc.hugetlb=1:
glibc.malloc.trim_threshold=17179869184:glibc.malloc.mmap_threshold=4294967296 (first touches made steps five times
slower).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from accelerate import PartialState
from sentence_transformers import SentenceTransformer

from finetune import checkpoints
from finetune.digests import digests, model_digests
from finetune.encoders.precision import run_in_bf16
from finetune.finishing import append_pca, append_whitening, changes_at_end, finish
from finetune.loop.arguments import chosen_precision, on_cpu
from finetune.loop.flow import Clock
from finetune.loop.hub import push
from finetune.losses import check_widths, prepared
from finetune.measuring.lessons import answered
from finetune.measuring.measures import Measures
from finetune.model import located
from finetune.objectives.demands import check_demands
from finetune.preparing import (
    accumulation,
    ask_teachers,
    check_before_reading,
    data_table,
    gathered,
    opened,
    processes_at_work,
    some_texts,
)
from finetune.recipe import Recipe
from finetune.reporting.card import write_card
from finetune.reporting.journal import Journal
from finetune.reporting.log import read_log
from finetune.reporting.origins import Origins, licence_of
from finetune.reporting.record import Record, claim, locked
from finetune.stages import Run, legs, plan, run_stages


@dataclass(frozen=True)
class Options:
    """How to run a recipe. `origins` is what people say of the model, for its card (`finetune.reporting.origins`)."""

    resume: bool = False
    skip_bad_rows: bool = False
    max_minutes: float | None = None
    origins: Origins = field(default_factory=Origins)


@dataclass(frozen=True)
class Outcome:
    """What a run came to: the model's folder (None where the user stopped it), the steps done of those planned, figures
    before and after by key, and "time" or "interrupt" where it was stopped before its end."""

    model: Path | None
    steps: int
    planned: int
    before: Mapping[str, float]
    after: Mapping[str, float]
    stopped: str = ""
    pushed: str | None = None


def train(recipe: Recipe, root: Path, output: Path, options: Options | None = None) -> Outcome:
    """Run a recipe whose data have their paths, relative to `root`. Stopped by the clock, by Ctrl-C or by a kill, the
    same call with `resume` goes on where it was, and ends with the weights of the unbroken run.

    Raises NaruError when the recipe does not fit itself, the data or this machine, when there is nothing to resume, and
    when `output` holds a run already or another one. A run that saved no step is none: one without `resume` takes its place.
    """
    options = options or Options()
    processes = processes_at_work()
    clock = Clock(options.max_minutes)
    check_before_reading(recipe, root)
    claim(recipe, output, options.resume)
    with locked(output, options.resume) if processes.is_main_process else nullcontext():
        return _train(recipe, root, output, options, processes, clock)


def _train(
    recipe: Recipe, root: Path, output: Path, options: Options, processes: PartialState, clock: Clock
) -> Outcome:
    material = gathered(recipe, root, output, options.skip_bad_rows, processes.is_main_process)
    check_demands(recipe, material.rows, root)
    processes.wait_for_everyone()

    stages = legs(recipe, output)
    plans = [plan(leg, material.rows, recipe.seed, processes.num_processes) for leg in stages]
    steps = sum(one.steps for one in plans)
    table = data_table(recipe, material, stages, plans)
    if processes.is_main_process:
        material.show(table)
    record = Record(
        recipe,
        output,
        data=table,
        files=digests(recipe, root),
        models=model_digests(recipe, root),
        held=material.held,
        origins=options.origins,
        licence=licence_of(located(recipe.model.base, root)),
    )
    record.check()

    model = opened(recipe, root, output)
    check_widths(recipe, model)
    if chosen_precision(recipe.training) == "bf16" and on_cpu():
        run_in_bf16(model)
    if processes.is_main_process:
        record.write()
    journal = Journal(output, processes.is_main_process)
    with clock.listening(journal.say):
        stopped = ask_teachers(recipe, material, root, model, output, clock)
    if stopped:
        return Outcome(None, 0, steps, {}, {}, stopped)
    vectors = output / "vectors"
    rows = {
        source.name: prepared(source, material.rows[source.name], root, model, vectors)
        for source in recipe.data
    }
    held = answered(material.held, root, model, vectors)
    measures = Measures(held, accumulation(recipe)) if held else None
    journal.start(record.start(steps))
    processes.wait_for_everyone()
    if measures and not read_log(output / "log.jsonl").before:
        journal.found(measures(model), 0)

    def describe(folder: Path, made: SentenceTransformer, step: int) -> None:
        write_card(folder, record.card(made, journal.before + step, steps))

    run = Run(recipe, root, model, rows, measures, journal, clock, describe)
    with clock.listening(journal.say), journal.showing():
        end = run_stages(stages, run)
    if end.stopped == "interrupt":
        return outcome(output, None, end.steps, steps, end.stopped)

    finish(model)
    if recipe.model.pca is not None:
        append_pca(model, some_texts(material), recipe.model.pca)
    if recipe.model.whitening is not None:
        append_whitening(model, some_texts(material), recipe.model.whitening)
    figures = end.figures
    if measures and (figures is None or changes_at_end(recipe.model)):
        figures = measures(model)
    if figures is not None:
        journal.found(figures, end.steps)
    made = outcome(output, output / "model", end.steps, steps, end.stopped)
    if processes.is_main_process:
        with checkpoints.published(output / "model", listed=False) as part:
            model.save_pretrained(str(part), create_model_card=False)
            write_card(part, record.card(model, end.steps, steps))
        journal.report()
        if recipe.training.hub_model_id and not end.stopped:
            address = push(
                output / "model", recipe.training.hub_model_id, recipe.training.hub_private, recipe.name
            )
            made = replace(made, pushed=address)
    processes.wait_for_everyone()
    return made


def outcome(output: Path, model: Path | None, done: int, steps: int, stopped: str) -> Outcome:
    log = read_log(output / "log.jsonl")
    return Outcome(model, done, steps, log.before, log.after, stopped)
