"""Passages out of paragraphs, and questions about them by rules."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finetune.weak.passages import LONGEST, SHORTEST, question, runs, wiki_questions


@pytest.fixture
def paragraphs(tmp_path: Path) -> Path:
    rows = [
        {
            "article_id": article,
            "title": f"제목{article} (동음이의)",
            "heading": "",
            "text": " ".join(
                f"{article}번 글 {number}번 문단의 {at}번째 문장은 이렇게 끝난다." for at in range(4)
            ),
        }
        for article in range(12)
        for number in range(9)
    ]
    path = tmp_path / "wiki_paragraphs.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_a_passage_is_a_run_of_paragraphs_of_one_article(paragraphs: Path) -> None:
    made = list(runs(paragraphs, random.Random(3)))
    texts = [text for _, text in made]
    assert len(set(texts)) == len(texts)
    whole = pq.read_table(paragraphs).column("text").to_pylist()
    for title, text in made:
        article = title.removeprefix("제목").split()[0]
        held = [paragraph for paragraph in whole if paragraph in text]
        assert text == " ".join(held)
        assert all(paragraph.startswith(f"{article}번 글") for paragraph in held)
        assert SHORTEST // 2 <= len(text) < LONGEST + len(held[-1]) + 1
    assert sum(text.count("0번째") for text in texts) <= len(whole)


def test_the_question_comes_from_the_passage(paragraphs: Path) -> None:
    rows = list(wiki_questions(paragraphs, random.Random(3)))
    assert len(rows) > 20
    titled = [row for row in rows if row["document"].startswith("제목")]
    assert 0.2 < len(titled) / len(rows) < 0.8
    assert any(row["query"].startswith("제목") and "동음이의" not in row["query"] for row in rows)
    assert rows == list(wiki_questions(paragraphs, random.Random(3)))


def test_the_sentence_asked_about_stays_or_leaves() -> None:
    text = "첫째 문장은 바다를 말한다. 둘째 문장은 하늘을 말한다. 셋째 문장은 산을 말한다."
    always = [question(text, random.Random(seed), kept=1.0) for seed in range(20)]
    assert all(made is not None and made[1] == text for made in always)
    never = [question(text, random.Random(seed), kept=0.0) for seed in range(20)]
    assert all(made is not None and len(made[1].split(". ")) == 2 for made in never)
    assert question("짧다.", random.Random(1), kept=1.0) is None
