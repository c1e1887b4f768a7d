"""The title and the readable text of an HTML page, by the standard library's parser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import zip_longest

_BLOCKS = frozenset(
    "address article aside blockquote body br caption center dd details dialog div dl dt fieldset figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 header hr html legend li main menu ol option p pre section summary table tbody "
    "tfoot thead title tr ul".split()
)
_CELLS = ("td", "th")
_UNREAD = ("script", "style", "nav", "template")
_BLANKS = re.compile(r"\s+")
_TITLE = re.compile(r"<(/?)title\b[^>]*>", re.IGNORECASE)


def read_page(page: str) -> tuple[str, str]:
    """(title, text): the title is that of the first <title> that names no drawing (<svg>), else the first <h1>, else
    empty; the text has a line for each block, and no scripts, styles or navigation. A first line that only repeats the
    title is left out. A <title> that is not closed ends at the next tag.

    ValueError for what the parser cannot read.
    """
    parser = _Page()
    try:
        parser.feed(_with_closed_titles(page))
        parser.close()
    except AssertionError as error:  # how the parser refuses <![unknown[
        raise ValueError(str(error)) from error
    lines = [line.strip() for line in "".join(parser.text).split("\n")]
    lines = [line for line in lines if line]
    title = _one_line(parser.title) or _one_line(parser.heading)
    if len(lines) > 1 and lines[0] == title:
        del lines[0]
    return title, "\n".join(lines)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.title: list[str] = []
        self.heading: list[str] = []
        self._open: list[str] = []
        self._headings = self._titles = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._titles += tag == "title" and "svg" not in self._open
        if tag in (*_UNREAD, "title", "svg", "h1", "pre"):
            self._open.append(tag)
        self._headings += tag == "h1"
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if any(tag in self._open for tag in _UNREAD):
            return
        if "title" in self._open:
            if "svg" not in self._open and self._titles == 1:
                self.title.append(data)
            return
        if "h1" in self._open and self._headings == 1:
            self.heading.append(data)
        self.text.append(data if "pre" in self._open else _BLANKS.sub(" ", data))

    def _break(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.text.append("\n")
        elif tag in _CELLS:
            self.text.append(" ")


def _with_closed_titles(page: str) -> str:
    """Else such a title would take in the whole page, as it does in a browser."""
    tags = [*_TITLE.finditer(page)]
    parts, done = [], 0
    for tag, following in zip_longest(tags, tags[1:]):
        opens = not tag[1] and not tag[0].endswith("/>")
        if opens and (following is None or not following[1]):
            end = page.find("<", tag.end()) % (len(page) + 1)  # the end of the page where there is none
            parts += [page[done:end], "</title>"]
            done = end
    return "".join([*parts, page[done:]])


def _one_line(parts: list[str]) -> str:
    return _BLANKS.sub(" ", "".join(parts)).strip()
