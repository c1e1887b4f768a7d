"""Each row of what breaks naive Korean search, as a user would meet it."""

from __future__ import annotations

import hashlib
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naru.errors import NaruError
from naru.text import Analyzer, AnalyzerSettings, normalize
from naru.text.analyzer import RULES


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return Analyzer()


def terms(analyzer: Analyzer, text: str, namespace: str = "term") -> list[str]:
    return list(analyzer.query(text).get(namespace, []))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("제3조제2항", ["제3조", "제2항"], id="a statute is cut before Mecab sees 조제"),
        pytest.param("§3②", ["제3조", "제2항"], id="paragraph sign and circled number"),
        pytest.param("第3條", ["제3조"], id="a statute in Hanja"),
        pytest.param("제3조의2", ["제3조의2"], id="a branch article is another article"),
        pytest.param("API를", ["api"], id="Latin with a particle"),
        pytest.param("못 받았어요", ["못", "받"], id="negation carries the meaning"),
        pytest.param("안되욬ㅋㅋㅋ", ["안", "되"], id="chat spelling"),
        pytest.param("서울에서부터의", ["서울"], id="의 after a particle is no noun"),
        pytest.param("알려줘", ["알리", "알려주"], id="a compound split by Mecab's expression"),
        pytest.param("들었어요", ["들"], id="an auxiliary with nothing to help is the verb"),
    ],
)
def test_terms(analyzer: Analyzer, text: str, expected: list[str]) -> None:
    assert terms(analyzer, text) == expected


@pytest.mark.parametrize(
    ("text", "included"),
    [
        ("50,000원", "50000원"),
        ("5만 원", "50000원"),
        ("5천만원", "50000000원"),
        ("1억 2천만 원", "120000000원"),
        ("5만5천원", "55000원"),
        ("1.5억원", "150000000원"),
        ("10kg", "10kg"),
        ("10㎏", "10kg"),
        ("10 킬로", "10kg"),
        ("2024.3.1.", "2024-03-01"),
        ("'24.3.1.", "2024-03-01"),
        ("2024년 3월 1일", "2024-03-01"),
        ("2024-03-01", "2024-03-01"),
        ("2024년 3월", "2024-03"),
        ("2024.3.1.", "2024-03"),
        ("3.1운동", "3.1"),
        ("3·1운동", "3.1"),
        ("1588-1234", "15881234"),
        ("02-123-4567", "021234567"),
        ("C++", "c++"),
        ("C#", "c#"),
        (".NET", ".net"),
        ("A/S", "a/s"),
        ("A/S", "as"),
        ("Wi-Fi", "wifi"),
        ("e-mail", "email"),
        ("e-mail", "mail"),
        ("民法", "民法"),
        ("民法", "민법"),
        ("법률(法律)", "法律"),
        ("女子", "여자"),
        ("코로나19", "코로나"),
        ("민법 제3조", "제3조"),
    ],
)
def test_terms_include(analyzer: Analyzer, text: str, included: str) -> None:
    assert included in terms(analyzer, text)


@pytest.mark.parametrize(
    ("text", "excluded"),
    [
        ("제3조제2항", "조제"),
        ("제3조의2", "제3조"),
        ("3.1", "2003-01"),
        ("3.1", "3.1"),
        ("50,000원", "000"),
        ("iPhone15프로", "15%"),
        ("5만 원칙", "50000원"),
    ],
)
def test_terms_exclude(analyzer: Analyzer, text: str, excluded: str) -> None:
    assert excluded not in terms(analyzer, text)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("잃어버리셨나요", "잃어버렸을"),
        ("도와줘", "도와주세요"),
        ("물어보려면", "물어봤어요"),
        ("됬어요", "돼요"),
        ("되요", "돼요"),
        ("알려주세요", "알려줘"),
        ("버렸습니다", "버리다"),
        ("몰라요", "모릅니다"),
    ],
)
def test_inflected_forms_meet(analyzer: Analyzer, left: str, right: str) -> None:
    assert set(terms(analyzer, left)) == set(terms(analyzer, right))


@pytest.mark.parametrize("noun", ["카드", "서울", "친구", "여권", "보험료"])
@pytest.mark.parametrize(
    "particles",
    [
        "에서처럼",
        "처럼에서",
        "에게서부터",
        "까지만은",
        "에서부터의",
        "으로부터",
        "만으로도",
        "에게로",
        "이라도",
        "조차도",
    ],
)
def test_compound_particles_leave_the_bare_noun(analyzer: Analyzer, noun: str, particles: str) -> None:
    assert terms(analyzer, noun + particles) == terms(analyzer, noun)


@pytest.mark.parametrize("noun", ["의도", "가로", "나이", "도로", "이의"])
def test_nouns_spelled_like_particles_stay(analyzer: Analyzer, noun: str) -> None:
    assert analyzer.query(noun)["word"] == [noun]


def test_a_query_of_particles_is_near_empty_and_no_error(analyzer: Analyzer) -> None:
    assert terms(analyzer, "에서처럼") == []
    assert terms(analyzer, "") == []


@pytest.mark.parametrize("query", ["이거 뭐야? ㅇㅇ", "😀", "뭐야"])
def test_with_no_content_left_all_morphemes_count(analyzer: Analyzer, query: str) -> None:
    assert terms(analyzer, query)


def test_question_words_leave_queries_but_not_documents(analyzer: Analyzer) -> None:
    text = "여권은 어디에서 얼마나 걸리나요"
    assert terms(analyzer, text) == ["여권", "걸리"]
    assert {"어디", "얼마나"} & set(analyzer.document(text)["term"])


def test_the_title_counts_three_times_in_every_namespace(analyzer: Analyzer) -> None:
    alone = analyzer.document("", "카드 분실 신고")
    once = analyzer.document("카드 분실 신고")
    assert alone == {namespace: tokens * 3 for namespace, tokens in once.items()}


def test_the_four_namespaces(analyzer: Analyzer) -> None:
    assert analyzer.query("육아휴직급여를 코로나19") == {
        "term": ["육아", "휴직", "급", "코로나", "19"],
        "pair": ["육아휴직", "휴직급", "급코로나", "코로나19"],
        "word": ["육아휴직급여", "코로나19"],
        "char": ["육아", "아휴", "휴직", "직급", "급여", "여를", "를코", "코로", "로나", "나1", "19"],
    }


def test_character_bigrams_can_be_switched_off() -> None:
    plain = Analyzer(AnalyzerSettings(characters=False))
    assert "char" not in plain.document("카드 분실")


def test_user_words_and_stopwords() -> None:
    analyzer = Analyzer(AnalyzerSettings(stopwords=("신청",), user_words=("육아휴직급여", "사회복지사")))
    assert terms(analyzer, "육아휴직급여 신청은 사회복지사가") == ["육아휴직급여", "사회복지사"]


def test_a_user_word_with_a_blank_is_refused() -> None:
    with pytest.raises(NaruError, match="'육아 휴직': expected one word"):
        Analyzer(AnalyzerSettings(user_words=("육아 휴직",)))


def test_decomposed_text_has_identical_tokens(analyzer: Analyzer) -> None:
    text = "육아휴직 급여를 신청하려면 고용센터에 가야 하나요?"
    assert analyzer.query(unicodedata.normalize("NFD", text)) == analyzer.query(text)


def test_every_token_points_into_the_original(analyzer: Analyzer) -> None:
    original = (
        "\n  " + unicodedata.normalize("NFD", "카드를") + " 잃어 버렸는데 10㎏ 제3조② C++ 50,000원 ㅋㅋㅋ"
    )
    for token in analyzer.tokens(original):
        assert normalize(original[token.start : token.end]).text.strip(), token
    places = {token.text: original[token.start : token.end] for token in analyzer.tokens(original)}
    assert unicodedata.normalize("NFC", places["카드"]) == "카드"
    assert places["50000원"] == "50,000원"
    assert places["c++"] == "C++"
    assert places["제3조"] == "제3조②"
    assert places["10kg"] == "10㎏"


@given(
    st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("카드를 제3조5만원.,ㅋ\0")), max_size=60)
)
@settings(deadline=None, max_examples=200)
def test_any_text_is_analysed(text: str) -> None:
    analyzer = Analyzer()
    for token in analyzer.tokens(text):
        assert 0 <= token.start < token.end <= len(text)


@pytest.mark.parametrize(
    "text",
    [
        "1" * 10_000,
        "제3조" * 3000,
        "a-" * 5000,
        "1,000" * 2000,
        "5만" * 5000,
        "ㅋ" * 10_000,
        "1" * 3000 + "①2" * 2000,
        "제3조 ① " * 20_000,
        "제" + "1" * 5000 + "조",
        "9" * 310 + "원",
    ],
)
def test_long_repetitive_text_is_read_in_time(analyzer: Analyzer, text: str) -> None:
    """Quadratic patterns would keep some of these for minutes; Python's own limits on numbers end others."""
    for token in analyzer.tokens(text):
        assert 0 <= token.start < token.end <= len(text)


def test_a_long_text_is_cut_after_sentences_and_loses_nothing(analyzer: Analyzer) -> None:
    sentence = "카드를 잃어버렸는데 어떻게 신고하나요? "
    once = analyzer.document(sentence)["term"]
    assert analyzer.document(sentence * 1000)["term"] == list(once) * 1000
    original = sentence * 1000
    last = [
        token for token in analyzer.tokens(original) if token.namespace == "term" and token.text == "신고"
    ][-1]
    assert original[last.start : last.end] == "신고"
    assert last.start > 20_000


def test_fingerprint_follows_the_settings() -> None:
    assert Analyzer().fingerprint == Analyzer().fingerprint
    others = [
        AnalyzerSettings(stopwords=("신청",)),
        AnalyzerSettings(user_words=("나루",)),
        AnalyzerSettings(characters=False),
    ]
    assert len({Analyzer().fingerprint, *(Analyzer(other).fingerprint for other in others)}) == 4


GOLDEN = """카드를 잃어버렸는데 어떻게 해야 하나요? 분실신고는 1588-1234로 24시간 접수합니다. 민법 제840조 제6호와 제3조의2에 따라
50,000원(5만 원)을 2024.3.1.까지 내야 한다. 육아휴직급여 신청, iPhone15프로 A/S, C++ 개발자, 女子 民法, 도와주세요 안되욬ㅋㅋㅋ"""


def test_changed_tokens_need_a_new_rules_version(analyzer: Analyzer) -> None:
    """A collection is searched with the analysis it was indexed with: raise RULES together with this digest."""
    said = [analyzer.tokens(GOLDEN), analyzer.query_tokens(GOLDEN)]
    digest = hashlib.sha256(repr(said).encode()).hexdigest()[:16]
    assert (RULES, digest) == (3, "e2d8dd2da655aa21")


def test_a_letter_that_grows_when_lowered_moves_nothing(analyzer: Analyzer) -> None:
    text = "İİ 카드"
    places = [text[one.start : one.end] for one in analyzer.tokens(text) if one.text == "카드"]
    assert set(places) == {"카드"}
    assert [one.namespace for one in analyzer.tokens(text) if one.text == "카드"].count("char") == 1


def test_a_stopword_is_one_however_it_is_written() -> None:
    analyzer = Analyzer(AnalyzerSettings(stopwords=("API",)))
    assert terms(analyzer, "API 신청") == terms(analyzer, "api 신청") == ["신청"]


@pytest.mark.parametrize("text", ["2024.13.1.", "2023년 2월 30일"])
def test_what_is_no_day_of_the_calendar_is_no_date(analyzer: Analyzer, text: str) -> None:
    assert not [term for term in terms(analyzer, text) if term.startswith(("2024-13", "2023-02"))]
