"""Hard negatives: numbers worked by hand for each filter, rankings against brute force, real Mecab and ONNX."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterator, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from rich.console import Console

from finetune.mining import dense, lexical, picking
from finetune.mining.dense import Dense
from finetune.mining.lexical import Lexical, Spool
from finetune.mining.passages import Texts, key
from finetune.mining.ranking import Best, Positions, RandomRanking
from finetune.negatives import Limits, Mined, Mining, Models, Pair, mine
from naru.bm25 import count, document_vector, query_vector, statistics_of
from naru.documents import Document
from naru.encoder import Encoder
from naru.errors import NaruError
from naru.text import Analyzer

PASSAGES = [
    "카드를 잃어버리면 바로 분실 신고를 해야 합니다",
    "분실한 카드는 앱에서 다시 발급받습니다",
    "카드 이체 한도는 영업점에서 올립니다",
    "여권을 분실하면 구청에 신고합니다",
    "여권 발급에는 사진이 필요합니다",
    "전입 신고는 이사하고 열나흘 안에 합니다",
    "건강보험료는 매달 십일에 냅니다",
    "환불은 카드로 결제한 날부터 사흘 걸립니다",
]
QUERIES = ["카드 분실 신고", "여권 발급 사진", "이체 한도"]
QUERY = QUERIES[0]
NOTHING: Positions = np.zeros(0, np.int32)


def quiet(stage: str, done: int, total: int | None) -> None:
    pass


class Cosines:
    """An encoder of two dimensions: every query lies on one axis, every passage at the cosine given for it."""

    def __init__(self, cosines: dict[str, float]) -> None:
        self._cosines = cosines

    def queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.array([[1, 0]] * len(texts), np.float32)

    def passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        found = [self._cosines[text] for text in texts]
        return np.array([[cosine, math.sqrt(1 - cosine * cosine)] for cosine in found], np.float32)


POSITIVE = "정답"
COSINES = {POSITIVE: 0.8, "가": 0.9, "나": 0.79, "다": 0.77, "라": 0.75, "마": 0.7, "바": 0.6, "사": 0.1}


def documents(texts: Sequence[str]) -> Iterator[Document]:
    return (Document(str(place), text) for place, text in enumerate(texts))


def run(
    output: Path,
    pairs: Sequence[Pair] = (Pair("질문", POSITIVE),),
    corpus: Sequence[Document] | None = None,
    models: Models | None = None,
    **settings: Any,
) -> tuple[Mined, list[dict[str, str]]]:
    """Mine over COSINES unless told otherwise; the report, and the rows as a trainer reads them."""
    mining = Mining(**({"number": 1, "sources": ("encoder",), "fill": False} | settings))
    models = models or Models(Cosines(COSINES))
    report = mine(
        pairs, documents(list(COSINES)) if corpus is None else corpus, output, mining, models, quiet
    )
    return report, [json.loads(line) for line in output.read_text("utf-8").splitlines()]


# Limits


@pytest.mark.parametrize(
    ("limits", "positive", "expected"),
    [
        (Limits(), 0.8, {"share": 0.76}),
        (Limits(share=None, absolute_margin=0.1), 0.8, {"absolute_margin": 0.7}),
        (Limits(share=None, relative_margin=0.1), 0.8, {"relative_margin": 0.72}),
        (Limits(share=0.9, relative_margin=0.1), -0.5, {"share": -0.55, "relative_margin": -0.55}),
        (Limits(share=None), 0.8, {}),
    ],
    ids=["95 % of 0.8", "0.8 - 0.1", "0.8 - 0.1 * 0.8", "below zero", "none"],
)
def test_the_highest_score_of_a_negative(limits: Limits, positive: float, expected: dict[str, float]) -> None:
    assert limits.highest(positive) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("limits", "negatives", "dropped"),
    [
        (Limits(share=None), ["가", "나", "다"], {}),
        (Limits(), ["라", "마", "바"], {"share": 3}),
        (Limits(share=None, relative_margin=0.0375), ["다", "라", "마"], {"relative_margin": 2}),
        (Limits(share=None, absolute_margin=0.15), ["바", "사"], {"absolute_margin": 5}),
        (Limits(absolute_margin=0.0, share=0.95), ["라", "마", "바"], {"absolute_margin": 1, "share": 2}),
    ],
    ids=["unfiltered", "share 0.76", "relative 0.77", "absolute 0.65", "the first that drops it counts"],
)
def test_each_limit_drops_what_scores_above_it(
    tmp_path: Path, limits: Limits, negatives: list[str], dropped: dict[str, int]
) -> None:
    """The positive scores 0.8; the corpus without it, in order: .9 .79 .77 .75 .7 .6 .1."""
    report, rows = run(tmp_path / "out.jsonl", number=len(negatives), limits=limits)
    assert rows == [
        {"query": "질문", "document": POSITIVE}
        | {f"negative_{i}": text for i, text in enumerate(negatives, 1)}
    ]
    assert report.candidates == 8
    assert {name: count for name, count in report.dropped.items() if count} == {"positives": 1} | dropped
    assert (report.written, report.short) == (1, 0)


def test_a_negative_may_score_just_what_the_limit_says(tmp_path: Path) -> None:
    encoder = Cosines({"답": 0.5, "가": 0.375, "나": 0.25})
    for margin, negative in ((0.125, "가"), (0.1251, "나"), (0.25, "나")):
        limits = Limits(share=None, absolute_margin=margin)
        corpus = list(documents(["답", "가", "나"]))
        _, rows = run(tmp_path / "out.jsonl", [Pair("질문", "답")], corpus, Models(encoder), limits=limits)
        assert rows[0]["negative_1"] == negative


def test_the_window_skips_and_looks(tmp_path: Path) -> None:
    """Ranks 3 to 4 of .9 .79 .77 .75 ...: the known positive holds no rank."""
    report, rows = run(tmp_path / "out.jsonl", number=2, skip=2, look=2, limits=Limits(share=None))
    assert [rows[0]["negative_1"], rows[0]["negative_2"]] == ["다", "라"]
    assert [negative.rank for negative in report.samples[0].negatives] == [3, 4]
    assert report.candidates == 3


def test_each_row_is_held_to_its_own_positive(tmp_path: Path) -> None:
    """Positives of 0.9 and 0.7: negatives up to 0.855 and 0.665, and neither is a negative of the other."""
    pairs = [Pair("질문", "가"), Pair("질문", "마")]
    report, rows = run(tmp_path / "out.jsonl", pairs)
    assert [(row["document"], row["negative_1"]) for row in rows] == [("가", POSITIVE), ("마", "바")]
    assert (report.pairs, report.queries) == (2, 1)
    assert report.dropped["positives"] == 4  # both, for each row


def test_a_positive_that_the_corpus_lacks_is_scored_all_the_same(tmp_path: Path) -> None:
    encoder = Cosines(COSINES | {"바깥": 0.64})
    report, rows = run(tmp_path / "out.jsonl", [Pair("질문", "바깥")], models=Models(encoder))
    assert rows[0]["negative_1"] == "바"
    assert report.samples[0].score == pytest.approx(0.64)
    assert report.dropped["positives"] == 0


def test_of_passages_that_say_the_same_the_nearest_sets_the_limit(tmp_path: Path) -> None:
    """A positive that the corpus holds under two titles: 95 % of .9 lets .84 pass, 95 % of .5 would not."""
    corpus = [Document("a", "답", title="가"), Document("b", "답", title="나"), Document("c", "다른 답")]
    encoder = Cosines({"가\n답": 0.5, "나\n답": 0.9, "다른 답": 0.84})
    report, rows = run(tmp_path / "out.jsonl", [Pair("질문", "답")], corpus, Models(encoder))
    assert rows[0]["negative_1"] == "다른 답"
    assert report.samples[0].score == pytest.approx(0.9)


def test_bm25_scores_a_positive_that_the_corpus_lacks(tmp_path: Path) -> None:
    """The text of the query itself outscores all; so does not a text that shares nothing with it."""
    corpus = list(documents(PASSAGES))
    settings: dict[str, Any] = {"sources": ("bm25",), "models": Models(), "corpus": corpus}
    _, rows = run(tmp_path / "near.jsonl", [Pair(QUERY, f"{QUERY} {QUERY}")], **settings)
    assert rows[0]["negative_1"] == PASSAGES[0]
    with pytest.raises(NaruError, match="share 6"):
        run(tmp_path / "far.jsonl", [Pair(QUERY, "건강보험료")], **settings)


# Known positives


@pytest.mark.parametrize(
    "written",
    [
        "카드를 잃어버리면 Call 신고",
        "카드를  잃어버리면 call신고",
        unicodedata.normalize("NFD", "카드를 잃어버리면 CALL 신고"),
    ],
    ids=["same", "blanks and case", "NFD"],
)
def test_a_text_equal_to_a_positive_is_no_negative(tmp_path: Path, written: str) -> None:
    corpus = [*documents(PASSAGES), Document("p", written)]
    pairs = [Pair(QUERY, "카드를 잃어버리면 Call 신고"), Pair("카드분실 신고 ", PASSAGES[0])]
    report, rows = run(
        tmp_path / "out.jsonl",
        pairs,
        corpus,
        Models(),
        sources=("bm25",),
        number=2,
        limits=Limits(share=None),
    )
    assert report.queries == 1
    for row in rows:
        assert not {key(row["negative_1"]), key(row["negative_2"])} & {key(pair.document) for pair in pairs}
    assert report.dropped["positives"] == 4


def test_titles_are_written_on_both_sides_and_recognised_on_either(tmp_path: Path) -> None:
    corpus = [Document(str(place), text, f"안내 {place}") for place, text in enumerate(PASSAGES)]
    corpus.append(Document("again", f"안내 0\n{PASSAGES[0]}"))
    pairs = [Pair(QUERY, PASSAGES[0]), Pair(QUERIES[1], f"안내 4\n{PASSAGES[4]}")]
    report, rows = run(
        tmp_path / "out.jsonl", pairs, corpus, Models(), sources=("bm25",), limits=Limits(share=None)
    )
    assert [row["document"] for row in rows] == [f"안내 0\n{PASSAGES[0]}", f"안내 4\n{PASSAGES[4]}"]
    assert all(row["negative_1"].startswith("안내 ") for row in rows)
    assert (report.passages, report.skipped) == (8, 1)


def test_without_a_corpus_the_pairs_are_mined(tmp_path: Path) -> None:
    pairs = [Pair(f"{text} 어떻게 하나요", text) for text in PASSAGES] + [Pair("카드", PASSAGES[1] + " ")]
    mining = Mining(number=1, sources=("bm25",), limits=Limits(share=None))
    report = mine(pairs, None, tmp_path / "out.jsonl", mining, Models(), quiet)
    assert (report.passages, report.skipped, report.written) == (8, 1, 9)


# Rankings against brute force


def brute(scores: npt.NDArray[Any], excluded: Sequence[int], depth: int) -> list[int]:
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    return [place for place in order if scores[place] > -np.inf and place not in excluded][:depth]


@pytest.mark.parametrize("block", [1, 3, 50])
@pytest.mark.parametrize("depth", [1, 4, 60])
def test_the_best_of_blocks_are_the_best_of_all_with_ties_in_corpus_order(block: int, depth: int) -> None:
    rng = np.random.default_rng(5)
    scores = rng.integers(0, 5, (6, 50)).astype(np.float32)
    scores[:, rng.integers(0, 50, 8)] = -np.inf
    excluded = [np.unique(rng.integers(0, 50, size)).astype(np.int32) for size in range(6)]
    best = Best(depth, excluded)
    for query, row in enumerate(scores):
        for first in range(0, 50, block):
            best.offer(query, first, row[first : first + block].copy())
    for query, row in enumerate(scores):
        expected = brute(row, excluded[query].tolist(), depth)
        assert best.top(query).tolist() == expected
        assert best.scores(query).tolist() == row[expected].tolist()
        least = row[expected[-1]] if len(expected) == depth else 0
        held = [place for place in excluded[query].tolist() if row[place] >= least]
        assert sorted(best.held_back(query)) == held


@pytest.mark.parametrize(
    "postings", [1, 100, 1 << 23], ids=["a passage a block", "small blocks", "one block"]
)
def test_bm25_candidates_are_those_of_brute_force(monkeypatch: pytest.MonkeyPatch, postings: int) -> None:
    monkeypatch.setattr(lexical, "_POSTINGS", postings)
    analyzer = Analyzer()
    corpus = [
        Document(str(place), text, "안내" if place % 2 else "") for place, text in enumerate(PASSAGES * 2)
    ]
    queries = [*QUERIES, "우주선", "😀"]
    spool = Spool(BytesIO(), analyzer)
    for document in corpus:
        spool.add(document)
    excluded = [np.array([0, 9], np.int32), *[NOTHING] * 4]
    everything = np.arange(len(corpus), dtype=np.int32)
    found = Lexical(spool, queries, 6, excluded, [everything] * 5, quiet)

    counts = [count(analyzer.document(document.text, document.title)) for document in corpus]
    statistics = statistics_of(counts)
    for number, query in enumerate(queries):
        vector = query_vector(analyzer.query(query), statistics)
        scores = np.array([vector.dot(document_vector(one, statistics)) for one in counts], np.float32)
        np.testing.assert_allclose(found.scores(number, everything), scores, rtol=1e-6)
        scores[scores == 0] = -np.inf
        assert found.top(number).tolist() == brute(scores, excluded[number].tolist(), 6)
    assert len(found.top(0)) == 6
    assert len(found.top(3)) == len(found.top(4)) == 0


class Noise:
    """An encoder of random vectors, of which the last twenty passages repeat the first twenty's."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        vectors = rng.normal(size=(107, 8)).astype(np.float32)
        self.vectors = np.concatenate([vectors, vectors[:20]]) / 4

    def queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self.vectors[[int(text) * 3 + 1 for text in texts]]

    def passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self.vectors[[int(text) for text in texts]]


@pytest.mark.parametrize(("rows", "columns", "batch"), [(1, 1, 7), (4, 10, 50), (64, 1 << 15, 1024)])
def test_the_nearest_block_by_block_are_the_nearest_of_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rows: int, columns: int, batch: int
) -> None:
    monkeypatch.setattr(dense, "_ROWS", rows)
    monkeypatch.setattr(dense, "_COLUMNS", columns)
    monkeypatch.setattr(dense, "_TEXTS", batch)
    texts = Texts(BytesIO())
    for place in range(127):
        texts.add(str(place))
    encoder = Noise()
    judge = Dense(encoder, [str(query) for query in range(9)], texts, tmp_path, quiet)
    excluded = [np.array([query * 3 + 1, 126], np.int32) for query in range(9)]
    best = judge.nearest(12, excluded, quiet)
    cosines = encoder.queries([str(query) for query in range(9)]) @ encoder.vectors.T
    for query, scores in enumerate(cosines):
        # Vectors that repeat score alike but for the last bit of a sum: the texts decide nothing, so compare scores.
        expected = brute(scores, excluded[query].tolist(), 12)
        found = best.top(query)
        np.testing.assert_allclose(judge.scores(query, found), scores[expected], rtol=1e-5)
        assert {place % 107 for place in found.tolist()} == {place % 107 for place in expected}
        assert not set(found.tolist()) & set(excluded[query].tolist())
    outside = judge.outside([(2, "5"), (0, "126")])
    np.testing.assert_allclose(outside, [cosines[2, 5], cosines[0, 126]], rtol=1e-5)


def test_a_lot_draws_distinct_passages_and_no_positive() -> None:
    excluded = [NOTHING, np.arange(0, 30, dtype=np.int32), np.arange(0, 38, dtype=np.int32)]
    lot = RandomRanking(40, 10, excluded, (7,))
    assert [len(set(lot.top(query).tolist())) for query in range(3)] == [10, 10, 2]
    assert set(lot.top(1).tolist()) == set(range(30, 40))
    assert lot.top(0).tolist() == RandomRanking(40, 10, excluded, (7,)).top(0).tolist()
    assert lot.top(0).tolist() != RandomRanking(40, 10, excluded, (8,)).top(0).tolist()


def test_a_lot_draws_anew_for_each_query_and_tells_which_positives_it_drew() -> None:
    lot = RandomRanking(40, 10, [NOTHING, NOTHING], (7,))
    assert lot.top(0).tolist() != lot.top(1).tolist()
    every = np.arange(40, dtype=np.int32)
    held_back = RandomRanking(40, 10, [every], (7,)).held_back(0)
    assert len(held_back) == len(set(held_back)) == 10


# Several sources, the cross-encoder, filling up


def test_sources_take_turns_and_offer_a_passage_once(tmp_path: Path) -> None:
    """BM25 by words shared; the encoder ranks the corpus backwards."""
    backwards = Cosines({text: 0.1 * place for place, text in enumerate(PASSAGES)} | {"답": 0.99})
    report, rows = run(
        tmp_path / "out.jsonl",
        [Pair("전입 신고", "답")],
        list(documents(PASSAGES)),
        Models(backwards),
        sources=("bm25", "encoder"),
        number=4,
        limits=Limits(share=None),
    )
    by_cosine = [PASSAGES[7], PASSAGES[6], PASSAGES[5], PASSAGES[4]]
    found = [(one.text, one.source, one.rank) for one in report.samples[0].negatives]
    assert found[0] == (PASSAGES[5], "bm25", 1)
    assert found[1] == (by_cosine[0], "encoder", 1)
    assert found[2][1:] == ("bm25", 2)
    assert found[3] == (by_cosine[1], "encoder", 2)
    assert [rows[0][f"negative_{at}"] for at in (1, 2, 3, 4)] == [text for text, _, _ in found]
    assert report.candidates == len(PASSAGES)


def test_the_encoder_judges_what_bm25_offers_and_what_fills_up(tmp_path: Path) -> None:
    """Near the positive are one that BM25 finds, and one that shares no token with the query."""
    cosines = dict.fromkeys(PASSAGES, 0.2) | {PASSAGES[0]: 0.5, PASSAGES[1]: 0.9, PASSAGES[6]: 0.9}
    report, rows = run(
        tmp_path / "out.jsonl",
        [Pair(QUERY, PASSAGES[0])],
        list(documents(PASSAGES)),
        Models(Cosines(cosines)),
        sources=("bm25",),
        fill=True,
        number=5,
    )
    assert not {PASSAGES[1], PASSAGES[6]} & set(rows[0].values())
    assert (report.judge, report.dropped["share"]) == ("the encoder", 1)
    assert [one.rank > 0 for one in report.samples[0].negatives] == [True] * 4 + [False]


@pytest.mark.parametrize("batch", [1, 256])
def test_the_cross_encoder_is_asked_until_a_row_has_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Of .75 .7 .6 .1 (admitted) it lets the second and the third pass: three questions a row, the limit included."""
    monkeypatch.setattr(picking, "_ROWS", batch)
    asked: list[tuple[str, str]] = []

    def check(pairs: Sequence[tuple[str, str]]) -> list[float]:
        asked.extend(pairs)
        return [{"라": 0.51, "마": 0.5, "바": 0.0, "사": 0.9}[text] for _, text in pairs]

    pairs = [Pair("질문", POSITIVE), Pair("다른 질문", POSITIVE)]
    report, rows = run(tmp_path / "out.jsonl", pairs, models=Models(Cosines(COSINES), check), number=2)
    assert [(row["negative_1"], row["negative_2"]) for row in rows] == [("마", "바")] * 2
    assert (len(asked), report.dropped["check"], report.dropped["share"]) == (6, 2, 6)
    assert set(asked) == {(query, text) for query in ("질문", "다른 질문") for text in "라마바"}


def test_a_short_row_is_left_out_or_filled_up(tmp_path: Path) -> None:
    """Two pairs; the first's window holds .9 .79 .77 .75 of which one passes, the second's positive outdoes all."""
    encoder = Cosines(COSINES | {"바깥": 1.0})
    pairs = [Pair("질문", POSITIVE), Pair("다른 질문", "바깥")]
    settings: dict[str, Any] = {"models": Models(encoder), "number": 4, "look": 4}
    left_out, rows = run(tmp_path / "out.jsonl", pairs, **settings)
    assert (left_out.written, left_out.short, left_out.filled) == (1, 1, 0)
    assert [row["query"] for row in rows] == ["다른 질문"]
    filled, rows = run(tmp_path / "out.jsonl", pairs, fill=True, **settings)
    assert (filled.written, filled.short, filled.filled) == (2, 1, 3)
    assert rows[0]["negative_1"] == "라"
    assert {rows[0][f"negative_{at}"] for at in (2, 3, 4)} == {"마", "바", "사"}
    assert [one.rank for one in filled.samples[0].negatives] == [4, 0, 0, 0]
    assert filled.dropped == left_out.dropped


def test_what_is_skipped_does_not_come_back_to_fill_up(tmp_path: Path) -> None:
    """Ranks 1 to 3 are skipped, the rest of the corpus is four passages, all of them mined."""
    with pytest.raises(NaruError, match=r"Candidates: 5; dropped: positives 1\."):
        run(tmp_path / "out.jsonl", fill=True, skip=3, look=5, number=5, limits=Limits(share=None))


def test_random_negatives_need_no_model(tmp_path: Path) -> None:
    report, rows = run(tmp_path / "out.jsonl", models=Models(), sources=("random",), number=3)
    negatives = {rows[0][f"negative_{at}"] for at in (1, 2, 3)}
    assert len(negatives) == 3
    assert negatives < COSINES.keys() - {POSITIVE}
    assert report.judge == "nobody"
    assert report.samples[0].score is None


def test_the_encoder_reads_texts_in_their_normal_form_and_queries_with_their_spaces(tmp_path: Path) -> None:
    """As a search asks and as indexing encodes; decomposed texts are what a Mac writes."""
    read: dict[str, list[str]] = {"queries": [], "passages": []}

    class Reading:
        def queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
            read["queries"] += texts
            return np.ones((len(texts), 2), np.float32)

        def passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
            read["passages"] += texts
            return np.ones((len(texts), 2), np.float32)

    query = "카드를잃어버리면신고를해야합니까"
    spaced = Analyzer().spaced(query)
    assert spaced != query
    corpus = [unicodedata.normalize("NFD", text) for text in PASSAGES]
    settings: dict[str, Any] = {"limits": Limits(share=None), "models": Models(Reading())}
    run(tmp_path / "out.jsonl", [Pair(query, PASSAGES[0])], list(documents(corpus)), **settings)
    assert read == {"queries": [spaced], "passages": PASSAGES}


def test_bm25_judges_what_is_drawn_where_nothing_fills_up(tmp_path: Path) -> None:
    report, rows = run(
        tmp_path / "out.jsonl",
        [Pair(QUERY, PASSAGES[0])],
        list(documents(PASSAGES)),
        Models(),
        sources=("bm25", "random"),
        number=5,
        limits=Limits(share=None),
    )
    assert (report.judge, len(rows)) == ("BM25", 1)


def test_what_fills_up_is_drawn_by_the_seed(tmp_path: Path) -> None:
    """BM25 finds nothing that shares a token with the query."""
    corpus = [f"{number}" for number in range(100, 140)]
    pairs = [Pair(QUERY, PASSAGES[0])]
    settings: dict[str, Any] = {"sources": ("bm25",), "number": 5, "fill": True, "limits": Limits(share=None)}

    def filled(seed: int) -> dict[str, str]:
        output = tmp_path / "out.jsonl"
        _, (row,) = run(output, pairs, list(documents(corpus)), Models(), seed=seed, **settings)
        return row

    assert filled(1) == filled(1) != filled(2)


# The file


def test_the_same_input_gives_the_same_file_with_a_real_encoder(tiny_bundle: Path, tmp_path: Path) -> None:
    encoder = Encoder(tiny_bundle, threads=1)
    pairs = [Pair(query, PASSAGES[place]) for query, place in zip(QUERIES, (0, 4, 2), strict=True)]
    mining = Mining(number=2, sources=("bm25", "encoder", "random"), limits=Limits(share=0.999))
    stages: list[str] = []

    def watch(stage: str, done: int, total: int | None) -> None:
        stages.append(stage)
        assert total is None or done <= total

    for name in ("a", "b"):
        report = mine(pairs, documents(PASSAGES), tmp_path / name, mining, Models(encoder), watch)
        assert report.written  # how many depends on what a random encoder finds alike
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert list(dict.fromkeys(stages)) == ["read", "embed", "search", "bm25", "write"]
    for sample in report.samples:
        cosines = encoder.queries([sample.query]) @ encoder.passages([one.text for one in sample.negatives]).T
        scores = [one.score for one in sample.negatives]
        assert scores == pytest.approx(cosines[0].tolist(), abs=1e-5)
        assert sample.score is not None
        assert max(cosines[0]) <= sample.score - 0.001 * abs(sample.score) + 1e-6
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a", "b"]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text("old", "utf-8")

    def breaks(pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [math.nan] * len(pairs)

    with pytest.raises(NaruError, match="a finite number each"):
        run(output, models=Models(Cosines(COSINES), breaks))
    assert output.read_text("utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_the_report_can_be_read_by_people_and_programs(tmp_path: Path) -> None:
    report, _ = run(tmp_path / "out.jsonl", number=2)
    data = json.loads(json.dumps(report.to_json(), ensure_ascii=False))
    assert data["dropped"] == {
        "positives": 1,
        "absolute_margin": 0,
        "relative_margin": 0,
        "share": 3,
        "check": 0,
    }
    assert data["settings"]["limits"]["share"] == 0.95
    assert data["samples"][0]["negatives"][0] == {
        "text": "라",
        "source": "encoder",
        "rank": 4,
        "score": pytest.approx(0.75),
    }
    screen = Console(file=StringIO(), width=100)
    screen.print(report.table(), report.sample_table())
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    for part in (
        "known positives",
        "left out",
        "share of the positive's score",
        "37.5%",
        "encoder #4",
        "0.750",
        "라",
    ):
        assert part in shown


# Wrong use


@pytest.mark.parametrize(
    ("pairs", "corpus", "message"),
    [
        ([], ["가"], "No pairs"),
        ([Pair("질문", "가"), Pair("\u200b ", "가")], ["가"], "Pair 2: its query is blank"),
        ([Pair("질문", "\n")], ["가"], "Pair 1: its document is blank"),
        ([Pair("\ud800", "가")], ["가"], "Pair 1: .*not valid Unicode"),
        ([Pair("질문", "가")], ["나", "\udfff"], "Document '1': .*not valid Unicode"),
        ([Pair("질문", "가")], [" "], "holds no text"),
        ([Pair("질문", "가")], ["가"], "None of the 1 pairs found 1 negatives among 1 passages"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, pairs: list[Pair], corpus: list[str], message: str) -> None:
    with pytest.raises(NaruError, match=message):
        run(tmp_path / "out.jsonl", pairs, list(documents(corpus)))
    assert list(tmp_path.iterdir()) == []


def test_the_encoder_must_be_there_and_sound(tmp_path: Path) -> None:
    with pytest.raises(NaruError, match="needs an encoder"):
        run(tmp_path / "out.jsonl", models=Models())
    with pytest.raises(NaruError, match=r"gave '마' a vector with NaN"):
        run(tmp_path / "out.jsonl", models=Models(Cosines(COSINES | {"마": math.nan})))


def test_an_output_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(NaruError, match="is a folder"):
        run(tmp_path)
    with pytest.raises(NaruError, match="cannot be written: there is no folder"):
        run(tmp_path / "nowhere" / "out.jsonl")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"number": 0}, "number is 0; expected at least 1"),
        ({"skip": -1}, "skip is -1"),
        ({"sources": ()}, "sources are none"),
        ({"sources": ("bm25", "bm25")}, "each once"),
        ({"sources": ("dense",)}, "sources are dense; expected one or more of bm25, encoder, random"),
        ({"number": 5, "look": 2}, "look is 2 for 5 negatives from 2 sources"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(NaruError, match=message):
        Mining(**settings)


@pytest.mark.parametrize(
    "limits", [{"share": 1.2}, {"share": 0.0}, {"absolute_margin": -0.1}, {"relative_margin": math.nan}]
)
def test_limits_that_cannot_be_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(NaruError, match=f"{next(iter(limits))} is "):
        Limits(**limits)
