"""Sentence pairs: the figures against scikit-learn and scipy, the files that are read, a real encoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.parquet
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, average_precision_score, f1_score
from sklearn.metrics.pairwise import (
    paired_cosine_distances,
    paired_euclidean_distances,
    paired_manhattan_distances,
)
from typer.testing import CliRunner

from evaluation.pairs import Pairs, evaluate_pairs, read_pairs
from naru.__main__ import app
from naru.encoder import Encoder
from naru.errors import NaruError

STS = Path(__file__).parents[3] / "shared" / "data" / "sts"


class Table:
    """Encodes "0", "1", ... as the rows of a matrix, which need not be normalised."""

    def __init__(self, rows: npt.NDArray[np.float32]) -> None:
        self.rows = rows

    def queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self.rows[[int(text) for text in texts]]


@pytest.fixture(scope="module")
def judged() -> tuple[Table, Pairs]:
    """200 pairs, half of them near each other."""
    rng = np.random.default_rng(0)
    one = rng.normal(size=(200, 8))
    near = np.arange(200) % 2 == 0
    two = np.where(near[:, None], one + 0.9 * rng.normal(size=(200, 8)), rng.normal(size=(200, 8)))
    scores = np.where(near, 4.0, 1.0) + rng.normal(0, 0.5, 200)
    names = [str(number) for number in range(400)]
    return Table(np.concatenate([one, two]).astype(np.float32)), Pairs(names[:200], names[200:], scores, near)


def test_the_eight_correlations_are_scipys_over_scikit_learns_distances(judged: tuple[Table, Pairs]) -> None:
    table, pairs = judged
    assert pairs.scores is not None
    one, two = table.rows[:200].astype(np.float64), table.rows[200:].astype(np.float64)
    similar = {
        "cosine": 1 - paired_cosine_distances(one, two),
        "Euclidean": -paired_euclidean_distances(one, two),
        "Manhattan": -paired_manhattan_distances(one, two),
        "dot": np.einsum("nd,nd->n", one, two),
    }
    found = evaluate_pairs(table, pairs).correlations
    assert len(found) == 8
    for name, values in similar.items():
        assert found[f"{name} Pearson"] == pytest.approx(pearsonr(values, pairs.scores).statistic, abs=1e-9)
        assert found[f"{name} Spearman"] == pytest.approx(spearmanr(values, pairs.scores).statistic, abs=1e-9)


def test_thresholds_and_average_precision_are_scikit_learns(judged: tuple[Table, Pairs]) -> None:
    table, pairs = judged
    assert pairs.labels is not None
    cosines = 1 - paired_cosine_distances(
        table.rows[:200].astype(np.float64), table.rows[200:].astype(np.float64)
    )
    found = evaluate_pairs(table, pairs)
    assert found.accuracy is not None
    assert found.f1 is not None
    said = [cosines >= cutoff - 1e-12 for cutoff in cosines]
    assert found.accuracy.value == pytest.approx(max(accuracy_score(pairs.labels, one) for one in said))
    assert found.f1.value == pytest.approx(max(f1_score(pairs.labels, one) for one in said))
    assert found.average_precision == pytest.approx(average_precision_score(pairs.labels, cosines))
    assert found.accuracy.held_out <= found.accuracy.value


def test_labels_alone_and_scores_alone_give_what_they_can(judged: tuple[Table, Pairs]) -> None:
    table, pairs = judged
    labelled = evaluate_pairs(table, Pairs(pairs.first, pairs.second, None, pairs.labels)).to_json()
    scored = evaluate_pairs(table, Pairs(pairs.first, pairs.second, pairs.scores, None)).to_json()
    assert set(labelled) == {"pairs", "positives", "average_precision", "auroc", "accuracy", "F1"}
    assert set(scored) == {"pairs", "correlations"}
    json.dumps([labelled, scored])


def test_one_label_or_one_score_is_refused(judged: tuple[Table, Pairs]) -> None:
    table, pairs = judged
    with pytest.raises(NaruError, match="have the label 1; expected both"):
        evaluate_pairs(table, Pairs(pairs.first, pairs.second, None, np.ones(200, np.bool_)))
    with pytest.raises(NaruError, match=r"have the score 3\.0"):
        evaluate_pairs(table, Pairs(pairs.first, pairs.second, np.full(200, 3.0), None))


def test_korsts_klue_and_question_pairs_are_read(tmp_path: Path) -> None:
    korsts = tmp_path / "korsts.tsv"
    korsts.write_text(
        'score\tsentence1\tsentence2\n4.5\t한 "남자가 춤춘다.\t남자가 춤을 춘다.\n1.0\t개가 짖는다.\t비가 온다.\n'
    )
    found = read_pairs(korsts)
    assert found.first == ['한 "남자가 춤춘다.', "개가 짖는다."]
    assert found.scores is not None
    assert found.scores.tolist() == [4.5, 1.0]
    assert found.labels is None
    labelled = read_pairs(korsts, positive=3.0).labels
    assert labelled is not None
    assert labelled.tolist() == [True, False]

    klue = tmp_path / "klue.json"
    labels = {"label": 3.7, "real-label": 3.714, "binary-label": 1}
    klue.write_text(json.dumps([{"sentence1": "가", "sentence2": "나", "labels": labels}]))
    found = read_pairs(klue)
    assert found.read == "scores from 'real-label', labels from 'binary-label'"
    assert found.scores is not None
    assert found.labels is not None
    assert (found.scores.tolist(), found.labels.tolist()) == ([3.714], [True])

    questions = tmp_path / "questions.parquet"
    table = pyarrow.table({"question1": ["가", "나"], "question2": ["다", "라"], "is_duplicate": [0, 1]})
    pyarrow.parquet.write_table(table, questions)
    found = read_pairs(questions)
    assert found.scores is None
    assert found.labels is not None
    assert found.labels.tolist() == [False, True]

    lines = tmp_path / "pairs.jsonl"
    lines.write_text(
        '{"text1": "가", "text2": "나", "label": 2}\n{"text1": "다", "text2": "라", "label": 0}\n'
    )
    found = read_pairs(lines)
    assert found.labels is None  # not only 0 and 1: scores
    assert found.scores is not None
    assert found.scores.tolist() == [2.0, 0.0]


HEADER = "sentence1,sentence2,score\n"
ONE = '{"sentence1": "가", "sentence2": "나", "score": 1}'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("pairs.xml", "<pairs/>", r"pairs\.xml: cannot tell how to read it by its name; expected \.jsonl"),
        ("pairs.csv", "a,b\n1,2\n", r"pairs\.csv:2: has the fields a, b; expected sentence1 and sentence2"),
        ("pairs.csv", f"{HEADER}가,나,1\n다,라,much\n", r"csv:3: 'score' is 'much'; expected a number"),
        (
            "pairs.jsonl",
            f'{{"sentence1": "가", "sentence2": "나", "score": 1{400 * "0"}}}\n',
            r"jsonl:1: 'score' is 10+; expected a number",
        ),
        ("pairs.csv", f"{HEADER}가,나,nan\n", r"csv:2: 'score' is 'nan'; expected a finite number"),
        ("pairs.csv", f"{HEADER}가,,1\n", r"csv:2: 'sentence2' is None; expected text"),
        ("pairs.csv", f'{HEADER}"가,나,1\n', r"csv:2: not CSV: unexpected end of data"),
        ("pairs.csv", "sentence1,sentence2\n가,나\n", "every pair needs one of the fields score"),
        ("pairs.csv", HEADER, "no pairs"),
        ("pairs.tsv", "sentence1\tsentence2\tscore\n가\t나\n", r"tsv:2: 2 cells, but the header has 3"),
        ("pairs.json", f"[{ONE},\n{ONE[:-1]}]", r"json:2: not JSON"),
        (
            "pairs.json",
            f"[{ONE},\n{ONE.replace(' 1', ' null')}]",
            r"json:2: 'score' is None; expected a number",
        ),
        (
            "pairs.jsonl",
            f'{ONE}\n{{"sentence1": "가", "sentence2": "나"}}\n',
            r"jsonl:2: 'score' is here or was further up",
        ),
        (
            "nli.csv",
            "premise,hypothesis,label\n가,나,0\n다,라,2\n",
            r"nli\.csv: 'label' holds classes of inference",
        ),
        ("pairs.jsonl", f"{ONE}\n[1]\n", r"jsonl:2: got '\[1\]', expected one object a line"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(NaruError, match=message):
        read_pairs(path)


@pytest.mark.skipif(not STS.is_dir(), reason="needs the Korean STS files in ../shared/data/sts")
@pytest.mark.parametrize(
    ("name", "count", "first"),
    [
        ("korsts-dev.tsv", 1500, 5.0),
        ("korsts-test.tsv", 1379, 2.5),
        ("klue-sts-v1.1_dev.json", 519, 4.857142857142857),
    ],
)
def test_the_real_files_are_read_whole(name: str, count: int, first: float) -> None:
    pairs = read_pairs(STS / name)
    assert pairs.scores is not None
    assert (len(pairs.first), len(pairs.second), len(pairs.scores)) == (count, count, count)
    assert pairs.scores[0] == first


def test_a_real_encoder_puts_a_sentence_nearest_to_itself(tiny_bundle: Path) -> None:
    texts = ["카드를 잃어버렸어요", "비밀번호를 바꾸고 싶어요", "환불은 언제 되나요", "주차장이 있나요"]
    pairs = Pairs(texts + texts, texts + texts[1:] + texts[:1], None, np.arange(8) < 4)
    found = evaluate_pairs(Encoder(tiny_bundle), pairs)
    assert found.average_precision == pytest.approx(1.0)
    assert found.f1 is not None
    assert found.f1.cutoff == pytest.approx(1.0, abs=1e-5)


def test_the_command_prints_figures_for_people_and_for_programs(tiny_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(
        "sentence1,sentence2,score\n카드를 잃어버렸어요,카드를 잃어버렸어요,5\n환불은 언제 되나요,주차장이 있나요,0\n"
    )
    command = ["pairs", str(path), "--encoder", str(tiny_bundle), "--positive", "3"]
    said = CliRunner().invoke(app, [*command, "--json"])
    assert said.exit_code == 0
    found = json.loads(said.stdout)
    assert (found["pairs"], found["positives"], found["F1"]["value"]) == (2, 1, 1.0)
    assert len(found["correlations"]) == 8
    assert "2 pairs, 1 of them alike" in CliRunner().invoke(app, command).stdout


def test_labels_that_say_different_are_found_out_and_turned(tmp_path: Path) -> None:
    """In the shared question pairs `is_duplicate` 0 means the same question."""
    path = tmp_path / "pairs.jsonl"
    vectors = np.zeros((10, 8), np.float32)
    vectors[np.arange(10), [0, 0, 1, 1, 2, 3, 4, 5, 6, 7]] = 1.0  # the first two pairs are alike
    rows = [
        {"sentence1": f"{2 * at}", "sentence2": f"{2 * at + 1}", "is_duplicate": int(at > 1)}
        for at in range(5)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    reversed_, turned = (evaluate_pairs(Table(vectors), read_pairs(path, alike=alike)) for alike in (1, 0))
    assert "The labels look reversed" in reversed_.lines()[-1]
    assert turned.average_precision == 1.0
    assert "where 0 is alike" in turned.lines()[0]
    assert "reversed" not in "".join(turned.lines())


def test_held_out_figures_know_nothing_of_the_pairs_they_measure() -> None:
    """Labels that are noise: the best threshold looks better than chance, and those of the others do not."""
    rng = np.random.default_rng(2)
    labels, rows = np.arange(60) % 2 == 0, rng.normal(size=(120, 8)).astype(np.float32)
    names = [str(number) for number in range(120)]
    found = evaluate_pairs(Table(rows), Pairs(names[:60], names[60:], None, labels)).accuracy
    assert found is not None
    assert found.held_out < found.value - 0.05


def test_a_score_that_is_asked_for_counts_as_alike(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("score\tsentence1\tsentence2\n3.0\t가\t나\n2.9\t다\t라\n", "utf-8")
    labels = read_pairs(path, positive=3.0).labels
    assert labels is not None
    assert labels.tolist() == [True, False]
