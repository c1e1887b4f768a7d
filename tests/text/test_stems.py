from __future__ import annotations

import pytest

from naru.text.stems import connective_forms, first_stem


@pytest.mark.parametrize(
    ("stem", "form"),
    [
        ("잃", "잃어"),
        ("찾", "찾아"),
        ("알리", "알려"),
        ("보", "봐"),
        ("주", "줘"),
        ("되", "돼"),
        ("쓰", "써"),
        ("모으", "모아"),
        ("모르", "몰라"),
        ("부르", "불러"),
        ("보내", "보내"),
        ("가", "가"),
        ("신청하", "신청해"),
        ("돕", "도와"),
        ("눕", "누워"),
        ("듣", "들어"),
        ("짓", "지어"),
    ],
)
def test_connective_forms(stem: str, form: str) -> None:
    assert form in connective_forms(stem)


@pytest.mark.parametrize(
    ("lemma", "stem"),
    [("잃어버리", "잃"), ("도와주", "돕"), ("알려주", "알리"), ("버리", None), ("주", None), ("나두", None)],
)
def test_first_stem(lemma: str, stem: str | None) -> None:
    assert first_stem(lemma) == stem
