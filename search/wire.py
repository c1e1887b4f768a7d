"""The service's JSON: what a search request says and what its answer holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from naru.cutoffs import LEVELS, PROMISES, Cutoff, read_cutoff
from naru.documents import Hit, Passage
from naru.errors import NaruError
from search.answer import Answer, Cut
from search.conditions import FilterIn
from search.highlight import Highlights, Marked, Segment, Span
from search.notes import Note


def _no_boolean(said: object) -> object:
    """Python takes true for 1; a client who sends it means something else."""
    if isinstance(said, bool):
        raise ValueError(f"got {str(said).lower()}; expected a number")
    return said


def _number_or_name(said: object) -> object:
    """A number in quotes is a number, as on the command line."""
    return read_cutoff(said) if isinstance(said, str) else said


CUTOFF_NAMES = f"^({'|'.join(LEVELS)}|({'|'.join(PROMISES)})(=0?[.][0-9]+)?)$"
CutoffIn = Annotated[
    float | str,
    BeforeValidator(_number_or_name),
    BeforeValidator(_no_boolean),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                {"type": "string", "pattern": CUTOFF_NAMES, "examples": [*LEVELS, "precise=0.8"]},
            ]
        }
    ),
]


class SearchIn(BaseModel):
    """A search. Unknown fields are refused, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"query": "카드 잃어버렸는데 어떡해요", "limit": 5}]},
    )

    query: str
    collection: str | None = Field(None, description="May be left out where only one collection is served.")
    mode: Literal["hybrid", "semantic", "lexical"] = "hybrid"
    limit: Annotated[int, BeforeValidator(_no_boolean)] = Field(10, ge=1, le=100)
    filter: FilterIn | None = None
    cutoff: CutoffIn | None = Field(
        None,
        description="Passages below it are no hits: a probability, or a level that `naru calibrate` chose for the "
        "collection. The answer's `cutoff` says what that promises.",
        examples=[0.5, "balanced"],
    )
    anyway: bool = Field(
        False,
        description="Return hits as such even where the answer says that there is none (`answered` false).",
    )
    highlight: Literal["offsets", "segments", "off"] = Field(
        "offsets",
        description="How matches are marked: offsets in code points, also as pieces of text, or not at all.",
    )


class HighlightsOut(BaseModel):
    """Half-open ranges of code points into the field of the same name."""

    title: tuple[Span, ...]
    text: tuple[Span, ...]
    snippet: tuple[Span, ...]


class SegmentsOut(BaseModel):
    """The same fields cut into pieces, for readers that count in other units (JavaScript: UTF-16)."""

    title: tuple[Segment, ...]
    text: tuple[Segment, ...]
    snippet: tuple[Segment, ...]


class HitOut(BaseModel):
    """One passage. `semantic` is a cosine, `lexical` the share of the query's words; null: not used. `logit` is what
    the engine ranked by; `probability` is made of it, of the hits it competes with, and of the calibration's map."""

    rank: int
    id: str
    title: str
    text: str
    snippet: str | None
    highlights: HighlightsOut | None
    segments: SegmentsOut | None
    metadata: dict[str, Any]
    probability: float
    logit: float
    semantic: float | None
    lexical: float | None


class SearchOut(BaseModel):
    """An answer. `calibrated` false: the probabilities rest on prior weights, not on judgements of this
    collection. `answerable` is the probability that the collection holds an answer; null where that was not fitted.
    `answered` false: it holds none, or nothing reaches the cut-off; then `hits` is empty and what comes nearest is in
    `near_misses`. At a level the cut-off decides alone, for its promise counts what it shows. Null: nothing calibrated
    decides it. `cutoff` is null where none was asked for. `milliseconds` were spent on searching and on highlighting."""

    query: str
    mode: str
    collection: str
    calibrated: bool
    answered: bool | None
    answerable: float | None
    cutoff: Cut | None
    hits: list[HitOut]
    near_misses: list[HitOut]
    notes: tuple[Note, ...]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """A hit and its highlights, None when they were not wanted."""

    hit: Hit
    highlights: Highlights | None


def search_out(
    answer: Answer,
    hits: Sequence[Found],
    near_misses: Sequence[Found],
    collection: str,
    asked: SearchIn,
    milliseconds: float,
) -> SearchOut:
    segments = asked.highlight == "segments"
    return SearchOut(
        query=answer.query,
        mode=answer.mode,
        collection=collection,
        calibrated=answer.calibrated,
        answered=answer.answered,
        answerable=answer.answerable,
        cutoff=answer.cutoff,
        hits=[_hit_out(one, segments=segments) for one in hits],
        near_misses=[_hit_out(one, segments=segments) for one in near_misses],
        notes=answer.notes,
        milliseconds=round(milliseconds, 3),
    )


def read_answer(said: Mapping[str, Any]) -> tuple[Answer, dict[str, Marked]]:
    """What a service said as a searcher's answer (without tokens), and the snippets by passage id, where they were
    asked for. NaruError for JSON of another shape."""
    try:
        read = SearchOut.model_validate(said)
    except ValidationError as error:
        part = error.errors()[0]
        where = ".".join(map(str, part["loc"]))
        raise NaruError(
            f"The service's answer cannot be read: {where}: {part['msg']}. Does the service run the same version of naru?"
        ) from error
    answer = Answer(
        query=read.query,
        mode=read.mode,
        hits=tuple(map(_hit_in, read.hits)),
        calibrated=read.calibrated,
        tokens=(),
        notes=read.notes,
        milliseconds=read.milliseconds,
        answerable=read.answerable,
        answered=read.answered,
        near_misses=tuple(map(_hit_in, read.near_misses)),
        cutoff=read.cutoff,
    )
    snippets = {
        hit.id: Marked(hit.snippet, hit.highlights.snippet)
        for hit in (*read.hits, *read.near_misses)
        if hit.snippet is not None and hit.highlights is not None
    }
    return answer, snippets


def _hit_in(said: HitOut) -> Hit:
    passage = Passage(said.id, said.text, said.title, said.metadata)
    return Hit(passage, said.rank, said.logit, said.probability, said.semantic, said.lexical)


def _hit_out(found: Found, *, segments: bool) -> HitOut:
    hit, marked = found.hit, found.highlights
    return HitOut(
        rank=hit.rank,
        id=hit.passage.id,
        title=hit.passage.title,
        text=hit.passage.text,
        snippet=marked.snippet.text if marked else None,
        highlights=HighlightsOut(**_each(marked, "spans")) if marked else None,
        segments=SegmentsOut(**_each(marked, "segments")) if marked and segments else None,
        metadata=dict(hit.passage.metadata),
        probability=hit.probability,
        logit=hit.logit,
        semantic=hit.semantic,
        lexical=hit.lexical,
    )


def _each(marked: Highlights, part: Literal["spans", "segments"]) -> dict[str, Any]:
    fields: dict[str, Marked] = {"title": marked.title, "text": marked.text, "snippet": marked.snippet}
    return {name: getattr(field, part) for name, field in fields.items()}


class CollectionOut(BaseModel):
    """A collection being served and what it was made with. `void` says why a calibration that it has does not hold.
    `cutoffs` are, by mode, the levels that a search may name, with what each promises and the evidence, or with the
    reason why it has no number; none where nothing was calibrated."""

    name: str
    passages: int
    encoder: str
    created: str
    calibrated: bool
    void: str | None
    modes: tuple[str, ...]
    cutoffs: dict[str, tuple[Cutoff, ...]]
    examples: tuple[str, ...] = Field(description="Queries worth trying on it.")


class CollectionsOut(BaseModel):
    collections: list[CollectionOut]


class StatusOut(BaseModel):
    status: Literal["live", "ready"]


class FailureOut(BaseModel):
    """What went wrong: a type for programs, a message for people."""

    type: str
    message: str


class ErrorOut(BaseModel):
    error: FailureOut
