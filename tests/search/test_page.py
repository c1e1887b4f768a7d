"""The search page in a real browser: what a reader sees and does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from evaluation.calibrate import Calibration
from naru.cutoffs import Cutoff, Guarantee
from naru.settings import ServiceSettings
from search.catalog import Catalog
from search.searcher import Searcher
from search.service import create_app

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="no chromium and chromedriver on this machine; `make browser` installs them",
    ),
]

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]


class Page:
    """The page in a browser, spoken of as a reader would."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser = browser
        self.url = url

    def open(self, path: str = "/") -> None:
        self.browser.get(self.url + path)
        self.until(lambda: self.text("#about") or self.all(".failure"))

    def until(self, holds: Callable[[], Any]) -> None:
        WebDriverWait(self.browser, 10, poll_frequency=0.02).until(lambda _: holds())

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return " ".join(self.texts(selector))

    def texts(self, selector: str) -> list[str]:
        # In one step: between two the page may have replaced its elements.
        script = (
            "return [...document.querySelectorAll(arguments[0])].map((element) => element.innerText.trim())"
        )
        found: list[str] = self.run(script, selector)
        return found

    def search(self, query: str) -> None:
        box = self.one("#query")
        box.clear()
        box.send_keys(query, Keys.ENTER)
        self.until(lambda: self.address.get("q") == [query] and not self.all("[aria-busy]"))

    def press(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    @property
    def address(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.browser.current_url).query)

    @property
    def focused(self) -> WebElement:
        return self.browser.switch_to.active_element

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)  # type: ignore[no-untyped-call]

    def complaints(self) -> list[str]:
        """What the console has said since it was last asked."""
        return [entry["message"] for entry in self.browser.get_log("browser")]  # type: ignore[no-untyped-call]

    def requested(self) -> list[str]:
        """The addresses requested since this was last asked."""
        events = (json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance"))  # type: ignore[no-untyped-call]
        return [
            one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"
        ]


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--lang=ko",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = Chrome(options=options, service=ChromeService(DRIVER))
    yield started
    started.quit()


@pytest.fixture
def told(browser: Chrome, calibrated: Searcher, serve: Serve) -> Iterator[Page]:
    """The page of a service over the calibrated collection."""
    browser.set_window_size(1100, 900)
    with serve(create_app(Catalog({"help": calibrated}), ServiceSettings())) as client:
        page = Page(browser, str(client.base_url).rstrip("/"))
        page.open()
        yield page
        assert page.complaints() == []
        page.requested()


@pytest.fixture
def page(browser: Chrome, client: httpx.Client) -> Iterator[Page]:
    browser.set_window_size(1100, 900)
    page = Page(browser, str(client.base_url).rstrip("/"))
    page.open()
    page.run("localStorage.clear()")
    page.complaints(), page.requested()
    page.open("/?collection=help")
    yield page
    assert page.complaints() == []
    assert [url for url in page.requested() if not url.startswith((page.url, "data:"))] == []


def test_a_query_shows_ranked_passages_with_marks_and_bars(page: Page) -> None:
    assert page.focused == page.one("#query")
    page.search("카드를 잃어버렸어요")
    assert page.text("#status").startswith("결과 8건 · ")
    assert page.all(".rank")[0].text == "1"
    first = page.all(".hit")[0]
    assert first.find_element(By.CSS_SELECTOR, "h2").text == "카드 분실 신고"
    marks = [mark.text for mark in first.find_elements(By.CSS_SELECTOR, ".snippet mark")]
    assert marks == ["카드", "잃어버렸"]
    assert [mark.text for mark in first.find_elements(By.CSS_SELECTOR, "h2 mark")] == ["카드"]
    chips = [chip.text for chip in first.find_elements(By.CSS_SELECTOR, ".chips li")]
    assert chips == ["카드", "2025-03-11", "0", "true"]
    assert "확률은 아직 보정되지 않은 기본값입니다." in page.text(".notice")
    assert page.texts(".prior") == ["보정 전"] * 8
    assert not page.one("#levels").is_displayed()
    assert page.browser.title == "카드를 잃어버렸어요 · 나루"


def test_bars_are_as_long_as_the_probabilities(page: Page, client: httpx.Client) -> None:
    page.search("전입신고 과태료")
    body = {"query": "전입신고 과태료", "collection": "help"}
    hits = client.post("/v1/search", json=body).json()["hits"]
    widths = page.run(
        "return [...document.querySelectorAll('.fill')].map(fill => parseFloat(fill.style.width))"
    )
    assert widths == [pytest.approx(hit["probability"] * 100, abs=0.06) for hit in hits]
    shown = page.texts(".percent")
    for text, hit in zip(shown, hits, strict=True):
        rounded = round(hit["probability"] * 100)
        assert text == ("1% 미만" if rounded < 1 else f"{min(rounded, 99)}%")
    assert page.one(".gauge").get_attribute("aria-label") == f"맞을 확률 {shown[0]} (보정 전)"


def test_the_address_keeps_the_search(page: Page) -> None:
    page.search("여권 사진")
    page.one("input[value=lexical]").click()
    page.until(lambda: page.address.get("mode") == ["lexical"])
    page.search("환불 기간")
    assert page.text(".hit h2").startswith("환불 기간")
    page.browser.refresh()
    page.until(lambda: page.text(".hit h2").startswith("환불 기간"))
    assert page.one("#query").get_attribute("value") == "환불 기간"
    assert page.one("input[value=lexical]").is_selected()
    page.browser.back()
    page.until(lambda: page.text(".hit h2").startswith("여권 준비물"))
    page.browser.back()
    page.until(lambda: page.one("input[value=hybrid]").is_selected())
    assert page.one("#query").get_attribute("value") == "여권 사진"


def test_english_is_remembered_and_korean_comes_first(page: Page) -> None:
    page.search("여권 사진")
    assert page.run("return document.documentElement.lang") == "ko"
    page.one("#language").click()
    for _ in range(2):
        page.until(lambda: page.text("#status").startswith("8 results"))
        assert page.one("button[type=submit]").text == "Search"
        assert page.one("#query").get_attribute("placeholder") == "Ask in words or whole sentences"
        assert "Probabilities are uncalibrated default values so far." in page.text(".notice")
        assert page.texts(".prior") == ["prior"] * 8
        assert page.run("return document.documentElement.lang") == "en"
        page.browser.refresh()
    page.until(lambda: page.all(".hit"))
    page.one("#language").click()
    page.until(lambda: page.text("#status").startswith("결과"))
    assert page.one("button[type=submit]").text == "검색"


def test_each_mode_shows_the_figures_it_used(page: Page) -> None:
    page.search("여권 사진")
    names = {}
    for mode in ("hybrid", "semantic", "lexical"):
        page.one(f"input[value={mode}]").click()
        page.until(lambda: page.all(".hit") and not page.all("[aria-busy]"))
        page.until(lambda: page.address.get("mode", ["hybrid"]) == [mode])  # noqa: B023
        page.until(lambda: page.all(".title"))
        page.all(".title")[0].click()
        names[mode] = page.all(".figures")[0].text.split("\n")[::2]
    assert names["hybrid"] == ["의미 유사도", "단어 일치도", "로짓", "문서 ID"]
    assert names["semantic"] == ["의미 유사도", "로짓", "문서 ID"]
    assert names["lexical"] == ["단어 일치도", "로짓", "문서 ID"]


def test_keys_reach_everything(page: Page) -> None:
    page.search("연체료")
    page.press(Keys.ARROW_DOWN)
    assert page.focused == page.all(".title")[0]
    page.press(Keys.ARROW_DOWN)
    assert page.focused == page.all(".title")[1]
    page.press(Keys.ARROW_UP)
    page.press(Keys.ENTER)
    title = page.all(".title")[0]
    assert title.get_attribute("aria-expanded") == "true"
    whole = page.one(f"#{title.get_attribute('aria-controls')}")
    assert whole.is_displayed()
    assert len(whole.text) > 1000
    assert not page.all(".snippet")[0].is_displayed()
    page.press(Keys.ENTER)
    assert title.get_attribute("aria-expanded") == "false"
    page.press("/")
    assert page.focused == page.one("#query")
    assert page.one("#query").get_attribute("value") == "연체료"
    page.press(Keys.ARROW_DOWN, Keys.ARROW_UP)
    assert page.focused == page.one("#query")


def test_enter_that_ends_a_syllable_does_not_search(page: Page) -> None:
    script = """
        const key = (composing) => new KeyboardEvent(
            "keydown", {key: "Enter", isComposing: composing, bubbles: true, cancelable: true});
        const box = document.getElementById("query");
        return [box.dispatchEvent(key(true)), box.dispatchEvent(key(false))];
    """
    assert page.run(script) == [False, True]  # False: the browser's own searching was prevented


def test_a_passage_is_text_whatever_it_holds(page: Page) -> None:
    page.search("태그 시험")
    first = page.all(".hit")[0]
    assert first.find_element(By.CSS_SELECTOR, "h2").text == "<b>태그</b> 시험"
    assert '<script>window.hacked = 1</script> 태그 시험 <img src="x" onerror=' in first.text
    assert '"><i>이상</i>' in first.text
    page.all(".title")[0].click()
    assert page.all("#results script, #results img, #results b, #results i") == []
    page.search("<img src=x onerror='window.hacked = 3'>")
    assert page.run("return window.hacked") is None


def test_a_chip_narrows_the_search_and_lets_go_again(page: Page) -> None:
    page.search("신고 수수료")
    page.one('.chips button[title^="분류: 카드"]').click()
    page.until(lambda: len(page.all(".hit")) == 2)
    assert page.texts("#filters button") == ["분류: 카드 ✕"]
    assert json.loads(page.address["where"][0]) == ["category", "카드"]
    page.browser.refresh()
    page.until(lambda: len(page.all(".hit")) == 2)
    page.one("#filters button").click()
    page.until(lambda: len(page.all(".hit")) == 8)
    assert "where" not in page.address


def test_examples_and_collections_are_offered(page: Page) -> None:
    assert page.texts("#examples button") == ["카드를 잃어버렸어요", "이사 신고"]
    page.all("#examples button")[1].click()
    page.until(lambda: page.text(".hit h2").startswith("전입신고 기한"))
    assert not page.one("#examples").is_displayed()
    page.one("#collection option[value=cards]").click()
    page.until(lambda: len(page.all(".hit")) == 2)
    assert page.address["collection"] == ["cards"]
    assert page.text("#about").startswith("cards · 글 2건")
    page.one("#home").click()
    page.until(lambda: not page.all(".hit"))
    assert page.one("#query").get_attribute("value") == ""


def test_nothing_found_says_what_to_try(page: Page) -> None:
    page.one("input[value=lexical]").click()
    page.search("쀍뷁")
    assert page.text("#status").startswith("결과 0건")
    assert "찾은 글이 없습니다." in page.text(".notice")
    assert "‘통합’으로 바꾸어" in page.text(".notice")


def test_without_an_answer_near_misses_stand_apart(told: Page) -> None:
    told.search("화성 우주선 99호 왕복 요금")
    assert told.text("#status").startswith("결과 0건")
    assert told.text(".notice.empty").startswith("답을 찾지 못했습니다.\n이 컬렉션에 답이 있을 확률은 ")
    assert told.text("#near-title") == "비슷하지만 답이 아닐 수 있는 글"
    assert not told.all("#results .hit")
    assert told.texts("#near .rank") == ["1", "2", "3", "4", "5"]
    assert not told.all(".prior")
    told.press(Keys.ARROW_DOWN, Keys.ENTER)
    assert told.all("#near .title")[0].get_attribute("aria-expanded") == "true"
    told.one("#language").click()
    told.until(lambda: told.text("#near-title") == "Similar, but perhaps not an answer")
    assert told.text(".notice.empty").startswith("No answer was found.")
    told.one("#language").click()
    told.search("전입신고 과태료")
    assert not told.one("#near").is_displayed()
    assert told.text("#results h2").startswith("전입신고 기한")


def test_a_level_cuts_and_says_what_it_promises(told: Page) -> None:
    told.search("카드 재발급 수수료")
    everything = len(told.all("#results .hit"))
    told.one("input[value=balanced]").click()
    told.until(lambda: 0 < len(told.all("#results .hit")) < everything)
    assert told.address["level"] == ["balanced"]
    assert told.text(".promise").startswith(
        "균형: 맞는 글을 놓치는 일과 틀린 글이 섞이는 일이 두루 적었던 기준선입니다."
    )
    assert "정답을 표시한 질문 127건" in told.text(".promise")
    told.browser.refresh()
    told.until(lambda: told.all("#results .hit"))
    assert told.one("input[value=balanced]").is_selected()
    told.one('.chips button[title^="분류: 카드"]').click()
    told.until(lambda: "‘균형’의 약속은 이 결과에 적용되지 않습니다." in told.text(".notice"))
    assert not told.all(".promise")
    told.one('input[name=level][value=""]').click()
    told.until(lambda: "level" not in told.address and not told.text(".notice"))


def test_a_level_that_is_not_to_be_had_says_what_it_takes(
    browser: Chrome, calibrated: Searcher, fitted: Calibration, serve: Serve
) -> None:
    few = Cutoff("precise", "nine of ten are right", None, None, 40, 7, {}, "too few judgements", 22)
    fits = {mode: replace(fit, cutoffs=(few,)) for mode, fit in fitted.relevance.fits.items()}
    searcher = Searcher(calibrated.collection, calibrated.encoder, calibrated.analyzer)
    searcher.relevance = replace(fitted.relevance, fits=fits)
    with serve(create_app(Catalog({"help": searcher}), ServiceSettings())) as client:
        page = Page(browser, str(client.base_url).rstrip("/"))
        page.open("/?q=카드&level=precise")
        page.until(lambda: page.all(".hit"))
        option = page.one("input[value=precise]")
        assert not option.is_enabled()
        assert page.text("#missing summary") == "‘정밀’을 고를 수 없는 이유"
        assert not page.one("#missing li").is_displayed()
        page.run("arguments[0].focus()", page.one("#missing summary"))
        page.press(Keys.ENTER)
        page.until(lambda: page.one("#missing li").is_displayed())
        assert page.texts("#missing li") == [
            "정밀: 정답 데이터가 모자라 아직 쓸 수 없습니다. 질문: 지금 7건, 22건쯤 필요합니다."
        ]
        assert (
            "‘정밀’은 이 컬렉션에서 약속할 수 없어, 대신 맞을 확률이 90% 이상인 글만 보여 드립니다."
            in page.text(".notice")
        )
        assert page.complaints() == []
        page.requested()


def test_notes_on_the_query_are_shown(page: Page) -> None:
    page.search("zkem")
    assert "‘zkem’ 대신 ‘카드’로 찾았습니다" in page.text(".notice.quiet")


def test_promises_are_told_from_their_numbers(page: Page) -> None:
    """Not from their English sentences, whose wording is nobody's interface."""
    script = """
        const [precise, averaged, sensitive, done] = arguments;
        import("/page/words.js").then(({ wordsOf }) => {
            const { promises, noLevel } = wordsOf("ko");
            const few = { needed: 22, units: 7, found: {}, unit: "group" };
            done([promises.precise(precise), promises.precise(averaged), promises.sensitive(sensitive), noLevel(few)]);
        });
    """
    told = [
        Guarantee("precision", 0.995, 0.9, "hit"),
        Guarantee("precision", 0.9, 0.9),
        Guarantee("coverage", 0.9),
    ]
    said = page.browser.execute_async_script(script, *map(asdict, told))  # type: ignore[no-untyped-call]
    assert said == [
        "보여 주는 글의 99.5% 이상이 맞는 글입니다. 신뢰도 90%",
        "질문별로 평균하면, 보여 주는 글의 90% 이상이 맞는 글입니다. 신뢰도 90%",
        "답이 있는 질문 가운데 90% 이상에서 맞는 글을 보여 줍니다.",
        "정답 데이터가 모자라 아직 쓸 수 없습니다. 질문 묶음: 지금 7건, 22건쯤 필요합니다.",
    ]


def test_particles_follow_the_final_consonant(page: Page) -> None:
    script = """
        const [done] = [...arguments].slice(-1);
        import("/page/words.js").then(({ wordsOf }) => {
            const words = wordsOf("ko");
            done([
                ...["카드", "여권", "연필", "2026", "3"].map((read) => words.notes.keyboard({ typed: "x", read })),
                ...["precise", "sensitive"].map((cutoff) => words.notes.uncut({ cutoff })),
                ...["34%", words.underOne].map((share) => words.unansweredWhy(share, null)),
            ]);
        });
    """
    said = page.browser.execute_async_script(script)  # type: ignore[no-untyped-call]
    expected = (
        "‘카드’로 ",
        "‘여권’으로 ",
        "‘연필’로 ",
        "‘2026’으로 ",
        "‘3’으로 ",
        "‘정밀’은 ",
        "‘폭넓게’는 ",
        "34%로,",
        "1% 미만으로,",
    )
    for sentence, part in zip(said, expected, strict=True):
        assert part in sentence


@pytest.mark.parametrize("width", [360, 1100])
def test_nothing_is_wider_than_the_window_and_nothing_jumps(page: Page, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.open("/?collection=help&q=" + "https://example.org/" + "a" * 200)
        page.until(lambda: page.all(".hit"))
        for title in page.all(".title"):
            title.click()
        assert page.run("return document.documentElement.scrollWidth") <= width
        shift = page.browser.execute_async_script("""
            const done = arguments[0];
            let total = 0;
            new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) if (!entry.hadRecentInput) total += entry.value;
            }).observe({type: "layout-shift", buffered: true});
            setTimeout(() => done(total), 100);
        """)  # type: ignore[no-untyped-call]
        assert shift < 0.05
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_what_goes_wrong_is_said_and_can_be_tried_again(
    browser: Chrome, searcher: Searcher, client: httpx.Client, serve: Serve
) -> None:
    catalog = Catalog()
    with serve(create_app(catalog, ServiceSettings())) as own:
        page = Page(browser, str(own.base_url).rstrip("/"))
        page.open("/?q=여권")
        assert "자료를 여는 중입니다" in page.text(".failure")
        catalog.offer({"help": searcher})
        page.one(".failure button").click()
        page.until(lambda: page.all(".hit"))
        assert not page.all(".failure")
        page.open("/?q=여권&collection=nope")
        page.until(lambda: page.all(".failure"))
        assert "그런 컬렉션이 없습니다." in page.text(".failure")
        page.open("/?q=여권")
        page.until(lambda: page.all(".hit"))
    page.one("#query").send_keys(" 사진", Keys.ENTER)
    page.until(lambda: page.all(".failure"))
    assert "서버에 연결할 수 없습니다." in page.text(".failure")
    assert page.one(".failure").get_attribute("role") == "alert"
    page.complaints(), page.requested()


def test_the_docs_work_without_a_network(page: Page) -> None:
    page.browser.get(f"{page.url}/docs")
    page.until(lambda: "/v1/search" in page.text(".opblock-summary-path"))
