"""Evaluating over real parts: a collection, a service over HTTP, encoders over a corpus, run files; and the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI, Response

from evaluation.command import Asked, run
from evaluation.evaluate import evaluate
from evaluation.findings import Findings
from evaluation.results import read_measured
from evaluation.runs import read_run
from evaluation.sources import Encodes, Service, exact_run
from finetune.encoding import SentenceEncoder
from naru.basis import Basis
from naru.beir import Beir
from naru.cutoffs import Cutoff
from naru.documents import Document
from naru.encoder import Encoder
from naru.errors import NaruError
from naru.relevance import Relevance
from search.searcher import Searcher

QUERIES: list[dict[str, Any]] = [
    {"_id": "lost", "text": "카드를 잃어버렸어요", "metadata": {"area": "은행", "topic": "t1"}},
    {"_id": "again", "text": "카드 재발급 수수료", "metadata": {"area": "은행", "topic": "t1"}},
    {"_id": "moved", "text": "이사했는데 전입신고 언제까지", "metadata": {"area": "시청", "topic": "t2"}},
    {"_id": "refund", "text": "환불 신청 기간", "metadata": {"area": "쇼핑", "topic": "t3"}},
    {"_id": "mars", "text": "화성 왕복 우주선", "metadata": {"area": "없음", "topic": "t4"}},
]
QRELS = "lost\tcard-1\t2\nlost\tcard-2\t1\nagain\tcard-2\t1\nmoved\tmove-1\t1\nrefund\tgone-1\t1\nmars\tapp-1\t0\n"
DOCUMENTS = (
    Document("card-1", "지갑째 카드를 잃어버렸다면 바로 전화해 주세요.", "카드 분실 신고"),
    Document("card-2", "카드를 다시 발급받는 수수료는 5,000원입니다.", "재발급 수수료"),
    Document("move-1", "이사한 날부터 14일 안에 신고를 해야 합니다.", "전입신고 기한"),
)


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    lines = "".join(json.dumps(query, ensure_ascii=False) + "\n" for query in QUERIES)
    (folder / "queries.jsonl").write_text(lines, "utf-8")
    (folder / "qrels" / "test.tsv").write_text(QRELS, "utf-8")
    return folder


def asked(beir: Path, **changes: Any) -> Asked:
    return Asked(**({"beir": beir, "split": "test"} | changes))


def found(
    wanted: Asked, searcher: Searcher | Service | None, encoder: Encodes | None = None
) -> tuple[Findings, list[str]]:
    notes: list[str] = []

    def load(name: str) -> Encodes:
        assert encoder is not None, name
        return encoder

    def documents(folder: Path) -> Iterable[Document]:
        return DOCUMENTS

    return run(wanted, searcher, load, documents, lambda stage, done, total=None: None, notes.append), notes


def test_a_service_finds_what_its_collection_does(
    client: httpx.Client, searcher: Searcher, beir: Path
) -> None:
    with Service(str(client.base_url), "help") as service:
        assert (service.described.collection, service.described.encoder) == ("help", "characters")
        assert service.described.calibrated is False
        there = evaluate(service, Beir(beir), "test", modes=("hybrid", "lexical"))
    here = evaluate(searcher, Beir(beir), "test", modes=("hybrid", "lexical"))
    assert there.measured == here.measured
    for mode, runs in here.runs.items():
        for query, ranking in runs.items():
            assert [one[0] for one in there.runs[mode][query]] == [one[0] for one in ranking]
            assert [one[1] for one in there.runs[mode][query]] == pytest.approx([one[1] for one in ranking])


def test_what_a_service_refuses(client: httpx.Client) -> None:
    url = str(client.base_url)
    with pytest.raises(NaruError, match="say --collection; expected one of: help, cards"):
        Service(url)
    with pytest.raises(NaruError, match="no collection 'nope'; expected one of: help, cards"):
        Service(url, "nope")
    with pytest.raises(NaruError, match="cannot be reached"):
        Service("http://127.0.0.1:9", timeout=2)
    with pytest.raises(NaruError, match="/docs/v1/collections: Not Found"):
        Service(f"{url}/docs")
    with Service(url, "help") as service, pytest.raises(NaruError, match="limit"):
        service.search("카드", limit=1000)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:8471", r"expected http:// .* Write http://localhost:8471$"),
        ("//localhost", r"Write http://localhost$"),
        ("127.0.0.1:8471/", r"Write http://127.0.0.1:8471/$"),
        ("ftp://localhost", r"'ftp://localhost' is not the URL of a service; .* http://localhost:8080\.$"),
        ("", r"'' is not the URL of a service; .* http://localhost:8080\.$"),
        ("http://", "'http://' is not the URL of a service"),
        ("http://localhost:many", "is not the URL of a service: Invalid port: 'many'; expected"),
    ],
)
def test_what_is_no_url_of_a_service(url: str, said: str) -> None:
    with pytest.raises(NaruError, match=said):
        Service(url)


BLIND = (
    "A service does not tell whether it holds the relevant passages: evaluate its store for that (--store)."
)


@pytest.mark.parametrize("body", ['{"error": "Not Found"}', '{"status": "ok"}', "[]"])
def test_another_service_is_told_from_naru(body: str, serve: Any) -> None:
    other = FastAPI()

    @other.get("/v1/collections")
    def collections() -> Response:
        return Response(body, 200 if "ok" in body else 404, media_type="application/json")

    with serve(other) as client, pytest.raises(NaruError, match="not like a naru service"):
        Service(str(client.base_url))


def test_judgements_of_another_collection_are_refused_or_told(
    searcher: Searcher, client: httpx.Client, beir: Path
) -> None:
    qrels = beir / "qrels" / "foreign.tsv"
    qrels.write_text("query-id\tcorpus-id\tscore\nlost\tX1\t1\nmoved\tX2\t1\n", "utf-8")
    wanted = asked(beir, split="foreign", modes=("lexical",))
    with pytest.raises(
        NaruError, match=r"Not one of the 2 relevant passages .* in the collection 'help': 'X1', 'X2'"
    ):
        found(wanted, searcher)
    with Service(str(client.base_url), "help") as service:
        _, notes = found(wanted, service)
    assert notes == [
        BLIND,
        "Not one relevant passage is among the hits of lexical: are these the judgements of what it searched?",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"per_query": Path("results.txt")}, r"ends in \.csv or \.jsonl"),
        ({"run_file": Path("no/such/run.trec")}, r"--run-file .* there is no folder no/such"),
        ({"qrels_file": Path("no/qrels")}, r"--qrels-file .* there is no folder no"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_search(
    searcher: Searcher, beir: Path, changes: dict[str, Path], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher, "search", None)  # nothing is searched
    with pytest.raises(NaruError, match=message):
        found(asked(beir, **changes), searcher)


def test_a_service_gives_so_many_hits_and_no_more(client: httpx.Client, beir: Path) -> None:
    with (
        Service(str(client.base_url), "help") as service,
        pytest.raises(NaruError, match="one looks at 200 hits, a service gives 100 at most"),
    ):
        found(asked(beir, measures=("R@200",)), service)


def test_exact_search_finds_the_greatest_cosines(bundle: Path) -> None:
    encoder = Encoder(bundle)
    many = [
        Document(f"d{number}", f"{one.text} {number}", one.title)
        for number in range(700)
        for one in DOCUMENTS
    ]
    ids = [f"{one.id}-{place}" for place, one in enumerate(many)]
    many = [Document(name, one.text, one.title) for name, one in zip(ids, many, strict=True)]
    seen: list[int] = []
    ranked = exact_run(encoder, iter(many), {"q": "카드 수수료", "r": "이사"}, 50, seen.append)
    assert seen == [1024, 2048, 2100]
    vectors = encoder.passages([f"{one.title}\n{one.text}" for one in many])
    for query, text in (("q", "카드 수수료"), ("r", "이사")):
        cosines = vectors @ encoder.queries([text])[0]
        scores = [score for _, score in ranked[query]]
        assert scores == pytest.approx(np.sort(cosines)[::-1][:50].tolist(), abs=1e-5)
        assert [cosines[ids.index(name)] for name, _ in ranked[query]] == pytest.approx(scores, abs=1e-5)


def test_a_sentence_transformers_model_is_an_encoder(make_model: Any, beir: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        str(make_model()), device="cpu", prompts={"query": "질문: ", "document": "문서: "}
    )
    encoder = SentenceEncoder(model)
    wanted = asked(beir, dense=["some/tiny"], measures=("nDCG@10", "Success@1"))
    evaluation = found(wanted, None, encoder)[0].evaluation
    assert list(evaluation.measured) == ["tiny"]
    assert len(evaluation.runs["tiny"]["mars"]) == 3
    expected = (
        model.encode(["질문: 화성 왕복 우주선"])
        @ model.encode(["문서: 카드 분실 신고\n" + DOCUMENTS[0].text]).T
    )
    assert dict(evaluation.runs["tiny"]["mars"])["card-1"] == pytest.approx(float(expected[0, 0]), abs=1e-5)
    with pytest.raises(NaruError, match="expected a collection or --service"):
        found(asked(beir, dense=["tiny"], report=beir / "report"), None, encoder)


def test_several_systems_in_one_go(searcher: Searcher, bundle: Path, beir: Path, tmp_path: Path) -> None:
    (tmp_path / "other.trec").write_text("lost Q0 card-2 1 2.0 x\nmoved Q0 move-1 1 0.5 x\n", "utf-8")
    wanted = asked(
        beir,
        modes=("hybrid",),
        dense=["models/characters"],
        runs=[tmp_path / "other.trec"],
        measures=("P@1", "AP", "R@250"),
        baseline="lexical",
        slices=["area"],
        group="topic",
        intervals=True,
        run_file=tmp_path / "run.trec",
        per_query=tmp_path / "results.jsonl",
        qrels_file=tmp_path / "qrels.trec",
    )
    findings, notes = found(wanted, searcher, Encoder(bundle))
    said = findings.to_json()
    assert list(said["modes"]) == ["hybrid", "lexical", "characters", "other"]
    assert said["modes"]["other"]["P@1"] == 2 / 4
    assert (said["queries"], said["no_answer"], said["missing"]) == (4, 1, 1)
    assert [(one["a"], one["b"]) for one in said["comparisons"]] == [
        ("lexical", "hybrid"),
        ("lexical", "characters"),
        ("lexical", "other"),
    ]
    assert set(said["slices"]["area"]) == {"은행", "시청", "쇼핑"}
    assert said["slices"]["area"]["은행"]["queries"] == 2
    assert said["slices"]["area"]["시청"]["modes"]["other"]["P@1"] == {"value": 1.0, "interval": None}
    low, high = said["intervals"]["other"]["P@1"]["interval"]
    assert low <= 0.5 <= high
    assert said["rejection"]["other"]["AUROC"]["value"] == (2 + 2 * 0.5) / 4
    json.dumps(said)
    assert read_run(tmp_path / "run.characters.trec").keys() == {query["_id"] for query in QUERIES}
    read = read_measured(f"{tmp_path / 'results.jsonl'}#hybrid", None, None).measured
    assert read.means == pytest.approx(said["modes"]["hybrid"])
    assert (tmp_path / "qrels.trec").read_text("utf-8").startswith("lost\t0\tcard-1\t2\n")
    assert notes[0].endswith("other.trec has 2 of 4 judged queries; the others count 0.")
    assert len(notes) == 7
    assert len(list(findings.tables())) == 1 + 1 + 1 + 3 + 1


def test_what_cannot_be_told_apart(searcher: Searcher, beir: Path, tmp_path: Path) -> None:
    (tmp_path / "hybrid.trec").write_text("lost Q0 card-2 1 2.0 x\n", "utf-8")
    with pytest.raises(NaruError, match="Two systems are named hybrid"):
        found(asked(beir, runs=[tmp_path / "hybrid.trec"]), searcher)
    with pytest.raises(NaruError, match="The baseline 'naru' was not evaluated; expected one of: hybrid"):
        found(asked(beir, baseline="naru", modes=("hybrid",)), searcher)


@pytest.mark.parametrize("over", ["collection", "service"])
def test_a_report(over: str, searcher: Searcher, client: httpx.Client, beir: Path, tmp_path: Path) -> None:
    wanted: Sequence[str] = ("hybrid", "lexical")
    question = asked(beir, modes=wanted, slices=["area"], report=tmp_path / "report")
    if over == "service":
        with Service(str(client.base_url), "help") as service:
            notes = found(question, service)[1]
    else:
        notes = found(question, searcher)[1]
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    written = f"Report written to {tmp_path / 'report' / 'report.html'}"
    assert notes == ([BLIND, written] if over == "service" else [written])
    doubt = BLIND if over == "service" else "1 relevant document is not in the collection: 'gone-1'."
    assert doubt.replace("'", "&#x27;") in page or doubt in page
    assert "5 judged queries" in page
    assert "환불 신청 기간" in page  # its passage is not there, so it is among the worst
    assert ("(not in the collection)" in page) is (over == "collection")
    assert "By area" in page
    assert "No calibration holds for this collection" in page
    assert "AUROC, no answer" in page
    assert "화성 왕복 우주선" in page
    assert (tmp_path / "report" / "precision-recall.png").is_file()


def test_a_report_on_what_was_calibrated(
    searcher: Searcher, beir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = searcher.provenance
    basis = Basis(
        collection=made.collection,
        created=made.created,
        passages=made.passages,
        encoder=made.encoder_fingerprint,
        analyzer=made.analyzer_fingerprint,
        prefetch=100,
        split="calibrate",
        judgements="0" * 64,
        queries=90,
        answerable=80,
        fitted="2026-11-21",
    )
    cutoffs = (
        Cutoff("precise", "Of what is shown 90% is relevant.", 0.5, 0.62, 90, 40, {"precision": 0.93}),
        Cutoff("sensitive", "99% are shown.", None, None, 90, 40, {}, "recall is 0.91"),
    )
    fits = {mode: replace(searcher.relevance.fit(mode), cutoffs=cutoffs) for mode in searcher.relevance.modes}
    monkeypatch.setattr(searcher, "relevance", Relevance(fits, basis))
    found(asked(beir, modes=("hybrid",), group="topic", report=tmp_path / "report"), searcher)
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert "Nothing was calibrated" not in page
    assert "look better here" not in page
    assert "ECE, first hit" in page
    assert "chosen on 90 queries in 40 groups; precision 0.930" in page
    assert "none: see below" in page
    assert "Dotted lines are the cut-offs." in page
    assert "recall is 0.91" in page
    assert "over groups of queries by topic" in page
