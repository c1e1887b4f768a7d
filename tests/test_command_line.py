"""The `naru` command as it is typed: what it prints, what it refuses, and its exit status."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naru.store import open_store

RECORDS = [
    {
        "id": "card-1",
        "title": "카드 분실 신고",
        "text": "지갑째 카드를 잃어버렸다면 1500-0799로 바로 신고하세요.",
        "area": "카드",
    },
    {
        "id": "move-1",
        "title": "전입신고 기한",
        "text": "이사한 날부터 14일 안에 주민센터에 신고합니다.",
        "area": "주민등록",
    },
    {
        "id": "pass-1",
        "title": "여권 수수료",
        "text": "복수여권 10년은 50,000원이고 사진 한 장이 필요합니다.",
        "area": "여권",
    },
]


class Shell:
    """Runs naru in a folder, with nothing of the caller's settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self, *arguments: str, status: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NARU__")}
        done = subprocess.run(
            [sys.executable, "-m", "naru", *arguments],
            cwd=self.folder,
            env={**kept, "COLUMNS": "120", **environment},
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").stdout)


def write(path: Path, records: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    return path.name


@pytest.fixture
def naru(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Shell:
    """A folder with a store that holds one collection, `help`."""
    shell = Shell(tmp_path_factory.mktemp("indexed"))
    corpus = write(shell.folder / "corpus.jsonl", RECORDS)
    shell("index", corpus, "--collection", "help", "--encoder", str(tiny_bundle))
    return shell


def test_index_reports_what_it_did(naru: Shell, tiny_bundle: Path) -> None:
    corpus = write(naru.folder / "corpus.jsonl", RECORDS)
    said = naru.json(
        "index", corpus, "--collection", "help", "--encoder", str(tiny_bundle), "--store", "elsewhere"
    )
    assert said["provenance"]["passages"] == 3
    assert said["rejected"] == 0
    assert open_store(str(naru.folder / "elsewhere")).names() == ["help"]


def test_a_faq_is_indexed_by_the_names_of_its_columns(naru: Shell, tiny_bundle: Path) -> None:
    (naru.folder / "faq.csv").write_text("질문,답변\n여권 수수료가 얼마예요,5만 원입니다.\n", "cp949")
    plain = ["index", "faq.csv", "--collection", "faq", "--encoder", str(tiny_bundle), "--encoding", "cp949"]
    flags = naru(*plain, status=1).stderr.strip().rpartition(": ")[2].split()
    naru(*plain, *flags)
    [hit] = naru.json("search", "여권 수수료", "--mode", "lexical", "--encoder", str(tiny_bundle))["hits"]
    assert (hit["id"], hit["title"], hit["text"]) == ("2", "여권 수수료가 얼마예요", "5만 원입니다.")
    assert "two ways" in naru(*plain, "--id", "질문", "--number-rows", status=2).stderr


def test_a_faq_and_judged_questions_from_spreadsheets_can_be_measured(naru: Shell, tiny_bundle: Path) -> None:
    faq = "번호,질문,답변\n1,여권 수수료가 얼마예요,5만 원입니다.\n2,카드 분실 신고,앱에서 합니다.\n"
    judged = "물음,번호\n여권 얼마,1\n카드 분실,2\n카드 신고,2\n김치찌개,\n"
    (naru.folder / "faq.csv").write_text(faq, "cp949")
    (naru.folder / "judged.csv").write_text(judged, "cp949")
    corpus = ["--id", "번호", "--title", "질문", "--text", "답변", "--encoding", "cp949"]
    naru("index", "faq.csv", "--collection", "faq", "--encoder", str(tiny_bundle), *corpus)
    asked = [
        "judged.csv",
        "--output",
        "judged",
        "--query",
        "물음",
        "--document",
        "번호",
        "--corpus",
        "faq.csv",
    ]
    assert "pass `--encoding cp949`" in naru("judgements", *asked, status=1).stderr
    said = naru.json("judgements", *asked, *corpus, "--part", "test=1")
    assert said == {"output": "judged", "parts": {"test": {"queries": 4, "answerable": 3}}}
    plain = ["--split", "test", "--mode", "lexical", "--encoder", str(tiny_bundle)]
    assert naru.json("evaluate", "judged", *plain)["modes"]["lexical"]["R@1"] == 1.0
    assert "remove it" in naru("judgements", *asked, *corpus, status=1).stderr
    assert "expected NAME=SHARE" in naru("judgements", *asked, "--part", "test", status=2).stderr


def test_indexing_again_says_what_is_replaced_and_keeps_most_of_it(naru: Shell, tiny_bundle: Path) -> None:
    many = [{"id": number, "text": f"{number}번 안내"} for number in range(50)]
    more, less = write(naru.folder / "corpus.jsonl", many), write(naru.folder / "added.jsonl", RECORDS)
    plain = ["--collection", "help", "--encoder", str(tiny_bundle)]
    assert "replacing" not in naru("index", more, *plain).stdout
    assert "Indexed 50 passages into 'help', replacing 50, in" in naru("index", more, *plain).stdout
    refused = naru("index", less, *plain, status=1).stderr
    assert "'help' in naru-data has 50 passages, and added.jsonl has 3" in refused
    assert naru.json("index", less, *plain, "--replace")["replaced"] == 50


def test_indexing_again_with_another_encoder_is_told(naru: Shell, tiny_bundle: Path) -> None:
    """An --encoder that was forgotten: the next build takes the default."""
    corpus = write(naru.folder / "corpus.jsonl", RECORDS)
    assert "before" not in naru("index", corpus, "--collection", "help", "--encoder", str(tiny_bundle)).stderr
    said = naru("index", corpus, "--collection", "help").stderr
    assert f"indexed with {tiny_bundle} before, and with naru-mini now" in said.replace("\n", "")
    assert "before" not in naru("index", corpus, "--collection", "help").stderr


def test_several_corpora_make_one_collection(naru: Shell, tiny_bundle: Path) -> None:
    first = write(naru.folder / "corpus.jsonl", RECORDS)
    (naru.folder / "faq.csv").write_text("id,text\nfee-1,수수료는 500원입니다.\n", "utf-8")
    plain = ["--collection", "help", "--encoder", str(tiny_bundle)]
    made = naru.json("index", first, "faq.csv", *plain)["provenance"]
    assert (made["passages"], made["corpus"]) == (4, "corpus.jsonl faq.csv")


def test_search_shows_rank_title_probability_and_words(indexed: Shell) -> None:
    said = indexed("search", "카드 잃어버렸어요", "--mode", "lexical")
    assert "1. " in said.stdout
    assert "카드 분실 신고" in said.stdout
    assert "%" in said.stdout
    assert "prior" in said.stderr


def test_search_prints_json_for_programs(indexed: Shell) -> None:
    answer = indexed.json("search", "카드 잃어버렸어요", "--limit", "2")
    assert answer["hits"][0]["id"] == "card-1"
    assert answer["calibrated"] is False
    assert 0 <= answer["hits"][0]["probability"] <= 1


def test_search_can_be_filtered(indexed: Shell) -> None:
    only = '{"field": "area", "equals": "여권"}'
    assert [hit["id"] for hit in indexed.json("search", "신고", "--filter", only)["hits"]] == ["pass-1"]


def test_evaluate_prints_the_measures_of_each_mode_and_writes_runs(indexed: Shell) -> None:
    beir = indexed.folder / "beir"
    (beir / "qrels").mkdir(parents=True)
    write(
        beir / "queries.jsonl",
        [{"_id": "q1", "text": "카드 잃어버렸어요"}, {"_id": "q2", "text": "비행기 표"}],
    )
    (beir / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tcard-1\t1\nq2\tpass-1\t0\n")
    said = indexed.json("evaluate", "beir", "--split", "test", "--run-file", "run.trec")
    assert said["queries"] == 1
    assert said["no_answer"] == 1
    assert set(said["modes"]) == {"hybrid", "semantic", "lexical"}
    assert said["modes"]["lexical"]["nDCG@10"] == 1.0
    assert (indexed.folder / "run.lexical.trec").read_text().startswith("q1\tQ0\tcard-1\t1\t")


def test_modes_are_compared_and_a_fall_fails(indexed: Shell) -> None:
    beir = indexed.folder / "beir"
    (beir / "qrels").mkdir(parents=True, exist_ok=True)
    write(
        beir / "queries.jsonl",
        [{"_id": "q1", "text": "카드 잃어버렸어요", "area": "카드"}, {"_id": "q2", "text": "이사했어요"}],
    )
    (beir / "qrels" / "test.tsv").write_text("q1\tcard-1\t1\nq2\tmove-1\t1\n")
    (indexed.folder / "bad.json").write_text('{"q1": {"move-1": 2, "card-1": 1}, "q2": {"move-1": 1}}')
    said = indexed.json(
        *("evaluate", "beir", "--split", "test", "--mode", "lexical", "--from-run", "bad.json"),
        *("--measures", "RR@10 P@1", "--baseline", "lexical", "--slice", "area", "--intervals"),
        *("--per-query", "results.jsonl", "--qrels-file", "qrels.trec"),
    )
    assert said["modes"]["bad"] == {"RR@10": 0.75, "P@1": 0.5}
    assert said["comparisons"][0]["measures"]["P@1"]["difference"] == 0.5 - said["modes"]["lexical"]["P@1"]
    assert set(said["slices"]["area"]) == {"카드", "(none)"}
    shown = indexed("compare", "bad.json", "bad.json", "--qrels", "qrels.trec", "--fail-if-worse", "RR@10:0")
    assert "do not differ significantly" in shown.stdout
    (indexed.folder / "good.json").write_text('{"q1": {"card-1": 1}, "q2": {"move-1": 1}}')
    failed = indexed(
        *("compare", "good.json", "results.jsonl#bad", "--qrels", "qrels.trec", "--measures", "RR@10 P@1"),
        *("--fail-if-worse", "RR@10:0.1"),
        status=1,
    )
    assert "RR@10 fell by 0.2500" in failed.stderr
    assert "1.000 -> 0.500  카드 잃어버렸어요  (q1)" in failed.stdout
    lists = indexed.json(
        "compare", "results.jsonl#bad", "good.json", "--qrels", "qrels.trec", "--measures", "P@1 RR@10"
    )
    assert lists["queries_by_measure"]["RR@10"]["won"] == [
        {"query": "q1", "text": "카드 잃어버렸어요", "a": 0.5, "b": 1.0}
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "no records", id="empty file"),
        pytest.param('{"id": "a", "text": "가"}\nnot json\n', "bad.jsonl:2: ", id="not JSON"),
        pytest.param('{"id": "a"}\n', "bad.jsonl:1: ", id="no text"),
        pytest.param(
            '{"id": "a", "text": "가"}\n{"id": "a", "text": "나"}\n', "bad.jsonl:2: ", id="the same id twice"
        ),
        pytest.param('{"id": "a", "text": "\\ud800"}\n', "bad.jsonl:1: ", id="lone surrogate"),
    ],
)
def test_a_bad_corpus_is_named_and_nothing_is_published(
    naru: Shell, tiny_bundle: Path, content: str, message: str
) -> None:
    (naru.folder / "bad.jsonl").write_text(content, "utf-8")
    said = naru("index", "bad.jsonl", "--collection", "help", "--encoder", str(tiny_bundle), status=1)
    assert message in said.stderr
    assert open_store(str(naru.folder / "naru-data")).names() == []


def test_bad_rows_can_be_skipped_and_are_kept_apart(naru: Shell, tiny_bundle: Path) -> None:
    (naru.folder / "bad.jsonl").write_text(
        '{"id": "a", "text": "카드"}\nnot json\n{"id": "b", "text": "여권"}\n', "utf-8"
    )
    said = naru.json(
        "index", "bad.jsonl", "--collection", "help", "--encoder", str(tiny_bundle), "--skip-bad-rows"
    )
    assert (said["provenance"]["passages"], said["rejected"]) == (2, 1)
    rejected = json.loads((naru.folder / "rejects.jsonl").read_text("utf-8"))
    assert rejected["line"] == 2


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["search", ""], 1, "query is empty"),
        (["search", "카드", "--collection", "nope"], 1, "No collection 'nope'"),
        (["search", "카드", "--cutoff", "1.5"], 1, "between 0 and 1"),
        (["search", "카드", "--limit", "0"], 2, "--limit"),
        (["search", "카드", "--filter", '{"field": "area", "is": "여권"}'], 1, "exactly one of equals"),
        (["search", "카드", "--filter", "area=여권"], 1, "Expected JSON"),
        (["search", "카드", "--mode", "fuzzy"], 2, "fuzzy"),
        (
            ["search", "카드", "--store", "not there"],
            1,
            "naru index CORPUS --store 'not there' --collection NAME",
        ),
        (["search", "카드", "--store", "http://127.0.0.1:9"], 1, "http://127.0.0.1:9 cannot be reached"),
        (["search", "카드", "--store", ""], 2, "'' names no store"),
        (["delete", "help", "--yes", "--store", ""], 2, "'' names no store"),
        (["search", "카드", "--service", "localhost:9"], 1, "Write http://localhost:9"),
        (["evaluate", "nowhere", "--split", "test"], 1, "nowhere"),
        (["compare", "a", "b"], 2, "a run needs judgements to be measured by: --qrels"),
        (["compare", "a", "b", "--fail-if-worse", "nDCG@10"], 2, "such as nDCG@10:0.01"),
        (["index", "nowhere.jsonl", "--collection", "x"], 1, "nowhere.jsonl: no such file"),
        (["index", "corpus.jsonl", "--collection", "a/b", "--encoder", "TINY"], 1, "a/b"),
        (["index", "corpus.jsonl", "--collection", "x", "--encoder", "nowhere"], 1, "naru export"),
        (
            ["index", "corpus.jsonl", "--collection", "x", "--encoder", "TINY", "--title", "titel"],
            1,
            "corpus.jsonl: --title titel: there is no such field. Did you mean 'title'?",
        ),
        (["collections", "--store", " "], 2, "' ' names no store"),
        (["search", "카드", "--collection", ""], 2, "'' names no collection"),
        (["index", "docs.jsonl", "--encoder", ""], 2, "'' names no encoder"),
        (["serve", "--port", "70000"], 2, "--port"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_wrong_use_is_told_in_one_message(
    indexed: Shell, tiny_bundle: Path, arguments: list[str], status: int, message: str
) -> None:
    given = [str(tiny_bundle) if argument == "TINY" else argument for argument in arguments]
    assert message in indexed(*given, status=status).stderr


def test_wrong_settings_are_named(indexed: Shell) -> None:
    said = indexed("serve", status=1, NARU__SERVICE__PORT="many", NARU__SERVICE__POTR="1")
    assert "service.port = 'many'" in said.stderr
    assert "service.potr" in said.stderr
    for name, said in (("LOCATION", ""), ("TIMEOUT", "inf"), ("TIMEOUT", "nan"), ("WAIT", "inf")):
        wrong = indexed("search", "카드", status=1, **{f"NARU__STORE__{name}": said}).stderr
        assert f"store.{name.lower()} = {said!r}" in wrong


def test_origins_of_browsers_are_a_list_of_sites(indexed: Shell) -> None:
    for said, wrong in (
        ('["https://app.example/"]', "without a path"),
        ("https://app.example", "a list is JSON"),
    ):
        stderr = indexed("serve", status=1, NARU__SERVICE__CORS_ORIGINS=said).stderr
        assert wrong in stderr


def test_settings_come_from_flags_over_environment_over_file(indexed: Shell, tmp_path: Path) -> None:
    (tmp_path / "naru.toml").write_text('[store]\nlocation = "of-the-file"\n')
    shell = Shell(tmp_path)
    assert "of-the-file" in shell("search", "카드", status=1).stderr
    assert "of-the-shell" in shell("search", "카드", status=1, NARU__STORE__LOCATION="of-the-shell").stderr
    flag = shell("search", "카드", "--store", "of-the-flag", status=1, NARU__STORE__LOCATION="of-the-shell")
    assert "of-the-flag" in flag.stderr


def test_a_port_in_use_is_named_with_the_way_out(indexed: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = indexed("serve", "--port", port, status=1)
    assert f"127.0.0.1:{port}" in said.stderr
    assert "--port" in said.stderr


@contextlib.contextmanager
def serving_at(indexed: Shell) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service's process and its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "naru", "serve", "--port", "0"],
        cwd=indexed.folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
    assert url is not None
    yield process, url[0]
    process.terminate()
    assert process.wait(30) == 0
    process.stdout.close()


@pytest.fixture
def serving(indexed: Shell) -> Iterator[subprocess.Popen[str]]:
    with serving_at(indexed) as (process, _):
        yield process


def test_a_store_that_a_service_holds_is_refused_with_its_process(
    indexed: Shell, serving: subprocess.Popen[str]
) -> None:
    said = indexed("search", "카드", status=1)
    assert str(serving.pid) in said.stderr
    assert "HTTP" in said.stderr
    assert "naru search QUERY --service URL" in said.stderr


def test_a_service_is_asked_as_a_store_is(indexed: Shell, tiny_bundle: Path) -> None:
    asked = [
        "search",
        "카드 잃어버렸어요",
        "--mode",
        "lexical",
        "--filter",
        '{"field": "area", "equals": "카드"}',
    ]
    before = indexed(*asked).stdout
    with serving_at(indexed) as (_, url):
        after = indexed(*asked, "--service", url).stdout
        by_store = indexed(*asked, "--store", url).stdout
        said = indexed.json(*asked, "--service", url)
        assert "between 0 and 1" in indexed(*asked, "--service", url, "--cutoff", "1.5", status=1).stderr
        refused = indexed("index", "corpus.jsonl", "--collection", "more", "--store", url, status=1)
        assert "running naru service" in refused.stderr
    assert after == by_store == before
    assert "카드 분실 신고" in after
    assert (said["collection"], [hit["id"] for hit in said["hits"]]) == ("help", ["card-1"])
    assert "cannot be reached" in indexed(*asked, "--service", url, status=1).stderr
    assert "--service or --store" in indexed(*asked, "--service", url, "--store", "x", status=2).stderr


def test_a_store_that_a_service_holds_is_listed(indexed: Shell, serving: subprocess.Popen[str]) -> None:
    [found] = indexed.json("collections")["collections"]
    assert (found["name"], found["passages"], found["calibrated"], found["trouble"]) == (
        "help",
        3,
        False,
        None,
    )
    shown = indexed("collections").stdout.splitlines()
    assert shown[0].split() == ["collection", "passages", "encoder", "indexed", "calibrated"]
    assert shown[1].split()[:2] == ["help", "3"]


def test_delete_asks_or_is_told(naru: Shell, tiny_bundle: Path) -> None:
    corpus = write(naru.folder / "corpus.jsonl", RECORDS)
    for name in ("one", "two"):
        naru("index", corpus, "--collection", name, "--encoder", str(tiny_bundle))
    assert "--yes" in naru("delete", "one", status=1).stderr
    assert [one["name"] for one in naru.json("collections")["collections"]] == ["one", "two"]
    naru("delete", "one", "--yes")
    assert [one["name"] for one in naru.json("collections")["collections"]] == ["two"]
    assert "No collection 'one'" in naru("delete", "one", "--yes", status=1).stderr
    [manifest] = naru.folder.glob("naru-data/two/*/manifest.json")
    manifest.write_text("{")
    assert "manifest.json cannot be read" in naru("collections").stderr
    assert naru.json("delete", "two", "--yes") == {"deleted": "two", "store": "naru-data"}
    assert "naru index CORPUS --store naru-data --collection NAME" in naru("collections").stderr


def test_the_running_service_has_loaded_no_training_library(serving: subprocess.Popen[str]) -> None:
    time.sleep(0.1)
    mapped = Path(f"/proc/{serving.pid}/maps").read_text()
    assert "onnxruntime" in mapped
    assert "/torch/" not in mapped
    assert "/transformers/" not in mapped


def test_help_tells_the_defaults(naru: Shell) -> None:
    """Typer takes "[default: …]" in a help text for its own markup, and leaves it out."""
    assert "naru-data" in naru("index", "--help").stdout
    assert "the model's" in naru("export", "--help").stdout


def test_version_and_help(naru: Shell) -> None:
    assert naru("--version").stdout.startswith("naru ")
    for command in (
        "index",
        "search",
        "collections",
        "delete",
        "serve",
        "evaluate",
        "compare",
        "judgements",
        "export",
        "demo",
    ):
        assert command in naru("--help").stdout
        assert "--help" in naru(command, "--help").stdout


@pytest.mark.parametrize("ended", [signal.SIGTERM, signal.SIGINT])
def test_what_ends_a_build_leaves_no_half_of_it(tmp_path: Path, ended: signal.Signals) -> None:
    write(tmp_path / "many.jsonl", [{"id": n, "text": f"{n}번 안내입니다. " * 20} for n in range(3000)])
    command = [sys.executable, "-m", "naru", "index", "many.jsonl", "--collection", "많다", "--store", "data"]
    building = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, and their children, ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    folder = tmp_path / "data" / "많다"
    until = time.monotonic() + 60
    while not list(folder.glob(".build-*/shard/*")) and time.monotonic() < until:
        time.sleep(0.05)
    building.send_signal(ended)
    try:
        said = building.communicate(timeout=60)[1]
    finally:
        building.kill()
    assert building.returncode == 128 + ended
    assert "interrupted; nothing half-done was published" in said
    assert not folder.exists()


def test_a_terminal_that_knows_no_hangul_is_answered(naru: Shell, tiny_bundle: Path) -> None:
    corpus = write(naru.folder / "corpus.jsonl", RECORDS)
    decomposed = unicodedata.normalize("NFD", "모음")
    naru("index", corpus, "--collection", decomposed, "--encoder", str(tiny_bundle))
    found = naru("search", "카드", "--collection", "모음", PYTHONIOENCODING="ascii").stdout
    assert "??" in found
