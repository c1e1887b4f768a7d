"""Bad rows are named by file and line, and can be left out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from finetune.check import check
from finetune.data import read
from finetune.findings import Findings
from finetune.held import Held, held_from
from finetune.material import gather
from finetune.recipe import Model, Recipe, Source, load
from finetune.rows.texts import same
from finetune.shapes import (
    Candidates,
    Data,
    LabelledPairs,
    Pairs,
    Reranking,
    Retrieval,
    ScoredPairs,
    Triplets,
)
from naru.errors import NaruError


def write(folder: Path, name: str, *records: dict[str, Any]) -> None:
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")


def found(
    folder: Path, *records: dict[str, Any], held: list[Held] | None = None
) -> tuple[Findings, list[str]]:
    """What is wrong with these rows, as "line: what"."""
    write(folder, "data", *records)
    rows = read(Source("data", "data.jsonl"), folder, 0)
    findings = check([rows], held or [])
    said = [
        f"{place.rpartition(':')[2]}: {one.what}"
        for one in findings.found
        for place in one.places or ["?:all"]
    ]
    return findings, said


def test_triplets(tmp_path: Path) -> None:
    findings, said = found(
        tmp_path,
        {"query": "가", "document": "나", "negative": "다"},
        {"query": "가", "document": "라", "negative": "나"},  # the positive of line 1
        {"query": "마", "document": " ", "negative": "다"},
        {"query": "바 사", "document": "바  사", "negative": "다"},
        {
            "query": "아",
            "document": "다",
            "negative": "나",
        },  # other queries' positives are no wrong by themselves
        {"query": "아", "document": "다", "negative": "나"},
    )
    assert said == [
        "2: negative is a positive of the same query",
        "3: document is empty, or no text",
        "4: query and document are the same text",
        "6: the same row as an earlier one",
        *(
            f"{line}: a negative is a positive of another query, in 83% of the rows: wrong where both ask the same"
            for line in (1, 3, 4, 5, 6)
        ),
    ]
    assert [one.bad for one in findings.found] == [True, True, True, False, False]
    rows = findings.rows["data"]
    kept = findings.without_bad(rows)
    assert kept.places.lines.tolist() == [1, 5, 6]
    assert kept.notes[-1] == "3 rows left out"


def test_negatives_are_compared_however_they_are_written(tmp_path: Path) -> None:
    _, said = found(
        tmp_path,
        {"query": "카드 분실?", "document": "앱에서 신고합니다.", "negative": "환불합니다"},
        {"query": "카드  분실", "document": "은행에 갑니다", "negative": "앱에서  신고합니다"},
    )
    assert said == ["2: negative is a positive of the same query"]


def test_a_pair_of_one_text_is_refused(tmp_path: Path) -> None:
    _, said = found(tmp_path, {"query": "바 사?", "document": "바  사"})
    assert said == ["1: query and document are the same text"]


def test_a_copy_of_a_bad_row_is_told_as_one(tmp_path: Path) -> None:
    _, said = found(tmp_path, *[{"query": "가", "document": ""}] * 2)
    assert said == [
        "1: document is empty, or no text",
        "2: document is empty, or no text",
        "2: the same row as an earlier one",
    ]


def test_negatives_of_all_columns_are_one_remark(tmp_path: Path) -> None:
    rows = [{"query": f"물음 {at}", "document": f"답 {at}"} for at in range(4)]
    for at, row in enumerate(rows):
        row |= {f"negative_{n}": f"답 {(at + n) % 4}" for n in (1, 2, 3)}
    findings, _ = found(tmp_path, *rows)
    (remark,) = findings.found
    assert (remark.bad, list(remark.rows)) == (False, [0, 1, 2, 3])
    assert "in 100% of the rows" in remark.what


def test_two_numbers_that_are_classes_are_told(tmp_path: Path) -> None:
    for labels, told in (((1, -1), True), ((1, 0), False), (("함의", "모순"), False)):
        rows = [{"sentence1": f"가{at}", "sentence2": "나", "label": labels[at % 2]} for at in range(8)]
        write(tmp_path, "data", *rows)
        notes = read(Source("data", "data.jsonl"), tmp_path, 0).notes
        said = "labels -1 and 1 are read as two classes; where they say whether two texts belong together, write 0 and 1"
        assert any(said in note for note in notes) is told


def test_scores_and_labels(tmp_path: Path) -> None:
    scored = [{"sentence1": f"가{at}", "sentence2": "나", "score": at / 100} for at in range(100)]
    _, said = found(
        tmp_path,
        *scored,
        {"sentence1": "다", "sentence2": "라", "score": 7},
        {"sentence1": "다", "sentence2": "마", "score": "많이"},
        {"sentence1": "다", "sentence2": "바"},
    )
    scale = "(scores 0..1; score_range = [low, high] states another scale)"
    assert said == [
        f"101: score is out of range {scale}",
        f"102: score is no number {scale}",
        f"103: score is no number {scale}",
    ]


def test_the_ends_of_the_scale_are_scores(tmp_path: Path) -> None:
    _, said = found(
        tmp_path, *({"sentence1": f"가{score}", "sentence2": "나", "score": score} for score in (0, 0.5, 1))
    )
    assert said == []


def test_an_unreadable_label_is_no_class(tmp_path: Path) -> None:
    rows = [{"sentence1": f"가{at}", "sentence2": "나", "label": at % 2} for at in range(40)]
    _, said = found(tmp_path, *rows, {"sentence1": "다", "sentence2": "라", "label": "글쎄"})
    assert said == ["41: label is none of 0 and 1"]


def test_classes_out_of_balance_and_data_sets(tmp_path: Path) -> None:
    findings, said = found(
        tmp_path, *({"sentence": f"글 {at}", "label": "흔한" if at else "드문"} for at in range(20))
    )
    assert said == ["all: classes are out of balance: 19 rows of '흔한', 1 of '드문'"]
    assert findings.errors == []
    write(tmp_path, "small", {"query": "가", "document": "나"})
    small = read(Source("small", "small.jsonl"), tmp_path, 0)
    both = check([small, findings.rows["data"]], [])
    assert both.found[-1].what.startswith("1 row against 20 of 'data'")


def test_leaks(tmp_path: Path) -> None:
    corpus = {"d": "글"}
    held = [
        Held("law", Retrieval({"q": "배임죄의  성립", "unjudged": "가"}, corpus, {"q": {"d": 1}})),
        Held("faq", Pairs(["Login 오류"], ["답"])),
    ]
    _, said = found(
        tmp_path,
        {"query": "배임죄의 성립", "document": "나"},
        {"query": "login 오류", "document": "다"},
        {"query": "가", "document": "라"},
        held=held,
    )
    assert said == ["1: query is evaluated on: it is in 'law'", "2: query is evaluated on: it is in 'faq'"]
    pairs = [
        Held("sts", ScoredPairs(["가", "다"], ["나", "라"], [1, 0])),
        Held("qp", LabelledPairs(["마", "사"], ["바", "아"], [1, 0])),
    ]
    _, said = found(
        tmp_path,
        {"sentence1": "나", "sentence2": "가", "score": 0.1},
        {"sentence1": "가", "sentence2": "라", "score": 0.2},
        {"sentence1": "마", "sentence2": "바", "score": 0.3},
        held=pairs,
    )
    assert said == [
        "1: the pair is evaluated on: it is in 'sts'",
        "3: the pair is evaluated on: it is in 'qp'",
        "2: a text of a pair that 'sts' judges, in another pair: what is measured there is not all new",
    ]
    _, said = found(
        tmp_path, {"query": "가", "document": "나"}, {"query": "가", "document": "바"}, held=pairs
    )
    assert said == [
        "1: the pair is evaluated on: it is in 'sts'",
        "2: a text of a pair that 'sts' judges, in another pair: what is measured there is not all new",
    ]
    asked = [Held("faq", Pairs(["가"], ["답"]))]
    _, said = found(tmp_path, {"sentence1": "가", "sentence2": "라", "score": 0.2}, held=asked)
    assert said == ["1: sentence1 is evaluated on: it is in 'faq'"]


def test_what_was_found_is_shown_and_written(tmp_path: Path) -> None:
    bad = [{"query": f"물음 {at}", "document": ""} for at in range(7)]
    findings, _ = found(tmp_path, {"query": "가", "document": "나"}, *bad)
    (error,) = findings.errors
    assert error.said().endswith(f"{tmp_path / 'data.jsonl'}:6, ... (7 rows): document is empty, or no text")
    console = Console(width=200)
    with console.capture() as capture:
        console.print(findings.table())
    assert "document is empty, or no text" in capture.get()
    findings.write_rejects(tmp_path / "out" / "rejects.jsonl")
    rejects = [json.loads(line) for line in (tmp_path / "out" / "rejects.jsonl").read_text().splitlines()]
    assert len(rejects) == 7
    assert rejects[0] == {
        "place": f"{tmp_path / 'data.jsonl'}:2",
        "reason": "document is empty, or no text",
        "row": {"query": "물음 0", "document": ""},
    }


def test_no_more_places_than_there_are(tmp_path: Path) -> None:
    findings, _ = found(tmp_path, *({"query": f"물음 {at}", "document": ""} for at in range(5)))
    assert ", ... " not in findings.errors[0].said()


def test_rejects_stand_in_the_order_of_the_file_with_all_their_reasons(tmp_path: Path) -> None:
    empty = "{} is empty, or no text"
    findings, _ = found(
        tmp_path,
        {"query": "가", "document": ""},
        {"query": "", "document": "나"},
        {"query": "다", "document": ""},
        {"query": "", "document": ""},
    )
    findings.write_rejects(tmp_path / "rejects.jsonl")
    rejects = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [one["place"].rpartition(":")[2] for one in rejects] == ["1", "2", "3", "4"]
    assert set(rejects[3]["reason"].split("; ")) == {empty.format("query"), empty.format("document")}


def test_a_rejected_score_that_is_none_is_null(tmp_path: Path) -> None:
    rows = [{"sentence1": f"가{at}", "sentence2": "나", "score": at / 40} for at in range(40)]
    findings, _ = found(tmp_path, *rows, {"sentence1": "다", "sentence2": "마", "score": "많이"})
    findings.write_rejects(tmp_path / "rejects.jsonl")
    written = (tmp_path / "rejects.jsonl").read_text()
    assert "NaN" not in written
    assert json.loads(written)["row"]["score"] is None


@pytest.mark.parametrize(
    ("name", "text", "line", "reason", "kept"),
    [
        (
            "data.jsonl",
            '{"query": "가", "document": "나"}\n{"query": "다", \n[1]\n{"query": "라", "document": "마"}\n',
            2,
            "not JSON",
            ['{"query": "다",', "[1]"],
        ),
        ("data.csv", "query,document\n가,나\n다,라,마\n바\n라,마\n", 3, "3 cells", ["다,라,마", "바"]),
        ("data.json", '[{"query": "가", "document": "나"},\n3,\n{"query": "라", "document": "마"}]', 2, "got '3'", [3]),
    ],
    ids=["jsonl", "csv", "json"],
)  # fmt: skip
def test_rows_that_cannot_be_read_are_left_out_as_bad_ones_are(
    name: str, text: str, line: int, reason: str, kept: list[Any], tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    recipe = Recipe("r", Model("b"), [Source("data", name)], held_out=0)
    rejects = tmp_path / "out" / "rejects.jsonl"
    with pytest.raises(NaruError, match="leave out such rows with --skip-bad-rows") as caught:
        gather(recipe, tmp_path, rejects, skip_bad_rows=False)
    assert str(caught.value).startswith(f"{tmp_path / name}:{line}: {reason}")
    material = gather(recipe, tmp_path, rejects, skip_bad_rows=True)
    rows = material.rows["data"]
    assert rows.dataset["query"][:] == ["가", "라"]
    assert rows.notes[-1] == ("1 row left out" if len(kept) == 1 else "2 rows left out")
    written = [json.loads(one) for one in rejects.read_text(encoding="utf-8").splitlines()]
    assert [one["row"] for one in written] == kept
    assert written[0]["place"] == f"{tmp_path / name}:{line}"
    (finding,) = material.findings.errors
    assert finding.said().endswith(f"cannot be read: {written[0]['reason']}")


def test_held_out_rows_of_the_data_do_not_leak(tmp_path: Path) -> None:
    from finetune.held.splitting import held_out

    write(tmp_path, "data", *({"query": f"물음 {at // 2}", "document": f"답 {at}"} for at in range(40)))
    rest, apart = held_out(read(Source("data", "data.jsonl"), tmp_path, 0), 0.25, 0)
    made = held_from(apart)
    assert made is not None
    assert check([rest], [made]).found == []
    assert {one.what for one in check([apart], [made]).found} == {"the pair is evaluated on: it is in 'data'"}


QUESTION = "카드를 잃어버리면 어디에 신고하나요?"
ANSWER = "고객센터에 전화합니다"
ASKING = [
    Retrieval({"q": QUESTION}, {"d": ANSWER, "e": "다른 글"}, {"q": {"d": 1}}),
    Pairs([QUESTION], [ANSWER]),
    Triplets([QUESTION], [ANSWER], ["다른 글"]),
    Reranking([Candidates(QUESTION, [ANSWER], ["다른 글"])]),
]


@pytest.mark.parametrize("data", ASKING, ids=lambda data: str(data.shape))
def test_a_question_leaks_from_whatever_column(tmp_path: Path, data: Data) -> None:
    asked = QUESTION.removesuffix("?") + " ."
    held = [Held("faq", data)]
    _, said = found(
        tmp_path,
        {"query": ANSWER, "document": asked},
        {"query": asked, "document": ANSWER + "!"},
        {"query": "카드 분실", "document": asked},
        {"query": "카드 분실", "document": ANSWER},  # to be found among others: no leak
        {"query": "다른 글", "document": "카드 분실"},
        held=held,
    )
    assert said == [
        "1: the pair is evaluated on: it is in 'faq'",
        "2: the pair is evaluated on: it is in 'faq'",
        "3: document is evaluated on: it is in 'faq'",
    ]
    _, said = found(
        tmp_path,
        {"query": "분실", "document": "신고합니다", "negative_1": "다른 글", "negative_2": asked},
        held=held,
    )
    assert said == ["1: negative_2 is evaluated on: it is in 'faq'"]
    _, said = found(tmp_path, {"sentence1": "분실", "sentence2": asked, "score": 0.5}, held=held)
    assert said == ["1: sentence2 is evaluated on: it is in 'faq'"]


def test_marks_alone_are_a_text_of_their_own(tmp_path: Path) -> None:
    held = [Held("faq", Pairs(["?"], ["답"]))]
    _, said = found(tmp_path, {"query": "!", "document": "가"}, {"query": "?", "document": "나"}, held=held)
    assert said == ["2: query is evaluated on: it is in 'faq'"]


def test_what_is_held_out_is_no_document_of_the_rest(tmp_path: Path) -> None:
    """Paraphrases: each text is asked with in one row, and the document of another."""
    write(tmp_path, "data", *({"query": f"{at}번?", "document": f"{(at + 1) % 40}번"} for at in range(40)))
    recipe = Recipe("r", Model("naru-mini"), [Source("data", "data.jsonl")], held_out=0.25)
    material = gather(recipe, tmp_path, tmp_path / "rejects.jsonl", skip_bad_rows=False)
    (held,) = material.held
    rest = material.rows["data"]
    assert held.size == 10
    texts = {same(text) for name in ("query", "document") for text in rest.dataset[name][:]}
    assert texts.isdisjoint(held.questions())
    assert len(rest) == 30 - int(rest.notes[-1].split()[0])
    assert check([rest], [held]).errors == []


def test_nothing_left_beside_what_is_held_out_is_said(tmp_path: Path) -> None:
    write(tmp_path, "data", {"query": "가", "document": "나"}, {"query": "나", "document": "가"})
    recipe = Recipe("r", Model("naru-mini"), [Source("data", "data.jsonl")])
    with pytest.raises(NaruError, match=r"Data 'data': .* nothing is left .* held_out = 0"):
        gather(recipe, tmp_path, tmp_path / "rejects.jsonl", skip_bad_rows=False)


def test_a_negative_that_another_data_set_answers_with_is_found(tmp_path: Path) -> None:
    write(tmp_path, "pairs", {"query": "카드 분실", "document": "신고합니다"})
    write(tmp_path, "triplets", {"query": "카드 분실", "document": "정지합니다", "negative": "신고합니다"})
    rows = [read(Source(name, f"{name}.jsonl"), tmp_path, 0) for name in ("pairs", "triplets")]
    (finding,) = check(rows, []).found
    assert (finding.data, finding.bad) == ("triplets", True)
    assert finding.what == "negative is a positive of the same query"


def test_what_rules_pair_is_no_verdict_on_what_people_wrote(tmp_path: Path) -> None:
    write(tmp_path, "weak", {"query": "카드 분실", "document": "환불합니다"})
    write(tmp_path, "data", {"query": "카드 분실", "document": "신고합니다", "negative": "환불합니다"})
    weak = replace(read(Source("weak", "weak.jsonl"), tmp_path, 0), made=True)
    assert check([weak, read(Source("data", "data.jsonl"), tmp_path, 0)], []).found == []


def test_weak_pairs_are_left_out_without_a_word(tmp_path: Path) -> None:
    write(tmp_path, "weak", *[{"query": "가", "document": ""}, *[{"query": "나", "document": "다"}] * 2])
    weak = replace(read(Source("weak", "weak.jsonl"), tmp_path, 0), made=True)
    findings = check([weak], [])
    (finding,) = findings.found  # and no remark on copies
    assert finding.what == "document is empty, or no text"
    assert findings.errors == []
    findings.write_rejects(tmp_path / "rejects.jsonl")
    assert (tmp_path / "rejects.jsonl").read_text() == ""
    assert len(findings.without_bad(weak)) == 2


def test_labels_that_contradict_each_other_are_remarked_on(tmp_path: Path) -> None:
    findings, said = found(
        tmp_path,
        {"sentence1": "가", "sentence2": "나", "label": 1},
        {"sentence1": "다", "sentence2": "라", "label": 0},
        {"sentence1": "가", "sentence2": "나", "label": 0},
    )
    assert not findings.errors
    assert "3: the same texts as an earlier row, with another label or score" in said


def test_texts_of_judged_pairs_in_other_pairs_are_remarked_on(tmp_path: Path) -> None:
    held = [
        Held("sts", ScoredPairs(["가", "하"], ["나", "히"], [0.5, 1.0])),
        Held("asked", LabelledPairs(["다", "타"], ["라", "파"], [1, 0])),
    ]
    findings, said = found(
        tmp_path,
        {"query": "가", "document": "새 글"},
        {"query": "새 물음", "document": "라"},
        {"query": "마", "document": "바"},
        held=held,
    )
    assert not findings.errors
    assert [one.partition(", in")[0] for one in said] == [
        "1: a text of a pair that 'sts' judges",
        "2: a text of a pair that 'asked' judges",
    ]


def test_early_stopping_without_figures_is_refused_by_its_line(tmp_path: Path) -> None:
    write(tmp_path, "data", *({"query": f"물음 {n}", "document": f"답 {n}"} for n in range(20)))
    path = tmp_path / "recipe.toml"
    path.write_text(
        'name = "r"\nheld_out = 0\nmodel.base = "b"\n[training]\nearly_stopping = 2\n[[data]]\nname = "data"\npath = "data.jsonl"\n'
    )
    with pytest.raises(NaruError, match=r"recipe\.toml:5: .*training\.early_stopping.* nothing is held out"):
        gather(load(path), tmp_path, tmp_path / "rejects.jsonl", skip_bad_rows=False)
