"""What a collection version was made from, and the check that it is searched with the same."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol, Self

from naru.basis import Background
from naru.errors import NaruError, index_command
from naru.sketch import Sketch
from naru.text import AnalyzerSettings

FORMAT = 1


class Fingerprinted(Protocol):
    @property
    def fingerprint(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Provenance:
    """The facts of a collection's manifest. `encoder` names the bundle as it was given when indexing; `sketch` is
    empty in collections that an earlier naru made."""

    collection: str
    created: str
    corpus: str
    passages: int
    truncated: int
    encoder: str
    encoder_fingerprint: str
    analyzer: AnalyzerSettings
    analyzer_fingerprint: str
    background: Background
    sketch: Sketch = ()

    def to_facts(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        """Read a manifest's facts. NaruError when another version of naru wrote another format."""
        if facts.get("format") != FORMAT:
            raise NaruError(
                f"The collection's format is {facts.get('format')!r}; this naru reads {FORMAT}. Index it again."
            )
        known = {one.name for one in fields(cls)}  # a later naru may state more
        values = {name: value for name, value in facts.items() if name in known}
        analyzer = values["analyzer"]
        values["analyzer"] = AnalyzerSettings(
            tuple(analyzer["stopwords"]), tuple(analyzer["user_words"]), analyzer["characters"]
        )
        values["background"] = Background(**values["background"])
        values["sketch"] = tuple(values.get("sketch", ()))
        return cls(**values)

    def check(self, encoder: Fingerprinted, analyzer: Fingerprinted, store: str) -> None:
        """NaruError naming both fingerprints unless encoder and analyzer are those of index time. `store` is where the
        collection is, for the advice."""
        again = index_command(store, self.collection, self.corpus)
        parts = (
            ("encoder", self.encoder_fingerprint, encoder, f"--encoder {shlex.quote(self.encoder)}"),
            ("analyzer", self.analyzer_fingerprint, analyzer, "the naru version that made it"),
        )
        for part, expected, got, other in parts:
            if expected != got.fingerprint:
                raise NaruError(
                    f"Collection {self.collection!r} was indexed with {part} {expected}, this is {part} "
                    f"{got.fingerprint}: their scores cannot be compared. Open it with {other}, or index it again: {again}"
                )
