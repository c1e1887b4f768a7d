"""The training report out of logs: what was before and after, when curves part, what a resumed run's log says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finetune.reporting.curves import curves, smoothed
from finetune.reporting.log import diverged, figure, read_log
from finetune.reporting.report import comparison, write_report
from naru.drawing import draw
from naru.errors import NaruError

START = {
    "event": "start",
    "recipe": {"name": "법률", "model": {"base": "e5-base"}, "data": [{"name": "law", "rows": None}]},
    "planned": 400,
    "data": [{"name": "판례 <b>", "shape": "pairs", "rows": 12_345, "loss": "ranking", "weight": 0.5}],
    "sets": ["law", "sts"],
    "primary": ["law_cosine_ndcg@10", "sts_spearman_cosine"],
    "versions": {"torch": "2.13.0"},
}


def figures(step: int, ndcg: float, spearman: float, **more: Any) -> dict[str, Any]:
    return {
        "step": step,
        "minutes": step / 10,
        "eval_law_cosine_ndcg@10": ndcg,
        "eval_law_cosine_recall@1": ndcg - 0.1,
        "eval_sts_spearman_cosine": spearman,
        "eval_runtime": 12.5,
        "eval_law_cosine_accuracy_threshold": 0.7,
        **more,
    }


def loss(step: int, value: float, **more: Any) -> dict[str, Any]:
    return {
        "step": step,
        "minutes": step / 10,
        "loss": value,
        "learning_rate": 1e-5,
        "grad_norm": 1.0,
        **more,
    }


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """run(line, ...) -> a run's folder with these lines as its log."""

    def write(*lines: dict[str, Any], tail: str = "") -> Path:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines) + tail
        (tmp_path / "log.jsonl").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def log_of(folder: Path) -> Any:
    return read_log(folder / "log.jsonl")


def test_before_is_the_figures_of_step_0_and_after_the_last(run: Any) -> None:
    log = log_of(
        run(START, figures(0, 0.8, 0.7), loss(10, 2.0), figures(20, 0.84, 0.7), figures(40, 0.85, 0.69))
    )
    assert log.before["law_cosine_ndcg@10"] == 0.8
    assert log.after["law_cosine_ndcg@10"] == 0.85
    assert log.primary == ["law_cosine_ndcg@10", "sts_spearman_cosine"]
    # 0.05 of the 0.20 that were missing.
    assert [[getattr(cell, "text", cell) for cell in row] for row in comparison(log).rows] == [
        ["law", "ndcg@10", "0.800", "0.850", "+0.050", "25%"],
        ["sts", "spearman", "0.700", "0.690", "-0.010", "-3%"],
        ["law", "recall@1", "0.700", "0.750", "+0.050", "17%"],
    ]


def test_speeds_and_thresholds_are_no_figures(run: Any) -> None:
    log = log_of(run(START, figures(0, 0.8, 0.7)))
    assert list(log.before) == ["law_cosine_ndcg@10", "law_cosine_recall@1", "sts_spearman_cosine"]
    assert log.primary == ["law_cosine_ndcg@10", "sts_spearman_cosine"]
    assert log.after == {}


@pytest.mark.parametrize(
    ("key", "of", "measure"),
    [
        ("law_cosine_ndcg@10", "law", "ndcg@10"),
        ("korean_law_dot_mrr@10", "korean_law", "dot_mrr@10"),
        ("korsts_spearman", "korsts", "spearman"),
        ("klue_sts_pearson_manhattan", "klue_sts", "pearson_manhattan"),
        ("pairs_cosine_ap", "pairs", "ap"),
        ("src_mean_accuracy", "src", "mean_accuracy"),
        ("teacher_negative_mse", "teacher", "negative_mse"),
        ("ndcg@10", "", "ndcg@10"),
    ],
)
def test_a_figure_is_told_from_the_set_it_is_of(key: str, of: str, measure: str) -> None:
    assert (figure(key).of, figure(key).measure) == (of, measure)


def test_a_set_named_like_a_measure_is_known_by_its_name() -> None:
    assert figure("mean_accuracy_cosine_accuracy", ["mean_accuracy"]).of == "mean_accuracy"


def test_steps_done_again_after_a_resume_count_once(run: Any) -> None:
    log = log_of(
        run(
            loss(10, 3.0),
            loss(20, 2.0),
            loss(30, 9.0),
            START,
            loss(20, 2.1, minutes=0.5),
            loss(30, 1.0, minutes=1.5),
        )
    )
    assert [(entry.at, entry.loss) for entry in log.entries] == [(10, 3.0), (20, 2.1), (30, 1.0)]
    assert log.minutes == 1.0 + 0.5 + 1.0
    assert log.start["planned"] == 400


def test_a_resume_right_at_the_last_logged_step_counts_once(run: Any) -> None:
    log = log_of(
        run(loss(10, 3.0), loss(20, 2.0), figures(20, 0.8, 0.7), loss(20, 2.1), figures(20, 0.81, 0.7))
    )
    assert [(entry.at, entry.loss) for entry in log.entries] == [(10, 3.0), (20, 2.1), (20, None)]
    assert log.after["law_cosine_ndcg@10"] == 0.81


def test_steps_go_on_through_stages(run: Any) -> None:
    stages = {10: "general", 20: "general", 30: "domain", 40: "domain"}
    lines = [loss(at, 1.0, stage=stage) for at, stage in stages.items()]
    log = log_of(run(*lines))
    assert [(entry.at, entry.stage) for entry in log.entries] == [
        (10, "general"), (20, "general"), (30, "domain"), (40, "domain"),
    ]  # fmt: skip


def test_a_line_that_is_being_written_waits_and_a_broken_one_is_named(run: Any) -> None:
    assert log_of(run(loss(10, 1.0), tail='{"step": 2')).steps == 10
    folder = run(loss(10, 1.0), tail="nonsense\n" + json.dumps(loss(20, 1.0)) + "\n")
    with pytest.raises(NaruError, match=r"log\.jsonl:2: not JSON"):
        log_of(folder)
    with pytest.raises(NaruError, match="no log of a run"):
        read_log(folder / "absent.jsonl")


def parting(losses: list[float], ndcg: list[float], spearman: float = 0.7) -> list[dict[str, Any]]:
    lines = [figures(0, ndcg[0], spearman)]
    for place, (value, measured) in enumerate(zip(losses, ndcg[1:], strict=True), start=1):
        lines += [loss(20 * place - 10, value), figures(20 * place, measured, spearman)]
    return lines


def test_training_and_validation_that_part_are_told(run: Any) -> None:
    said = diverged(log_of(run(START, *parting([3.0, 2.0, 1.0, 0.5], [0.8, 0.85, 0.84, 0.83, 0.82]))))
    assert said is not None
    assert "training loss fell from 2.000 to 0.500 while law_cosine_ndcg@10 fell from 0.850 to 0.820" in said


@pytest.mark.parametrize(
    ("losses", "ndcg"),
    [
        ([3.0, 2.0, 1.0], [0.8, 0.85, 0.84, 0.83]),  # worse twice only
        ([3.0, 2.0, 1.0, 0.5], [0.8, 0.85, 0.84, 0.86, 0.82]),  # up in between
        ([3.0, 0.5, 0.6, 0.7], [0.8, 0.85, 0.84, 0.83, 0.82]),  # the loss does not fall
        ([3.0, 2.0], [0.8, 0.7, 0.6]),  # too early to say
    ],
)
def test_no_warning_without_both(run: Any, losses: list[float], ndcg: list[float]) -> None:
    assert diverged(log_of(run(START, *parting(losses, ndcg)))) is None


def test_the_losses_of_two_stages_are_not_compared(run: Any) -> None:
    lines = parting([3.0, 2.0, 1.0, 0.5], [0.8, 0.85, 0.84, 0.83, 0.82])
    for line in lines[5:]:
        line["stage"] = "domain"
    assert diverged(log_of(run(START, *lines))) is None


def test_a_running_mean_by_hand() -> None:
    # Weight 1/2: 4; (4/2 + 2) / (1/2 + 1/2 of weight seen ...) = (0.5 * 0.5 * 4 + 0.5 * 2) / 0.75.
    assert smoothed([4.0, 2.0], share=1.0) == pytest.approx([4.0, 8 / 3])
    assert smoothed([1.0, 5.0]) == [1.0, 5.0]


def test_the_report_is_written_whole_and_says_whether_it_paid(run: Any) -> None:
    folder = run(START, figures(0, 0.8, 0.7), loss(10, 2.0), loss(20, 1.0), figures(40, 0.85, 0.72))
    (folder / "recipe.toml").write_text('name = "법률"  # <resolved>\n', encoding="utf-8")
    write_report(folder)
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "<h1>Training 법률</h1>" in html
    assert "40 of 400 steps in 4.0 minutes." in html
    assert "Yes: better on every held-out set." in html
    assert (
        html.index("Did it pay?")
        < html.index("<h2>Curves")
        < html.index("<h2>Data")
        < html.index("<h2>Recipe")
    )
    assert "판례 &lt;b&gt;" in html
    assert "# &lt;resolved&gt;" in html
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in folder.iterdir()) == [
        "curves.png",
        "log.jsonl",
        "recipe.toml",
        "report.html",
    ]


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        ((0.85, 0.69), "In part: better on 1 of 2 held-out sets, worse on 1."),
        ((0.79, 0.69), "No: better on no held-out set."),
        ((0.8, 0.7), "No: nothing changed on held-out data."),
    ],
)
def test_the_verdict(run: Any, after: tuple[float, float], verdict: str) -> None:
    folder = run(START, figures(0, 0.8, 0.7), figures(40, *after))
    write_report(folder)
    assert verdict in (folder / "report.html").read_text(encoding="utf-8")


def test_a_run_that_has_just_begun_has_a_report_too(run: Any) -> None:
    folder = run(START)
    write_report(folder)
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "Nothing has been measured yet." in html
    assert not (folder / "curves.png").exists()


def test_korean_names_are_drawn_where_a_font_knows_them_and_replaced_where_none_does(run: Any) -> None:
    name = "한국어 \ue000"  # a private letter: in no font
    line = {"step": 0, f"eval_{name}_spearman": 0.5}
    drawn = curves(
        log_of(run({"event": "start", "sets": [name], "primary": [f"{name}_spearman"]}, line, loss(10, 1.0)))
    )  # a missing glyph would warn
    assert drawn is not None
    assert drawn.light != draw([lambda axes, ink: None]).light


@pytest.mark.parametrize(
    ("sizes", "verdict"),
    [
        ([400, 900], "Yes: better on every held-out set."),
        (
            [20, 900],
            "Perhaps: better on every held-out set, on law by no more than chance may do with 20 of them",
        ),
        (
            [10_000, 20],
            "Perhaps: better on every held-out set, on sts by no more than chance may do with 20 of them",
        ),
    ],
)
def test_few_held_out_rows_make_the_verdict_careful(run: Any, sizes: list[int], verdict: str) -> None:
    folder = run({**START, "sizes": sizes}, figures(0, 0.7, 0.6), figures(40, 0.8, 0.7))
    write_report(folder)
    assert verdict in (folder / "report.html").read_text(encoding="utf-8")


def test_the_doubtful_set_is_named_and_not_the_smallest(run: Any) -> None:
    folder = run({**START, "sizes": [10_000, 100]}, figures(0, 0.7, 0.6), figures(40, 0.705, 0.8))
    write_report(folder)
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "on law by no more than chance may do with 10,000 of them (as a rule of thumb 0.01)" in html


def test_no_share_of_a_gap_where_little_is_missing_or_chance_may_do_as_much(run: Any) -> None:
    log = log_of(run({**START, "sizes": [100, 900]}, figures(0, 0.993, 0.7), figures(40, 0.985, 0.73)))
    shares = {row[1]: row[-1] for row in comparison(log).rows}
    assert shares == {"ndcg@10": "–", "spearman": "–", "recall@1": "–"}
    more = log_of(run({**START, "sizes": [100, 900]}, figures(0, 0.6, 0.7), figures(40, 0.8, 0.76)))
    assert {row[1]: row[-1] for row in comparison(more).rows} == {
        "ndcg@10": "50%", "spearman": "20%", "recall@1": "40%",
    }  # fmt: skip
