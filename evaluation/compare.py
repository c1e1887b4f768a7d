"""Two systems on the same queries: is the one better than the other, and on which queries?

Per-query differences b - a. p-values by the paired randomisation test (Fisher's sign flipping; for retrieval see
Smucker, Allan & Carterette 2007), corrected over measures by Holm 1979; intervals by a paired BCa bootstrap. Where
groups are given, a group's queries are drawn and flipped together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from evaluation.arrays import Floats
from evaluation.intervals import SEED, bootstrap, chunks, grouped, groups_of
from evaluation.measures import Measured, measure_names
from naru import terminal
from naru.errors import NaruError

FLIPS = 10_000
EXACT = 13
"""Up to so many differing queries every assignment of signs is tried: 2 ** 13 are fewer than FLIPS."""
SURE = 0.05
EVEN = "not told apart"
_NEAR = 1e-9  # what differs less is a tie: measures are sums of a few terms below 1


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure: both means, the interval of b - a (NaN for a single group), p as it is and after Holm, counts.

    `won` are the queries on which b is better than a.
    """

    measure: str
    a: float
    b: float
    low: float
    high: float
    p: float
    holm: float
    won: int
    tied: int
    lost: int

    @property
    def value(self) -> float:
        return self.b - self.a

    @property
    def verdict(self) -> str:
        """`better` or `worse` where Holm's p is below 5%, else EVEN."""
        if self.holm >= SURE:
            return EVEN
        return "better" if self.value > 0 else "worse"


@dataclass(frozen=True, slots=True)
class Moved:
    """A query on which the two differ."""

    query: str
    text: str
    a: float
    b: float


@dataclass(frozen=True)
class Comparison:
    """b against a over the same queries; `texts` says the queries that are known."""

    a: str
    b: str
    differences: tuple[Difference, ...]
    measured_a: Measured
    measured_b: Measured
    texts: Mapping[str, str]

    @property
    def queries(self) -> int:
        return len(next(iter(self.measured_a.per_query.values())))

    def moved(self, measure: str) -> list[Moved]:
        """The queries on which they differ, from b's largest loss to its largest gain."""
        a, b = self.measured_a.per_query[measure], self.measured_b.per_query[measure]
        found = [Moved(query, self.texts.get(query, query), a[query], b[query]) for query in a]
        return sorted(
            (one for one in found if abs(one.b - one.a) > _NEAR), key=lambda one: (one.b - one.a, one.query)
        )

    def worse(self, allowed: Mapping[str, float]) -> list[str]:
        """A sentence for each measure whose mean fell by more than is allowed."""
        found = {one.measure: one for one in self.differences}
        return [
            f"{name} fell by {-found[name].value:.4f}, from {found[name].a:.4f} to {found[name].b:.4f}; "
            f"allowed were {most:g}."
            for name, most in allowed.items()
            if found[name].value < -most - _NEAR
        ]

    def table(self) -> Table:
        """For the terminal: a row a measure."""
        table = terminal.table(escape(f"{self.b} against {self.a}: {self.queries:,} queries"))
        table.add_column("measure")
        for heading in ("before", "after", "change", "95% interval", "p (Holm)", "won/tied/lost"):
            table.add_column(heading, justify="right", no_wrap=heading != "won/tied/lost")
        table.add_column("")
        for one in self.differences:
            table.add_row(
                one.measure,
                f"{one.a:.4f}",
                f"{one.b:.4f}",
                f"{one.value:+.4f}",
                "–" if np.isnan(one.low) else f"[{one.low:+.3f}, {one.high:+.3f}]",
                f"{one.holm:.4f}",
                f"{one.won}/{one.tied}/{one.lost}",
                "" if one.verdict == EVEN else one.verdict,
            )
        return table

    def shown(self, most: int) -> Iterator[str]:
        """The first measure in words: the verdict, and the queries lost and won by most."""
        first = self.differences[0]
        sure = f"{first.value:+.4f} in {first.measure}, Holm's p {first.holm:.4f}"
        yield (
            f"{self.b} is {first.verdict} than {self.a}: {sure}."
            if first.verdict != EVEN
            else (f"{self.b} and {self.a} do not differ significantly: {sure}.")
        )
        moved = self.moved(first.measure)
        for name, found in (
            ("Lost", [one for one in moved if one.b < one.a]),
            ("Won", [one for one in reversed(moved) if one.b > one.a]),
        ):
            if found and most:
                yield f"\n{name} ({min(most, len(found))} of {len(found)}):"
            for one in found[:most]:
                yield f"  {one.a:.3f} -> {one.b:.3f}  {one.text}  ({one.query})"

    def lists(self) -> dict[str, Any]:
        """Measure -> the queries won and lost, each from the largest difference on, and the ids of those tied."""
        found = {}
        for name in self.measured_a.per_query:
            moved = self.moved(name)
            ids = {one.query for one in moved}
            found[name] = {
                "won": [asdict(one) for one in reversed(moved) if one.b > one.a],
                "tied": [query for query in self.measured_a.per_query[name] if query not in ids],
                "lost": [asdict(one) for one in moved if one.b < one.a],
            }
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            "a": self.a,
            "b": self.b,
            "queries": self.queries,
            "measures": {
                one.measure: {
                    "a": one.a,
                    "b": one.b,
                    "difference": one.value,
                    "interval": None if np.isnan(one.low) else [one.low, one.high],
                    "p": one.p,
                    "holm": one.holm,
                    "verdict": one.verdict,
                    "won": one.won,
                    "tied": one.tied,
                    "lost": one.lost,
                }
                for one in self.differences
            },
        }


def compare(
    a: tuple[str, Measured],
    b: tuple[str, Measured],
    *,
    texts: Mapping[str, str] | None = None,
    groups: Mapping[str, str] | None = None,
    seed: int = SEED,
) -> Comparison:
    """b (name, measures) against a. NaruError where measures or queries differ, naming some."""
    (name_a, of_a), (name_b, of_b) = a, b
    _same("measures", name_a, of_a.per_query, name_b, of_b.per_query)
    first = next(iter(of_a.per_query))
    _same("queries", name_a, of_a.per_query[first], name_b, of_b.per_query[first])
    queries = list(of_a.per_query[first])
    of_b = Measured(of_b.means, {name: of_b.per_query[name] for name in of_a.per_query})
    gained = of_b.values(queries) - of_a.values(queries)
    gained[np.abs(gained) <= _NEAR] = 0.0
    numbers = groups_of(queries, groups)
    low, high = bootstrap(gained, numbers, seed=seed)
    p = flips(grouped(gained, numbers)[0], seed=seed)
    differences = tuple(
        Difference(
            measure=name,
            a=float(np.mean(list(of_a.per_query[name].values()))),
            b=float(np.mean(list(of_b.per_query[name].values()))),
            low=float(low[column]),
            high=float(high[column]),
            p=float(p[column]),
            holm=float(corrected),
            won=int((gained[:, column] > 0).sum()),
            tied=int((gained[:, column] == 0).sum()),
            lost=int((gained[:, column] < 0).sum()),
        )
        for column, (name, corrected) in enumerate(zip(of_a.per_query, holm(p), strict=True))
    )
    return Comparison(name_a, name_b, differences, of_a, of_b, texts or {})


def flips(differences: Floats, *, draws: int = FLIPS, seed: int = SEED) -> Floats:
    """Two-sided p-values [m] of the mean of each column of differences [n, m] being 0.

    Under the null each difference could as well have had the other sign. Columns with at most EXACT that are not 0
    are counted out; the others share `draws` random assignments, and p is (1 + as extreme) / (1 + draws).
    """
    observed = np.abs(differences.sum(axis=0))
    reach = observed - 1e-12 * np.maximum(1.0, np.abs(differences).sum(axis=0))
    rng = np.random.default_rng(seed)
    extreme = np.zeros(differences.shape[1])
    few = (differences != 0).sum(axis=0) <= EXACT
    if not few.all():
        for rows in chunks(draws, len(differences)):
            signs = rng.integers(0, 2, (rows, len(differences)), dtype=np.int8) * 2.0 - 1.0
            extreme += (np.abs(signs @ differences) >= reach).sum(axis=0)
    p: Floats = (1 + extreme) / (1 + draws)
    for column in np.flatnonzero(few):
        sums = np.zeros(1)
        for one in differences[differences[:, column] != 0, column]:
            sums = np.concatenate([sums + one, sums - one])
        p[column] = np.mean(np.abs(sums) >= reach[column])
    return p


def holm(p: Floats) -> Floats:
    """Step-down p-values [m]: the k-th smallest of m times m - k + 1, never falling, at most 1. Holm 1979."""
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return corrected


def allowances(said: Sequence[str]) -> dict[str, float]:
    """Measure -> how much it may fall, of texts such as `nDCG@10:0.01`, or `nDCG@10,P@3:0.01` for both. NaruError for what is
    none, and for a measure given twice."""
    found: dict[str, float] = {}
    for one in said:
        name, colon, most = one.rpartition(":")
        if not colon or not re.fullmatch(r"\d+(\.\d+)?|\.\d+", most):
            raise NaruError(f"{one!r}; expected a measure and how much it may fall, such as nDCG@10:0.01.")
        for measure in measure_names(name):
            if measure in found:
                raise NaruError(f"{one!r}: how much {measure} may fall is given twice; expected it once.")
            found[measure] = float(most)
    return found


def _same(what: str, a: str, of_a: Mapping[str, Any], b: str, of_b: Mapping[str, Any]) -> None:
    for name, one, other, lacks in ((a, of_a, of_b, b), (b, of_b, of_a, a)):
        missing = [key for key in one if key not in other]
        if missing:
            raise NaruError(
                f"{lacks} lacks {len(missing)} {what} that {name} has: {', '.join(missing[:5])}; expected the "
                f"same {what} in both."
            )
