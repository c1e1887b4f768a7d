"""Scores, labels and lists as they are written in a file, and the numbers and texts that training wants."""

from __future__ import annotations

import json
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from finetune.shapes import Shape
from naru.errors import NaruError

MOST_CLASSES = 10_000
HIGHEST = 5.0  # the usual scale of similarity: KorSTS, KLUE-STS
FEW = 0.05  # at most so many scores above 1 are slips on a scale of 0..1
WORDS = {"true": "1", "false": "0"}
VERDICTS = WORDS | dict.fromkeys(("yes", "y", "t", "o", "예", "네", "참"), "1")
VERDICTS |= dict.fromkeys(("no", "n", "f", "x", "아니오", "아니요", "거짓"), "0")
UNREADABLE = -1  # a label that is none


class Values:
    """What a pass over the data has seen of its scores, labels and negatives; then how to read them."""

    def __init__(self, score_range: Sequence[float] | None, grades: bool = False) -> None:
        """`grades` says that whole-number labels are grades, however few there are."""
        self.score_range = score_range
        self.grades = grades
        self._labels: Counter[str] = Counter()
        self._numbers = self._above = self._fractions = 0
        self._highest = 0.0  # of the numbers on the usual scale
        self._least = self._most = 0

    def seen(self, value: Any) -> str:
        """A score or a label as text, taken into account."""
        text = "" if value is None else unicodedata.normalize("NFC", str(value)).strip()
        text = WORDS.get(text.lower(), text)
        number = _number(text)
        if number is not None:
            self._numbers += 1
            self._above += number > 1
            self._fractions += number % 1 != 0
            self._highest = max(self._highest, number if number <= HIGHEST else 0)
        if len(self._labels) < MOST_CLASSES:
            self._labels[text] += 1
        return text

    def counted(self, negatives: list[str]) -> list[str]:
        """A row's negatives, taken into account."""
        if negatives:
            self._least = min(self._least or len(negatives), len(negatives))
            self._most = max(self._most, len(negatives))
        return negatives

    @property
    def negatives(self) -> int:
        """Negatives a row: as many as every row that has any has."""
        return max(self._least, 1)

    @property
    def graded(self) -> bool | None:
        """Of labels: True for grades (numbers between classes, or four and more whole ones from 0 to 5), False for 0 and
        1 but for a few slips, None for classes."""
        counts: Counter[float | None] = Counter()
        for text, count in self._labels.items():
            if text:
                counts[_number(text)] += count
        binary = counts[0.0] + counts[1.0]
        if binary >= (1 - FEW) * counts.total() and binary:
            return False
        known = [number for number in counts if number is not None]
        if None in counts:
            return None
        likely = (self.grades or len(known) >= 4) and min(known, default=-1) >= 0 and max(known) <= HIGHEST
        return True if likely or any(number % 1 for number in known) else None

    def classes(self) -> tuple[str, ...]:
        """The names of labels 0, 1, ...: numbers in their order, names by the alphabet."""
        names = [text for text in self._labels if text]
        if len(names) >= MOST_CLASSES - 1:
            raise NaruError(
                f"The label column has {len(names):,} values or more; expected classes. Is it another column? Say "
                'which with columns = {label = "…"}.'
            )
        return tuple(sorted(names, key=_by_value))

    def converter(self, shape: Shape) -> Callable[[str], float | int] | None:
        """From text to score in 0..1 (NaN for no number; outside for out of range) or label (-1 for none)."""
        if shape is Shape.SCORED:
            low, high = self.range

            def score(text: str) -> float:
                number = _number(text)
                return math.nan if number is None else (number - low) / (high - low)

            return score
        if shape is Shape.LABELLED:
            labels: dict[float | None, int] = {0.0: 0, 1.0: 1}
            return lambda text: labels.get(_number(text), UNREADABLE)
        if shape in (Shape.CLASSED, Shape.CLASSED_PAIRS):
            places = {name: number for number, name in enumerate(self.classes())}
            return lambda text: places.get(text, UNREADABLE)
        return None

    @property
    def range(self) -> tuple[float, float]:
        """The scale of scores: as told; else 0..1 where no more than slips lie above 1; else 0..5, of whole numbers alone
        (the grades 0 to 3 of TREC) up to the highest there is."""
        if self.score_range is not None:
            return self.score_range[0], self.score_range[1]
        if self._above <= FEW * self._numbers:
            return 0.0, 1.0
        whole = not self._fractions and self._highest > 1
        return 0.0, self._highest if whole else HIGHEST

    def notes(self, shape: Shape) -> list[str]:
        """What was decided, for the table of data."""
        if shape is Shape.SCORED:
            low, high = self.range
            told = self.score_range is not None or high in (1, HIGHEST)
            scale = f"scores {low:g}..{high:g}" + ("" if told else ", by the highest grade,")
            return [scale + (" read as 0..1" if (low, high) != (0, 1) else "")]
        if shape is Shape.CLASSED_PAIRS:
            names = self.classes()
            numbers = {_number(VERDICTS.get(name.lower(), name)) for name in names}
            if len(names) == 2 and None not in numbers and set(names) != {"0", "1"}:
                return [
                    f"labels {names[0]} and {names[1]} are read as two classes; where they say whether two texts belong "
                    "together, write 0 and 1: labelled-pairs"
                ]
        if shape is Shape.TRIPLETS and self._most > self._least:
            return [f"{self._least} to {self._most} negatives a row: the first {self.negatives} are used"]
        return []


def listed(cell: Any, name: str, place: str) -> Any:
    """A cell of a column of lists: its list where it is one written as JSON, as in CSV; any other as it is.

    NaruError for what begins as a list and is no JSON (pandas writes ['a', 'b']).
    """
    if not isinstance(cell, str) or not cell.lstrip().startswith("["):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError) as error:
        raise NaruError(
            f'{place}: {name} is {cell[:60]!r}, expected a list as JSON ({error}). Write ["a", "b"], in pandas by '
            "json.dumps; one text that begins with a bracket stands in a column document or negative."
        ) from error


def verdicts(values: Iterable[Any]) -> str:
    """What is all that these are, but for blanks, where it may be a verdict: "0 and 1", or "numbers from 0 to 5"."""
    texts = {str(value).strip().lower() for value in values if value is not None}
    numbers = [_number(VERDICTS.get(text, text)) for text in texts if text]
    if not numbers or any(number is None or not 0 <= number <= HIGHEST for number in numbers):
        return ""
    return "0 and 1" if set(numbers) <= {0, 1} else f"numbers from 0 to {HIGHEST:g}"


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _by_value(name: str) -> tuple[float, str]:
    number = _number(name)
    return (math.inf if number is None else number, name)
