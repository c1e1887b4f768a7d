"""A report: one HTML page with everything in it, out of a title, sections and parts. No script, no network.

    page("A run", [Section("Figures", [Table(("set", "nDCG@10"), [("law", "0.81")])])])

Every text is escaped; its parts are data until then, so a report is tested by its parts and read by its page. Light or
dark follows the reader's system; print is light.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Literal, Protocol

Tone = Literal["", "good", "bad", "doubt", "quiet"]

_NUMBER = re.compile(r"[+−-]?[\d,]*\.?\d+(e[+-]?\d+)?( ?%)?([ \xa0]\[.*\])?")
_MISSING = {"", "–"}


class Part(Protocol):
    """What a section holds. `level` is that of a heading standing in it."""

    def html(self, level: int) -> str: ...


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str
    tone: Tone = ""

    def html(self, level: int) -> str:
        return f"<p{_class(self.tone)}>{escape(self.text)}</p>"


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure, large: what it is, its value, and a few words on it (its interval, say)."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tiles:
    tiles: Sequence[Tile]

    def html(self, level: int) -> str:
        made = (
            f'<div><dt>{escape(tile.label)}</dt><dd class="value">{escape(tile.value)}</dd>'
            + (f'<dd class="note">{escape(tile.note)}</dd>' if tile.note else "")
            + "</div>"
            for tile in self.tiles
        )
        return f'<dl class="tiles">{"".join(made)}</dl>'


@dataclass(frozen=True, slots=True)
class Cell:
    """A table's cell that says by its colour, too, what it says in words."""

    text: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of as many cells as there are columns; the first cell names its row. Columns of numbers stand right.

    ValueError where a row has another number of cells.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"This is a bug: a row of {len(row)} cells under {len(self.columns)} columns."
                )

    def html(self, level: int) -> str:
        numeric = [self._numeric(column) for column in range(len(self.columns))]
        head = "".join(
            f'<th scope="col"{_class("number" if number else "")}>{escape(name)}</th>'
            for name, number in zip(self.columns, numeric, strict=True)
        )
        body = "".join(f"<tr>{self._row(row, numeric)}</tr>" for row in self.rows)
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        label = escape(self.caption or " · ".join(filter(None, self.columns)))
        return (
            f'<div class="scroll" role="region" tabindex="0" aria-label="{label}"><table>{caption}'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def _numeric(self, column: int) -> bool:
        texts = [_text(row[column]) for row in self.rows]
        there = [text for text in texts if text not in _MISSING]
        return bool(there) and all(map(_NUMBER.fullmatch, there))

    @staticmethod
    def _row(row: Sequence[str | Cell], numeric: Sequence[bool]) -> str:
        made = ""
        for column, (cell, number) in enumerate(zip(row, numeric, strict=True)):
            tone = cell.tone if isinstance(cell, Cell) else ""
            kind = _class(" ".join(filter(None, ("number" if number else "", tone))))
            text = escape(_text(cell))
            made += f'<th scope="row"{kind}>{text}</th>' if column == 0 else f"<td{kind}>{text}</td>"
        return made


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG or SVG in the page; `dark`, where given, is shown to readers in the dark. `alt` says what is to be seen."""

    light: bytes
    alt: str
    caption: str = ""
    dark: bytes | None = None

    def html(self, level: int) -> str:
        image = f'<img src="{_data(self.light)}" alt="{escape(self.alt)}">'
        if self.dark is not None:
            source = f'<source media="(prefers-color-scheme: dark)" srcset="{_data(self.dark)}">'
            image = f"<picture>{source}{image}</picture>"
        caption = f"<figcaption>{escape(self.caption)}</figcaption>" if self.caption else ""
        return f"<figure>{image}{caption}</figure>"


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a list: a mark in words, a name, and a text below."""

    mark: str
    name: str
    text: str = ""
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Items:
    items: Sequence[Item]

    def html(self, level: int) -> str:
        made = (
            f'<li{_class(item.tone)}><span class="mark">{escape(item.mark)}</span> <b>{escape(item.name)}</b>'
            + (f'<span class="text">{escape(item.text)}</span>' if item.text else "")
            + "</li>"
            for item in self.items
        )
        return f'<ul class="items">{"".join(made)}</ul>'


@dataclass(frozen=True, slots=True)
class Code:
    """Text as it stands in a file."""

    text: str

    def html(self, level: int) -> str:
        return f'<pre tabindex="0"><code>{escape(self.text)}</code></pre>'


@dataclass(frozen=True, slots=True)
class Side:
    """Parts next to each other where the page is wide enough."""

    parts: Sequence[Part]

    def html(self, level: int) -> str:
        return f'<div class="side">{"".join(f"<div>{part.html(level)}</div>" for part in self.parts)}</div>'


@dataclass(frozen=True, slots=True)
class Folded:
    """Parts that open at a click on their title."""

    title: str
    parts: Sequence[Part]

    def html(self, level: int) -> str:
        inner = "".join(part.html(level) for part in self.parts)
        return f"<details><summary>{escape(self.title)}</summary>{inner}</details>"


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what is under it, sections among it."""

    title: str
    parts: Sequence[Part]

    def html(self, level: int) -> str:
        inner = "".join(part.html(level + 1) for part in self.parts)
        return f"<section><h{level}>{escape(self.title)}</h{level}>{inner}</section>"


def page(
    title: str, sections: Sequence[Section], lead: str = "", foot: str = "", language: str = "en"
) -> str:
    """The whole page. It asks the browser itself to load nothing from anywhere."""
    style = resources.files("naru").joinpath("report.css").read_text(encoding="utf-8")
    body = "".join(section.html(2) for section in sections)
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1>"
        + (f'<p class="lead">{escape(lead)}</p>' if lead else "")
        + f"</header>\n<main>{body}</main>\n"
        + (f"<footer>{escape(foot)}</footer>\n" if foot else "")
        + "</body>\n</html>\n"
    )


def _text(cell: str | Cell) -> str:
    return cell.text if isinstance(cell, Cell) else cell


def _class(names: str) -> str:
    return f' class="{names}"' if names else ""


def _data(image: bytes) -> str:
    kind = "png" if image.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"
