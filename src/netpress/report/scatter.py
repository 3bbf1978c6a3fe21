"""A scatter with names at its points and the Pareto front: size or time against accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from netpress.report.encoding import Encoding
from netpress.report.frames import finished, require_columns
from netpress.report.theme import INK, WIDTH, Figure, Words, colour, figure, marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

HEIGHT = 430  # CSS pixels
LETTER, LINE = 6.0, 13.0  # size of a letter of a label, CSS pixels
SIDES = ((1, 0.4), (1, -0.9), (-1, 0.4), (-1, -0.9), (1, 1.2), (-1, 1.2), (1, -1.8), (-1, -1.8))


def pareto(x: Any, y: Any) -> np.ndarray:
    """Which points no other beats: none has x as small and y as large with one of them better. Missing never is."""
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    smaller = (xs[:, None] >= xs) & (ys[:, None] <= ys)
    better = (xs[:, None] > xs) | (ys[:, None] < ys)
    return ~(smaller & better).any(axis=1) & np.isfinite(xs) & np.isfinite(ys)


def scatter(
    runs: pd.DataFrame, encoding: Encoding, words: Words, front: bool = True, log: bool = False, named: str = "all"
) -> Figure:
    """One point a network, the mean over seeds of `x` and of `y` (times scale), its `label` beside it.

    `front` joins the points that no other beats (small x, large y); `log` gives x a logarithmic axis. `named`: "all"
    points have their label beside them, or only those on the "front".
    """
    points = _points(runs, encoding)
    names = list(points[encoding.series].unique()) if encoding.series else [""]

    def paint(canvas: Canvas) -> None:
        if points.empty:
            canvas.text(0.5, 0.5, "nothing to show yet", ha="center", va="center")
            return
        axes = canvas.subplots()
        if front:
            best = points[points["on the front"]].sort_values(encoding.x)
            axes.step(
                best[encoding.x],
                best[encoding.y],
                where="post",
                color=INK,
                ls=":",
                lw=1.4,
                label="Pareto front",
            )
        for i, name in enumerate(names):
            own = points[points[encoding.series] == name] if encoding.series else points
            axes.plot(
                own[encoding.x],
                own[encoding.y],
                ls="none",
                marker=marker(i),
                color=colour(i),
                label=str(name),
            )
        axes.set_xlabel(words.x)
        axes.set_ylabel(words.y)
        if log:
            _logarithmic(axes)
        axes.margins(0.12, 0.10)
        if encoding.series or front:
            canvas.legend(loc="outside upper center", ncols=4)
        if encoding.label:
            canvas.draw_without_rendering()  # the labels are placed in pixels: the layout must be known
            _names(axes, points, encoding, points["on the front"] | (named == "all"))

    return figure(paint, (WIDTH, HEIGHT), words, points)


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
    """Write each chosen name on the first free side of its point.

    Where none is free it stands above it on the right, unless only some points are named: then it is left out.
    """
    places = axes.transData.transform(points[[encoding.x, encoding.y]].to_numpy(dtype=np.float64))
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in places]
    frame = axes.get_window_extent()
    for (x, y), name in zip(places[chosen.to_numpy()], points[encoding.label][chosen].map(str), strict=True):
        boxes = [_box(x, y, len(name), side) for side in SIDES]
        inside = [box for box in boxes if box[0] > frame.x0 and box[2] < frame.x1]
        free = next((box for box in inside if not any(_meet(box, other) for other in taken)), None)
        box = free or (boxes[0] if chosen.all() else None)
        if box:
            taken.append(box)
            axes.annotate(name, (box[0], box[1]), xycoords="figure points", fontsize=10.5, color=INK)


def _box(x: float, y: float, letters: int, side: tuple[int, float]) -> tuple[float, float, float, float]:
    width = letters * LETTER
    left = x + 8 if side[0] > 0 else x - 8 - width
    bottom = y + side[1] * LINE - LINE * 0.2
    return left, bottom, left + width, bottom + LINE


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
