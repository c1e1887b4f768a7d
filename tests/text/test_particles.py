"""Particles in chains, and what only looks like them."""

from __future__ import annotations

import pytest

from naru.text.particles import is_chain, stands_alone


@pytest.mark.parametrize("chain", ["에서", "에서처럼", "까지만은", "으로부터는", "에게서조차도"])
def test_particles_behind_each_other_are_a_chain(chain: str) -> None:
    assert is_chain(chain)
    assert stands_alone(chain)


def test_nouns_made_of_particles_do_not_stand_alone() -> None:
    assert not stands_alone("의도")
    assert is_chain("의도")


@pytest.mark.parametrize("particle", ["에서부터", "은커녕", "이라도"])
def test_what_repeats_a_particle_for_ever_is_none_and_takes_no_for_ever_to_tell(particle: str) -> None:
    """Each repetition can be read in two ways: a search through all of them would not end in a lifetime."""
    assert not is_chain(particle * 60 + "x")
    assert not stands_alone(particle * 60 + "x")
