"""The report on an evaluation: one HTML page that asks for no foreknowledge, and its charts as PNG."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from evaluation.charts import charts
from evaluation.figures import Estimate, ReportFacts, Worst
from evaluation.report_cuts import cuts, pictures, where
from naru.drawing import Drawn
from naru.files import publish
from naru.report import (
    Item,
    Items,
    Paragraph,
    Part,
    Section,
    Side,
    Table,
    Tile,
    Tiles,
    page,
)

_MEANINGS = {
    r"nDCG(@\d+)?": "{name}: how near the order of the hits{of} is to the best one; 1 has every relevant passage on top.",
    r"RR(@\d+)?": "{name}: 1 divided by the rank of the first relevant hit, 0 where there is none{of}; on average.",
    r"AP(@\d+)?": "{name}: the precision at each relevant passage, averaged; it falls with every wrong hit above one.",
    r"R@\d+": "{name}: the share of a query's relevant passages that is{of}.",
    r"P@\d+": "{name}: the share of the hits{of} that is relevant.",
    r"Success@\d+": "{name}: the share of queries with a relevant hit{of}.",
    r"ECE.*": "{name}: how far the probability that is said lies, on average, from the share that was found relevant: 0.03 "
    "is three of 100 hits off on average, more at some probabilities and less at others.",
    r"Brier.*": "{name}: the squared distance of the probability from what was the case (1 or 0), averaged; 0 is perfect, "
    "0.25 is what saying 50% always gets.",
    r"log loss.*": "{name}: punishes being sure and wrong; 0 is perfect, 0.69 is what saying 50% always gets.",
    r"AUROC.*": "{name}: how often a query with an answer gets a higher probability of having one than a query without "
    "(of its first hit, where no such probability was fitted); 0.5 is a coin, 1 is perfect.",
}
_PREFERRED = ("nDCG@10", "R@10", "RR@10")
FEW = 20  # queries of a part
_TEXT = 240  # characters of a passage that a reader sees


def write_report(folder: Path, facts: ReportFacts) -> Path:
    """Write `report.html` and a PNG a chart into `folder`, made where it is not there; returns the page's path.

    NaruError where matplotlib is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = charts(facts)
    for name, chart in drawn.items():
        publish(folder / f"{name}.png", chart.light)
    sections = [
        _short(facts),
        _ranking(facts),
        *_trust(facts, drawn),
        *cuts(facts, drawn),
        *_slices(facts),
        *_worst(facts),
        _measured(facts),
    ]
    title = f"How well “{facts.collection}” is searched"
    publish(folder / "report.html", page(title, sections, _lead(facts)))
    return folder / "report.html"


def _lead(facts: ReportFacts) -> str:
    answerable = facts.queries - facts.no_answer
    lead = f"{facts.queries:,} judged queries (split “{facts.split}”): {answerable:,} with an answer in the collection"
    lead += f", {facts.no_answer:,} without." if facts.no_answer else "."
    return f"{lead} Mode {facts.mode}, encoder {facts.encoder}."


def _short(facts: ReportFacts) -> Section:
    parts: list[Part] = [Paragraph(doubt, "doubt") for doubt in facts.doubts]
    parts += [Paragraph(sentence) for sentence in _sentences(facts)]
    if not facts.calibrated:
        parts.append(
            Paragraph(
                "No calibration holds for this collection: the probabilities below come from prior weights. "
                "naru calibrate fits them to judged queries.",
                "doubt",
            )
        )
    ours = facts.measures.get(facts.mode, {})
    shown = [name for name in _PREFERRED if name in ours] or list(ours)[:3]
    trusted = {name: one for name, one in facts.reliability.items() if "shown" not in name}
    estimates = {name: ours[name] for name in shown} | trusted
    parts.append(Tiles([Tile(name, _value(one), _between(one)) for name, one in estimates.items()]))
    return Section("In short", parts)


def _sentences(facts: ReportFacts) -> Iterator[str]:
    """What a reader who knows no measure wants to hear."""
    _, right = facts.answers()
    answerable = facts.judged > 0
    if answerable.any():
        share, number = right[answerable].mean(), int(answerable.sum())
        yield f"Of the {number:,} queries that have an answer, the first hit is relevant for {share:.0%}."
    near = (facts.probability >= 0.75) & (facts.probability < 0.85)
    if near.sum() >= 20:
        yield (
            f"Hits said to be relevant with about 80% (75 to 85%; {near.sum():,} hits) are relevant in "
            f"{facts.relevant[near].mean():.0%}."
        )


def _ranking(facts: ReportFacts) -> Section:
    names = list(dict.fromkeys(name for measures in facts.measures.values() for name in measures))
    rows = [
        [mode, *(str(measures[name]) if name in measures else "–" for name in names)]
        for mode, measures in facts.measures.items()
    ]
    return Section(
        "Are the right passages on top?",
        [
            Paragraph(f"Each measure goes from 0 to 1, higher is better; in brackets {facts.intervals}."),
            Table(("mode", *names), rows, "Measures of the ranking, over queries with an answer"),
            *_meanings(names),
        ],
    )


def _trust(facts: ReportFacts, drawn: Mapping[str, Drawn]) -> Iterator[Section]:
    drawings = pictures(
        drawn,
        {
            "reliability": (
                "Reliability diagram: probability that was said against the share found relevant.",
                "Hits with like probabilities are put together; each point says how many of them were relevant. On the "
                "dashed line the probability is right; below it, it promises too much, above it, too little. The bars "
                "are 95% intervals: where they are long, few hits decide.",
            ),
            "probabilities": (
                "Two histograms of the probability, of relevant hits and of hits that are not.",
                "How often each probability was said. Good search puts relevant hits to the right and the others to "
                "the left; what overlaps cannot be told apart by any cut-off."
                + where(facts, " Dotted lines are the cut-offs."),
            ),
        },
    )
    rows = [(name, _value(one), _between(one)) for name, one in facts.reliability.items()]
    if not drawings and not rows:
        return
    parts: list[Part] = [Side(drawings)]
    if rows:
        parts += [
            Table(("measure", "value", "interval"), rows, "Measures of the probability"),
            *_meanings(facts.reliability),
        ]
    yield Section("Can the probability be trusted?", parts)


def _slices(facts: ReportFacts) -> Iterator[Section]:
    sections = []
    for field in dict.fromkeys(part.field for part in facts.slices):
        parts = [part for part in facts.slices if part.field == field]
        names = list(dict.fromkeys(name for part in parts for name in part.measures))
        rows = [
            [
                part.value,
                f"{part.queries:,}" + (" (few)" if part.queries < FEW else ""),
                *(str(part.measures[n]) if n in part.measures else "–" for n in names),
            ]
            for part in parts
        ]
        sections.append(Table((field, "queries", *names), rows, f"By {field}"))
    if sections:
        advice = (
            "The same measures for parts of the queries. The interval of a part of few queries is wide, and where all of them "
            f"came out alike it says nothing: read parts of fewer than {FEW} queries as single cases."
        )
        yield Section("Does it work for everybody?", [Paragraph(advice), *sections])


def _worst(facts: ReportFacts) -> Iterator[Section]:
    if not facts.worst:
        return
    lead = (
        f"The queries with the lowest {facts.worst_by}: what came back, and what should have. A hit that nobody judged "
        "counts as not relevant, so look whether the judgement is what is wrong."
    )
    yield Section(
        "Where it goes wrong", [Paragraph(lead), *(_bad(worst, facts.worst_by) for worst in facts.worst)]
    )


def _bad(worst: Worst, by: str) -> Section:
    returned = [
        Item(
            f"{rank}. {hit.probability:.0%}, {'relevant' if hit.relevant else 'not judged relevant'}:",
            hit.title or "(no title)",
            _clipped(hit.text),
            "good" if hit.relevant else "bad",
        )
        for rank, hit in enumerate(worst.returned, start=1)
    ]
    expected = [
        Item(
            "not found:" if one.rank is None else f"found at rank {one.rank}:",
            one.title or "(no title)",
            _clipped(one.text),
            "doubt",
        )
        for one in worst.expected
    ]
    nothing = Paragraph("Nothing: the collection has no answer to it.", "quiet")
    left = Section("Returned", [Items(returned) if returned else Paragraph("Nothing.", "quiet")])
    right = Section("Should have been", [Items(expected) if expected else nothing])
    how = f"{by} {worst.value:.2f}" if worst.expected else "no answer exists"
    return Section(f"{worst.query} ({how})", [Side([left, right])])


def _measured(facts: ReportFacts) -> Section:
    notes = [
        "A passage that nobody judged counts as not relevant, though it may be relevant. So the shares found relevant "
        "are at least those shown, and a mode that finds relevant passages which nobody judged looks worse than it is.",
        *facts.notes,
    ]
    parts: list[Part] = [Paragraph(note) for note in notes]
    if facts.made_from:
        parts.append(Table(("made from", "what"), [(name, value) for name, value in facts.made_from.items()]))
    return Section("How it was measured", parts)


def _meanings(names: Sequence[str] | Mapping[str, Estimate]) -> list[Part]:
    """A sentence on each kind of measure that is there."""
    said: list[Part] = []
    for pattern, meaning in _MEANINGS.items():
        found = [name for name in names if re.fullmatch(pattern, name)]
        if not found:
            continue
        kind, at, depth = found[0].partition("@")
        if len(found) > 1 and at:
            depth = "k"
        name = f"{kind}@{depth}" if at else kind
        said.append(
            Paragraph(meaning.format(name=name, of=f" among the first {depth}" if at else ""), "quiet")
        )
    return said


def _value(one: Estimate) -> str:
    return "–" if math.isnan(one.value) else f"{one.value:.3f}"


def _between(one: Estimate) -> str:
    return one.interval


def _clipped(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TEXT else f"{line[:_TEXT].rstrip()}…"
