"""The evaluation report: charts against hand-worked numbers and scikit-learn, the page in words and in a browser."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_curve

from evaluation.charts import charts
from evaluation.figures import (
    Cut,
    Estimate,
    Expected,
    ReportFacts,
    Returned,
    Slice,
    Worst,
    precision_recall,
    reliability_bins,
    risk_at,
    risk_curve,
    wilson,
)
from evaluation.report import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")


def small(**changes: Any) -> ReportFacts:
    """Three queries: the first answered rightly, the second wrongly at first, the third without an answer."""
    facts = ReportFacts(
        collection="demo",
        split="test",
        mode="hybrid",
        encoder="naru-mini",
        calibrated=True,
        measures={"hybrid": {"nDCG@10": Estimate(0.8, 0.75, 0.85)}},
        query=np.array([0, 0, 1, 1, 2]),
        rank=np.array([1, 2, 1, 2, 1]),
        probability=np.array([0.9, 0.3, 0.6, 0.5, 0.2]),
        relevant=np.array([True, False, False, True, False]),
        judged=np.array([1, 2, 0]),
    )
    return replace(facts, **changes)


def large(**changes: Any) -> ReportFacts:
    """250 queries of 10 hits, all parts of a report, Korean names and what would break a page that does not escape."""
    rng = np.random.default_rng(3)
    queries = 250
    probability = np.sort(rng.beta(0.5, 1.2, (queries, 10)), axis=1)[:, ::-1]
    relevant = rng.random((queries, 10)) < probability
    judged = np.maximum(relevant.sum(axis=1), rng.integers(0, 3, queries))
    facts = ReportFacts(
        collection="복지 <상담>",
        split="test",
        mode="hybrid",
        encoder="naru-mini",
        calibrated=True,
        measures={
            mode: {
                "nDCG@10": Estimate(value, value - 0.03, value + 0.03),
                "R@1": Estimate(0.7),
                "R@10": Estimate(0.9),
            }
            for mode, value in (("hybrid", 0.82), ("lexical", 0.77))
        },
        query=np.repeat(np.arange(queries), 10),
        rank=np.tile(np.arange(1, 11), queries),
        probability=probability.ravel(),
        relevant=relevant.ravel(),
        judged=judged,
        reliability={
            "ECE, first hit": Estimate(0.031, 0.018, 0.052),
            "AUROC, no answer": Estimate(float("nan")),
        },
        cutoffs=[
            Cut("precise", "Of what is shown at least 90% is relevant.", 0.82, "412 queries"),
            Cut("균형", "Best F1.", 0.46),
            Cut("all", "Coverage of at least 99%.", None, "Unreachable: recall is 0.961."),
        ],
        slices=[
            Slice("분야", "주거", 81, {"nDCG@10": Estimate(0.83, 0.78, 0.87)}),
            Slice("분야", "의료 <b>", 12, {"R@10": Estimate(0.6)}),
        ],
        worst=[
            Worst(
                "청년 월세 지원은?",
                0.0,
                [Returned("전세 자금 대출", "무주택 세대주에게 빌려 드립니다. " * 30, 0.71, False)],
                [Expected("청년 월세 특별지원", "월 20만 원", 14), Expected("", "제목 없는 문단", None)],
            ),
            Worst("화성에 가는 버스는?", 0.0, [Returned("버스 요금", "감면", 0.52, False)], []),
        ],
        notes=["Chosen on the calibrate part."],
        made_from={
            "naru": "0.2.0",
            "encoder": "b55660abcdd874bbad6cfc264be3c64d866034979927a70259e8cf7f6f99294f",
        },
    )
    return replace(facts, **changes)


def test_precision_and_recall_by_hand() -> None:
    curve = precision_recall(small())
    assert curve.threshold.tolist() == [0.9, 0.6, 0.5, 0.3, 0.2]
    # Three relevant passages are judged, two of them were returned.
    assert curve.x == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 2 / 3])
    assert curve.y == pytest.approx([1, 1 / 2, 2 / 3, 2 / 4, 2 / 5])
    assert curve.at(0.55) == pytest.approx((1 / 3, 1 / 2))
    assert curve.at(0.5) == pytest.approx((2 / 3, 2 / 3))
    assert curve.at(0.95) is None


def test_risk_and_coverage_by_hand() -> None:
    curve = risk_curve(small())
    assert curve.threshold.tolist() == [0.9, 0.6, 0.2]
    assert curve.x == pytest.approx([1 / 3, 2 / 3, 1])
    assert curve.y == pytest.approx([0, 1 / 2, 2 / 3])
    assert risk_at(small(), 0.55) == pytest.approx((2 / 3, 1 / 2))
    assert risk_at(small(), 0.95) is None


def test_a_probability_of_having_an_answer_decides_who_is_answered() -> None:
    curve = risk_curve(small(answer=np.array([0.4, 0.8, 0.1])))
    assert curve.threshold.tolist() == [0.8, 0.4, 0.1]
    assert curve.y == pytest.approx([1, 1 / 2, 2 / 3])


def test_a_query_without_hits_is_never_answered() -> None:
    curve = risk_curve(small(judged=np.array([1, 2, 0, 1])))
    assert curve.x == pytest.approx([1 / 4, 2 / 4, 3 / 4])


def test_precision_equals_scikit_learn_with_ties() -> None:
    rng = np.random.default_rng(5)
    probability = rng.integers(1, 20, 400) / 20
    relevant = rng.random(400) < probability
    facts = small(
        query=np.arange(400),
        rank=np.ones(400, dtype=int),
        probability=probability,
        relevant=relevant,
        judged=relevant * 1,
    )
    precision, recall, thresholds = precision_recall_curve(relevant, probability)
    curve = precision_recall(facts)
    assert curve.threshold.tolist() == thresholds[::-1].tolist()
    assert curve.y == pytest.approx(precision[:-1][::-1])
    assert curve.x == pytest.approx(recall[:-1][::-1])


def test_intervals_equal_scipy() -> None:
    right, number = np.array([0, 3, 25, 40]), np.array([25, 25, 25, 160])
    low, high = wilson(right / number, number)
    for place in range(4):
        expected = binomtest(int(right[place]), int(number[place])).proportion_ci(method="wilson")
        assert (low[place], high[place]) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_reliability_has_bins_of_equal_mass() -> None:
    probability = np.linspace(0, 1, 100)
    bins = reliability_bins(probability, probability >= 0.5)
    assert bins is not None
    assert bins.hits.tolist() == [25, 25, 25, 25]
    assert bins.found.tolist() == [0, 0, 1, 1]
    assert bins.said == pytest.approx([0.1212, 0.3737, 0.6263, 0.8788], abs=1e-4)
    assert reliability_bins(probability[:49], probability[:49] > 0.2) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rank": np.array([1, 2])}, "different lengths"),
        ({"judged": np.array([1, 2])}, "a hit of query 2 among 2 queries"),
        ({"answer": np.array([0.5])}, "1 answers for 3 queries"),
        ({"judged": np.array([1, 0, 0])}, "1 relevant hits of query 1, where 0 are judged"),
    ],
)
def test_facts_that_contradict_each_other_are_a_bug(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**changes)


def test_the_charts_are_those_that_the_facts_suffice_for() -> None:
    # A letter that no font has would warn, and a warning fails.
    assert list(charts(large())) == ["reliability", "probabilities", "precision-recall", "risk-coverage"]
    assert list(charts(small())) == ["probabilities", "precision-recall", "risk-coverage"]
    nothing = small(**{name: np.array([], dtype=kind) for name, kind in
                       (("query", int), ("rank", int), ("probability", float), ("relevant", bool))})  # fmt: skip
    assert charts(nothing) == {}


def test_the_cut_offs_are_in_the_charts() -> None:
    bare = charts(large(cutoffs=()))
    for name, chart in charts(large()).items():
        assert (chart.light != bare[name].light) == (name != "reliability")


def test_the_page_says_it_in_words(tmp_path: Path) -> None:
    html = write_report(tmp_path / "made" / "here", large()).read_text(encoding="utf-8")
    for said in (
        "<h1>How well “복지 &lt;상담&gt;” is searched</h1>",
        "250 judged queries (split “test”)",
        "the first hit is relevant for ",
        "Hits said to be relevant with about 80%",
        "0.820 [0.790, 0.850]",
        "ECE, first hit: how far the probability",
        "0.018 to 0.052",
        "R@k: the share of a query&#x27;s relevant passages that is among the first k.",
        "Unreachable: recall is 0.961.",
        "의료 &lt;b&gt;",
        "청년 월세 지원은? (nDCG@10 0.00)",
        "71%, not judged relevant:",
        "found at rank 14:",
        "not found:",
        "화성에 가는 버스는? (no answer exists)",
        "Chosen on the calibrate part.",
        "b55660abcdd874bb",
    ):
        assert said in html, said
    assert "Nothing was calibrated" not in html
    assert "무주택 세대주에게 빌려 드립니다. " * 30 not in html  # cut short
    assert sorted(path.name for path in (tmp_path / "made" / "here").iterdir()) == [
        "precision-recall.png", "probabilities.png", "reliability.png", "report.html", "risk-coverage.png",
    ]  # fmt: skip


def test_what_a_cut_off_does_by_hand(tmp_path: Path) -> None:
    facts = small(cutoffs=[Cut("half", "p", 0.5), Cut("high", "p", 0.99)])
    html = write_report(tmp_path, facts).read_text(encoding="utf-8")
    cells = [row.split("</tr>")[0] for row in html.split('<tr><th scope="row">')]
    (half,) = [cell for cell in cells if cell.startswith("half")]
    (high,) = [cell for cell in cells if cell.startswith("high")]
    # Shown: 0.9 right, 0.6 wrong, 0.5 right, of two of three queries; three relevant passages are judged.
    assert [part.split("</td>")[0] for part in half.split('<td class="number">')[1:]] == [
        "50.0%",
        "67%",
        "1.0",
        "67%",
        "75%",
        "67%",
        "100%",
        "0%",
    ]
    assert [part.split("</td>")[0] for part in high.split('<td class="number">')[1:]] == [
        "99.0%",
        "0%",
        "0.0",
        "–",
        "–",
        "0%",
        "0%",
        "0%",
    ]


def test_a_prior_is_called_one(tmp_path: Path) -> None:
    html = write_report(tmp_path, small(calibrated=False)).read_text(encoding="utf-8")
    assert "No calibration holds for this collection" in html
    for absent in ("Does it work for everybody?", "Where it goes wrong", "Measures of the probability"):
        assert absent not in html


@pytest.mark.browser
@pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="no chromium and chromedriver on this machine; `make browser` installs them",
)
def test_the_page_fits_wide_and_narrow_screens_and_complains_of_nothing(tmp_path: Path) -> None:
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    path = write_report(tmp_path, large())
    options = ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=ChromeService(DRIVER))
    try:
        for width in (1280, 390):
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            browser.get(path.as_uri())
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width  # type: ignore[no-untyped-call]
            images = "return [...document.images].map((image) => image.complete && image.naturalWidth > 0)"
            assert browser.execute_script(images) == [True] * 4  # type: ignore[no-untyped-call]
        assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    finally:
        browser.quit()
