"""A query in, an answer out: modes, cut-offs, odd queries, and the refusal of what does not belong together."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.build import Plan, index
from naru.bm25 import query_vector
from naru.cutoffs import Cutoff, Guarantee
from naru.documents import Document
from naru.encoder import Encoder
from naru.errors import NaruError
from naru.filters import Equals
from naru.relevance import RIVALS, probability
from naru.store import open_store
from naru.text import Analyzer, AnalyzerSettings
from search.reading import MAX_QUERY
from search.searcher import Searcher


def ids(searcher: Searcher, query: str, **asked: object) -> list[str]:
    return [hit.passage.id for hit in searcher.search(query, **asked).hits]  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["hybrid", "lexical"])
def test_the_words_of_a_passage_find_it(searcher: Searcher, mode: str) -> None:
    assert ids(searcher, "카드를 잃어버렸어요", mode=mode)[0] == "card-1"
    assert ids(searcher, "전입신고는 언제까지 하나요", mode=mode)[0] == "move-1"


def test_semantic_mode_ranks_by_the_true_cosine(searcher: Searcher) -> None:
    answer = searcher.search("여권 사진", mode="semantic", limit=8)
    query = searcher.encoder.queries(["여권 사진"])[0]
    for hit in answer.hits:
        vector = searcher.encoder.passages([hit.passage.full_text])[0]
        assert hit.semantic == pytest.approx(float(query @ vector), abs=1e-4)
        assert hit.lexical is None
    assert [hit.semantic for hit in answer.hits] == sorted(
        (hit.semantic for hit in answer.hits), reverse=True
    )  # type: ignore[type-var]


def test_every_hit_carries_the_formula_that_ranked_it(searcher: Searcher) -> None:
    scores = searcher.relevance.scores("hybrid")
    hits = searcher.search("카드 재발급 수수료", limit=8).hits
    said = searcher.relevance.fit("hybrid").logits([hit.logit for hit in hits])
    assert hits
    for hit, logit in zip(hits, said, strict=True):
        assert hit.semantic is not None
        assert hit.lexical is not None
        expected = scores.bias + (scores.semantic or 0) * hit.semantic + (scores.lexical or 0) * hit.lexical
        assert hit.logit == pytest.approx(expected, abs=1e-4)
        assert hit.probability == pytest.approx(probability(logit))


def test_ranks_count_from_one_and_limit_holds(searcher: Searcher) -> None:
    assert [hit.rank for hit in searcher.search("카드 신고", limit=3).hits] == [1, 2, 3]


def test_the_lexical_score_is_the_share_of_what_the_query_could_reach(searcher: Searcher) -> None:
    hit = searcher.search("전입신고 과태료", mode="lexical").hits[0]
    query = query_vector(searcher.analyzer.query("전입신고 과태료"), searcher.statistics)
    assert 0 < float(query.values.sum()) * 2.2 <= 1 + 1e-6
    assert hit.lexical is not None
    assert 0 < hit.lexical <= 1


def test_a_cutoff_shows_only_what_lies_above_it(searcher: Searcher) -> None:
    everything = searcher.search("카드를 잃어버렸어요", limit=8).hits
    cutoff = (everything[0].probability + everything[1].probability) / 2
    shown = searcher.search("카드를 잃어버렸어요", limit=8, cutoff=cutoff).hits
    assert [hit.passage.id for hit in shown] == [everything[0].passage.id]


def test_passages_that_answer_alike_are_told_where_none_reaches_the_cutoff(
    bundle: Path, tmp_path: Path
) -> None:
    alike = [
        Document(f"lost-{number}", "카드를 잃어버렸다면 전화해 주세요.", "카드 분실 신고")
        for number in range(4)
    ]
    others = [
        Document(f"other-{number}", f"{number}번 버스는 역 앞에 섭니다.", "버스") for number in range(30)
    ]
    store = open_store(str(tmp_path))
    index([*alike, *others], store, Encoder(bundle), Plan("all", "x", str(bundle)), lambda *_: None)
    with Searcher.open(store, "all") as opened:
        answer = opened.search("카드 분실 신고", cutoff=0.5)
        assert answer.hits == ()
        assert {hit.passage.id for hit in answer.near_misses[:4]} == {one.id for one in alike}
        assert [(note.kind, note.values) for note in answer.notes] == [("rivals", {"passages": 4})]
        lower = opened.search("카드 분실 신고", cutoff=0.1)
        assert (len(lower.hits), lower.notes) == (4, ())
        assert not opened.search("버스 잃어버린 카드 없음", cutoff=0.999).notes


@pytest.fixture(scope="module")
def many(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    """Of two passages that say the same of cards, twelve of passports, and 290 of buses."""
    documents = [
        *(
            Document(f"lost-{number}", "카드를 잃어버렸다면 전화해 주세요.", "카드 분실")
            for number in range(2)
        ),
        *(Document(f"photo-{number}", "여권 사진을 가져오세요.", "여권 사진") for number in range(12)),
        *(
            Document(f"bus-{number}", f"{number}번 버스는 역 앞에 섭니다.", "버스", {"line": number})
            for number in range(290)
        ),
    ]
    store = open_store(str(tmp_path_factory.mktemp("many")))
    index(documents, store, Encoder(bundle), Plan("all", "x", str(bundle)), lambda *_: None)
    with Searcher.open(store, "all") as opened:
        yield opened


@pytest.mark.parametrize(("query", "passages"), [("카드 분실", 2), ("여권 사진", RIVALS)])
def test_two_rivals_are_told_and_no_more_than_the_first_hits(
    many: Searcher, query: str, passages: int
) -> None:
    answer = many.search(query, cutoff=0.6)
    assert [(note.kind, note.values) for note in answer.notes] == [("rivals", {"passages": passages})]


def test_as_many_are_found_as_are_asked_for(many: Searcher) -> None:
    assert len(many.search("버스", limit=280).hits) == 280


def test_a_level_says_of_a_whole_page_that_more_reach_it(many: Searcher) -> None:
    lax = Cutoff(
        "sensitive", "nearly all", -30.0, probability(-30.0), 9, 9, {}, guarantee=Guarantee("coverage", 0.9)
    )
    fit = replace(many.relevance.fit("hybrid"), cutoffs=(lax,))
    relevance = replace(many.relevance, fits={**many.relevance.fits, "hybrid": fit})
    opened = copy(many)
    opened.relevance = relevance
    for limit in (5, 10, 20):
        cut = opened.search("버스", limit=limit, cutoff="sensitive").cutoff
        assert cut is not None
        assert cut.void == f"more hits reach it than the {limit} that were asked for"


def test_where_passages_fit_the_filter_and_none_is_found_the_filter_is_not_blamed(many: Searcher) -> None:
    for field, notes in (("line", []), ("lime", ["filtered"])):
        answer = many.search("쀍뚫", mode="lexical", filter=Equals(field, 7))
        assert ((*answer.hits, *answer.near_misses), [note.kind for note in answer.notes]) == ((), notes)


def test_a_filter_leaves_only_what_it_allows(searcher: Searcher) -> None:
    assert set(ids(searcher, "신고", filter=Equals("category", "카드"))) == {"card-1", "card-2"}


def test_unfitted_weights_say_so(searcher: Searcher) -> None:
    assert searcher.search("카드").calibrated is False


@pytest.mark.parametrize(
    "query", ["에서처럼", "😀", "이거 뭐야? ㅇㅇ", "\0카드", "?", "ㅋㄷ", "은는이가", "a" * 5000]
)
@pytest.mark.parametrize("mode", ["hybrid", "semantic", "lexical"])
def test_odd_queries_are_answered(searcher: Searcher, query: str, mode: str) -> None:
    assert len(searcher.search(query, mode=mode, limit=5).hits) <= 5


def test_a_nul_hides_nothing_behind_it(searcher: Searcher) -> None:
    assert ids(searcher, "\0카드 분실 신고", mode="lexical") == ids(
        searcher, "카드 분실 신고", mode="lexical"
    )


def test_decomposed_queries_find_the_same(searcher: Searcher) -> None:
    query = "카드를 잃어버렸는데 어떻게 신고해요?"
    typed, composed = searcher.search(unicodedata.normalize("NFD", query)), searcher.search(query)
    assert [(hit.passage.id, hit.logit) for hit in typed.hits] == [
        (hit.passage.id, hit.logit) for hit in composed.hits
    ]


def test_a_query_without_spaces_means_the_same(searcher: Searcher) -> None:
    typed, meant = (
        searcher.search(query, mode="semantic")
        for query in ("카드를잃어버렸는데어떻게신고해요?", "카드를 잃어버렸는데 어떻게 신고해요?")
    )
    assert [(hit.passage.id, hit.logit) for hit in typed.hits] == [
        (hit.passage.id, hit.logit) for hit in meant.hits
    ]


def test_the_longest_query_is_answered_and_a_longer_one_refused(searcher: Searcher) -> None:
    longest = ("카드 분실 신고 " * MAX_QUERY)[:MAX_QUERY]
    answer = searcher.search(longest)
    assert answer.hits[0].passage.id == "card-1"
    assert [(note.kind, note.values) for note in answer.notes] == [("cut", {"tokens": 512})]
    with pytest.raises(NaruError, match=r"10,001 characters; at most 10,000"):
        searcher.search(longest + "가")


@pytest.mark.parametrize(
    ("query", "asked", "message"),
    [
        ("", {}, "query is empty"),
        (" \n\t", {}, "query is empty"),
        ("카드\ud800", {}, "surrogate"),
        ("카드", {"mode": "fuzzy"}, "Unknown mode 'fuzzy': expected one of hybrid, semantic, lexical"),
        ("카드", {"limit": 0}, "limit must be at least 1, got 0"),
        ("카드", {"cutoff": 1.0}, "between 0 and 1"),
    ],
)
def test_wrong_questions_are_refused(
    searcher: Searcher, query: str, asked: dict[str, object], message: str
) -> None:
    with pytest.raises(NaruError, match=message):
        searcher.search(query, **asked)  # type: ignore[arg-type]


class Other(Encoder):
    """The same bundle under another name: what a re-trained encoder of the same dimension looks like."""

    @property
    def fingerprint(self) -> str:
        return "0" * 16


def test_another_encoder_of_the_same_dimension_is_refused_at_opening(
    searcher: Searcher, bundle: Path
) -> None:
    with pytest.raises(NaruError) as refused:
        Searcher(searcher.collection, Other(bundle))
    assert Encoder(bundle).fingerprint in str(refused.value)
    assert "0" * 16 in str(refused.value)
    again = f"naru index tests --store {searcher.collection.location} --collection {searcher.collection.name}"
    assert str(refused.value).endswith(again)


def test_another_analyzer_is_refused_at_opening(searcher: Searcher) -> None:
    other = Analyzer(AnalyzerSettings(stopwords=("카드",)))
    with pytest.raises(NaruError, match=f"{Analyzer().fingerprint}.*{other.fingerprint}"):
        Searcher(searcher.collection, searcher.encoder, other)


def test_answers_are_the_same_from_many_threads(searcher: Searcher) -> None:
    queries = ["카드 분실", "이사 신고", "여권 사진", "환불 신청"] * 10
    alone = [ids(searcher, query) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda query: ids(searcher, query), queries)) == alone


def test_query_tokens_point_into_the_query(searcher: Searcher) -> None:
    query = "  카드 분실"
    answer = searcher.search(query)
    places = {
        token.text: query[token.start : token.end] for token in answer.tokens if token.namespace == "term"
    }
    assert places == {"카드": "카드", "분실": "분실"}
