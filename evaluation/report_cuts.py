"""Where to cut: the part of a report on what each cut-off does and promises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from evaluation.arrays import Booleans, Floats
from evaluation.figures import Cut, ReportFacts, precision_recall
from naru.drawing import Drawn
from naru.report import Item, Items, Paragraph, Part, Picture, Section, Side, Table, Tone


def cuts(facts: ReportFacts, drawn: Mapping[str, Drawn]) -> Iterator[Section]:
    drawings = pictures(
        drawn,
        {
            "precision-recall": (
                "Precision over recall.",
                "Each point of the line is a cut-off. To the right more of the relevant passages are shown, and to the "
                "top less is shown that is not relevant; no cut-off gets both."
                + where(facts, " The marks are the chosen ones."),
            ),
            "risk-coverage": (
                "Risk over coverage.",
                "What if queries were answered only when naru is sure enough? To the right more queries are answered; "
                "the line says which share of their first hits is then wrong. Lower is better. Answering a query that has "
                "no answer is always wrong."
                + where(facts, " The marks are the queries for which a cut-off shows something."),
            ),
        },
    )
    if not drawings:
        return
    columns = (
        "cut-off",
        "shows from",
        "queries with hits",
        "hits a query",
        "hits relevant",
        "of a query's hits, on average",
        "passages shown",
        "answers shown",
        "shown without an answer",
    )
    rows = [_cut(facts, cut) for cut in facts.cutoffs]
    parts: list[Part] = [Side(drawings)]
    if rows:
        parts.append(Table(columns, rows, f"What each cut-off does on these {facts.queries:,} queries"))
        parts.append(
            Paragraph(
                "Hits relevant: the share of all hits shown that are relevant, and of each query's hits, averaged over "
                "queries with hits. Passages shown: the share of all relevant passages. Answers shown: the share of the "
                "queries with an answer that are shown a relevant passage. Shown without an answer: the share of the "
                "queries without one that are shown anything.",
                "quiet",
            )
        )
        parts.append(
            Items([Item(f"{cut.name}:", cut.promise, cut.evidence, _tone(cut)) for cut in facts.cutoffs])
        )
    yield Section("Where to cut", parts)


def where(facts: ReportFacts, sentence: str) -> str:
    """A sentence on the cut-offs in a chart, where there are any."""
    return sentence if any(cut.probability is not None for cut in facts.cutoffs) else ""


def _cut(facts: ReportFacts, cut: Cut) -> tuple[str, ...]:
    if cut.probability is None:
        return (cut.name, "none: see below", *("–" for _ in range(7)))
    shown = facts.probability >= cut.probability
    hits = np.bincount(facts.query[shown], minlength=facts.queries)
    right = np.bincount(facts.query[shown & facts.relevant], minlength=facts.queries)
    reached, answerable = hits > 0, facts.judged > 0
    point = precision_recall(facts).at(cut.probability)
    return (
        cut.name,
        f"{cut.probability:.1%}",
        _share(reached),
        f"{shown.sum() / max(1, facts.queries):.1f}",
        "–" if point is None else f"{point[1]:.0%}",
        _share(right[reached] / hits[reached]),
        "0%" if point is None else f"{point[0]:.0%}",
        _share(right[answerable] > 0),
        _share(reached[~answerable]),
    )


def _share(of: Booleans | Floats) -> str:
    return f"{of.mean():.0%}" if len(of) else "–"


def _tone(cut: Cut) -> Tone:
    return "doubt" if cut.probability is None else "good"


def pictures(drawn: Mapping[str, Drawn], words: Mapping[str, tuple[str, str]]) -> list[Part]:
    return [
        Picture(drawn[name].light, alt, caption, drawn[name].dark)
        for name, (alt, caption) in words.items()
        if name in drawn
    ]
