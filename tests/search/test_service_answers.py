"""What a calibrated service says beside its hits: that there is no answer, and what a cut-off promises."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from evaluation.calibrate import Calibration
from evaluation.sources import Service
from naru.__main__ import app
from naru.cutoffs import Cutoff, Guarantee
from naru.relevance import Relevance, probability
from naru.settings import ServiceSettings
from search.catalog import Catalog
from search.searcher import Searcher
from search.service import create_app

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]

ANSWERED = "전입신고 과태료"
UNANSWERED = "화성 우주선 99호 왕복 요금"
FEW = "too few judgements: 7 units, 22 needed at least"


@pytest.fixture(scope="module")
def told(calibrated: Searcher, serve: Serve) -> Iterator[httpx.Client]:
    """Of a service over the calibrated collection."""
    with serve(create_app(Catalog({"help": calibrated}), ServiceSettings())) as client:
        yield client


def search(client: httpx.Client, query: str, **asked: Any) -> Any:
    response = client.post("/v1/search", json={"query": query, **asked})
    assert response.status_code == 200, response.text
    return response.json()


def ids(hits: Any) -> list[str]:
    return [hit["id"] for hit in hits]


def with_(searcher: Searcher, relevance: Relevance) -> Searcher:
    """A searcher of the same collection that goes by this relevance."""
    made = Searcher(searcher.collection, searcher.encoder, searcher.analyzer)
    made.relevance = relevance
    return made


def test_an_answered_query_has_hits_and_no_near_misses(told: httpx.Client) -> None:
    answer = search(told, ANSWERED, limit=3)
    assert (answer["calibrated"], answer["answered"], answer["cutoff"]) == (True, True, None)
    assert answer["answerable"] >= 0.5
    assert answer["hits"][0]["id"] == "move-1"
    assert (len(answer["hits"]), answer["near_misses"]) == (3, [])


def test_without_an_answer_the_near_misses_are_apart(told: httpx.Client) -> None:
    answer = search(told, UNANSWERED, limit=3, highlight="segments")
    assert (answer["answered"], answer["hits"]) == (False, [])
    assert answer["answerable"] < 0.5
    assert [hit["rank"] for hit in answer["near_misses"]] == [1, 2, 3]
    anyway = search(told, UNANSWERED, limit=3, highlight="segments", anyway=True)
    assert (anyway["answered"], anyway["near_misses"]) == (False, [])
    assert anyway["hits"] == answer["near_misses"]


def test_with_a_cut_off_that_nothing_reaches_all_are_hits_anyway(calibrated: Searcher) -> None:
    cut = calibrated.search(ANSWERED, limit=3, cutoff=0.999999)
    assert (cut.answered, cut.hits, len(cut.near_misses)) == (False, (), 3)
    anyway = calibrated.search(ANSWERED, limit=3, cutoff=0.999999, anyway=True)
    assert (anyway.answered, anyway.hits, anyway.near_misses) == (False, cut.near_misses, ())
    some = calibrated.search(ANSWERED, limit=3, cutoff="balanced", anyway=True)
    assert 0 < len(some.hits) < 3


def test_python_and_json_say_the_same(told: httpx.Client, calibrated: Searcher) -> None:
    for query in (ANSWERED, UNANSWERED):
        answer = calibrated.search(query, cutoff="balanced")
        said, wired = answer.to_json(), search(told, query, cutoff="balanced")
        for field in ("answered", "answerable", "calibrated", "cutoff"):
            assert (
                said[field] == pytest.approx(wired[field])
                if field == "answerable"
                else said[field] == wired[field]
            )
        for field in ("hits", "near_misses"):
            assert ids(said[field]) == ids(wired[field])


def test_where_nothing_reaches_the_cut_off_nothing_is_answered(told: httpx.Client) -> None:
    everything = search(told, ANSWERED, limit=8)["hits"]
    answer = search(told, ANSWERED, limit=8, cutoff=0.9999)
    assert (answer["answered"], answer["hits"]) == (False, [])
    assert answer["near_misses"] == everything


def test_a_level_says_what_it_promises_and_on_what_evidence(told: httpx.Client, fitted: Calibration) -> None:
    level = fitted.relevance.fit("hybrid").level("balanced")
    answer = search(told, ANSWERED, cutoff="balanced")
    assert answer["answered"] is True
    assert answer["notes"] == []
    assert answer["cutoff"] == {
        "name": "balanced",
        "probability": pytest.approx(level.probability),
        "logit": pytest.approx(level.logit),
        "promise": level.promise,
        "queries": len(fitted.modes["hybrid"].candidates.queries),
        "units": level.units,
        "found": pytest.approx(level.found),
        "void": None,
        "instead": False,
        "guarantee": None,
    }
    promised = search(told, ANSWERED, cutoff="sensitive")["cutoff"]["guarantee"]
    assert promised == {"kind": "coverage", "share": 0.9, "confidence": None, "per": "query"}
    assert min(hit["probability"] for hit in answer["hits"]) >= level.probability


def test_under_a_filter_the_promise_is_void_and_the_cut_stays(told: httpx.Client) -> None:
    whole = search(told, ANSWERED, cutoff="balanced")
    answer = search(told, ANSWERED, cutoff="balanced", filter={"field": "category", "equals": "주민등록"})
    assert answer["cutoff"] == {
        **whole["cutoff"],
        "void": "it was chosen on the whole collection, not under a filter",
    }
    assert [note["kind"] for note in answer["notes"]] == ["promise"]


def test_a_level_without_a_number_says_why_and_nine_in_ten_stand_in_for_precise(
    calibrated: Searcher, fitted: Calibration, serve: Serve
) -> None:
    fit = fitted.relevance.fit("hybrid")
    few = Cutoff("precise", "nine of ten are right", None, None, 40, 7, {}, FEW, 22)
    strict = replace(few, name="precise=0.995")
    missed = Cutoff("sensitive", "nearly all are shown", None, None, 40, 7, {}, FEW, 22)
    relevance = replace(
        fitted.relevance,
        fits={**fitted.relevance.fits, "hybrid": replace(fit, cutoffs=(few, missed, strict))},
    )
    searcher = with_(calibrated, relevance)
    with serve(create_app(Catalog({"help": searcher}), ServiceSettings())) as client:
        answer = search(client, ANSWERED, limit=8, cutoff="precise")
        assert [hit["probability"] >= 0.9 for hit in answer["hits"]] == [True]
        assert (answer["cutoff"]["void"], answer["cutoff"]["probability"]) == (FEW, 0.9)
        assert answer["cutoff"]["instead"]
        assert (answer["cutoff"]["queries"], answer["cutoff"]["units"]) == (40, 7)
        assert answer["notes"][0]["kind"] == "instead"
        assert FEW in answer["notes"][0]["message"]
        assert "a probability of at least 90% are shown instead" in answer["notes"][0]["message"]
        stricter = search(client, ANSWERED, limit=8, cutoff="precise=0.995")
        assert (stricter["cutoff"]["probability"], stricter["notes"][0]["values"]["percent"]) == (
            0.995,
            "99.5%",
        )
        lost = search(client, UNANSWERED, limit=8, cutoff="precise")
        assert (lost["answered"], lost["hits"]) == (False, [])
        whole = search(client, ANSWERED, limit=8, cutoff="sensitive")
        assert len(whole["hits"]) == 8
        assert (whole["cutoff"]["void"], whole["cutoff"]["probability"]) == (FEW, None)
        assert whole["notes"][0]["kind"] == "uncut"
        offered, *_ = client.get("/v1/collections").json()["collections"][0]["cutoffs"]["hybrid"]
        assert (offered["name"], offered["reason"], offered["needed"]) == ("precise", FEW, 22)


def test_what_a_level_promises_to_show_is_shown(calibrated: Searcher, fitted: Calibration) -> None:
    """A query that is taken for one without an answer may have one, and counts in the level's promise."""
    lax = Cutoff(
        "sensitive",
        "nearly all are shown",
        -30.0,
        probability(-30.0),
        92,
        92,
        {},
        guarantee=Guarantee("coverage", 0.9),
    )
    fit = replace(fitted.relevance.fit("hybrid"), cutoffs=(lax,))
    searcher = with_(calibrated, replace(fitted.relevance, fits={**fitted.relevance.fits, "hybrid": fit}))
    answer = searcher.search(UNANSWERED, limit=3, cutoff="sensitive")
    assert answer.answerable is not None
    assert answer.answerable < 0.5
    assert (answer.answered, len(answer.hits), answer.near_misses) == (True, 3, ())
    assert answer.cutoff is not None
    assert answer.cutoff.void == "more hits reach it than the 3 that were asked for"
    assert [note.kind for note in answer.notes] == ["promise"]
    whole = searcher.search(UNANSWERED, limit=8, cutoff="sensitive")
    assert whole.cutoff is not None
    assert (len(whole.hits), whole.cutoff.void, whole.notes) == (8, None, ())
    assert searcher.search(UNANSWERED, limit=3, cutoff=1e-9).answered is False


def test_what_lies_on_a_level_reaches_it(calibrated: Searcher, fitted: Calibration) -> None:
    fit = fitted.relevance.fit("hybrid")
    second = fit.logits([hit.logit for hit in calibrated.search(ANSWERED, limit=8, anyway=True).hits])[1]
    level = Cutoff(
        "sensitive",
        "nearly all are shown",
        second,
        probability(second),
        92,
        92,
        {},
        guarantee=Guarantee("coverage", 0.9),
    )
    fits = {**fitted.relevance.fits, "hybrid": replace(fit, cutoffs=(level,))}
    searcher = with_(calibrated, replace(fitted.relevance, fits=fits))
    both, one = (searcher.search(ANSWERED, limit=limit, cutoff="sensitive") for limit in (8, 1))
    assert (len(both.hits), len(one.hits)) == (2, 1)
    assert one.cutoff is not None
    assert one.cutoff.void == "more hits reach it than the 1 that were asked for"


def test_anyway_shows_of_a_query_without_an_answer_what_reaches_the_cut_off(calibrated: Searcher) -> None:
    everything = calibrated.search(UNANSWERED, limit=8, anyway=True).hits
    between = (everything[0].probability + everything[1].probability) / 2
    answer = calibrated.search(UNANSWERED, limit=8, cutoff=between, anyway=True)
    assert (answer.answered, answer.hits, answer.near_misses) == (False, everything[:1], ())


def test_of_a_changed_collection_nothing_is_promised(
    calibrated: Searcher, fitted: Calibration, serve: Serve
) -> None:
    """More than a tenth of the passages have come since: probabilities are a prior, and those of the levels stand in for
    them, so that what was hidden before does not come up."""
    assert fitted.relevance.basis is not None
    fewer = replace(fitted.relevance, basis=replace(fitted.relevance.basis, passages=6))
    searcher = with_(calibrated, Relevance.kept(fewer.to_json(), calibrated.provenance))
    with serve(create_app(Catalog({"help": searcher}), ServiceSettings())) as client:
        answer = search(client, ANSWERED, limit=8, cutoff="balanced")
        least = fitted.relevance.fit("hybrid").level("balanced").probability
        assert (answer["calibrated"], answer["answered"]) == (False, None)
        assert (answer["cutoff"]["probability"], answer["cutoff"]["instead"]) == (least, True)
        assert answer["hits"]
        assert min(hit["probability"] for hit in answer["hits"]) >= least
        assert "fitted on 6 passages, now there are 8" in answer["cutoff"]["void"]
        assert [note["kind"] for note in answer["notes"]] == ["void", "instead"]
        assert search(client, UNANSWERED, limit=8, cutoff="precise")["hits"] == []
        about = client.get("/v1/collections").json()["collections"][0]
        assert about["void"] == answer["cutoff"]["void"]
        refused = client.post("/v1/search", json={"query": "카드", "cutoff": "lax"})
        assert refused.status_code == 422


@pytest.mark.parametrize(
    ("logit", "percent"), [(40.0, "99.99%"), (12.5, "99.99%"), (2.9444389791664403, "95%")]
)
def test_a_level_that_lapsed_cuts_where_it_did_however_sure(
    calibrated: Searcher, fitted: Calibration, logit: float, percent: str
) -> None:
    strict = Cutoff("precise", "nine of ten", logit, probability(logit), 92, 92, {})
    prior = Relevance.prior(calibrated.provenance.background, "the calibration is void: of old")
    searcher = with_(calibrated, replace(prior, lapsed={"hybrid": (strict,)}))
    answer = searcher.search(ANSWERED, cutoff="precise")
    assert answer.cutoff is not None
    assert (answer.cutoff.logit, answer.cutoff.instead) == (logit, True)
    assert [note.kind for note in answer.notes] == ["void", "instead"]
    assert answer.notes[1].values["percent"] == percent
    assert (
        answer.notes[0].message
        == "Probabilities are a prior: the calibration is void: of old. Run `naru calibrate` again."
    )


def test_an_unknown_level_is_refused_with_those_there_are(told: httpx.Client) -> None:
    response = told.post("/v1/search", json={"query": "카드", "cutoff": "lax"})
    assert response.status_code == 422
    message = response.json()["error"]["message"]
    assert "'lax'; there: precise, balanced, sensitive. `naru calibrate`" in message


def test_the_threshold_of_the_calibration_decides(calibrated: Searcher, fitted: Calibration) -> None:
    fit = fitted.relevance.fit("hybrid")
    assert fit.answering is not None
    assert fit.answering.threshold == 0.5
    bold = replace(fit, answering=replace(fit.answering, threshold=0.0))
    relevance = replace(fitted.relevance, fits={**fitted.relevance.fits, "hybrid": bold})
    assert Relevance.from_json(relevance.to_json(), "here") == relevance
    assert with_(calibrated, relevance).search(UNANSWERED).answered is True


def test_where_no_answer_was_not_fitted_only_a_cut_off_decides(
    calibrated: Searcher, fitted: Calibration
) -> None:
    fit = replace(fitted.relevance.fit("hybrid"), answering=None)
    searcher = with_(calibrated, replace(fitted.relevance, fits={**fitted.relevance.fits, "hybrid": fit}))
    assert searcher.search(UNANSWERED).answered is None
    assert searcher.search(ANSWERED, cutoff=0.01).answered is True
    assert searcher.search(UNANSWERED, cutoff=0.999).answered is False


def test_collections_offer_their_levels(told: httpx.Client, fitted: Calibration) -> None:
    about = told.get("/v1/collections").json()["collections"][0]
    assert set(about["cutoffs"]) == set(about["modes"])
    for mode, offered in about["cutoffs"].items():
        assert [one["name"] for one in offered] == ["precise", "balanced", "sensitive"]
        for one, level in zip(offered, fitted.relevance.fit(mode).cutoffs, strict=True):
            assert (one["probability"] is None) == bool(one["reason"])
            assert (one["promise"], one["queries"], one["needed"]) == (
                level.promise,
                level.queries,
                level.needed,
            )
            if one["logit"] is not None:
                assert one["probability"] == pytest.approx(probability(one["logit"]))


def test_the_documentation_names_the_levels(told: httpx.Client) -> None:
    asked = told.get("/openapi.json").json()["components"]["schemas"]["SearchIn"]["properties"]
    number, name, _ = (kind for one in asked["cutoff"]["anyOf"] for kind in one.get("anyOf", [one]))
    assert (number["exclusiveMinimum"], number["exclusiveMaximum"]) == (0, 1)
    assert name["examples"][:3] == ["precise", "balanced", "sensitive"]
    for said in ("precise", "balanced", "sensitive", "precise=0.8", "silent=0.05", "accurate"):
        assert re.search(name["pattern"], said), said
    for said in ("lax", "precise=", "balanced=0.8", "xprecise"):
        assert not re.search(name["pattern"], said), said
    assert "`answered` false" in asked["anyway"]["description"]


def test_evaluation_ranks_what_a_service_would_not_show(told: httpx.Client) -> None:
    with Service(str(told.base_url)) as service:
        assert service.search(UNANSWERED, limit=3).hits == ()
        assert len(service.search(UNANSWERED, limit=3, anyway=True).hits) == 3


def test_the_command_says_that_there_is_no_answer(
    new_store: Callable[[], str], fitted: Calibration, tmp_path: Path
) -> None:
    file = tmp_path / "relevance.json"
    file.write_text(fitted.relevance.to_json(), "utf-8")
    base = ["--store", new_store(), "--collection", "help", "--relevance", str(file)]
    runner = CliRunner()
    said = runner.invoke(app, ["search", UNANSWERED, *base])
    assert said.exit_code == 0
    assert said.stdout.startswith("No answer found. Near misses")
    assert "No answer" not in runner.invoke(app, ["search", UNANSWERED, *base, "--anyway"]).stdout
    printed = json.loads(
        runner.invoke(app, ["search", ANSWERED, *base, "--cutoff", "balanced", "--json"]).stdout
    )
    assert (printed["answered"], printed["cutoff"]["name"]) == (True, "balanced")
    assert "the best F1" in runner.invoke(app, ["search", ANSWERED, *base, "--cutoff", "balanced"]).stderr
