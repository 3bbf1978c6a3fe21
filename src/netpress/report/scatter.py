"""A scatter with names at its points and the Pareto front: size or time against accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from netpress.report import theme
from netpress.report.encoding import Encoding
from netpress.report.frames import finished, require_columns
from netpress.report.tables import number
from netpress.report.theme import Figure, Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

HEIGHT = 430  # CSS pixels
LINE = 14.0  # height of a label, CSS pixels
FRONT = "no other is smaller and better"
NEAR, FAR = 8.0, 130.0  # of a label from its point: where it begins, and how far away it may go
DIRECTIONS = ((1, 0.5), (-1, 0.5), (1, -0.5), (-1, -0.5), (1, 1), (-1, 1), (1, -1), (-1, -1), (0.2, 1), (0.2, -1))


def pareto(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Which points no other beats: none has x as small and y as large with one of them better. Missing never is."""
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    smaller = (xs[:, None] >= xs) & (ys[:, None] <= ys)
    better = (xs[:, None] > xs) | (ys[:, None] < ys)
    return ~(smaller & better).any(axis=1) & np.isfinite(xs) & np.isfinite(ys)


def scatter(
    runs: pd.DataFrame, encoding: Encoding, words: Words, front: str = FRONT, log: bool = False, named: str = "all"
) -> Figure:
    """One point a network, the mean over seeds of `x` and of `y` (times scale), its `label` beside it.

    `front` joins the points that no other beats (small x, large y), and is what the line is called; "" leaves it out.
    `log` gives x a logarithmic axis. `named`: "all" points have their label beside them, or only those on the "front";
    the others have it under the mouse.
    """
    points = _points(runs, encoding)
    names = encoding.ordered(list(points[encoding.series].unique())) if encoding.series else [(0, "")]
    texts = [*(str(name) for _, name in names), *([front] if front else [])]

    def paint(canvas: Canvas) -> None:
        if points.empty:
            canvas.text(0.5, 0.5, "nothing to show yet", ha="center", va="center")
            return
        axes = canvas.subplots()
        if front:
            best = points[points["on the front"]].sort_values(encoding.x)
            step: dict[str, Any] = {"where": "post", "color": theme.INK, "ls": ":", "lw": 1.4}
            axes.step(best[encoding.x], best[encoding.y], **step, label=front)
        for i, name in names:
            own = points[points[encoding.series] == name] if encoding.series else points
            look: dict[str, Any] = {"ls": "none", "marker": theme.marker(i), "color": theme.colour(i)}
            axes.plot(own[encoding.x], own[encoding.y], **look, label=str(name))
        axes.set_xlabel(words.x)
        axes.set_ylabel(words.y)
        if log:
            _logarithmic(axes)
        axes.margins(0.12, 0.10)
        for row in points.to_dict("records"):
            theme.hover(axes, (row[encoding.x], row[encoding.y]), _spoken(row, encoding, words))
        if encoding.series or front:
            canvas.legend(loc="outside upper center", ncols=theme.legend_columns(texts, canvas.get_figwidth() * 72))
        if encoding.label:
            canvas.draw_without_rendering()  # the labels are placed in pixels: the layout must be known
            _names(axes, points, encoding, points["on the front"] | (named == "all"))

    narrow = (theme.NARROW, HEIGHT + 20 * len(texts))
    return theme.figure(paint, (theme.WIDTH, HEIGHT), words, points, narrow=narrow)


def _spoken(row: dict[Any, Any], encoding: Encoding, words: Words) -> str:
    """What a point says under the mouse: its name, its series, both its values."""
    keys = dict.fromkeys(key for key in (encoding.label, encoding.series) if key)
    name = ", ".join(str(row[key]) for key in keys if row[key])
    x, y = row[encoding.x], row[encoding.y]
    across = number(x, 0 if x >= 100 else 2)
    return f"{name}: {words.y or encoding.y} {number(y, 2)}, {words.x or encoding.x} {across}"


def _logarithmic(axes: Axes) -> None:
    """A logarithmic x axis with plain numbers: 1, 2 and 5 of every power of ten, more where it is short."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 6 * low else (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: brief(value)))


def brief(value: float) -> str:
    """A number in few letters: 0.2, 50, 2k, 5M, 1G."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"


def _points(runs: pd.DataFrame, encoding: Encoding) -> pd.DataFrame:
    keys = list(dict.fromkeys(key for key in (encoding.series, encoding.label) if key))
    require_columns(runs, [*keys, encoding.x, encoding.y])
    rows = finished(runs)
    if keys:
        rows = rows.groupby(keys, sort=False)[[encoding.x, encoding.y]].mean().reset_index()
    points = rows[[*keys, encoding.x, encoding.y]].dropna().reset_index(drop=True)
    points[encoding.y] = points[encoding.y] * encoding.scale
    return points.assign(**{"on the front": pareto(points[encoding.x], points[encoding.y])})


def _names(axes: Axes, points: pd.DataFrame, encoding: Encoding, chosen: pd.Series) -> None:
    """Write each chosen name at the nearest free place to its point, with a thin line to it where that is not beside.

    Where none is free within reach, as on a phone, the name is left to the mouse and to the table of data.
    """
    places = axes.transData.transform(points[[encoding.x, encoding.y]].to_numpy(dtype=np.float64))
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in places]
    frame = axes.get_window_extent()
    for (x, y), name in zip(places[chosen.to_numpy()], points[encoding.label][chosen].map(str), strict=True):
        boxes = (_box(x, y, len(name), side, away) for away in np.arange(NEAR, FAR, 7.0) for side in DIRECTIONS)
        inside = (b for b in boxes if b[0] > frame.x0 and b[2] < frame.x1 and b[1] > frame.y0 and b[3] < frame.y1 + 8)
        box = next((box for box in inside if not any(_meet(box, other) for other in taken)), None)
        if box:
            taken.append(box)
            axes.annotate(name, (box[0], box[1] + 0.2 * LINE), xycoords="figure points", fontsize=13, color=theme.INK)
            _leader(axes, (x, y), box)


def _leader(axes: Axes, point: tuple[float, float], box: tuple[float, ...]) -> None:
    """A thin line from a point to a name that is not beside it."""
    x, y = point
    near = min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3])
    if np.hypot(near[0] - x, near[1] - y) > 2 * NEAR:
        axes.annotate(
            "", point, near, xycoords="figure points", textcoords="figure points",
            arrowprops={"arrowstyle": "-", "color": theme.INK, "lw": 0.6, "shrinkA": 0, "shrinkB": 4},
        )  # fmt: skip


def _box(x: float, y: float, letters: int, side: tuple[float, float], away: float) -> tuple[float, float, float, float]:
    """Left, bottom, right and top of a name that stands `away` from its point in a direction."""
    width = letters * theme.LETTER
    left = x + side[0] * away if side[0] > 0 else x + side[0] * away - width
    bottom = y + side[1] * (away - NEAR) * 1.3 + (0 if abs(side[1]) < 1 else side[1] * 4) - LINE / 2
    return left, bottom, left + width, bottom + LINE


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
