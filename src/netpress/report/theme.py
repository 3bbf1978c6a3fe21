"""A figure: its finding, what it measures, and SVG panels of a phone's width that follow the page's theme.

Ink becomes `currentColor` and every colour a CSS variable with a fallback that stands out on white and on black. The
same numbers give the same bytes.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from netpress.errors import UserError
from netpress.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Okabe and Ito (2008), the light ones darkened to 3:1 on white; netpress.css has the dark theme's.
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
MARKERS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚", "X": "✖", "<": "◀", ">": "▶", "*": "★"}
LINES = ("-", "--", "-.", ":")
PANEL, SINGLE = 340, 420  # width of one of several panels, and of a single one, CSS pixels: a phone's
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
HOVER = "hover:"  # begins the id of a point that has words of its own
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "netpress",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "axes.titlesize": "medium",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": "medium",
    "ytick.labelsize": "medium",
    "legend.frameon": False,
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
    return [*MARKERS][i % len(MARKERS)]


@dataclass(frozen=True)
class Words:
    """What a figure says in text. `alt` tells those who cannot see it what it shows; `caption` how to read it.

    `finding`: what to see, at most ten words; `measure`: what is drawn, in which unit; `x`, `y` name the axes.
    """

    alt: str
    caption: str
    x: str = ""
    y: str = ""
    finding: str = ""
    measure: str = ""


@dataclass(frozen=True)
class Panel:
    """One small chart: `paint` draws it on an empty canvas of `width` by `height` CSS pixels."""

    paint: Callable[[Canvas], None]
    height: int = 230
    width: int = PANEL
    title: str = ""

    def svg(self, alt: str) -> str:
        """The panel as SVG for a page: no fixed size, no background, text as text."""
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure as Canvas

        buffer = io.StringIO()
        with matplotlib.rc_context():
            matplotlib.rcdefaults()  # a reader's own settings do not change the book's figures
            matplotlib.rcParams.update(STYLE | {"font.size": 14.5 if self.width == SINGLE else 13})
            canvas = Canvas(figsize=(self.width / 72, self.height / 72), dpi=72, layout="constrained")
            FigureCanvasSVG(canvas)
            self.paint(canvas)
            layout = canvas.get_layout_engine()
            if layout and canvas.axes:  # by itself: savefig would draw everything to have it, for nothing
                layout.execute(canvas)
                canvas.set_layout_engine(None)
            canvas.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
        return themed(buffer.getvalue(), ": ".join(filter(None, (self.title, alt))), (self.width, self.height))


@dataclass(frozen=True, eq=False)
class Figure:
    """Panels, their words and the numbers behind them. Shows itself as HTML: finding, key, panels, caption, data.

    `key`: the colour, marker and name of each series that has no label at its end.
    """

    words: Words
    data: pd.DataFrame
    panels: Sequence[Panel]
    key: Sequence[tuple[str, str, str]] = ()
    note: str = ""  # follows the caption: what intervals are, how many seeds

    def __post_init__(self) -> None:
        """Raise UserError where the alternative text or the caption is missing."""
        if not self.words.alt.strip() or not self.words.caption.strip():
            raise UserError("A figure needs alternative text and a caption: Words(alt=..., caption=...).")

    @cached_property
    def drawn(self) -> list[str]:
        """Every panel as SVG."""
        return [panel.svg(self.words.alt) for panel in self.panels]

    @cached_property
    def svg(self) -> str:
        """The whole figure as one SVG, with finding and key: panels two beside each other."""
        wide = self.panels[0].width * min(2, len(self.panels))
        lines = [(line, 17, "bold") for line in textwrap.wrap(self.words.finding, wide // 10)]
        lines += [(line, 13, "normal") for line in textwrap.wrap(self.words.measure, wide // 7)]
        head, body, top, left = "", "", 0.0, float(wide)
        for text, size, weight in lines:
            top += size * 1.35
            head += f'<text x="4" y="{top:g}" font-size="{size}" font-weight="{weight}">{html.escape(text)}</text>'
        for shade, glyph, name in self.key:
            room = 7.4 * len(name) + 32
            left, top = (left, top) if left + room < wide else (4, top + 19)
            head += f'<text x="{left:g}" y="{top:g}" font-size="13" style="fill:{shade}">{glyph}</text>'
            head += f'<text x="{left + 16:g}" y="{top:g}" font-size="13">{html.escape(name)}</text>'
            left += room
        top += 8 if head else 0
        for i in range(0, len(self.panels), 2):
            for place, svg in enumerate(self.drawn[i : i + 2]):
                panel = self.panels[i + place]
                at = f'x="{place * panel.width}" y="{top:g}" width="{panel.width}" height="{panel.height}" '
                body += re.sub(r' role="img" aria-label="[^"]*"', "", svg.replace("<svg ", f"<svg {at}", 1), count=1)
            top += max(panel.height for panel in self.panels[i : i + 2])
        head = coloured(head).replace("<text", '<text fill="currentColor"')
        return framed(head + body, self.words.alt, (wide, round(top)))

    def to_frame(self) -> pd.DataFrame:
        """The numbers behind the figure, with the names of the runs where these are known."""
        return self.data

    def __repr__(self) -> str:
        parts = (self.words.finding, f"Figure: {self.words.caption}", self.note, self.words.alt)
        return "\n".join(part for part in parts if part)

    def _repr_html_(self) -> str:
        finding, measure = html.escape(self.words.finding), html.escape(self.words.measure)
        said = f'<p class="np-finding"><strong>{finding}</strong></p>' if finding else ""
        said += f'<p class="np-measure">{measure}</p>' if measure else ""
        marks = (
            '<span style="white-space:nowrap;margin-right:1em"><span aria-hidden="true" '
            f'style="color:{coloured(shade)}">{glyph}</span> {html.escape(name)}</span> '
            for shade, glyph, name in self.key
        )
        said += f'<p class="np-key">{"".join(marks)}</p>' if self.key else ""
        table = Table(self.data, f"Data: {self.words.caption}", digits=2)._repr_html_() if len(self.data) else ""
        data = f"<details><summary>Data behind this figure</summary>{table}</details>" if table else ""
        note = f' <span class="np-note">{html.escape(self.note)}</span>' if self.note else ""
        grid = "display:grid;gap:0.75rem 1rem;grid-template-columns:repeat(auto-fit,minmax(min(300px,100%),1fr))"
        return (
            f'<figure class="np-figure">{said}<div class="np-panels" style="{grid}">{"".join(self.drawn)}</div>'
            f"<figcaption>{html.escape(self.words.caption)}{note}</figcaption>{data}</figure>"
        )


def figure(
    paint: Callable[[Canvas], None], size: tuple[int, int], words: Words, data: pd.DataFrame, note: str = ""
) -> Figure:
    """A Figure of one panel of `size`."""
    return Figure(words, data, [Panel(paint, size[1], size[0])], note=note)


def hover(axes: Axes, at: tuple[Any, Any], text: str) -> None:
    """Give the point `at` words that a page shows under the mouse or the finger: a name and its value."""
    from matplotlib.lines import Line2D

    place = ([each] for each in at)
    axes.add_line(Line2D(*place, ls="none", marker="o", ms=15, mew=0, color=INK, alpha=0, gid=HOVER + text))


def nothing(words: Words) -> Figure:
    """A figure of which there is nothing to show yet."""

    def paint(canvas: Canvas) -> None:
        canvas.text(0.5, 0.5, "nothing to show yet", ha="center", va="center")

    return Figure(replace(words, finding=""), pd.DataFrame(), [Panel(paint, 60)])


def themed(svg: str, alt: str, size: tuple[int, int]) -> str:
    """matplotlib's SVG made fit for a page: theme colours, own ids, no leaking styles, an accessible name."""
    body = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, flags=re.S)  # it would style the whole page
    body = re.sub(r"<!--.*?-->", "", body, flags=re.S)
    body = re.sub(r"font: (?:(\w+) )?([\d.]+)px [^;\"]*", r"font-weight: \1; font-size: \2px", body)
    body = re.sub(r"font-weight: ; |font-family: [^;\"]*;?\s*| transform=\"rotate\(-0 [^\"]*\)\"", "", body)
    body = re.sub(r'(?<=\s)(?:d|x|y|transform)="[^"]*"', _rounded, body)
    body = re.sub(r">\s+<", "><", body).strip().replace("<g/>", "")
    body = re.sub(rf'<g id="{HOVER}([^"]*)">', r'<g class="np-hover"><title>\1</title>', body)
    body = coloured(body)
    # ids that nothing refers to go; the others get the figure's own beginning, so that pages have no doubles
    used = set(re.findall(r"(?:url\(#|href=\"#)([\w-]+)", body))
    own = "np" + hashlib.sha256(body.encode()).hexdigest()[:8]
    body = re.sub(r'\sid="([^"]+)"', lambda m: f' id="{own}{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r"(url\(#|href=\"#)([\w-]+)", rf"\g<1>{own}\g<2>", body)
    return framed(body, alt, size)


def framed(body: str, alt: str, size: tuple[int, int]) -> str:
    """An SVG element that fills the width it is given, up to a seventh more than its own."""
    width, height = size
    style = (
        f"width:100%;max-width:{round(width * 8 / 7)}px;height:auto;"
        f"stroke-linejoin:round;stroke-linecap:butt;font-family:{FONT}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'aria-label="{html.escape(alt)}" viewBox="0 0 {width} {height}" style="{style}">{body}</svg>'
    )


def _rounded(match: re.Match[str]) -> str:
    """Coordinates to a hundredth of a pixel, on one line."""
    short = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", match[0])
    return " ".join(short.split()).replace(' "', '"')


def coloured(body: str) -> str:
    """The text with the page's colours in the place of the palette's."""
    body = body.replace(INK, "currentColor").replace(FAINT, "var(--np-grid, #8884)")
    for name, shade in PALETTE.items():
        body = body.replace(shade, f"var(--np-{name}, {shade})")
    return body
