from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from finetune.encoders.tokenizer import syllables, texts_of, train_tokenizer
from naru.errors import NaruError

TEXTS = [
    "나루터에 배가, 닿는다",
    "터에배가닿는다나루",
    "Wi-Fi 비밀번호를 바꾸는 방법",
    "ＡＢＣ 카드 분실 신고",
    "나루에 배",
] * 20


def test_composed_decomposed_full_width_and_upper_case_meet() -> None:
    tokenizer = train_tokenizer(iter(TEXTS), 300)
    plain = tokenizer.encode("나루에 배, abc 카드").tokens
    assert plain[0] == "[CLS]"
    assert plain[-1] == "[SEP]"
    assert "[UNK]" not in plain
    for text in (
        "나루에 배, ABC 카드",
        "나루에 배, ＡＢＣ 카드",
        unicodedata.normalize("NFD", "나루에 배, abc 카드"),
    ):
        assert tokenizer.encode(text).tokens == plain


def test_the_vocabulary_keeps_its_size_and_order_of_special_tokens() -> None:
    tokenizer = train_tokenizer(iter(TEXTS), 120)
    assert tokenizer.get_vocab_size() <= 120
    assert [tokenizer.id_to_token(i) for i in range(5)] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def test_a_long_run_without_spaces_is_spelt_and_not_unknown() -> None:
    tokenizer = train_tokenizer(iter(TEXTS), 300)
    assert "[UNK]" not in tokenizer.encode("나루터에배가닿는다" * 20).tokens


def test_the_syllables_people_type_are_all_there() -> None:
    assert len(syllables()) == 2350
    assert {"가", "힝"} <= set(syllables())
    assert "똠" not in syllables()  # KS X 1001 famously lacks it


def test_texts_stop_at_the_characters_asked_for(data: Path) -> None:
    assert list(texts_of(data, {"train/wiki_paragraphs.title": 12, "train/law_pairs.query": 1})) == [
        "서울 도서관",
        "서울 시장",
        "서울 공원",
        "서울 도서관의 책임",
    ]


def test_texts_that_are_not_there_are_named(data: Path) -> None:
    for key in ("train/nothing.text", "train/law_pairs.body"):
        with pytest.raises(NaruError, match=rf"characters\] '{key}': .* has no such texts"):
            list(texts_of(data, {key: 10}))
