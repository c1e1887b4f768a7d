"""The page: everything escaped, nothing from outside, headings in order, numbers to the right, whole at every moment."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from naru import drawing
from naru.drawing import DARK, LIGHT, Ink, draw, legible
from naru.files import publish
from naru.report import (
    Cell,
    Code,
    Folded,
    Item,
    Items,
    Paragraph,
    Part,
    Picture,
    Section,
    Side,
    Table,
    Tile,
    Tiles,
    page,
)

NASTY = """<script>alert("x")</script> & 'quoted' 한글"""
VOID = {"meta", "img", "source", "br"}


class Tree(HTMLParser):
    """Checks that every element is closed where it should be, and keeps the elements with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def of_everything(text: str) -> list[Part]:
    return [
        Paragraph(text, "doubt"),
        Tiles([Tile(text, text, text)]),
        Table((text, text), [(text, Cell(text, "bad"))], text),
        Picture(b"<svg xmlns='http://www.w3.org/2000/svg'/>", text, text, dark=b"\x89PNG"),
        Items([Item(text, text, text, "good")]),
        Code(text),
        Side([Paragraph(text)]),
        Folded(text, [Paragraph(text), Section(text, [Code(text)])]),
    ]


def test_every_text_is_escaped() -> None:
    tree = Tree(page(NASTY, [Section(NASTY, of_everything(NASTY))], lead=NASTY, foot=NASTY))
    assert tree.of("script") == []
    # Title twice, lead, foot, heading; and every text of every part that is not an attribute.
    assert sum(text == NASTY for text in tree.texts) == 5 + 1 + 3 + 5 + 1 + 3 + 1 + 1 + 4
    assert [image["alt"] for image in tree.of("img")] == [NASTY]


def test_nothing_is_loaded_and_nothing_may_be() -> None:
    html = page("t", [Section("s", of_everything("x"))])
    tree = Tree(html)
    policies = [meta["content"] for meta in tree.of("meta") if "http-equiv" in meta]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    addresses = [
        value
        for _, attributes in tree.elements
        for key, value in attributes.items()
        if key in {"src", "srcset", "href"}
    ]
    assert len(addresses) == 2
    assert all(value is not None and value.startswith("data:image/") for value in addresses)
    assert "url(" not in html
    assert "@import" not in html


def test_headings_step_down_one_by_one() -> None:
    html = page("t", [Section("a", [Section("b", [Section("c", [])])]), Section("d", [])])
    assert re.findall(r"<h(\d)>(\w)", html) == [("1", "t"), ("2", "a"), ("3", "b"), ("4", "c"), ("2", "d")]
    assert Tree(html).of("html") == [{"lang": "en"}]


def test_columns_of_numbers_stand_right_and_rows_are_named() -> None:
    rows = [("law", "0.812", "−0.3%", "12,345", "–"), ("qa", "0.7 [0.6, 0.8]", "+4 %", "1e-05", "3 of 4")]
    html = Table(("set", "a", "b", "c", "d"), rows).html(2)
    assert re.findall(r'<th scope="col"( class="number")?>(\w+)', html) == [
        ("", "set"), (' class="number"', "a"), (' class="number"', "b"), (' class="number"', "c"), ("", "d"),
    ]  # fmt: skip
    assert re.findall(r'<th scope="row">(\w+)', html) == ["law", "qa"]


def test_a_row_of_another_length_is_a_bug() -> None:
    with pytest.raises(ValueError, match="a row of 1 cells under 2 columns"):
        Table(("a", "b"), [("1",)])


def test_a_picture_brings_its_dark_twin() -> None:
    drawn = draw([lambda axes, ink: axes.plot([0, 1], [0, 1], color=ink.of(0))], 2, 1)
    tree = Tree(Picture(drawn.light, "a line", dark=drawn.dark).html(2))
    (light,), (dark,) = tree.of("img"), tree.of("source")
    assert dark["media"] == "(prefers-color-scheme: dark)"
    for said, image in ((light["src"], drawn.light), (dark["srcset"], drawn.dark)):
        assert said == "data:image/png;base64," + base64.b64encode(image).decode()
    assert drawn.light != drawn.dark


def test_a_drawing_is_the_same_bytes_again() -> None:
    def paint(axes: object, ink: Ink) -> None:
        axes.bar(["가", "b"], [1, 2], color=ink.of(1))  # type: ignore[attr-defined]

    if legible("가", "") == "":
        pytest.skip("no Korean font on this machine")
    assert draw([paint], 2, 1) == draw([paint], 2, 1)


def test_letters_that_no_font_knows_are_replaced() -> None:
    assert legible("abc 0.5", "set 1") == "abc 0.5"
    assert legible("\U0001f9ff\ue000", "set 1") == "set 1"


def test_without_a_korean_font_english_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "KOREAN", ())
    drawing._families.cache_clear()
    drawing._letters.cache_clear()
    try:
        assert legible("판례", "set 1") == "set 1"
        draw([lambda axes, ink: axes.set_title(legible("판례 $ and $", "set $ and $"))], 2, 1)
    finally:
        drawing._families.cache_clear()
        drawing._letters.cache_clear()


def test_dollars_are_no_formula() -> None:
    draw([lambda axes, ink: axes.set_title(r"costs $\frac{ and $ more")], 2, 1)


@pytest.mark.parametrize("ink", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_lines_can_be_told_from_the_paper(ink: Ink) -> None:
    for colour in (ink.text, ink.soft):
        assert contrast(colour, ink.paper) >= 4.5  # WCAG 2.2, 1.4.3
    for colour in (ink.good, ink.bad, *ink.series):
        assert contrast(colour, ink.paper) >= 3  # 1.4.11
    assert ink.of(len(ink.series)) == ink.series[0]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    publish(path, "가")
    publish(path, b"\xff")
    assert path.read_bytes() == b"\xff"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2 for two colours #rrggbb."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
