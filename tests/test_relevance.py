from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naru.errors import NaruError
from naru.relevance import MODES, Background, Relevance, logit, probability


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
