"""Candidates of judged queries: ranks, modes, selections, groups; kept in a file and read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation.candidates import Candidates, of_mode
from naru.errors import NaruError


@pytest.fixture
def three() -> Candidates:
    """Three queries: two of one group, the second of which found two passages; the third found nothing."""
    return Candidates(
        queries=("q1", "q2", "q3"),
        query=np.array([0, 0, 0, 1, 1]),
        passages=["c", "a", "b", "a", "b"],
        semantic=np.array([0.9, 0.5, 0.5, 0.1, 0.2]),
        lexical=np.array([0.0, 0.3, 0.4, 0.7, 0.0]),
        grade=np.array([0, 2, 0, 0, 1]),
        relevant=np.array([1, 2, 0]),
        known=np.array([1.0, 0.5, 0.0]),
        groups=("x", "x", "query q3"),
    )


def test_ranks_are_within_a_query_and_ties_go_by_passage_id(three: Candidates) -> None:
    assert three.ranks(three.semantic).tolist() == [0, 1, 2, 1, 0]
    assert three.ranks(np.zeros(5)).tolist() == [2, 0, 1, 0, 1]


def test_right_is_what_was_judged_relevant(three: Candidates) -> None:
    assert three.right.tolist() == [False, True, False, False, True]


def test_clusters_number_the_groups_and_units_do_where_groups_were_asked_for(three: Candidates) -> None:
    clusters = three.clusters
    assert clusters[0] == clusters[1] != clusters[2]
    assert replace(three, groups=None).clusters.tolist() == [0, 1, 2]
    assert three.units.tolist() == [0, 1, 2]
    assert replace(three, asked=True).units.tolist() == clusters.tolist()


def test_each_mode_offers_its_own_channels_best(three: Candidates) -> None:
    assert of_mode(three, "hybrid") is three
    assert of_mode(three, "semantic", prefetch=1).passages == ["c", "b"]
    assert of_mode(three, "lexical").passages == ["a", "b", "a"]
    assert of_mode(three, "lexical", prefetch=1).passages == ["b", "a"]
    assert of_mode(three, "lexical").relevant.tolist() == [1, 2, 0]
    with pytest.raises(NaruError, match="'fuzzy': expected one of hybrid, semantic, lexical"):
        of_mode(three, "fuzzy")


def test_a_selection_numbers_its_queries_anew(three: Candidates) -> None:
    chosen = three.select(np.array([False, True, True]))
    assert chosen.queries == ("q2", "q3")
    assert chosen.query.tolist() == [0, 0]
    assert chosen.passages == ["a", "b"]
    assert chosen.relevant.tolist() == [2, 0]
    assert chosen.known.tolist() == [0.5, 0.0]
    assert chosen.groups == ("x", "query q3")


def test_a_file_gives_back_what_was_kept(three: Candidates, tmp_path: Path) -> None:
    three.save(tmp_path / "three.npz")
    again = Candidates.load(tmp_path / "three.npz")
    assert (again.queries, again.passages, again.groups) == (three.queries, three.passages, three.groups)
    for name in ("query", "semantic", "lexical", "grade", "relevant", "known"):
        assert np.array_equal(getattr(again, name), getattr(three, name)), name
