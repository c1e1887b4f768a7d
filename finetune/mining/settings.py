"""What a user chooses when mining hard negatives."""

from __future__ import annotations

from dataclasses import dataclass, field

from naru.errors import NaruError
from naru.text import AnalyzerSettings

SOURCES = ("bm25", "encoder", "random")


@dataclass(frozen=True, slots=True)
class Limits:
    """How near its row's positive a negative may score (NV-Retriever, Moreira et al. 2024, section 3.2).

    With p the positive's score, a negative's may be at most

        absolute_margin m   p - m                    TopK-MarginPos
        relative_margin m   p - m * |p|
        share s             p - (1 - s) * |p|        TopK-PercPos: s * p where p is positive, as it nearly always is

    Each that is not None applies. For p < 0 the paper's s * p would let in what scores above the positive.
    """

    absolute_margin: float | None = None
    relative_margin: float | None = None
    share: float | None = 0.95

    def __post_init__(self) -> None:
        for name in ("absolute_margin", "relative_margin"):
            margin = getattr(self, name)
            if margin is not None and not 0 <= margin < float("inf"):
                raise NaruError(
                    f"{name} is {margin}; expected a number of at least 0, or none to switch it off."
                )
        if self.share is not None and not 0 < self.share <= 1:
            raise NaruError(
                f"share is {self.share}; expected the part of the positive's score that a negative may reach, "
                "above 0 and at most 1 (0.95 is 95 %), or none to switch it off."
            )

    def highest(self, positive: float) -> dict[str, float]:
        """What a negative may score at most beside this positive, by the name of each limit that applies."""
        highest = {
            "absolute_margin": None if self.absolute_margin is None else positive - self.absolute_margin,
            "relative_margin": (
                None if self.relative_margin is None else positive - self.relative_margin * abs(positive)
            ),
            "share": None if self.share is None else positive - (1 - self.share) * abs(positive),
        }
        return {name: score for name, score in highest.items() if score is not None}


@dataclass(frozen=True, slots=True)
class Mining:
    """`number` negatives a row, from `sources` in turn: of each, skip `skip` ranks and look at the next `look`.

    The encoder judges by `limits` what any source offers. Without one BM25 does, for which a positive that shares
    no token with its query leaves no candidate; random passages alone are not judged. `check_limit` is the
    highest score that the cross-encoder may give a negative. With `fill` a row that finds too few is filled up
    with random passages, held to the same limits and of no skipped rank; else it is left out. `skip_bad_rows` leaves
    out pairs with a blank text, or one that is not valid Unicode.
    """

    number: int = 3
    sources: tuple[str, ...] = ("bm25", "encoder")
    skip: int = 0
    look: int = 100
    limits: Limits = Limits()
    check_limit: float = 0.5
    fill: bool = True
    skip_bad_rows: bool = False
    seed: int = 0
    sample: int = 5
    analyzer: AnalyzerSettings = field(default_factory=AnalyzerSettings)

    def __post_init__(self) -> None:
        for name, least in (("number", 1), ("skip", 0), ("look", 1), ("seed", 0), ("sample", 0)):
            if getattr(self, name) < least:
                raise NaruError(f"{name} is {getattr(self, name)}; expected at least {least}.")
        if not self.sources or len(set(self.sources)) < len(self.sources) or set(self.sources) - set(SOURCES):
            raise NaruError(
                f"sources are {', '.join(self.sources) or 'none'}; expected one or more of {', '.join(SOURCES)}, each once."
            )
        if self.look * len(self.sources) < self.number:
            raise NaruError(
                f"look is {self.look} for {self.number} negatives from {len(self.sources)} sources; "
                "expected as many ranks as negatives, and better ten times as many."
            )
