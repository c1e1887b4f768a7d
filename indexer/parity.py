"""How close an exported graph comes to its source: cosines over real sentences."""

from __future__ import annotations

import numpy as np

from naru.bundle import Parity
from naru.encoder import Vectors

SENTENCES = (
    "카드를 잃어버렸는데 어떻게 신고하나요?",
    "분실한 체크카드는 고객센터나 앱에서 즉시 정지할 수 있으며, 재발급까지 영업일 기준 사흘에서 닷새가 걸립니다.",
    "이체한도 올리는법",
    "전입신고는 새로운 거주지로 이사한 날부터 14일 이내에 관할 주민센터 또는 정부24에서 해야 한다.",
    "여권 사진 규격이 어떻게 돼요",
    "건강보험료가 갑자기 올랐어요ㅠㅠ 왜 그런가요??",
    "국민연금 예상 수령액 조회",
    "환불은 상품 수령 후 7일 이내에 신청하셔야 하며, 단순 변심일 때에는 왕복 배송비를 부담하셔야 합니다.",
    "배송이 너무 늦네요. 언제 도착하나요?",
    "앱이 자꾸 꺼져요. 오류 코드 E-1042가 뜹니다.",
    "대한민국의 수도는 서울이며, 인구는 2023년 기준 약 940만 명이다.",
    "세종대왕은 1443년에 훈민정음을 창제하고 1446년에 반포하였다.",
    "제1조(목적) 이 법은 근로조건의 기준을 정함으로써 근로자의 기본적 생활을 보장, 향상시키며 균형 있는 국민경제의 "
    "발전을 꾀하는 것을 목적으로 한다.",
    "임대차 기간이 끝나기 6개월 전부터 2개월 전까지 갱신 거절의 통지를 하지 아니하면 전 임대차와 동일한 조건으로 다시 "
    "임대차한 것으로 본다.",
    "오늘 날씨 진짜 좋다",
    "비가 오는 날에는 파전에 막걸리가 생각난다.",
    "그 영화는 초반은 지루했지만 후반부의 반전이 인상 깊었다.",
    "아이가 열이 38.5도까지 올랐을 때 해열제는 몇 시간 간격으로 먹여야 하나요?",
    "고혈압 환자는 하루 나트륨 섭취를 2,000mg 이하로 줄이는 것이 좋다.",
    "서울에서 부산까지 KTX로 약 2시간 40분이 걸린다.",
    "파이썬에서 리스트를 정렬하려면 sorted() 함수나 list.sort() 메서드를 쓴다.",
    "iPhone 15 Pro 배터리 교체 비용",
    "삼성전자는 3분기 영업이익이 전년 같은 기간보다 12.4% 늘었다고 밝혔다.",
    "광합성은 식물이 빛 에너지를 이용해 이산화탄소와 물로 포도당을 만드는 과정이다.",
    "동해물과 백두산이 마르고 닳도록 하느님이 보우하사 우리나라 만세.",
    "민법상 성년은 만 19세이다.",
    "와이파이 비밀번호를 까먹었어요",
    "전기요금 자동이체를 해지하고 카드로 납부하고 싶습니다.",
    "출산휴가는 출산 전후를 통틀어 90일이며, 출산 후에 45일 이상이 되어야 한다.",
    "기초생활수급자 신청 자격과 필요한 서류를 알려주세요.",
    "김치찌개를 끓일 때에는 잘 익은 묵은지를 돼지고기와 함께 먼저 볶아야 국물 맛이 깊어진다.",
    "네.",
)
"""Questions, help-desk answers, law, news, science and small talk, from one word to a long sentence."""


def parity(source: Vectors, exported: Vectors) -> Parity:
    """Cosine of each row of `source` with the same row of `exported`, both [n, dimension]."""
    a, b = source.astype(np.float64), exported.astype(np.float64)
    cosines = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return Parity(mean=float(cosines.mean()), minimum=float(cosines.min()), sentences=len(cosines))
