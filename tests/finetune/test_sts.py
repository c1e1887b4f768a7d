from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy.spatial.distance import cdist
from scipy.stats import pearsonr, spearmanr
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling

from finetune.evaluators import evaluator
from finetune.shapes import ScoredPairs
from finetune.sts import KO_SROBERTA_MULTITASK, Comparison, Correlation, Figures, compared, measure, read
from indexer.parity import SENTENCES
from naru.errors import NaruError

STS = Path(__file__).parents[3] / "shared" / "data" / "sts"
ONE = '{"sentence1": "가", "sentence2": "나", "score": 1}'
TWO = (
    '{"sentence1": "가", "sentence2": "나", "labels": {"label": 4.9, "real-label": 4.857, "binary-label": 1}}'
)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_the_eight_figures_are_scipys(make_model: Callable[..., Path]) -> None:
    folder = make_model(modules=[Pooling(32, "mean")])  # without normalisation the similarities differ
    model = SentenceTransformer(str(folder), device="cpu")
    first, second = list(SENTENCES[:15]), list(SENTENCES[15:30])
    scores = [step * 4 % 15 / 3 for step in range(15)]
    figures = measure(model, ScoredPairs(first, second, scores))
    a, b = (np.asarray(model.encode(texts), dtype=np.float64) for texts in (first, second))
    similarities = {
        "Cosine": 1 - cdist(a, b, "cosine").diagonal(),
        "Euclidean": -cdist(a, b, "euclidean").diagonal(),
        "Manhattan": -cdist(a, b, "cityblock").diagonal(),
        "Dot": (a * b).sum(1),
    }
    expected = [
        (f"{name} {kind}", 100 * correlate(scores, values).statistic)
        for name, values in similarities.items()
        for kind, correlate in (("Pearson", pearsonr), ("Spearman", spearmanr))
    ]
    assert [label for label, _ in figures.rows()] == [label for label, _ in expected]
    np.testing.assert_allclose(
        [value for _, value in figures.rows()], [value for _, value in expected], atol=1e-3
    )
    # Had two of them been mixed up it would show: ranks of 15 pairs may agree by chance, Pearson's do not.
    assert len({round(value, 3) for label, value in figures.rows() if label.endswith("Pearson")}) == 4


def test_a_file_like_korsts_is_read_as_it_is(file: Callable[..., Path]) -> None:
    text = 'genre\tid\tscore\tsentence1\tsentence2\r\nnews\t1\t5.000\t"가" 했다\t그는 "가\r\nnews\t2\t0\t나\t다\r\n'
    pairs = read(file("korsts.tsv", text))
    assert pairs == ScoredPairs(['"가" 했다', "나"], ['그는 "가', "다"], [5.0, 0.0])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("own.csv", '\ufeffsentence1,score,sentence2\n"가, ""나""\n다",0.25,라\n\n마,1,바\n'),
        (
            "own.jsonl",
            '{"sentence1": "가, \\"나\\"\\n다", "sentence2": "라", "score": 0.25}\n\n'
            '{"sentence1": "마", "sentence2": "바", "score": "1"}\n',
        ),
        (
            "klue.json",
            '[\n {"sentence1": "가, \\"나\\"\\n다", "sentence2": "라", "labels": {"label": 0.2, "real-label": 0.25}},\n'
            ' {"sentence1": "마", "sentence2": "바", "score": 1}\n]\n',
        ),
    ],
)
def test_other_files_are_read(name: str, text: str, file: Callable[..., Path]) -> None:
    assert read(file(name, text)) == ScoredPairs(['가, "나"\n다', "마"], ["라", "바"], [0.25, 1.0])


HEADER = "sentence1\tsentence2\tscore\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.tsv",
            HEADER + "가\t나\t1\n다\t라\t5.1\n",
            "a.tsv:3: score is '5.1', expected a number from 0 to 5",
        ),
        ("a.tsv", HEADER + "가\t나\t높음\n", "a.tsv:2: score is '높음'"),
        ("a.tsv", HEADER + "가\t나\tnan\n", "a.tsv:2: score is 'nan'"),
        ("a.tsv", HEADER + "가\t \t1\n", "a.tsv:2: sentence2 is ' ', expected a sentence"),
        ("a.tsv", HEADER + "가\t나\n", "a.tsv:2: 2 columns, expected 3"),
        ("a.tsv", "sentence1\tsentence2\tlabel\n", "a.tsv:1: no column 'score' among sentence1, sent"),
        ("a.tsv", HEADER, "a.tsv: no pairs"),
        ("a.tsv", HEADER + "가\t나\t1\n다\t라\t1\n", "a.tsv: scored-pairs: every score is 1"),
        ("a.csv", "", "a.csv:1: no column 'sentence1' among none"),
        ("a.csv", 'sentence1,sentence2,score\n"가,나,1\n', "a.csv:2: unexpected end of data"),
        ("a.csv", "sentence1,sentence2,score\n가,나,1\n".encode("cp949"), "a.csv:2: not UTF-8"),
        ("a.jsonl", f"{ONE}\n\n{ONE[:-1]}\n", "a.jsonl:3: not JSON"),
        ("a.jsonl", f"{ONE}\n[1]\n", r"a.jsonl:2: expected an object .*, got \[1\]"),
        ("a.jsonl", ONE.replace("1}", "true}"), "a.jsonl:1: score is True"),
        ("a.jsonl", ONE.replace('"나"', "3"), "a.jsonl:1: sentence2 is 3"),
        ("a.json", f"[{ONE},\n\n {TWO},\n 7]", "a.json:4: expected an object .*, got 7"),
        ("a.json", f"[\n{TWO},\n{TWO.replace('4.857', 'null')}]", "a.json:3: score is None"),
        ("a.json", f"[{ONE},\n{ONE[:-1]}", "a.json:2: not JSON"),
        ("a.json", ONE, "a.json:1: expected a list"),
        ("a.json", "[]", "a.json: no pairs"),
        ("a.xlsx", "", "a.xlsx: unknown kind of file '.xlsx'. Known: .tsv, .csv, .jsonl, .json"),
    ],
)
def test_a_broken_file_is_named_with_its_line(
    name: str, content: str | bytes, message: str, file: Callable[..., Path]
) -> None:
    with pytest.raises(NaruError, match=message):
        read(file(name, content))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NaruError, match=r"none\.tsv: cannot be read: No such file"):
        read(tmp_path / "none.tsv")


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
    pairs = read(STS / name)
    assert (len(pairs.first), len(pairs.second), len(pairs.scores)) == (count, count, count)
    assert pairs.scores[0] == first


BEFORE = Figures(*(Correlation(10.0 * at, 10.0 * at + 5) for at in range(1, 5)))
AFTER = replace(BEFORE, cosine=Correlation(11.25, 14.5), dot=Correlation(float("nan"), float("nan")))


def test_the_table_sets_after_beside_before_and_the_model_card() -> None:
    lines = Comparison("KorSTS test", 1379, BEFORE, AFTER).markdown().splitlines()
    assert lines[0] == "KorSTS test: 1,379 pairs, correlations in %"
    assert lines[2:6] == [
        "|  | before | after | change | ko-sroberta-multitask on KorSTS test |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| Cosine Pearson | 10.00 | 11.25 | +1.25 | 84.77 |",
        "| Cosine Spearman | 15.00 | 14.50 | -0.50 | 85.60 |",
    ]
    assert lines[-2] == "| Dot Pearson | 40.00 | – | – | 82.42 |"
    assert len(lines) == 12


def test_the_reference_is_the_model_card_of_ko_sroberta() -> None:
    values = [value for _, value in KO_SROBERTA_MULTITASK.rows()]
    assert values == [84.77, 85.60, 83.71, 84.40, 83.70, 84.38, 82.42, 82.33]


def test_what_is_not_there_has_no_column() -> None:
    alone = Comparison("own", 20, BEFORE, reference=None)
    assert list(alone.columns()) == ["", "before"]
    assert list(json.loads(alone.json())["figures"]) == ["before"]


def test_programs_get_json_without_nan() -> None:
    record = json.loads(Comparison("KorSTS", 1379, BEFORE, AFTER).json())
    assert record["figures"]["after"]["cosine"] == {"pearson": 11.25, "spearman": 14.5}
    assert record["figures"]["after"]["dot"] == {"pearson": None, "spearman": None}
    assert (record["data"], record["pairs"], record["unit"]) == ("KorSTS", 1379, "percent")
    assert list(record["figures"]) == ["before", "after", "ko-sroberta-multitask"]


def test_the_terminal_shows_the_same_table() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(Comparison("KorSTS", 1379, BEFORE, AFTER).table())
    shown = console.export_text()
    assert all(text in shown for text in ("1,379 pairs", "Manhattan Spearman", "+1.25", "84.38"))


def test_what_training_measures_makes_the_same_table(make_model: Callable[..., Path]) -> None:
    model = SentenceTransformer(str(make_model(modules=[Pooling(32, "mean")])), device="cpu")
    pairs = ScoredPairs(
        list(SENTENCES[:15]), list(SENTENCES[15:30]), [step * 4 % 15 / 3 for step in range(15)]
    )
    figures: dict[str, float] = evaluator(pairs, "korsts")(model)
    (found,) = compared(["law", "korsts"], figures, figures)
    expected = measure(model, pairs)
    assert [label for label, _ in found.before.rows()] == [label for label, _ in expected.rows()]
    np.testing.assert_allclose(
        [value for _, value in found.before.rows()], [value for _, value in expected.rows()], atol=1e-4
    )
    assert found.markdown().startswith("korsts: correlations in %")
