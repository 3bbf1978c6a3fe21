"""Slope charts: the paper's number on the left, ours on the right, a line between them for each method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from netpress.report.tables import number
from netpress.report.theme import INK, LINES, NARROW, WIDTH, Figure, Words, colour, figure, hover, marker, nothing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

HEIGHT = 165  # of a row of panels, CSS pixels
ENDS = ("paper", "ours")


@dataclass(frozen=True)
class Slopes:
    """The columns of a frame that say where a line stands: `row` and `column` of its panel, and its `series`.

    Its ends are in the columns "paper" and "ours".
    """

    row: str
    column: str
    series: str


def slopes(pairs: pd.DataFrame, where: Slopes, words: Words, series: Sequence[str]) -> Figure:
    """One small chart for each row and column; `series` are all of them in the order of their colours."""
    if pairs.empty:
        return nothing(words)
    downs, acrosses = (list(pairs[key].unique()) for key in (where.row, where.column))

    def paint(canvas: Canvas) -> None:
        from matplotlib.lines import Line2D

        phone = canvas.get_figwidth() * 72 < WIDTH / 2
        places = [(down, across) for down in downs for across in acrosses]
        wide = 2 if phone else len(acrosses)
        grid = canvas.subplots(-(-len(places) // wide), wide, squeeze=False, sharey=True if phone else "row")
        for axes in grid.flat[len(places) :]:
            axes.set_axis_off()
        for axes, (down, across) in zip(grid.flat, places, strict=False):
            own = pairs[(pairs[where.row] == down) & (pairs[where.column] == across)]
            _panel(axes, own, where, series)
            axes.set_title(str(across), loc="left")
            if phone or across == acrosses[0]:
                axes.set_ylabel(str(down))
        canvas.supylabel(words.y, fontsize=13)
        used = [name for name in series if name in set(pairs[where.series])]
        handles = [Line2D([], [], label=name, **_look(series.index(name))) for name in used]
        canvas.legend(handles=handles, loc="outside upper center", ncols=1 if phone else min(4, len(handles)))

    rows = len(downs)
    narrow = -(-len(downs) * len(acrosses) // 2)
    tall = narrow * HEIGHT + 20 * len(series) + 20
    return figure(paint, (WIDTH, rows * HEIGHT + 60), words, pairs, narrow=(NARROW, tall))


def _look(i: int) -> dict[str, Any]:
    return {"color": colour(i), "marker": marker(i), "ls": LINES[i % len(LINES)], "ms": 5}


def _panel(axes: Axes, own: pd.DataFrame, where: Slopes, series: Sequence[str]) -> None:
    axes.axhline(0, color=INK, ls="--", lw=1)
    for row in own.to_dict("records"):
        name = row[where.series]
        axes.plot([0, 1], [row["paper"], row["ours"]], **_look(series.index(name)))
        for x, end in enumerate(ENDS):
            text = f"{row[where.row]}, {row[where.column]}, {name}, {end}: {number(row[end], sign=True)}"
            hover(axes, (x, row[end]), text)
    axes.set_xlim(-0.25, 1.25)
    axes.set_xticks([0, 1], ENDS)
