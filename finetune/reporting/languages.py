"""The words of a model card, in English and in Korean; the templates they go into lie in `finetune/cards/`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """The words of one language between the facts."""

    template: str
    unnamed_set: str
    facts: tuple[str, ...]  # headings of the encoder's table
    figures: tuple[str, ...]
    data: tuple[str, ...]
    sources: tuple[str, ...]
    summary: str
    prompts: str
    steps: str
    all_figures: str
    whole_recipe: str
    nothing_measured: str
    licence_said: str
    licence_inherited: str
    licence_unknown: str
    limits: str


ENGLISH = Language(
    template="english.md",
    unnamed_set="held-out data",
    facts=("dimensions", "tokens at most", "pooling", "similarity", "parameters"),
    figures=("held-out set", "of", "measure", "before", "after", "change"),
    data=("data set", "rows", "shape", "loss", "weight", "notes"),
    sources=("source", "licence", "notes"),
    summary="A Korean sentence encoder for retrieval, adapted from `{base}`.",
    prompts=(
        " Queries begin with `{query}`, passages with `{passage}`; `encode_query` and `encode_document` put that in front."
    ),
    steps="{steps:,} of {planned:,} steps",
    all_figures="All figures",
    whole_recipe="The recipe",
    nothing_measured="Nothing was measured on held-out data.",
    licence_said="Licence of the weights: {licence}.",
    licence_inherited=(
        "Licence of the weights: {licence}. The recipe states none of their own, so this is the licence of `{base}`, which "
        "they derive from; see to the licences of the data below as well before passing them on."
    ),
    licence_unknown=(
        "No licence was stated for these weights. They derive from `{base}` and from the data below; see to the licences "
        "of both before passing them on."
    ),
    limits=(
        "Measured on the held-out data above and on nothing else: other domains may have become worse. Exact names, numbers "
        "and rare terms are found better by words (BM25), so use both. It inherits the biases and gaps of its data."
    ),
)
KOREAN = Language(
    template="korean.md",
    unnamed_set="평가 데이터",
    facts=("차원", "최대 토큰 수", "풀링", "유사도", "매개변수"),
    figures=("평가 데이터", "건수", "지표", "학습 전", "학습 후", "변화"),
    data=("데이터", "행 수", "형태", "손실 함수", "가중치", "비고"),
    sources=("자료", "라이선스", "비고"),
    summary="`{base}`에서 출발해 학습한 한국어 검색용 문장 인코더입니다.",
    prompts=(
        " 질의 앞에는 `{query}`, 문서 앞에는 `{passage}`가 붙습니다. `encode_query`와 `encode_document`가 알아서 붙입니다."
    ),
    steps="{planned:,}단계 중 {steps:,}단계",
    all_figures="모든 지표",
    whole_recipe="레시피",
    nothing_measured="평가 데이터로 측정하지 않았습니다.",
    licence_said="가중치의 라이선스: {licence}.",
    licence_inherited=(
        "가중치의 라이선스: {licence}. 레시피에 따로 적은 라이선스가 없어, 이 가중치가 나온 `{base}`의 라이선스를 그대로 따릅니다. "
        "배포하기 전에 아래 데이터의 라이선스도 확인하세요."
    ),
    licence_unknown=(
        "이 가중치의 라이선스는 명시되지 않았습니다. `{base}`와 아래 데이터에서 나왔으니, 배포하기 전에 양쪽 라이선스를 확인하세요."
    ),
    limits=(
        "위의 평가 데이터로만 측정했으므로 다른 분야에서는 나빠졌을 수 있습니다. 정확한 이름, 숫자, 드문 용어는 단어 검색(BM25)이 "
        "더 잘 찾으니 함께 쓰세요. 학습 데이터가 담은 것과 빠뜨린 것을 그대로 물려받습니다."
    ),
)
