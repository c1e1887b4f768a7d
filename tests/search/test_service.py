"""The service over real HTTP: what it answers, and how it refuses."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from naru.settings import ServiceSettings
from search.answer import Answer
from search.catalog import Catalog
from search.reading import MAX_QUERY
from search.searcher import Searcher
from search.service import MAX_BODY, create_app

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]

JSON = {"Content-Type": "application/json"}


def search(client: httpx.Client, query: str, **asked: Any) -> Any:
    response = client.post("/v1/search", json={"query": query, "collection": "help", **asked})
    assert response.status_code == 200, response.text
    return response.json()


def ids(answer: Any) -> list[str]:
    return [hit["id"] for hit in answer["hits"]]


def refused(response: httpx.Response, status: int, type: str) -> str:
    """The message of an answer that is a refusal of this status and type, and nothing else."""
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"type", "message"}
    assert body["error"]["type"] == type
    message: str = body["error"]["message"]
    assert message
    return message


def test_a_search_answers_as_the_searcher_does(client: httpx.Client, searcher: Searcher) -> None:
    answer = search(client, "카드를 잃어버렸어요", limit=3)
    expected = searcher.search("카드를 잃어버렸어요", limit=3)
    assert (answer["query"], answer["mode"], answer["collection"]) == (
        "카드를 잃어버렸어요",
        "hybrid",
        "help",
    )
    assert answer["calibrated"] is False
    assert answer["answered"] is None
    assert answer["milliseconds"] > 0
    assert ids(answer) == [hit.passage.id for hit in expected.hits]
    first, hit = answer["hits"][0], expected.hits[0]
    assert first["rank"] == 1
    assert (first["title"], first["text"]) == (hit.passage.title, hit.passage.text)
    assert first["metadata"] == {"category": "카드", "date": "2025-03-11", "fee": 0, "online": True}
    for name in ("probability", "logit", "semantic", "lexical"):
        assert first[name] == pytest.approx(getattr(hit, name))


def test_highlights_are_places_in_their_fields(client: httpx.Client) -> None:
    hit = search(client, "앱 오류 번호", mode="lexical")["hits"][0]
    assert hit["id"] == "app-1"
    marks = {
        field: [hit[field][span["start"] : span["end"]] for span in hit["highlights"][field]]
        for field in ("title", "text", "snippet")
    }
    assert marks["title"] == ["앱", "오류"]
    assert marks["text"] == marks["snippet"] == ["앱", "오류", "오류", "번호"]
    assert hit["segments"] is None


def test_segments_spare_the_reader_the_arithmetic(client: httpx.Client) -> None:
    hit = search(client, "앱 오류", mode="lexical", highlight="segments")["hits"][0]
    for field in ("title", "text", "snippet"):
        assert "".join(piece["text"] for piece in hit["segments"][field]) == hit[field]
    assert hit["segments"]["text"][:2] == [{"text": "😀👍 ", "match": False}, {"text": "앱", "match": True}]


def test_highlighting_can_be_left_out(client: httpx.Client) -> None:
    hit = search(client, "앱 오류", highlight="off")["hits"][0]
    assert hit["highlights"] is hit["segments"] is hit["snippet"] is None


@pytest.mark.parametrize(
    ("mode", "used", "unused"), [("semantic", "semantic", "lexical"), ("lexical", "lexical", "semantic")]
)
def test_a_mode_shows_the_score_it_ranks_by(client: httpx.Client, mode: str, used: str, unused: str) -> None:
    hits = search(client, "카드 재발급", mode=mode)["hits"]
    assert hits
    for hit in hits:
        assert hit[used] is not None
        assert hit[unused] is None


def test_a_cut_off_on_a_prior_cuts_and_decides_nothing(client: httpx.Client) -> None:
    everything = search(client, "카드 재발급 수수료", limit=8)["hits"]
    between = (everything[0]["probability"] + everything[1]["probability"]) / 2
    kept = search(client, "카드 재발급 수수료", cutoff=between)
    assert (ids(kept), kept["answered"]) == ([everything[0]["id"]], None)
    assert kept["cutoff"]["probability"] == pytest.approx(between)
    assert (kept["cutoff"]["name"], kept["cutoff"]["promise"]) == (None, None)
    none = search(client, "화성 우주선 왕복 요금", cutoff=0.9)
    assert (ids(none), none["answered"]) == ([], None)
    assert none["near_misses"]
    assert all(hit["probability"] < 0.9 for hit in none["near_misses"])


def test_a_filter_that_nothing_fits_is_told(client: httpx.Client) -> None:
    answer = search(client, "카드 재발급 수수료", filter={"field": "catgory", "equals": "카드"})
    assert (ids(answer), [note["kind"] for note in answer["notes"]]) == ([], ["filtered"])
    assert not search(client, "카드 재발급", filter={"field": "category", "equals": "카드"})["notes"]


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"field": "category", "equals": "카드"}, {"card-1", "card-2"}),
        ({"field": "category", "any_of": ["여권", "쇼핑"]}, {"passport-1", "refund-1"}),
        ({"field": "fee", "range": {"gt": 3000, "lte": 5000}}, {"card-2", "refund-1"}),
        ({"field": "date", "range": {"gte": "2026-01-31"}}, {"refund-1", "odd-1"}),
        ({"field": "online", "equals": True}, {"card-1", "card-2", "refund-1"}),
        ({"field": "tags", "equals": "이사"}, {"move-1"}),
        ({"field": "category", "exists": False}, {"long-1"}),
        (
            {"and": [{"field": "fee", "exists": True}, {"not": {"field": "category", "equals": "카드"}}]},
            {"passport-1", "refund-1"},
        ),
        ({"or": [{"field": "fee", "equals": 0}, {"field": "tags", "exists": True}]}, {"card-1", "move-1"}),
    ],
)
def test_filters_narrow_what_is_found(client: httpx.Client, filter: Any, expected: set[str]) -> None:
    assert (
        set(ids(search(client, "카드 신고 사진 환불", mode="semantic", limit=100, filter=filter))) == expected
    )


def test_notes_tell_what_was_done_to_the_query(client: httpx.Client) -> None:
    answer = search(client, "zkem 수수료")
    assert answer["notes"][0]["values"] == {"typed": "zkem", "read": "카드"}
    assert ids(answer)[0] == "card-2"


def test_odd_queries_are_answered(client: httpx.Client) -> None:
    for query in ("은 는 이 가", "😀", "\0카드\0", "a" * MAX_QUERY, "<script>"):
        answer = search(client, query)
        assert answer["query"] == query
        assert len(answer["hits"]) + len(answer["near_misses"]) <= 10


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"query": ""}, "empty"),
        ({"query": " \n"}, "empty"),
        ({"query": "가" * (MAX_QUERY + 1)}, "10,001 characters"),
        ({}, "query: Field required"),
        ({"query": 5}, "query: Input should be a valid string"),
        ({"query": "카드", "mode": "magic"}, "mode: Input should be 'hybrid', 'semantic' or 'lexical'"),
        ({"query": "카드", "limit": 0}, "limit: Input should be greater than or equal to 1"),
        ({"query": "카드", "limit": 101}, "limit: Input should be less than or equal to 100"),
        ({"query": "카드", "cutoff": 1}, "between 0 and 1, both excluded; got 1.0"),
        (
            {"query": "카드", "cutoff": "balanced"},
            "the collection is not calibrated. `naru calibrate` chooses them",
        ),
        ({"query": "카드", "cutoff": []}, "cutoff"),
        ({"query": "카드", "cutoff": "1.5"}, "between 0 and 1, both excluded; got 1.5"),
        ({"query": "카드", "cutoff": "nan"}, "between 0 and 1, both excluded; got nan"),
        ({"query": "카드", "cutoff": True}, "got true; expected a number"),
        ({"query": "카드", "limit": True}, "limit: got true; expected a number"),
        ({"query": "카드", "topk": 5}, "topk: Extra inputs are not permitted"),
        ({"query": "카드", "filter": {"field": "fee"}}, "filter: expected an object with exactly one of"),
        (
            {"query": "카드", "filter": {"and": [{"field": "fee", "range": {"gte": "1200"}}]}},
            "filter.and.0.range.gte: '1200' is text; expected the number 1200",
        ),
        ({"query": "카드", "filter": {"field": "fee", "range": {}}}, "has no bounds"),
        (
            {"query": "카드", "filter": {"field": "date", "range": {"gte": 5, "lt": "2025-01-01"}}},
            "all numbers or all datetimes",
        ),
        ([], "Expected a JSON object"),
    ],
)
def test_a_meaningless_request_is_told_why(client: httpx.Client, body: Any, message: str) -> None:
    if isinstance(body, dict):
        body = {"collection": "help", **body}
    assert message in refused(client.post("/v1/search", json=body), 422, "invalid_request")


@pytest.mark.parametrize(
    "body",
    [
        rb'{"query": "\ud800", "collection": "help"}',
        rb'{"query": "a", "\ud800": 1}',
        rb'{"query": "a", "filter": {"field": "\ud800", "exists": true}}',
        rb'{"query": "a", "filter": {"field": "f", "any_of": ["\ud800"]}}',
    ],
)
def test_a_lone_surrogate_is_refused(client: httpx.Client, body: bytes) -> None:
    response = client.post("/v1/search", content=body, headers=JSON)
    refused(response, 422, "invalid_request")


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b"[" * 100_000, b'{"query": ' + b"9" * 5000 + b"}", b'{"query": "a" "b"}']
)
def test_what_is_not_json_is_refused(client: httpx.Client, body: bytes) -> None:
    response = client.post("/v1/search", content=body, headers=JSON)
    refused(response, 400, "invalid_json")


def test_a_body_in_cp949_is_told_to_be_utf8(client: httpx.Client) -> None:
    body = '{"query": "카드", "collection": "help"}'.encode("cp949")
    message = refused(client.post("/v1/search", content=body, headers=JSON), 400, "invalid_json")
    assert "not UTF-8: byte 0xb5 at 13" in message


def test_a_cut_off_in_quotes_is_a_number(client: httpx.Client) -> None:
    quoted, plain = (search(client, "카드 재발급 수수료", cutoff=cutoff) for cutoff in ("0.5", 0.5))
    assert quoted["cutoff"] == plain["cutoff"]
    assert ids(quoted) == ids(plain)


def test_milliseconds_count_highlighting(client: httpx.Client) -> None:
    def fastest(**asked: Any) -> float:
        return min(search(client, "도서관 연체료 휴관일", **asked)["milliseconds"] for _ in range(5))

    assert fastest(highlight="offsets") > 1.5 * fastest(highlight="off")


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz"])
def test_head_is_answered_as_get_without_its_body(client: httpx.Client, path: str) -> None:
    response = client.head(path)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == client.get(path).headers["content-type"]


def test_a_body_without_its_content_type_is_told_which(client: httpx.Client) -> None:
    response = client.post("/v1/search", content=b'{"query": "a"}', headers={"Content-Type": "text/plain"})
    assert "application/json" in refused(response, 422, "invalid_request")


def test_unknown_collections_and_routes_are_not_found(client: httpx.Client) -> None:
    response = client.post("/v1/search", json={"query": "카드", "collection": "nope"})
    assert "there: help, cards" in refused(response, 404, "not_found")
    response = client.post("/v1/search", content=rb'{"query": "a", "collection": "\ud800"}', headers=JSON)
    assert r"\ud800" in refused(response, 404, "not_found")
    refused(client.get("/v1/nothing"), 404, "not_found")
    refused(client.get("/v1/search"), 405, "method_not_allowed")


def test_the_collection_may_be_left_out_where_there_is_one(
    client: httpx.Client, searcher: Searcher, serve: Serve
) -> None:
    response = client.post("/v1/search", json={"query": "카드"})
    assert "help, cards" in refused(response, 422, "invalid_request")
    with serve(create_app(Catalog({"help": searcher}), ServiceSettings())) as alone:
        assert alone.post("/v1/search", json={"query": "카드"}).json()["collection"] == "help"


def test_collections_say_what_they_were_made_with(client: httpx.Client, searcher: Searcher) -> None:
    help, cards = client.get("/v1/collections").json()["collections"]
    assert help == {
        "name": "help",
        "passages": 8,
        "encoder": "characters",
        "created": searcher.provenance.created,
        "calibrated": False,
        "void": None,
        "modes": ["hybrid", "semantic", "lexical"],
        "cutoffs": {"hybrid": [], "semantic": [], "lexical": []},
        "examples": ["카드를 잃어버렸어요", "이사 신고"],
    }
    assert (cards["name"], cards["passages"], cards["examples"]) == ("cards", 2, [])


def test_a_service_without_its_collections_is_live_and_not_ready(searcher: Searcher, serve: Serve) -> None:
    catalog = Catalog()
    with serve(create_app(catalog, ServiceSettings())) as client:
        assert client.get("/livez").json() == {"status": "live"}
        for response in (
            client.get("/readyz"),
            client.get("/v1/collections"),
            client.post("/v1/search", json={"query": "카드"}),
        ):
            assert "being opened" in refused(response, 503, "not_ready")
            assert response.headers["retry-after"] == "1"
        catalog.offer({"help": searcher})
        assert client.get("/readyz").json() == {"status": "ready"}
        assert client.post("/v1/search", json={"query": "카드"}).status_code == 200


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_too_large_is_refused(client: httpx.Client, declared: bool) -> None:
    body = json.dumps({"query": "가" * MAX_BODY}).encode()
    content = body if declared else iter([body[: MAX_BODY // 2], body[MAX_BODY // 2 : MAX_BODY + 2]])
    response = client.post("/v1/search", content=content, headers=JSON)
    assert f"{MAX_BODY:,} bytes" in refused(response, 413, "too_large")


class Held(Searcher):
    """A searcher that begins a search only when it is let."""

    def hold(self) -> None:
        self.free = threading.Event()
        self.begun = threading.Semaphore(0)
        self.searches = 0

    def search(self, query: str, **asked: Any) -> Answer:
        self.searches += 1
        self.begun.release()
        assert self.free.wait(30)
        return super().search(query, **asked)


@pytest.fixture
def held(searcher: Searcher) -> Held:
    made = Held(searcher.collection, searcher.encoder, searcher.analyzer)
    made.hold()
    return made


def test_a_full_service_refuses_at_once_and_recovers(held: Held, serve: Serve) -> None:
    app = create_app(Catalog({"help": held}), ServiceSettings(concurrency=1, queue=2))
    with serve(app) as client, ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(client.post, "/v1/search", json={"query": "카드"}) for _ in range(4)]
        first = next(as_completed(asked, timeout=10))  # whichever came last; the others wait
        assert "3 searches" in refused(first.result(), 503, "overloaded")
        assert first.result().headers["retry-after"] == "1"
        assert client.get("/livez").status_code == 200
        held.free.set()
        assert [one.result().status_code for one in asked if one is not first] == [200, 200, 200]
        assert client.post("/v1/search", json={"query": "카드"}).status_code == 200


def test_a_search_whose_client_has_gone_never_begins(held: Held, serve: Serve) -> None:
    app = create_app(Catalog({"help": held}), ServiceSettings(concurrency=1, queue=1))
    with serve(app) as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/v1/search", json={"query": "카드"})
        assert held.begun.acquire(timeout=10)
        for _ in range(3):  # each waits in the one place there is, and leaves it by going
            body = b'{"query": "hello"}'
            with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as gone:
                gone.sendall(
                    b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
                )
                time.sleep(0.2)
        time.sleep(1)
        held.free.set()
        assert first.result().status_code == 200
        assert client.post("/v1/search", json={"query": "카드"}).status_code == 200
        assert held.searches == 2


class Broken(Searcher):
    def search(self, query: str, **asked: Any) -> Answer:
        raise RuntimeError(f"a secret about {query}")


def test_an_unexpected_failure_tells_the_log_and_not_the_client(
    searcher: Searcher, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Broken(searcher.collection, searcher.encoder, searcher.analyzer)
    log = logging.getLogger("uvicorn.error")
    with caplog.at_level(logging.ERROR, "uvicorn.error"):
        with serve(create_app(Catalog({"help": broken}), ServiceSettings())) as client:
            log.addHandler(caplog.handler)
            response = client.post("/v1/search", json={"query": "카드"})
        log.removeHandler(
            caplog.handler
        )  # the server answers before it logs, and has done both when it has stopped
    assert "secret" not in refused(response, 500, "internal")
    assert "a secret about 카드" in caplog.text


def test_the_page_and_the_docs_load_nothing_from_elsewhere(client: httpx.Client) -> None:
    for path in ("/", "/docs"):
        response = client.get(path)
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert "http://" not in response.text
        assert "https://" not in response.text
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
    for path in (
        "/page/page.js",
        "/page/style.css",
        "/page/naru.svg",
        "/swagger/swagger-ui-bundle.js",
        "/swagger/swagger-ui.css",
        "/openapi.json",
    ):
        response = client.get(path)
        assert response.status_code == 200, path
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-cache"
        again = client.get(path, headers={"If-None-Match": response.headers.get("etag", "none")})
        assert again.status_code == (200 if path == "/openapi.json" else 304)


def test_other_sites_may_not_read_answers(client: httpx.Client) -> None:
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in client.options("/v1/search", headers=headers).headers
    response = client.get("/v1/collections", headers={"Origin": "https://elsewhere.example"})
    assert "access-control-allow-origin" not in response.headers


def test_a_site_of_the_settings_may(searcher: Searcher, serve: Serve) -> None:
    settings = ServiceSettings(cors_origins=("https://app.example",))
    with serve(create_app(Catalog({"help": searcher}), settings)) as client:
        ours = {"Origin": "https://app.example"}
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        preflight = client.options("/v1/search", headers=ours | asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://app.example"
        for body in ({"query": "카드"}, {"query": ""}, {"query": "가" * MAX_BODY}):
            response = client.post("/v1/search", json=body, headers=ours)
            assert response.headers["access-control-allow-origin"] == "https://app.example"
        other = client.post("/v1/search", json={"query": "카드"}, headers={"Origin": "https://other.example"})
        assert "access-control-allow-origin" not in other.headers
