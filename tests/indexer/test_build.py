"""From documents to a published collection, and what happens when something is in the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from indexer.background import Reservoir
from indexer.build import Plan, index
from naru.basis import Basis
from naru.bm25 import count, document_vector, query_vector, statistics_of, token_id
from naru.documents import Document
from naru.encoder import Encoder
from naru.errors import NaruError, UnavailableError
from naru.relevance import Relevance
from naru.store import Description, open_store
from naru.text import Analyzer, AnalyzerSettings
from search import Searcher

DOCUMENTS = [
    Document(
        f"d{number}",
        f"{subject} 신청은 {number}일 안에 합니다. " + "자세한 절차를 안내합니다. " * (number % 7),
        subject,
    )
    for number, subject in enumerate(
        ["카드 재발급", "전입신고", "여권 발급", "환불", "건강보험 피부양자"] * 60
    )
]


@pytest.fixture(scope="module")
def encoder(tiny_bundle: Path) -> Encoder:
    return Encoder(tiny_bundle)


def plan(bundle: Path, name: str = "help", **chosen: object) -> Plan:
    return Plan(name, "documents.jsonl", str(bundle), **chosen)  # type: ignore[arg-type]


def silent(stage: str, done: int) -> None:
    pass


def test_what_was_indexed_is_found_and_known(tmp_path: Path, encoder: Encoder, tiny_bundle: Path) -> None:
    store = open_store(str(tmp_path))
    summary = index(DOCUMENTS, store, encoder, plan(tiny_bundle), silent)
    made = summary.provenance
    assert made.passages == len(DOCUMENTS) == 300
    assert made.encoder_fingerprint == encoder.fingerprint
    assert made.analyzer_fingerprint == Analyzer().fingerprint
    assert made.truncated == sum(not encoder.reads_whole(f"{one.title}\n{one.text}") for one in DOCUMENTS) > 0
    with Searcher.open(store, "help") as searcher:
        assert searcher.provenance == made
        assert searcher.collection.count() == 300
        assert searcher.search("전입신고", mode="lexical").hits[0].passage.title == "전입신고"


def test_the_index_holds_the_vectors_of_the_formulas(
    tmp_path: Path, encoder: Encoder, tiny_bundle: Path
) -> None:
    """Scores from the engine against the same sums by hand, over the whole corpus."""
    store = open_store(str(tmp_path))
    index(DOCUMENTS, store, encoder, plan(tiny_bundle), silent)
    analyzer = Analyzer()
    counts = [count(analyzer.document(one.text, one.title)) for one in DOCUMENTS]
    statistics = statistics_of(counts)
    query = query_vector(analyzer.query("카드 재발급 절차"), statistics)
    lexical = {
        one.id: query.dot(document_vector(each, statistics))
        for one, each in zip(DOCUMENTS, counts, strict=True)
    }
    dense = encoder.queries(["카드 재발급 절차"])[0]
    vectors = encoder.passages([f"{one.title}\n{one.text}" for one in DOCUMENTS])
    cosine = dict(zip([one.id for one in DOCUMENTS], (vectors @ dense).tolist(), strict=True))
    with Searcher.open(store, "help") as searcher:
        hits = searcher.search("카드 재발급 절차", limit=50).hits
        assert len(hits) == 50
        for hit in hits:
            assert hit.lexical == pytest.approx(lexical[hit.passage.id], abs=1e-5)
            assert hit.semantic == pytest.approx(cosine[hit.passage.id], abs=1e-5)
        scores = searcher.relevance.scores("hybrid")
        best = max(scores.semantic * cosine[one.id] + scores.lexical * lexical[one.id] for one in DOCUMENTS)  # type: ignore[operator]
        assert hits[0].logit == pytest.approx(scores.bias + best, abs=1e-4)


@pytest.mark.parametrize("workers", [1, 2])
def test_several_processes_make_the_same_collection(
    tmp_path: Path, encoder: Encoder, tiny_bundle: Path, workers: int
) -> None:
    store = open_store(str(tmp_path))
    index(DOCUMENTS, store, encoder, plan(tiny_bundle, workers=workers), silent)
    with Searcher.open(store, "help") as searcher:
        expected = statistics_of(count(Analyzer().document(one.text, one.title)) for one in DOCUMENTS)
        np.testing.assert_array_equal(searcher.statistics.ids, expected.ids)
        np.testing.assert_array_equal(searcher.statistics.frequencies, expected.frequencies)
        assert {passage.id for passage in searcher.collection.passages()} == {one.id for one in DOCUMENTS}


def test_analyzer_settings_travel_with_the_collection(
    tmp_path: Path, encoder: Encoder, tiny_bundle: Path
) -> None:
    chosen = AnalyzerSettings(stopwords=("신청",), user_words=("건강보험피부양자",), characters=False)
    store = open_store(str(tmp_path))
    index(DOCUMENTS, store, encoder, plan(tiny_bundle, settings=chosen), silent)
    with Searcher.open(store, "help") as searcher:
        assert searcher.analyzer.settings == chosen
        ids = np.array(
            [token_id(*token) for token in (("term", "신청"), ("char", "신청"), ("term", "카드"))], np.uint32
        )
        assert (searcher.statistics.frequency(ids) > 0).tolist() == [False, False, True]


def test_progress_counts_every_document_in_each_stage(
    tmp_path: Path, encoder: Encoder, tiny_bundle: Path
) -> None:
    seen: list[tuple[str, int]] = []
    index(DOCUMENTS, open_store(str(tmp_path)), encoder, plan(tiny_bundle), lambda *told: seen.append(told))
    assert seen[-1] == ("embed", 300)
    assert max(done for stage, done in seen if stage == "analyse") == 300
    for name in ("analyse", "embed"):
        counted = [done for stage, done in seen if stage == name]
        assert counted == sorted(counted)


def test_nothing_to_index_is_an_error(tmp_path: Path, encoder: Encoder, tiny_bundle: Path) -> None:
    store = open_store(str(tmp_path))
    with pytest.raises(NaruError, match=r"documents\.jsonl: no documents"):
        index([], store, encoder, plan(tiny_bundle), silent)
    assert store.names() == []


def test_a_bad_document_leaves_the_version_before(
    tmp_path: Path, encoder: Encoder, tiny_bundle: Path
) -> None:
    store = open_store(str(tmp_path))
    index(DOCUMENTS, store, encoder, plan(tiny_bundle), silent)

    def broken() -> Iterator[Document]:
        yield from DOCUMENTS[:10]
        yield Document("bad", "카드\ud800")

    with pytest.raises(NaruError, match=r"Document 'bad': .*surrogate"):
        index(broken(), store, encoder, plan(tiny_bundle), silent)
    with Searcher.open(store, "help") as searcher:
        assert searcher.collection.count() == 300


def test_a_killed_build_is_never_seen_and_the_next_one_works(
    tmp_path: Path, encoder: Encoder, tiny_bundle: Path
) -> None:
    store = open_store(str(tmp_path / "store"))
    index(DOCUMENTS[:50], store, encoder, plan(tiny_bundle), silent)
    marker = tmp_path / "embedding"
    program = textwrap.dedent(f"""
        import pathlib, time
        from indexer.build import Plan, index
        from naru.documents import Document
        from naru.encoder import Encoder
        from naru.store import Description, open_store

        def progress(stage, done):
            if stage == "embed":
                pathlib.Path({str(marker)!r}).touch()
                time.sleep(60)

        documents = (Document(str(n), "카드 분실 신고 안내 " + str(n)) for n in range(2000))
        bundle = {str(tiny_bundle)!r}
        index(documents, open_store({str(tmp_path / "store")!r}), Encoder(bundle), Plan("help", "c", bundle), progress)
    """)
    process = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2])
    while not marker.exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with Searcher.open(store, "help") as searcher:
        assert searcher.collection.count() == 50
    index(DOCUMENTS, store, encoder, plan(tiny_bundle), silent)
    with Searcher.open(store, "help") as searcher:
        assert searcher.collection.count() == 300


def test_the_background_is_the_mean_and_deviation_of_the_cosines_between_passages() -> None:
    vectors = np.random.default_rng(3).normal(size=(40, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sample = Reservoir(1000)
    for vector in vectors:
        sample.offer(vector)
    cosines = [float(vectors[i] @ vectors[j]) for i in range(40) for j in range(i)]
    background = sample.background()
    assert background.mean == pytest.approx(np.mean(cosines), abs=1e-6)
    assert background.deviation == pytest.approx(np.std(cosines), abs=1e-6)


def test_a_reservoir_keeps_a_fair_sample_of_its_size() -> None:
    kept: list[int] = []
    for run in range(200):
        sample = Reservoir(10)
        sample._random.seed(run)
        for number in range(100):
            sample.offer(np.array([number], np.float32))
        kept += [int(vector[0]) for vector in sample._vectors]
    assert len(kept) == 2000
    assert abs(np.mean(kept) - 49.5) < 3


def test_a_build_says_what_it_takes_the_place_of(tmp_path: Path, encoder: Encoder, tiny_bundle: Path) -> None:
    store = open_store(str(tmp_path))
    assert index(DOCUMENTS[:100], store, encoder, plan(tiny_bundle), silent).replaced is None
    assert index(DOCUMENTS[:50], store, encoder, plan(tiny_bundle), silent).replaced == 100
    with pytest.raises(
        NaruError, match=r"'help' in .* has 50 passages, and documents\.jsonl has 24.*--replace"
    ):
        index(DOCUMENTS[:24], store, encoder, plan(tiny_bundle), silent)
    with Searcher.open(store, "help") as searcher:
        assert searcher.collection.count() == 50
    assert index(DOCUMENTS[:24], store, encoder, plan(tiny_bundle, replace=True), silent).replaced == 50
    assert (
        index(DOCUMENTS[:2], store, encoder, plan(tiny_bundle), silent).replaced == 24
    )  # a few are no great loss


def test_a_build_says_that_the_calibration_is_void(
    tmp_path: Path, encoder: Encoder, tiny_bundle: Path
) -> None:
    store = open_store(str(tmp_path))
    index(DOCUMENTS, store, encoder, plan(tiny_bundle), silent)
    with Searcher.open(store, "help") as searcher:
        made = searcher.provenance
        basis = Basis(
            collection=made.collection,
            created=made.created,
            passages=made.passages,
            encoder=made.encoder_fingerprint,
            analyzer=made.analyzer_fingerprint,
            prefetch=100,
            split="calibrate",
            judgements="",
            queries=1,
            answerable=1,
            fitted="2025-01-01",
            sketch=made.sketch,
        )
        fitted = Relevance(searcher.relevance.fits, basis)
        searcher.collection.keep_relevance(fitted.to_json())
    assert index(DOCUMENTS, store, encoder, plan(tiny_bundle), silent).void is None
    void = index(DOCUMENTS[:200], store, encoder, plan(tiny_bundle), silent).void
    assert void is not None
    assert "fitted on 300 passages, now there are 200" in void


def test_a_damaged_version_is_mended_by_building_it_again(
    tmp_path: Path, encoder: Encoder, tiny_bundle: Path
) -> None:
    store = open_store(str(tmp_path))
    index(DOCUMENTS[:9], store, encoder, plan(tiny_bundle), silent)
    [manifest] = tmp_path.glob("help/*/manifest.json")
    manifest.write_text("{")
    with pytest.raises(NaruError, match=r"manifest\.json cannot be read"):
        store.describe("help")
    assert index(DOCUMENTS[:2], store, encoder, plan(tiny_bundle), silent).replaced is None
    with Searcher.open(store, "help") as searcher:
        assert searcher.collection.count() == 2


def test_where_it_is_not_known_what_a_build_would_replace_it_is_not_begun(
    tmp_path: Path, encoder: Encoder, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(str(tmp_path))
    index(DOCUMENTS[:3], store, encoder, plan(tiny_bundle), silent)
    before = store.published("help")

    def away(name: str) -> Description | None:
        raise UnavailableError("the server is away")

    with monkeypatch.context() as patched:
        patched.setattr(store, "describe", away)
        with pytest.raises(UnavailableError, match="is away"):
            index(DOCUMENTS[:2], store, encoder, plan(tiny_bundle), silent)
    assert store.published("help") == before
