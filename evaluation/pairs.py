"""Sentence pairs: where the cosine parts those that mean the same, and how it goes with graded similarity.

With labels: the best threshold by accuracy and by F1, and average precision. With scores: Pearson's and Spearman's
correlation with cosine, Euclidean, Manhattan and dot product (distances negated), the eight of
sentence-transformers. A threshold that was chosen on the pairs it is measured on looks better than it is, so `held out`
figures stand beside: of each fifth of the pairs with the threshold that the others chose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from evaluation.arrays import Booleans, Floats
from evaluation.needed import needed
from evaluation.sweeps import Best, best_accuracy, best_f1
from naru.errors import NaruError
from naru.records import read_records

SENTENCES = (
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("premise", "hypothesis"),
)
SCORES = ("score", "similarity", "real-label")
LABELS = ("is_duplicate", "binary-label", "label")
"""Fields that are read, the first that is there; `label` counts as a score where it is not only 0 and 1."""

REVERSED = 0.4  # AUROC; that of chance is a half
FOLDS = 5
_SEED = 20261121


class Encodes(Protocol):
    """What is needed of an encoder."""

    def queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]: ...


@dataclass(frozen=True)
class Pairs:
    """n pairs, with scores [n], labels [n] or both."""

    first: Sequence[str]
    second: Sequence[str]
    scores: Floats | None
    labels: Booleans | None
    read: str = ""  # the fields that scores and labels were read from


@dataclass(frozen=True, slots=True)
class Threshold:
    """Pairs of at least the cosine `cutoff` mean the same; `value` on these pairs, and held out."""

    cutoff: float
    value: float
    precision: float
    recall: float
    held_out: float


@dataclass(frozen=True, slots=True)
class PairFigures:
    """`accuracy`, `f1`, `average_precision` and `auroc` where there are labels, `correlations` ("cosine Pearson") where scores."""

    pairs: int
    positives: int | None
    accuracy: Threshold | None
    f1: Threshold | None
    average_precision: float | None
    correlations: Mapping[str, float]
    read: str = ""
    auroc: float | None = None  # where there are labels

    def to_json(self) -> dict[str, Any]:
        """Plain values, those that there are."""
        said: dict[str, Any] = {"pairs": self.pairs}
        for name in ("positives", "average_precision", "auroc"):
            if getattr(self, name) is not None:
                said[name] = getattr(self, name)
        for name, found in (("accuracy", self.accuracy), ("F1", self.f1)):
            if found is not None:
                said[name] = {
                    "cosine": found.cutoff,
                    "value": found.value,
                    "precision": found.precision,
                    "recall": found.recall,
                    "held out": found.held_out,
                }
        return said | ({"correlations": dict(self.correlations)} if self.correlations else {})

    def lines(self) -> list[str]:
        """For the terminal."""
        labelled = "" if self.positives is None else f", {self.positives:,} of them alike"
        said = [f"{self.pairs:,} pairs{labelled}" + (f" ({self.read})" if self.read else "")]
        for name, found in (("accuracy", self.accuracy), ("F1", self.f1)):
            if found is not None:
                said.append(
                    f"best {name:<9}{found.value:.4f} at cosine {found.cutoff:.4f} (precision {found.precision:.4f}, "
                    f"recall {found.recall:.4f}); held out {found.held_out:.4f}"
                )
        if self.average_precision is not None:
            said.append(f"average precision {self.average_precision:.4f}, AUROC {self.auroc:.4f}")
            if self.auroc is not None and self.auroc < REVERSED:
                said.append(
                    "The labels look reversed: pairs that are called alike have lower cosines than the others. Which label "
                    "means alike in this file? --alike 0 or --alike 1 says so."
                )
        return said + [f"{name:<20}{value:+.4f}" for name, value in self.correlations.items()]


def read_pairs(path: str | Path, *, positive: float | None = None, alike: int = 1) -> Pairs:
    """Pairs of a file that `naru.records` reads (JSON lines, JSON, CSV, TSV, Parquet); fields as named above.

    Labels are 0 and 1, of which `alike` says that two sentences mean the same; with `positive`, pairs of at least
    that score are labelled 1. Of the nested `labels` of KLUE-STS its members count as fields. NaruError names the
    file and the line that does not fit.
    """
    path = Path(path)
    first: list[str] = []
    second: list[str] = []
    columns: dict[str, list[float]] = {}
    names: tuple[str, str] | None = None
    for line, record in read_records(path):
        where = f"{path}:{line}"
        fields = {name.removeprefix("labels."): value for name, value in record.items()}
        names = names or next((pair for pair in SENTENCES if all(name in fields for name in pair)), None)
        if names is None:
            wanted = " or ".join(" and ".join(pair) for pair in SENTENCES)
            raise NaruError(f"{where}: has the fields {', '.join(fields)}; expected {wanted}.")
        for name, column in zip(names, (first, second), strict=True):
            if not isinstance(fields.get(name), str) or not fields[name].strip():
                raise NaruError(
                    f"{where}: {name!r} is {fields.get(name)!r}; expected text that is not blank."
                )
            column.append(fields[name])
        for name in (*SCORES, *LABELS):
            if (name in fields) != (name in columns) and len(first) > 1:
                raise NaruError(
                    f"{where}: {name!r} is here or was further up, but not both; every pair needs it, or none."
                )
            if name in fields:
                columns.setdefault(name, []).append(_number(where, name, fields[name]))
    if not first:
        raise NaruError(f"{path}: no pairs.")
    whole = {name: np.array(values) for name, values in columns.items()}
    if (
        names == ("premise", "hypothesis")
        and np.isin(whole.get("label", [0]), (0, 1, 2)).all()
        and 2 in whole.get("label", [])
    ):
        raise NaruError(
            f"{path}: 'label' holds classes of inference (0, 1, 2), which are no grades of similarity. Leave the neutral "
            "pairs out and label entailment 1, contradiction 0."
        )
    binary = {name: bool(np.isin(values, (0, 1)).all()) for name, values in whole.items()}
    label = next((name for name in LABELS if binary.get(name)), None)
    score = next((name for name in (*SCORES, "label") if name in whole and name != label), None)
    scores = None if score is None else whole[score]
    labels = None if label is None else whole[label] == alike
    if positive is not None:
        if scores is None:
            raise NaruError(
                f"{path}: a score that counts as positive was named, but the file has labels only."
            )
        labels = scores >= positive
    if scores is None and labels is None:
        raise NaruError(f"{path}: every pair needs one of the fields {', '.join((*SCORES, *LABELS))}.")
    read = [f"scores from {score!r}"] if scores is not None else []
    if labels is not None:
        told = f"labels from {label!r}" + ("" if alike == 1 else f", where {alike} is alike")
        read.append(told if positive is None else f"1 from {score} {positive:g} on")
    return Pairs(first, second, scores, labels, ", ".join(read))


def evaluate_pairs(encoder: Encodes, pairs: Pairs) -> PairFigures:
    """Both sentences are encoded as queries are. NaruError where all pairs have one label or one score."""
    needed("scipy", "sklearn")
    from scipy.stats import pearsonr, spearmanr
    from sklearn.metrics import average_precision_score, roc_auc_score

    one = encoder.queries(list(pairs.first)).astype(np.float64)
    two = encoder.queries(list(pairs.second)).astype(np.float64)
    similar = similarities(one, two)
    correlations = {}
    if pairs.scores is not None:
        if np.ptp(pairs.scores) == 0:
            raise NaruError(
                f"All {len(pairs.first)} pairs have the score {pairs.scores[0]}; expected at least two."
            )
        for name, values in similar.items():
            if np.ptp(values) <= 1e-9 * max(1.0, float(np.abs(values).max())):
                raise NaruError(
                    f"All {len(pairs.first)} pairs have the same {name} similarity: nothing correlates with it."
                )
            correlations[f"{name} Pearson"] = float(pearsonr(values, pairs.scores).statistic)
            correlations[f"{name} Spearman"] = float(spearmanr(values, pairs.scores).statistic)
    if pairs.labels is None:
        return PairFigures(len(pairs.first), None, None, None, None, correlations, pairs.read)
    positives = int(pairs.labels.sum())
    if positives in (0, len(pairs.labels)):
        raise NaruError(
            f"All {len(pairs.labels)} pairs have the label {int(pairs.labels[0])}; expected both 0 and 1."
        )
    return PairFigures(
        len(pairs.first),
        positives,
        _threshold(similar["cosine"], pairs.labels, best_accuracy, _accuracy),
        _threshold(similar["cosine"], pairs.labels, best_f1, _f1),
        float(average_precision_score(pairs.labels, similar["cosine"])),
        correlations,
        pairs.read,
        float(roc_auc_score(pairs.labels, similar["cosine"])),
    )


def similarities(one: Floats, two: Floats) -> dict[str, Floats]:
    """Of each row of two matrices [n, d] with its like: higher is nearer, [n] each."""
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    dot: Floats = (one * two).sum(axis=1)
    return {
        "cosine": dot / np.maximum(norms, 1e-12),
        "Euclidean": -np.linalg.norm(one - two, axis=1),
        "Manhattan": -np.abs(one - two).sum(axis=1),
        "dot": dot,
    }


def _threshold(
    cosines: Floats,
    labels: Booleans,
    best: Callable[[Floats, Booleans], Best],
    measure: Callable[[Booleans, Booleans], float],
) -> Threshold:
    found = best(cosines, labels)
    fold = np.empty(len(labels), np.int64)
    rng = np.random.default_rng(_SEED)
    for kind in (True, False):  # each fold its share of both
        places = np.flatnonzero(labels == kind)
        fold[rng.permutation(places)] = np.arange(len(places)) % FOLDS
    said = np.zeros(len(labels), np.bool_)
    for number in range(FOLDS):
        others = fold != number
        cutoff = best(cosines[others], labels[others]).cutoff if labels[others].any() else found.cutoff
        said[~others] = cosines[~others] >= cutoff
    return Threshold(found.cutoff, found.value, found.precision, found.recall, measure(said, labels))


def _accuracy(said: Booleans, labels: Booleans) -> float:
    return float((said == labels).mean())


def _f1(said: Booleans, labels: Booleans) -> float:
    return float(2 * (said & labels).sum() / max(1, said.sum() + labels.sum()))


def _number(where: str, name: str, value: object) -> float:
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        raise NaruError(f"{where}: {name!r} is {value!r}; expected a number.") from error
    if not np.isfinite(found):
        raise NaruError(f"{where}: {name!r} is {value!r}; expected a finite number.")
    return found
