"""A figure as inline SVG that follows the page's light or dark theme, the same bytes from the same numbers.

Ink becomes `currentColor` and every colour a CSS variable with a fallback that stands out on white and on black.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from netpress.errors import UserError
from netpress.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Okabe and Ito (2008), the light ones darkened to 3:1 on white; netpress-report.css has the dark theme's.
PALETTE = {
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "green": "#008f68",
    "purple": "#bf6698",
    "orange": "#a97400",
    "sky": "#3c8fc2",
}
INK, FAINT = "#010203", "#040506"  # stand for currentColor and for grid lines until the SVG is written
COLOURS = (*PALETTE.values(), INK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
LINES = ("-", "--", "-.", ":")
WIDTH = 720  # of a figure in CSS pixels: the measure of the book's text
NARROW = 340  # of its second drawing, for a phone: panels one below the other
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
SMALLEST = 0.92  # a figure shrinks to this share of its size, then it scrolls: text keeps its 12 px
LETTER = 7.4  # width of a letter of 13 px, CSS pixels
HOVER = "hover:"  # begins the id of a point that has words of its own
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "netpress",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 13,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.labelsize": 13,
    "xtick.labelsize": 13,
    "ytick.labelsize": 13,
    "legend.fontsize": 13,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.markersize": 7,
    "lines.linewidth": 1.6,
    "hatch.linewidth": 0.8,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def colour(i: int) -> str:
    """The colour of the i-th series."""
    return COLOURS[i % len(COLOURS)]


def marker(i: int) -> str:
    """The marker of the i-th series."""
    return MARKERS[i % len(MARKERS)]


@dataclass(frozen=True)
class Words:
    """What a figure says in text: `alt` tells those who cannot see it what it shows, `x` and `y` name the axes."""

    alt: str
    caption: str
    x: str = ""
    y: str = ""


@dataclass(frozen=True, eq=False)
class Figure:
    """A drawn figure, its words and the numbers behind it. Shows itself as HTML: SVG, caption, table of data.

    `size` in CSS pixels; `note` follows the caption: what the intervals are, how many seeds. `narrow`: the size at
    which `paint` draws it once more for a phone, where it can.
    """

    words: Words
    data: pd.DataFrame
    size: tuple[int, int]
    paint: Callable[[Canvas], None]
    note: str = ""
    narrow: tuple[int, int] | None = None

    @cached_property
    def svg(self) -> str:
        """The figure as SVG for a page: no fixed size, no background, text as text."""
        return self._drawn(self.size)

    def _drawn(self, size: tuple[int, int]) -> str:
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        buffer = io.StringIO()
        with _canvas(size, self.paint) as canvas:
            FigureCanvasSVG(canvas)
            layout = canvas.get_layout_engine()
            if layout and canvas.axes:  # by itself: savefig would draw everything to have it, for nothing
                layout.execute(canvas)
                canvas.set_layout_engine(None)
            canvas.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
        return themed(buffer.getvalue(), self.words.alt, size)

    def _drawings(self) -> str:
        """The figure, and where there is one its drawing for a phone; the style sheet shows one of them."""
        if self.narrow is None:
            return self.svg
        narrow = f'<div class="np-narrow" style="display:none">{self._drawn(self.narrow)}</div>'
        return f'<div class="np-wide">{self.svg}</div>{narrow}'

    def to_frame(self) -> pd.DataFrame:
        """The numbers behind the figure."""
        return self.data

    def save(self, path: str | Path) -> Path:
        """Write the figure as .svg (follows the reader's colours) or .png (on white, twice the size)."""
        path = Path(path)
        if path.suffix == ".svg":
            path.write_text(self.svg + "\n", encoding="utf-8")
        elif path.suffix == ".png":
            with _canvas(self.size, self.paint) as canvas:
                canvas.savefig(path, format="png", dpi=144, facecolor="white", metadata={"Software": None})
        else:
            raise UserError(f"A figure cannot be saved as {path.name!r}; expected a name ending in .svg or .png.")
        return path

    def __repr__(self) -> str:
        return "\n".join(part for part in (f"Figure: {self.words.caption}", self.note, self.words.alt) if part)

    def _repr_html_(self) -> str:
        caption = html.escape(self.words.caption)
        data = Table(self.data, f"Data: {self.words.caption}", digits=2)._repr_html_() if len(self.data) else ""
        note = f' <span class="np-note">{html.escape(self.note)}</span>' if self.note else ""
        details = f"<details><summary>Data behind this figure</summary>{data}</details>" if data else ""
        return (
            '<figure class="np-figure"><div class="np-scroll" style="overflow-x:auto" tabindex="0" role="region" '
            f'aria-label="Figure: {caption}">{self._drawings()}</div>'
            f"<figcaption>{caption}{note}</figcaption>{details}</figure>"
        )


def figure(
    paint: Callable[[Canvas], None], size: tuple[int, int], words: Words, data: pd.DataFrame, note: str = "",
    narrow: tuple[int, int] | None = None,
) -> Figure:  # fmt: skip
    """A Figure; UserError where the alternative text or the caption is missing."""
    if not words.alt.strip() or not words.caption.strip():
        raise UserError("A figure needs alternative text and a caption: Words(alt=..., caption=...).")
    return Figure(words, data, size, paint, note, narrow)


def hover(axes: Axes, at: tuple[Any, Any], text: str) -> None:
    """Give the point `at` words that a page shows under the mouse or the finger: a name and its value."""
    from matplotlib.lines import Line2D

    place = ([each] for each in at)
    axes.add_line(Line2D(*place, ls="none", marker="o", ms=15, mew=0, color=INK, alpha=0, gid=HOVER + text))


def legend_columns(texts: Sequence[str], width: float) -> int:
    """How many entries of a legend stand beside each other in a drawing of `width` CSS pixels."""
    longest = max(map(len, texts), default=1) * LETTER + 50
    return max(1, min(len(texts), int(width * 0.95 / longest)))


def nothing(words: Words) -> Figure:
    """A figure of which there is nothing to show yet."""

    def paint(canvas: Canvas) -> None:
        canvas.text(0.5, 0.5, "nothing to show yet", ha="center", va="center")

    return figure(paint, (WIDTH, 80), words, pd.DataFrame(), narrow=(NARROW, 80))


@contextmanager
def _canvas(size: tuple[int, int], paint: Callable[[Canvas], None]) -> Iterator[Canvas]:
    """A painted matplotlib figure of `size` CSS pixels, without pyplot's global state."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a reader's own settings do not change the book's figures
        for name, value in STYLE.items():
            matplotlib.rcParams[name] = value
        canvas = Canvas(figsize=(size[0] / 72, size[1] / 72), dpi=72, layout="constrained")
        paint(canvas)
        yield canvas


def themed(svg: str, alt: str, size: tuple[int, int]) -> str:
    """matplotlib's SVG made fit for a page: theme colours, own ids, no leaking styles, an accessible name."""
    body = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, flags=re.S)  # it would style the whole page
    body = re.sub(r"<!--.*?-->", "", body, flags=re.S)
    body = re.sub(r"font: (?:(\w+) )?([\d.]+)px [^;\"]*", _font, body)
    body = re.sub(r"font-family: [^;\"]*;?\s*", "", body)
    body = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", body)
    body = re.sub(r'(?<=\s)(?:d|x|y|transform)="[^"]*"', _rounded, body)
    body = re.sub(r">\s+<", "><", body).strip().replace("<g/>", "")
    body = re.sub(rf'<g id="{HOVER}([^"]*)">', r'<g class="np-hover"><title>\1</title>', body)
    body = _own_ids(_coloured(body))
    width, height = size
    style = (
        f"width:100%;max-width:{width}px;min-width:{round(width * SMALLEST)}px;height:auto;"
        f"stroke-linejoin:round;stroke-linecap:butt;font-family:{FONT}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'aria-label="{html.escape(alt)}" viewBox="0 0 {width} {height}" style="{style}">{body}</svg>'
    )


def _font(match: re.Match[str]) -> str:
    weight = f"font-weight: {match[1]}; " if match[1] else ""
    return f"{weight}font-size: {match[2]}px"


def _rounded(match: re.Match[str]) -> str:
    """Coordinates to a hundredth of a pixel, on one line."""
    short = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", match[0])
    return " ".join(short.split()).replace(' "', '"')


def _coloured(body: str) -> str:
    body = body.replace(INK, "currentColor").replace(FAINT, "var(--np-grid, #8884)")
    for name, colour in PALETTE.items():
        body = body.replace(colour, f"var(--np-{name}, {colour})")
    return body


def _own_ids(body: str) -> str:
    """Drop ids that nothing refers to; give the others the figure's own beginning, so that pages have no doubles."""
    used = set(re.findall(r"(?:url\(#|href=\"#)([\w-]+)", body))
    own = "np" + hashlib.sha256(body.encode()).hexdigest()[:8]
    body = re.sub(r'\sid="([^"]+)"', lambda m: f' id="{own}{m[1]}"' if m[1] in used else "", body)
    return re.sub(r"(url\(#|href=\"#)([\w-]+)", rf"\g<1>{own}\g<2>", body)
