"""Drawings for reports: one painting on light and on dark paper, as PNG, in a font that knows Hangul where there is one.

matplotlib is loaded by drawing, not by importing this; it comes with the extras that draw.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from naru.errors import missing_extra

KOREAN = (
    "Pretendard",
    "Noto Sans KR",
    "Noto Sans CJK KR",
    "NanumGothic",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
)
_LATIN = "DejaVu Sans"  # comes with matplotlib
_MARGIN = 0.12  # inches
_DOTS = 160  # an inch: sharp on a screen of double density at the size the page shows


@dataclass(frozen=True, slots=True)
class Ink:
    """The colours of one paper. `series` stay apart for readers who do not see red and green, in either paper."""

    paper: str
    text: str
    soft: str
    line: str
    good: str
    bad: str
    series: tuple[str, ...]

    def of(self, number: int) -> str:
        """The colour of the so-manieth line."""
        return self.series[number % len(self.series)]


LIGHT = Ink(
    paper="#ffffff",
    text="#1c2630",
    soft="#586471",
    line="#e2dfd7",
    good="#0f6e84",
    bad="#c2622d",
    series=("#0f6e84", "#c2622d", "#6b5ca5", "#4b7f2c", "#b0367a", "#8a6d00"),
)
DARK = Ink(
    paper="#19232b",
    text="#e5eaee",
    soft="#9dabb7",
    line="#33424e",
    good="#62c4d8",
    bad="#f0a06c",
    series=("#62c4d8", "#f0a06c", "#b3a6ec", "#9fcf78", "#f08cc0", "#dcc04c"),
)

Paint = Callable[[Any, Ink], None]
"""Paints one panel: gets its matplotlib Axes and the colours."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The same drawing twice, as PNG."""

    light: bytes
    dark: bytes


def draw(panels: Sequence[Paint], width: float = 4.9, height: float = 3.3) -> Drawn:
    """Panels below each other, each of `width` x `height` inches. NaruError where matplotlib is missing."""
    return Drawn(*(_png(panels, width, height, ink) for ink in (LIGHT, DARK)))


def legible(text: str, instead: str) -> str:
    """The text, or `instead` where the fonts at hand lack a letter of it."""
    return text if set(map(ord, text)) <= _letters() else instead


def _png(panels: Sequence[Paint], width: float, height: float, ink: Ink) -> bytes:
    matplotlib = _matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with matplotlib.rc_context(_style(ink)):
        layout = ConstrainedLayoutEngine(w_pad=_MARGIN, h_pad=_MARGIN)
        figure = Figure(figsize=(width, height * len(panels)), dpi=_DOTS, layout=layout)
        FigureCanvasAgg(figure)
        for place, paint in enumerate(panels, start=1):
            paint(figure.add_subplot(len(panels), 1, place), ink)
        buffer = io.BytesIO()
        figure.savefig(
            buffer, format="png", metadata={"Software": None}
        )  # the same bytes for the same drawing
    return buffer.getvalue()


def _style(ink: Ink) -> dict[str, Any]:
    return {
        "font.family": list(_families()),
        "font.size": 9.5,
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.unicode_minus": False,
        "text.parse_math": False,  # a label may hold dollars
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "figure.facecolor": ink.paper,
        "savefig.facecolor": ink.paper,
        "axes.facecolor": ink.paper,
        "axes.edgecolor": ink.line,
        "axes.labelcolor": ink.soft,
        "axes.titlecolor": ink.text,
        "text.color": ink.text,
        "xtick.color": ink.soft,
        "ytick.color": ink.soft,
        "grid.color": ink.line,
        "grid.linewidth": 0.7,
        "lines.linewidth": 1.8,
    }


@cache
def _families() -> tuple[str, ...]:
    _matplotlib()
    from matplotlib import font_manager

    there = {font.name for font in font_manager.fontManager.ttflist}
    korean = [name for name in KOREAN if name in there]
    return (*korean[:1], _LATIN)


@cache
def _letters() -> frozenset[int]:
    """The code points that the fonts of a drawing know between them."""
    from matplotlib import font_manager

    families = _families()
    fonts = [font_manager.get_font(font_manager.findfont(name)) for name in families]
    return frozenset().union(*(font.get_charmap() for font in fonts))


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise missing_extra("Drawing needs matplotlib", "evaluation") from error
    return matplotlib
