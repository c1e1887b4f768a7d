"""naru demo."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Annotated

import typer
from rich.text import Text

from naru import terminal
from naru.commands.indexing import build
from naru.commands.opening import opened_searcher
from naru.commands.options import StoreOption
from naru.commands.searching import show, snippets
from naru.commands.serving import serve_store
from naru.phrases import ENGLISH, KOREAN

EXAMPLES = (
    "현금영수증폰번호잘못적었어요",
    "돈을 엉뚱한 사람한테 보냈어요",
    "김치찌개 맛있게 끓이는 법",
)


def demo(
    store: StoreOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    serve: Annotated[
        bool,
        typer.Option("--serve/--no-serve", envvar="DEMO_SERVE", help="Serve the search page afterwards."),
    ] = True,
    english: Annotated[bool, typer.Option("--english", help="Say it in English. (default: Korean)")] = False,
) -> None:
    """Index the demo corpus, show three searches, and serve the search page."""
    from indexer.corpus import Corpus
    from naru.text import AnalyzerSettings

    with as_file(files("naru.demo") / "corpus.jsonl") as corpus:
        summary = build("demo", Corpus(corpus), store, None, AnalyzerSettings(), workers=1)
    said = ENGLISH if english else KOREAN
    terminal.out.print(said.indexed.format(summary.provenance.passages, summary.seconds), soft_wrap=True)
    _calibrate(store)
    with opened_searcher(store, "demo", None) as searcher:
        for query in EXAMPLES:
            terminal.out.print(Text(f"\n{query}", style="bold"))
            answer = searcher.search(query, limit=3)
            show(answer, snippets(answer, searcher), said)
    if serve:
        terminal.out.print()
        serve_store(store, host, port, None, {"demo": EXAMPLES})


def _calibrate(store: str | None) -> None:
    """Keep what the demo's judged queries taught, unless it was calibrated here or its passages were read otherwise."""
    from naru.relevance import Relevance

    fitted = (files("naru.demo") / "calibration.json").read_text("utf-8")
    with opened_searcher(store, "demo", None) as searcher:
        if not searcher.relevance.calibrated and Relevance.kept(fitted, searcher.provenance).calibrated:
            searcher.collection.keep_relevance(fitted)
