"""What the terminal shows of a hit."""

from __future__ import annotations

import pytest

from naru import terminal
from naru.documents import Hit, Passage


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        (0.0, "<1%"),
        (0.0049, "<1%"),
        (0.005, "1%"),
        (0.125, "13%"),
        (0.5, "50%"),
        (0.994, "99%"),
        (0.9999, "99%"),
        (1.0, "99%"),
    ],
)
def test_no_probability_is_said_to_be_certain(probability: float, said: str) -> None:
    assert terminal.percent(probability) == said


def test_a_hit_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    passage = Passage("card-1", "카드를 잃어버렸다면", "분실 신고")
    for probability, said in ((0.9999, " 99%  분실 신고"), (0.0001, " <1%  분실 신고")):
        terminal.hit(Hit(passage, 1, 9.2, probability, None, None), passage.text, ())
        assert said in capsys.readouterr().out


def test_a_hit_keeps_to_its_lines_and_colours(capsys: pytest.CaptureFixture[str]) -> None:
    passage = Passage("a\x1b[31m\nb\x9bc", "글\x1b[0m\n끝", "제\x1b]0;목\r")
    for shown in (passage, Passage(passage.id, passage.text)):
        terminal.hit(Hit(shown, 1, 0.0, 0.5, None, None), shown.text, ())
        said = capsys.readouterr().out
        assert said.count("\n") == 2
        assert not {"\x1b", "\x9b", "\r"} & set(said)
        assert "a [31m b c" in said
