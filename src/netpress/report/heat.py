"""A heat map: a number in every cell, and its colour, one panel a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from netpress.report.encoding import Encoding, summary
from netpress.report.tables import number
from netpress.report.theme import INK, NARROW, PALETTE, WIDTH, Figure, Words, figure, hover, nothing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

CELL, HEAD = 27, 58  # height of a row, and of a panel's title and column names, CSS pixels
STRONGEST = 0.75  # opacity of the colour of the largest number: text on it stays legible
ABOVE, BELOW = PALETTE["blue"], PALETTE["vermillion"]


def heat(runs: pd.DataFrame, encoding: Encoding, words: Words) -> Figure:
    """Rows are `series`, columns `x`, panels `panel`; each cell the mean over seeds of `y` times `scale`, signed.

    Blue is above zero and vermillion below, the stronger the further; the number says it without the colour.
    """
    points = summary(runs, encoding)
    if points.empty:
        return nothing(words)
    panels, rows, columns = (list(points[key].unique()) for key in (encoding.panel, encoding.series, encoding.x))
    most = float(points["mean"].abs().max()) or 1.0

    def paint(canvas: Canvas) -> None:
        across = 1 if canvas.get_figwidth() * 72 < WIDTH / 2 else min(encoding.columns, len(panels))
        grid = canvas.subplots(-(-len(panels) // across), across, squeeze=False, sharey=True)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for axes, panel in zip(grid.flat, panels, strict=False):
            _panel(axes, points[points[encoding.panel] == panel], encoding, (rows, columns), most)
            axes.set_title(str(panel), loc="left")
        canvas.supxlabel(words.x, fontsize=13)

    def size(width: int, across: int) -> tuple[int, int]:
        return width, -(-len(panels) // across) * (HEAD + CELL * len(rows)) + 24

    wide, narrow = size(WIDTH, min(encoding.columns, len(panels))), size(NARROW, 1)
    least = int(points["n"].min())
    note = f"Means over {'one run' if least == 1 else f'{least} or more seeds'}." if least else ""
    return figure(paint, wide, words, points, note, narrow)


def _panel(
    axes: Axes, points: pd.DataFrame, encoding: Encoding, names: tuple[list[Any], list[Any]], most: float
) -> None:
    """One panel: squares with their numbers."""
    from matplotlib.patches import Rectangle

    rows, columns = names
    for point in points.to_dict("records"):
        x, y, value = columns.index(point[encoding.x]), rows.index(point[encoding.series]), point["mean"]
        shade = ABOVE if value >= 0 else BELOW
        opacity = STRONGEST * abs(value) / most
        axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=shade, alpha=opacity, lw=0))
        axes.text(x, y, number(value, sign=True), ha="center", va="center", fontsize=13, color=INK)
        where = ", ".join(str(point[key]) for key in (encoding.panel, encoding.series, encoding.x))
        hover(axes, (x, y), f"{where}: {number(value, 2, sign=True)} (n = {point['n']})")
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.set_xticks(range(len(columns)), [str(name) for name in columns])
    axes.set_yticks(range(len(rows)), [str(name) for name in rows])
    axes.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
