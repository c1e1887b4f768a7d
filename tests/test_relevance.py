"""Scores to probabilities: the prior, the fit of a mode, and the artifact that holds for one collection only."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naru.answering import Answering
from naru.basis import Background, Basis
from naru.cutoffs import Cutoff
from naru.errors import NaruError
from naru.maps import Beta, Knots
from naru.relevance import MODES, Fit, Relevance, Scores, logit, probability
from naru.sketch import Sketch, sketched

FINITE = st.floats(-30, 30)


@dataclass(frozen=True)
class Collected:
    """What a collection says of its making."""

    collection: str = "help"
    passages: int = 1000
    encoder_fingerprint: str = "e1"
    analyzer_fingerprint: str = "a1"
    background: Background = Background(0.1, 0.1)  # noqa: RUF009
    sketch: Sketch = ()


BASIS = Basis("help", "2026-11-21", 1000, "e1", "a1", 100, "calibrate", "5ac0", 200, 180, "2026-11-21")
PASSAGES = [("", f"본문 {number}") for number in range(1200)]
CUTOFFS = (
    Cutoff("precise", "nine in ten are relevant", None, None, 200, 200, {}, "too few judgements", 400),
    Cutoff("balanced", "the best F1", -0.25, probability(-0.25), 200, 200, {"F1": 0.8}),
)
ANSWERING = Answering(-1.0, {"known": 2.0}, 200, 40)
FITTED = Relevance(
    {
        "hybrid": Fit(Scores(-3.0, 2.0, 20.0), 0.95, Beta(0.9, 1.2, 0.1), CUTOFFS, ANSWERING),
        "semantic": Fit(Scores(-9.0, 25.0, None), 1.0, Knots((-2.0, 1.0), (-1.5, 2.0))),
        "lexical": Fit(Scores(-3.0, None, 30.0)),
    },
    BASIS,
)


def test_probability_is_the_sigmoid_and_never_overflows() -> None:
    assert probability(0.0) == 0.5
    assert probability(1.0) == pytest.approx(0.7310585786300049)
    assert probability(-1000.0) == 0.0
    assert probability(1000.0) == 1.0


@given(st.floats(1e-6, 1 - 1e-6))
def test_logit_undoes_probability(cutoff: float) -> None:
    assert probability(logit(cutoff)) == pytest.approx(cutoff, rel=1e-9)


@pytest.mark.parametrize("cutoff", [0.0, 1.0, -0.5, 1.5, float("nan")])
def test_a_cutoff_outside_the_open_unit_interval_is_refused(cutoff: float) -> None:
    with pytest.raises(NaruError, match="between 0 and 1"):
        logit(cutoff)


def test_the_prior_says_the_same_whatever_the_scale_of_the_cosines() -> None:
    """A cosine two deviations above the background counts alike for an E5 (0.7-1.0) and a centred encoder."""
    wide, narrow = Background(0.1, 0.15), Background(0.82, 0.03)
    for mode in MODES:
        formulas = [Relevance.prior(background).scores(mode) for background in (wide, narrow)]
        logits = [
            formula.bias + (formula.semantic or 0.0) * (background.mean + 2 * background.deviation)
            for formula, background in zip(formulas, (wide, narrow), strict=True)
        ]
        assert logits[0] == pytest.approx(logits[1])
        assert not Relevance.prior(wide).calibrated


def test_an_unknown_mode_names_those_there_are() -> None:
    with pytest.raises(NaruError, match="'fuzzy': expected one of hybrid, semantic, lexical"):
        Relevance.prior(Background(0.0, 0.1)).scores("fuzzy")


def test_without_rivalry_each_hit_is_judged_alone() -> None:
    assert Fit(Scores(0.0, 1.0, 1.0)).logits([3.0, 2.0, -1.0]) == [3.0, 2.0, -1.0]


def test_with_full_rivalry_probabilities_and_that_of_no_answer_sum_to_one() -> None:
    """Two hits of logits ln 3 and ln 2: 3, 2 and 1 (no answer) in 6."""
    said = Fit(Scores(0.0, 1.0, 1.0), rivalry=1.0).logits([math.log(3), math.log(2)])
    assert [probability(one) for one in said] == pytest.approx([3 / 6, 2 / 6])


def test_rivals_are_the_first_ten_hits() -> None:
    """Twelve hits of logit 0: the first ten weigh against nine others and no answer, the rest against all ten."""
    said = [probability(one) for one in Fit(Scores(0.0, 1.0, 1.0), rivalry=1.0).logits([0.0] * 12)]
    assert said == pytest.approx([1 / 11] * 10 + [1 / 12] * 2)


@given(st.lists(FINITE, min_size=1, max_size=25), st.floats(0, 2))
def test_rivalry_keeps_the_order(values: list[float], rivalry: float) -> None:
    said = Fit(Scores(0.0, 1.0, 1.0), rivalry, Beta(0.5, 2.0, 1.0)).logits(sorted(values, reverse=True))
    assert all(before >= after - 1e-9 for before, after in pairwise(said))
    assert all(math.isfinite(one) for one in said)


def test_the_beta_map_is_that_of_its_authors() -> None:
    """logit = shift + low * ln p - high * ln(1 - p); Beta(1, 1, 0) changes nothing."""
    for raw in (-3.0, 0.0, 2.0):
        share = probability(raw)
        assert Beta(0.7, 1.3, 0.2)(raw) == pytest.approx(
            0.2 + 0.7 * math.log(share) - 1.3 * math.log1p(-share)
        )
        assert Beta(1.0, 1.0, 0.0)(raw) == pytest.approx(raw)


def test_knots_are_joined_by_straight_lines_of_slope_one_beyond() -> None:
    curve = Knots((-2.0, 0.0, 1.0), (-1.0, 1.0, 4.0))
    assert [curve(at) for at in (-3.0, -2.0, -1.0, 0.0, 0.5, 1.0, 3.0)] == [
        -2.0,
        -1.0,
        0.0,
        1.0,
        2.5,
        4.0,
        6.0,
    ]


@given(FINITE, FINITE)
def test_maps_rise(one: float, other: float) -> None:
    low, high = sorted((one, other))
    for curve in (Beta(0.4, 1.7, -1.0), Knots((-2.0, 0.0, 1.0), (-1.0, 1.0, 4.0))):
        assert curve(low) <= curve(high)
        if high - low > 1e-6:
            assert curve(low) < curve(high)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Beta(0.0, 1.0, 0.0), "above 0"),
        (lambda: Knots((), ()), "needs points"),
        (lambda: Knots((1.0, 2.0), (0.0,)), "2 and 1 coordinates"),
        (lambda: Knots((1.0, 1.0), (0.0, 1.0)), "rise strictly"),
    ],
)
def test_a_map_that_does_not_rise_is_refused(make: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()  # type: ignore[operator]


def test_a_fit_survives_being_written_and_read() -> None:
    assert Relevance.from_json(FITTED.to_json(), "here") == FITTED
    assert FITTED.calibrated


def test_a_prior_is_never_kept() -> None:
    with pytest.raises(ValueError, match="a prior is not kept"):
        Relevance.prior(Background(0.0, 0.1)).to_json()


def test_a_kept_fit_holds_for_its_collection_grown_by_a_tenth() -> None:
    for passages in (900, 1000, 1100):
        found = Relevance.kept(FITTED.to_json(), Collected(passages=passages))
        assert found == FITTED


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (Collected(passages=1101), "1,000 passages, now there are 1,101"),
        (Collected(passages=899), "1,000 passages, now there are 899"),
        (Collected(encoder_fingerprint="e2"), "encoder e1, the collection has e2"),
        (Collected(analyzer_fingerprint="a2"), "analyzer a1, the collection has a2"),
        (Collected(collection="cards"), "'help', this is 'cards'"),
    ],
    ids=["grown", "shrunk", "encoder", "analyzer", "collection"],
)
def test_a_fit_of_something_else_is_void_and_as_a_file_refused(
    made: Collected, said: str, tmp_path: Path
) -> None:
    found = Relevance.kept(FITTED.to_json(), made)
    assert not found.calibrated
    assert found.fits == Relevance.prior(made.background).fits
    assert found.void is not None
    assert said in found.void
    path = tmp_path / "relevance.json"
    path.write_text(FITTED.to_json(), "utf-8")
    with pytest.raises(NaruError, match=r"relevance\.json: this calibration does not hold here") as refused:
        Relevance.read(path, made)
    assert said in str(refused.value)
    assert not found.void.endswith(".")


def test_fingerprints_are_told_apart_by_their_beginnings() -> None:
    found = Relevance.kept(FITTED.to_json(), Collected(encoder_fingerprint="0123456789abcdef" * 4))
    assert str(found.void).endswith("encoder e1, the collection has 0123456789ab")


@pytest.mark.parametrize(
    ("start", "end", "void"),
    [
        (0, 1000, None),
        (30, 1030, None),
        (200, 1200, "about 2"),
        (1000, 1200, "1,000 passages"),
        (0, 1050, None),
    ],
)
def test_other_passages_void_it_even_where_there_are_as_many(start: int, end: int, void: str | None) -> None:
    basis = replace(BASIS, sketch=sketched(PASSAGES[:1000]))
    kept = replace(FITTED, basis=basis).to_json()
    found = Relevance.kept(kept, Collected(passages=end - start, sketch=sketched(PASSAGES[start:end])))
    assert found.calibrated is (void is None)
    assert (found.void is None) if void is None else (void in str(found.void))


def test_without_a_calibration_there_is_the_prior_and_nothing_void() -> None:
    found = Relevance.kept(None, Collected())
    assert (found.calibrated, found.void) == (False, None)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1, "fits": {"hybrid": {}}, "basis": {}}'])
def test_a_damaged_artifact_says_where(text: str) -> None:
    with pytest.raises(NaruError, match=r"there: it is damaged: .*naru calibrate"):
        Relevance.from_json(text, "there")


def test_another_format_names_both() -> None:
    text = json.dumps(json.loads(FITTED.to_json()) | {"format": 2})
    with pytest.raises(NaruError, match="it has format 2, and this naru reads 1"):
        Relevance.from_json(text, "there")


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(NaruError, match=r"none\.json: cannot be read"):
        Relevance.read(tmp_path / "none.json", Collected())


def test_cutoffs_are_found_by_name_or_say_why_not() -> None:
    fit = FITTED.fit("hybrid")
    assert fit.cutoff("balanced") == -0.25
    with pytest.raises(NaruError, match="'precise' is not available on this collection: too few judgements"):
        fit.cutoff("precise")
    with pytest.raises(NaruError, match="'sensitive'; there: precise, balanced"):
        fit.cutoff("sensitive")
    with pytest.raises(NaruError, match="the collection is not calibrated"):
        replace(fit, cutoffs=()).cutoff("precise")


def test_a_background_of_one_passage_gives_a_prior_all_the_same() -> None:
    scores = Relevance.prior(Background(0.3, 0.0)).scores("hybrid")
    assert scores.semantic is not None
    assert math.isfinite(scores.semantic)
    assert math.isfinite(scores.bias)


@pytest.mark.parametrize(("part", "value"), [("rivalry", math.nan), ("scores", {"bias": math.inf})])
def test_weights_that_are_not_finite_are_damage(part: str, value: object) -> None:
    said = json.loads(FITTED.to_json())
    fit = said["fits"]["hybrid"]
    fit[part] = {**fit[part], **value} if isinstance(value, dict) else value
    found = Relevance.kept(json.dumps(said), Collected())
    assert "it is damaged: " in str(found.void)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("fits", "hybrid", "answering", "bias"), None),
        (("fits", "hybrid", "answering", "weights", "known"), math.nan),
        (("fits", "hybrid", "answering", "threshold"), "half"),
        (("fits", "hybrid", "map", "shift"), math.nan),
        (("fits", "semantic", "map", "raw", 1), math.inf),
        (("fits", "hybrid", "rivalry"), 10**400),
        (("fits", "lexical", "scores", "lexical"), None),
        (("fits", "semantic", "scores", "lexical"), 1.0),
        (("fits",), {}),
        (("basis", "passages"), "many"),
        (("basis", "queries"), 1.5),
    ],
    ids=lambda one: ".".join(map(str, one)) if isinstance(one, tuple) else "",
)
def test_what_no_fit_ever_wrote_is_damage(place: tuple[str | int, ...], value: object) -> None:
    said = json.loads(FITTED.to_json())
    *way, last = place
    inner = said
    for name in way:
        inner = inner[name]
    inner[last] = value
    assert "it is damaged: " in str(Relevance.kept(json.dumps(said), Collected()).void)


def test_a_file_that_is_no_text_is_no_calibration(tmp_path: Path) -> None:
    path = tmp_path / "relevance.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NaruError, match=r"relevance\.json: this is no calibration"):
        Relevance.read(path, Collected())


def test_what_came_counts_as_what_went_does() -> None:
    """Of 200 passages ten are gone, and 28 of 218 are new: more than a tenth."""
    basis = replace(BASIS, passages=200, sketch=sketched(PASSAGES[:200]))
    made = Collected(passages=218, sketch=sketched(PASSAGES[10:228]))
    assert "about 13% of them have come or gone" in str(basis.void(made))
    assert basis.void(Collected(passages=209, sketch=sketched(PASSAGES[10:219]))) is None
