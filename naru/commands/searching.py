"""naru search, and how an answer is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from naru import terminal
from naru.commands.opening import opened_searcher, service_asked
from naru.commands.options import (
    AskedOption,
    CollectionOption,
    EncoderOption,
    JsonOption,
    Mode,
    RelevanceOption,
)
from naru.cutoffs import read_cutoff
from naru.phrases import ENGLISH, Phrases

if TYPE_CHECKING:
    from naru.documents import Hit
    from search import Answer, Searcher
    from search.highlight import Marked


def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    collection: CollectionOption = None,
    store: AskedOption = None,
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
    wanted = None if cutoff is None else read_cutoff(cutoff)
    asks = service_asked(service, store)
    if asks is not None:
        if encoder or relevance:
            raise typer.BadParameter(
                "a service has its own encoder and calibration: leave out --encoder and --relevance."
            )
        asked: dict[str, Any] = {"query": query, "mode": mode.value, "limit": limit, "anyway": anyway}
        asked["filter"] = None if filter is None else json.loads(filter)
        asked["cutoff"] = wanted
        _ask(asks, collection, asked, as_json)
        return
    with opened_searcher(store, collection, encoder, relevance) as searcher:
        answer = searcher.search(
            query,
            mode=mode.value,
            limit=limit,
            filter=allowed,
            cutoff=wanted,
            anyway=anyway,
        )
        if as_json:
            typer.echo(json.dumps(answer.to_json(), ensure_ascii=False))
        else:
            show(answer, snippets(answer, searcher))


def _ask(service: str, collection: str | None, asked: Mapping[str, Any], as_json: bool) -> None:
    from evaluation.sources import Service
    from search.wire import read_answer

    with Service(service, collection) as opened:
        said = opened.ask(asked)
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    answer, snippets = read_answer(said)
    show(answer, lambda hit: snippets[hit.passage.id])


def snippets(answer: Answer, searcher: Searcher) -> Callable[[Hit], Marked]:
    from search.highlight import Highlighter

    highlighter = Highlighter(answer.tokens, searcher.analyzer, searcher.statistics, answer.query)
    return lambda hit: highlighter.highlight(hit.passage).snippet


def show(answer: Answer, snippet_of: Callable[[Hit], Marked], said: Phrases = ENGLISH) -> None:
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
