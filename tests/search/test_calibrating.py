"""Calibration over real parts: candidates of a collection, a fit that is kept beside it, and what serving makes of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from evaluation.answerable import matches
from evaluation.calibrate import Calibration, calibrate
from evaluation.candidates import collect
from evaluation.command import Asked, run
from evaluation.fit import logits
from naru.__main__ import app
from naru.answering import READ
from naru.beir import Beir, Split, judgements
from naru.encoder import Encoder
from naru.errors import NaruError
from naru.filters import Equals
from naru.relevance import Relevance, probability
from naru.store import open_store
from search.searcher import Searcher


def test_candidates_are_what_serving_ranks_with_true_scores(searcher: Searcher, split: Split) -> None:
    candidates = collect(searcher, split)
    assert candidates.queries == tuple(split.queries)
    for number in (0, 20, 90):
        query = candidates.queries[number]
        hits = searcher.search(split.queries[query], limit=100).hits
        rows = np.flatnonzero(candidates.query == number)
        found = {candidates.passages[row]: row for row in rows}
        assert set(found) == {hit.passage.id for hit in hits}
        for hit in hits:
            row = found[hit.passage.id]
            assert candidates.semantic[row] == pytest.approx(hit.semantic, abs=1e-5)
            assert candidates.lexical[row] == pytest.approx(hit.lexical, abs=1e-5)
            assert candidates.grade[row] == max(split.qrels[query].get(hit.passage.id, 0), 0)


def test_queries_group_by_what_answers_them_or_by_one_of_its_fields(searcher: Searcher, split: Split) -> None:
    by_passage = collect(searcher, split).groups
    assert by_passage is not None
    assert set(by_passage[:-35]) == {passage for judged in split.answerable.values() for passage in judged}
    assert len(set(by_passage[-35:])) == 35
    with pytest.raises(NaruError, match="'long-1' has no metadata field 'category' to group queries by"):
        collect(searcher, split, group="category")


def test_the_share_of_a_query_that_the_collection_knows(searcher: Searcher) -> None:
    assert searcher.candidates("전입신고 기한").known == pytest.approx(1.0, abs=1e-5)
    assert 0 < searcher.candidates("전입신고 퀘이사").known < 0.9
    assert searcher.candidates("퀘이사").known < 0.3


def test_relevant_passages_that_the_collection_lacks_are_named(searcher: Searcher, beir: Path) -> None:
    with pytest.raises(
        NaruError, match=r"2 of 3 relevant passages .* 'help' does not hold: 'gone-1', 'gone-2'"
    ):
        collect(searcher, Beir(beir).split("gone"))


def test_too_few_judgements_say_how_many_it_takes(searcher: Searcher, beir: Path) -> None:
    with pytest.raises(NaruError, match=r"20 queries with an answer; .* needs 50 .* Judge 30 more"):
        calibrate(searcher, Beir(beir).split("few"))


def test_serving_says_what_was_fitted(calibrated: Searcher, fitted: Calibration, split: Split) -> None:
    """Hits and probabilities of a search equal those worked out from the candidates."""
    assert calibrated.relevance == fitted.relevance
    for mode, crossed in fitted.modes.items():
        said = logits(crossed.candidates, crossed.fit)
        for number in (0, 20, 90):
            answer = calibrated.search(split.queries[crossed.candidates.queries[number]], mode=mode, limit=5)
            assert answer.calibrated
            rows = np.flatnonzero(crossed.candidates.query == number)
            best = sorted(rows, key=lambda row: (-said[row], crossed.candidates.passages[row]))[:5]
            expected = [probability(said[row]) for row in best]
            assert [hit.probability for hit in answer.hits] == pytest.approx(expected, abs=1e-4)


def test_a_limit_does_not_change_how_sure_a_search_is(calibrated: Searcher) -> None:
    one = calibrated.search("카드 재발급 수수료", limit=1).hits
    many = calibrated.search("카드 재발급 수수료", limit=8).hits
    assert one[0].probability == many[0].probability


def test_a_named_cutoff_shows_what_reaches_it(calibrated: Searcher, fitted: Calibration) -> None:
    least = probability(fitted.relevance.fit("hybrid").cutoff("balanced"))
    everything = calibrated.search("카드 재발급 수수료", limit=8)
    shown = calibrated.search("카드 재발급 수수료", limit=8, cutoff="balanced")
    assert [hit.passage.id for hit in shown.hits] == [
        hit.passage.id for hit in everything.hits if hit.probability >= least
    ]
    assert 0 < len(shown.hits) < len(everything.hits)
    with pytest.raises(NaruError, match="'lax'; there: precise, balanced, sensitive"):
        calibrated.search("카드", cutoff="lax")


def test_under_a_filter_a_level_promises_nothing_and_says_so(calibrated: Searcher) -> None:
    allowed = Equals("category", "카드")
    assert [note.kind for note in calibrated.search("카드", cutoff="balanced", filter=allowed).notes] == [
        "promise"
    ]
    assert not calibrated.search("카드", cutoff="balanced").notes
    assert not calibrated.search("카드", cutoff=0.2, filter=allowed).notes


def test_a_query_without_an_answer_is_told_from_one_with(calibrated: Searcher, searcher: Searcher) -> None:
    answered = calibrated.search("전입신고 과태료").answerable
    unanswered = calibrated.search("화성 우주선 99호 왕복 요금").answerable
    assert answered is not None
    assert unanswered is not None
    assert unanswered < 0.5 < answered
    assert searcher.search("카드").answerable is None


def test_a_calibration_of_another_making_is_refused_as_a_file_and_void_when_kept(
    searcher: Searcher, fitted: Calibration, tmp_path: Path
) -> None:
    basis = fitted.relevance.basis
    assert basis is not None
    path = tmp_path / "other.json"
    path.write_text(replace(fitted.relevance, basis=replace(basis, encoder="another")).to_json(), "utf-8")
    with pytest.raises(NaruError, match=r"other\.json: .* encoder another, the collection has"):
        Searcher(searcher.collection, searcher.encoder, searcher.analyzer, relevance=path)
    other = Searcher(searcher.collection, searcher.encoder, searcher.analyzer)
    other.relevance = Relevance.kept(path.read_text("utf-8"), searcher.provenance)
    answer = other.search("카드")
    assert not answer.calibrated
    assert "encoder another" in answer.notes[0].message


@pytest.mark.parametrize(
    "damage", ["{", '{"format": 99}', '{"format": 1, "basis": {}, "fits": {"hybrid": {}}}', "[]"]
)
def test_a_damaged_calibration_is_void_and_can_be_fitted_anew(
    searcher: Searcher, split: Split, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher.collection, "relevance", lambda: damage)
    opened = Searcher(searcher.collection, searcher.encoder, searcher.analyzer)
    answer = opened.search("카드")
    assert not answer.calibrated
    assert answer.hits
    assert [note.kind for note in answer.notes] == ["void"]
    assert "Run `naru calibrate` again" in answer.notes[0].message
    assert calibrate(opened, split).relevance.calibrated


def test_weights_that_are_no_numbers_are_damage(fitted: Calibration) -> None:
    said = json.loads(fitted.relevance.to_json())
    said["fits"]["hybrid"]["scores"]["bias"] = None
    with pytest.raises(NaruError, match=r"here: it is damaged: .*no finite numbers"):
        Relevance.from_json(json.dumps(said), "here")


def test_evaluating_on_what_was_calibrated_on_is_told(
    searcher: Searcher, fitted: Calibration, beir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher, "relevance", fitted.relevance)
    judged = Path(shutil.copytree(beir, tmp_path / "judged"))
    seen = [
        f"{query}\t{document}\t{grade}\n"
        for _, query, document, grade in judgements(judged / "qrels" / "calibrate.tsv")
    ]
    with (judged / "queries.jsonl").open("a", encoding="utf-8") as queries:
        queries.write('{"_id": "unseen", "text": "이 질문은 아무도 보지 못했다"}\n')
    unseen = f"unseen\t{seen[0].split()[1]}\t1\n"
    for name, rows in (
        ("half", "".join(seen[: len(seen) // 2])),
        ("some", seen[0] + unseen),
        ("new", unseen),
    ):
        (judged / "qrels" / f"{name}.tsv").write_text(rows, "utf-8")
    for name, told in (
        ("calibrate", "these very queries"),
        ("half", "these very queries"),
        ("some", "about 50% of these queries"),
        ("new", None),
    ):
        notes: list[str] = []
        wanted = Asked(judged, name, modes=("lexical",), report=tmp_path / name)
        run(wanted, searcher, Encoder, lambda _: [], lambda *_: None, notes.append)
        page = (tmp_path / name / "report.html").read_text("utf-8")
        assert (told is not None) == ("look better here than they are" in page)
        assert told is None or told in "".join(notes)


def test_the_command_keeps_a_calibration_and_search_goes_by_it(
    new_store: Callable[[], str], beir: Path, tmp_path: Path
) -> None:
    store = new_store()
    where = ["--store", store, "--collection", "help"]
    runner = CliRunner()
    file = tmp_path / "out.json"
    written = runner.invoke(
        app, ["calibrate", str(beir), "--split", "calibrate", *where, "--output", str(file)]
    )
    assert written.exit_code == 0, written.output
    before = json.loads(runner.invoke(app, ["search", "카드", *where, "--json"]).stdout)
    by_file = runner.invoke(app, ["search", "카드", *where, "--relevance", str(file), "--json"])
    assert (before["calibrated"], json.loads(by_file.stdout)["calibrated"]) == (False, True)
    refused = runner.invoke(app, ["calibrate", str(beir), "--split", "calibrate", *where, "--promise", "all"])
    assert "No promise 'all'" in str(refused.exception)
    kept = runner.invoke(app, ["calibrate", str(beir), "--split", "calibrate", *where, "--json"])
    assert kept.exit_code == 0, kept.output
    said = json.loads(kept.stdout)
    assert said["basis"]["queries"] == len(Beir(beir).split("calibrate").queries)
    assert set(said["modes"]) == {"hybrid", "semantic", "lexical"}
    assert len(said["modes"]["hybrid"]["first hit"]["ECE"]) == 3
    assert {(one["by"], one["hits"]) for one in said["reliability"]} >= {
        ("hybrid", "first"),
        ("rank fusion", "first"),
    }
    after = runner.invoke(app, ["search", "카드 재발급", *where, "--cutoff", "balanced", "--json"])
    assert json.loads(after.stdout)["calibrated"] is True
    collection = open_store(store).open("help")
    assert collection.relevance() == file.read_text("utf-8")
    collection.close()


def test_what_a_query_shares_with_passages_is_looked_for_in_its_first_five_hits(
    searcher: Searcher, split: Split
) -> None:
    candidates = collect(searcher, split)
    one = candidates.select(np.arange(len(candidates.queries)) == 0)
    answer = int(np.flatnonzero(one.right)[0])

    def held(place: int) -> float:
        order = [row for row in range(len(one.query)) if row != answer]
        order.insert(place, answer)
        ranked = np.empty(len(order))
        ranked[order] = -np.arange(len(order))
        return float(matches(searcher, one, ranked, split.queries)[0])

    assert held(READ) < held(READ - 1) == held(0)
