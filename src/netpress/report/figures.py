"""Charts: points with intervals, curves, dumbbells, heat maps, images, and networks drawn as rows of boxes.

Every chart takes a tidy frame, an Encoding (which column goes where) and Words, and returns a Figure of one panel for
each value of the encoding's `panel`. Means and intervals are over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from netpress.errors import UserError
from netpress.report.estimates import interval
from netpress.report.frames import balanced, finished, one_edition, require_columns
from netpress.report.tables import RUNS, number, run_names
from netpress.report.theme import (
    INK,
    LINES,
    MARKERS,
    PALETTE,
    PANEL,
    SINGLE,
    Figure,
    Panel,
    Words,
    colour,
    figure,
    hover,
    marker,
    nothing,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

MOST_NAMED = 12  # points of a chart that all have their names beside them
DASHES = ("╌", "╍", "┈")  # as the key has the dashed lines
HEIGHT = 250  # of a panel, CSS pixels
STRONGEST = 0.75  # opacity of the colour of the largest number of a heat map: text on it stays legible
Runs = Mapping[str, pd.DataFrame]  # name of a dashed line -> the runs whose mean it shows


@dataclass(frozen=True)
class Encoding:
    """Which column of the frame goes where; values of `y` and `beside` are multiplied by `scale`.

    `series`: colour and marker; `panel`: one small chart each; `beside`: a second value, drawn hollow (the last
    accuracy beside the best); `label`: the text at a point; `shared`: one y axis for all panels; `all_series`: those
    that there may be, so that each has the same colour and marker in several figures.
    """

    x: str
    y: str
    series: str = ""
    panel: str = ""
    beside: str = ""
    label: str = ""
    scale: float = 1.0
    shared: bool = False
    all_series: tuple[str, ...] = ()

    @property
    def keys(self) -> list[str]:
        """The columns that name a point."""
        columns = (self.panel, self.series, self.x, self.label)
        return list(dict.fromkeys(column for column in columns if column))


def summary(runs: pd.DataFrame, encoding: Encoding) -> pd.DataFrame:
    """One row a point: its panel, series and x, then mean, low, high, n, the `beside` value, and the runs' names.

    Only finished runs count; those of one seed are averaged before the interval over seeds is taken.
    """
    one_edition(runs)
    values = [column for column in (encoding.y, encoding.beside) if column]
    require_columns(runs, [*encoding.keys, *values])
    rows = finished(runs)
    scaled = {name: pd.to_numeric(rows[name], errors="coerce").astype("float64") for name in values}
    rows = rows.assign(**{name: column * encoding.scale for name, column in scaled.items()})
    found = []
    for key, group in rows.groupby(encoding.keys, sort=False):
        seeds = balanced(group).groupby("seed")[values].mean() if "seed" in group else group[values]
        mean = interval(seeds[encoding.y])
        point = dict(zip(encoding.keys, key, strict=True))
        point |= {"mean": mean.mean, "low": mean.low, "high": mean.high, "n": mean.n}
        point |= {encoding.beside: seeds[encoding.beside].mean()} if encoding.beside else {}
        found += [point | {RUNS: run_names(group)}] if mean.n else []
    columns = [*encoding.keys, "mean", "low", "high", "n", *([encoding.beside] if encoding.beside else []), RUNS]
    return pd.DataFrame(found, columns=columns).astype({"mean": "float64", "low": "float64", "high": "float64"})


def pareto(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Which points no other beats: none has x as small and y as large with one of them better. Missing never is."""
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    smaller = (xs[:, None] >= xs) & (ys[:, None] <= ys)
    better = (xs[:, None] > xs) | (ys[:, None] < ys)
    return ~(smaller & better).any(axis=1) & np.isfinite(xs) & np.isfinite(ys)


@dataclass(frozen=True)
class _Chart:
    """What the panels of a chart share: its points, its words, its dashed lines."""

    points: pd.DataFrame
    encoding: Encoding
    words: Words
    dashed: pd.DataFrame

    @property
    def series(self) -> list[tuple[int, Any]]:
        """Place in the order of colours, and name, of every series that is shown."""
        shown = list(self.points[self.encoding.series].unique()) if self.encoding.series else [None]
        every = [*self.encoding.all_series, *(name for name in shown if name not in self.encoding.all_series)]
        return [(place, name) for place, name in enumerate(every) if name in shown]

    def rows(self, panel: object, name: object = None) -> pd.DataFrame:
        """The points of one panel, of one series where `name` is given."""
        chosen = self.points[self.points[self.encoding.panel] == panel] if self.encoding.panel else self.points
        return chosen if name is None else chosen[chosen[self.encoding.series] == name]

    def order(self, column: str) -> list[Any]:
        """The values of a column in the order in which they first occur."""
        return list(self.points[column].unique())

    def figure(
        self, draw: Callable[[Axes, Any], None], height: int, key: bool = True, data: pd.DataFrame | None = None
    ) -> Figure:
        """One small chart a panel; `key`: the names of the series stand above all, not at the ends of lines."""
        if self.points.empty:
            return nothing(self.words)
        names = self.order(self.encoding.panel) if self.encoding.panel else [None]

        def paint(panel: Any, canvas: Canvas) -> None:
            axes = canvas.subplots()
            draw(axes, panel)
            axes.set_title("" if panel is None else str(panel), loc="left")

        width = PANEL if len(names) > 1 else SINGLE
        panels = [Panel(partial(paint, name), height, width, "" if name is None else str(name)) for name in names]
        marks = [(colour(i), MARKERS[marker(i)], str(name)) for i, name in self.series if name is not None]
        marks = marks if key else []
        marks += [(INK, "○", self.encoding.beside)] if self.encoding.beside else []
        dashed = self.dashed["line"].unique() if len(self.dashed) else ()
        marks += [(INK, DASHES[i % 3], str(name)) for i, name in enumerate(dashed) if name]
        shown = self.points if data is None else data
        if len(self.dashed):
            shown = pd.concat([shown, self.dashed])
        shown = shown.reset_index(drop=True)
        least, most = int(self.points["n"].min()), int(self.points["n"].max())
        n = most if least == most else f"{least} to {most}"
        note = "One run each: no intervals." if most == 1 else f"Intervals: 95 %, Student's t, n = {n}."
        return Figure(self.words, shown, panels, marks, note)

    def hovers(self, axes: Axes, across: Sequence[Any] | pd.Series, up: Sequence[Any] | pd.Series, rows: pd.DataFrame,
               name: object) -> None:  # fmt: skip
        """Under the mouse every point says what it is: panel, series, x, and its value with the interval."""
        for x, y, row in zip(across, up, rows.to_dict("records"), strict=True):
            held = (row.get(self.encoding.panel), name, row.get(self.encoding.label))
            where = ", ".join(str(part) for part in dict.fromkeys(held) if part not in (None, ""))
            value = f"{number(row['mean'])} (one run)"
            if row["n"] > 1 and pd.notna(row["low"]):
                value = f"{number(row['mean'])} ± {number((row['high'] - row['low']) / 2)} (n = {row['n']})"
            at = row[self.encoding.x]
            at = number(at, 0 if at >= 100 else 2) if isinstance(at, float) else at
            hover(axes, (x, y), f"{where}, {self.words.x or self.encoding.x} {at}: {value}".lstrip(", "))

    def lines(self, axes: Axes, panel: object, upright: bool = False) -> None:
        """The dashed lines of a panel (the uncompressed parent, a control), with intervals; the key names them."""
        across, along = (axes.axvline, axes.axvspan) if upright else (axes.axhline, axes.axhspan)
        names = list(self.dashed["line"].unique()) if len(self.dashed) else []
        for row in self.dashed.itertuples():
            if self.encoding.panel and row.panel_of != panel:
                continue
            across(row.mean, color=INK, ls=LINES[1 + names.index(row.line) % 3], lw=1.2)
            if pd.notna(row.low) and row.high > row.low:
                along(row.low, row.high, color=INK, alpha=0.10, lw=0)


def _chart(runs: pd.DataFrame, encoding: Encoding, words: Words, lines: Runs | None) -> _Chart:
    own = replace(encoding, x="line", series="", beside="", label="")
    dashed = [summary(rows.assign(line=name), own) for name, rows in (lines or {}).items()]
    found = pd.concat(dashed) if dashed else pd.DataFrame()
    if len(found) and encoding.panel:
        found = found.assign(panel_of=found[encoding.panel])
    return _Chart(summary(runs, encoding), encoding, words, found)


def points(runs: pd.DataFrame, encoding: Encoding, words: Words, lines: Runs | None = None) -> Figure:
    """Points with intervals over seeds, the series side by side within each x, which is a category."""
    chart = _chart(runs, encoding, words, lines)
    order, series = chart.order(encoding.x), chart.series
    spans = [c for name in ("low", "high", encoding.beside, "mean") if name for c in chart.points[name].dropna()]
    limits = (min(spans), max(spans)) if spans else (0, 1)

    def draw(axes: Axes, panel: object) -> None:
        chart.lines(axes, panel)
        for k, (i, name) in enumerate(series):
            rows = chart.rows(panel, name)
            at = rows[encoding.x].map(order.index) + 0.7 / len(series) * (k - (len(series) - 1) / 2)
            axes.vlines(at, rows["low"], rows["high"], color=colour(i), lw=1.4)
            axes.plot(at, rows["mean"], marker=marker(i), color=colour(i), ls="none", ms=6)
            if encoding.beside:
                beside = rows[encoding.beside]
                axes.plot(
                    at + 0.2 / len(series), beside, marker=marker(i), color=colour(i), ls="none", mfc="none", ms=4
                )
            chart.hovers(axes, at, rows["mean"], rows, name)
        axes.set_xticks(range(len(order)), [str(name) for name in order])
        axes.set_xlim(-0.5, len(order) - 0.5)
        axes.tick_params(axis="x", length=0)
        axes.set_xlabel(words.x)
        if encoding.shared:
            room = 0.06 * (limits[1] - limits[0] or 1)
            axes.set_ylim(limits[0] - room, limits[1] + room)

    return chart.figure(draw, HEIGHT)


def curves(
    runs: pd.DataFrame, encoding: Encoding, words: Words, lines: Runs | None = None, log: bool = False,
    ends: bool = True, joined: bool = True, equal: bool = False,
    labels: bool = True, height: int = HEIGHT,
) -> Figure:  # fmt: skip
    """Mean lines over a numeric x, each with its name at its end; the intervals as a band, or as bars where x has few
    values. A single run has neither.

    `log`: a logarithmic x. Without `ends` the names stand above the panels; without `joined` all is a scatter.
    `equal`: a dotted line where y is x. `encoding.label`: a text at the points of a line (at its ends where there are
    many points), under the mouse alone in a scatter or without `labels`.
    """
    from matplotlib.ticker import MaxNLocator

    chart = _chart(runs, encoding, words, lines)
    named_at_all = bool(encoding.label) and joined and labels
    many = joined and not encoding.label and chart.points[encoding.x].nunique() > 8
    low, high = (chart.points[name].fillna(chart.points["mean"]) for name in ("low", "high"))

    def draw(axes: Axes, panel: object) -> None:
        chart.lines(axes, panel)
        if equal:
            axes.axline((0, 0), slope=1, color=INK, ls=":", lw=1.2)
        last = []
        for k, (i, name) in enumerate(chart.series):
            rows = chart.rows(panel, name).sort_values(encoding.x)
            at = rows[encoding.x] * (1.03 ** (k - len(chart.series) / 2) if log and not encoding.label else 1.0)
            if many:
                axes.fill_between(at, rows["low"], rows["high"], color=colour(i), alpha=0.18, lw=0)
            elif joined:
                axes.vlines(at, rows["low"], rows["high"], color=colour(i), lw=1.4)
            style = LINES[i % len(LINES)] if joined else "none"
            every = max(1, len(rows) // 6) if many else 1
            axes.plot(
                at, rows["mean"], color=colour(i), ls=style, marker=marker(i), ms=5 if joined else 7, markevery=every
            )
            chart.hovers(axes, at, rows["mean"], rows, name)
            named = rows if len(chart.points) <= MOST_NAMED else rows.iloc[[0, -1][: len(rows)]]
            for x, row in zip(at[named.index], named.to_dict("records"), strict=True) if named_at_all else ():
                place = (6, 6 if k % 2 else -14)
                axes.annotate(str(row[encoding.label]), (x, row["mean"]), place, textcoords="offset points")
            if len(rows):
                last.append((float(rows["mean"].iloc[-1]), str(name), colour(i)))
        if encoding.shared:
            room = 0.06 * (high.max() - low.min() or 1)
            axes.set_ylim(low.min() - room, high.max() + room)
        axes.set_xlabel(words.x)
        axes.margins(x=0.08)
        if log:
            _logarithmic(axes, sorted(chart.order(encoding.x)))
        elif joined and not encoding.label and chart.points[encoding.x].max() > 3:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        if ends and len(last) > 1:
            _ends(axes, last, 17 / (height - 70))

    return chart.figure(draw, height, key=not ends, data=None if encoding.label else _wide(chart))


def _wide(chart: _Chart) -> pd.DataFrame:
    """Curves as a table: one row a line, one column an x."""
    x = chart.encoding.x
    keys = [key for key in chart.encoding.keys if key != x]
    if not keys or chart.points.empty:
        return chart.points
    runs = chart.points.groupby(keys, sort=False)[RUNS].agg(
        lambda texts: " ".join(dict.fromkeys(" ".join(texts).split()))
    )
    table = chart.points.set_index(chart.encoding.keys)["mean"].unstack(x, sort=False).sort_index(axis=1)
    return table.join(runs).reset_index()


def _ends(axes: Axes, last: list[tuple[float, str, str]], room: float) -> None:
    """Names right of the axes at the heights where lines end, moved apart so that none covers another."""
    low, high = axes.get_ylim()
    last = sorted(last)
    heights = np.array([(y - low) / (high - low) for y, _, _ in last])
    for k in range(1, len(heights)):
        heights[k] = max(heights[k], heights[k - 1] + room)
    heights -= max(0.0, heights[-1] - 1.0)
    for k in range(len(heights) - 2, -1, -1):
        heights[k] = min(heights[k], heights[k + 1] - room)
    for height, (_, name, shade) in zip(heights, last, strict=True):
        axes.annotate(name, (1.02, height), xycoords="axes fraction", color=shade, va="center", annotation_clip=False)


def _logarithmic(axes: Axes, values: list[float]) -> None:
    """A logarithmic x axis: its own values as ticks where these are few, else 1, 2 and 5 of every power of ten."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(values) if len(values) <= 7 else LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: few_letters(value)))


def few_letters(value: float) -> str:
    """A number in few letters: 0.2, 50, 2k, 5M, 1G."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"


def dumbbells(runs: pd.DataFrame, encoding: Encoding, words: Words, lines: Runs | None = None) -> Figure:
    """One row for each value of `encoding.x`, with a point for each series on it, joined by a line.

    `encoding.y` runs across; the rows' names stand above their lines, so that a phone has room for both.
    """
    chart = _chart(runs, encoding, words, lines)

    def draw(axes: Axes, panel: object) -> None:
        chart.lines(axes, panel, upright=True)
        own = chart.rows(panel)
        order = list(own[encoding.x].unique())
        for y, name in enumerate(order):
            ends = own.loc[own[encoding.x] == name, "mean"]
            axes.plot([ends.min(), ends.max()], [y, y], color=INK, lw=1, alpha=0.5)
            axes.annotate(str(name), (0, y - 0.17), xycoords=axes.get_yaxis_transform(), va="bottom")
        for i, name in chart.series:
            rows = chart.rows(panel, name)
            at = rows[encoding.x].map(order.index)
            axes.hlines(at, rows["low"], rows["high"], color=colour(i), lw=3, alpha=0.35)
            axes.plot(rows["mean"], at, marker=marker(i), color=colour(i), ls="none", ms=8)
            chart.hovers(axes, rows["mean"], at, rows, name)
        axes.set(ylim=(len(order) - 0.5, -0.9), yticks=[])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(words.x)
        axes.margins(x=0.08)

    names = [own[encoding.x].nunique() for _, own in chart.points.groupby(encoding.panel or encoding.x)]
    rows = max(names, default=1) if encoding.panel else len(names)
    return chart.figure(draw, 75 + 38 * rows)


def heat(runs: pd.DataFrame, encoding: Encoding, words: Words) -> Figure:
    """Rows are `series`, columns `x`, panels `panel`; each cell the mean over seeds of `y` times `scale`, signed.

    Blue is above zero and vermillion below, the stronger the further; the number says it without the colour.
    """
    chart = _chart(runs, encoding, words, None)
    rows, columns = chart.order(encoding.series), chart.order(encoding.x)
    most = float(chart.points["mean"].abs().max()) or 1.0

    def draw(axes: Axes, panel: object) -> None:
        from matplotlib.patches import Rectangle

        for point in chart.rows(panel).to_dict("records"):
            x, y, value = columns.index(point[encoding.x]), rows.index(point[encoding.series]), point["mean"]
            shade = PALETTE["blue"] if value >= 0 else PALETTE["vermillion"]
            opacity = STRONGEST * abs(value) / most
            axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=shade, alpha=opacity, lw=0))
            axes.text(x, y, number(value, sign=True), ha="center", va="center", color=INK)
            where = ", ".join(str(point[key]) for key in (encoding.panel, encoding.series, encoding.x) if key)
            hover(axes, (x, y), f"{where}: {number(value, 2, sign=True)} (n = {point['n']})")
        axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
        axes.set_xticks(range(len(columns)), [str(name) for name in columns])
        axes.set_yticks(range(len(rows)), [str(name) for name in rows])
        axes.tick_params(length=0)
        axes.set_xlabel(words.x)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    made = chart.figure(draw, 80 + 27 * len(rows), key=False)
    return replace(made, note=made.note.replace("Intervals: 95 %, Student's t, n =", "Means over seeds, n ="))


def images(
    pixels: object, words: Words, rows: Sequence[str] = (), columns: Sequence[str] = (), each: bool = True
) -> Figure:
    """Images side by side: `pixels` of shape (rows, columns, h, w) or (rows, columns, h, w, 3).

    `each` stretches every image from its own least to its greatest value (filters); without it values are taken
    as they are, from 0 to 1.
    """
    grid = np.asarray(pixels, dtype=np.float64)
    if grid.ndim not in (4, 5) or (grid.ndim == 5 and grid.shape[-1] != 3) or not grid.size:
        raise UserError(f"images takes (rows, columns, h, w) or (rows, columns, h, w, 3); it was given {grid.shape}.")
    if each:
        own = tuple(range(2, grid.ndim))
        low, high = grid.min(axis=own, keepdims=True), grid.max(axis=own, keepdims=True)
        grid = np.where(high > low, (grid - low) / np.where(high > low, high - low, 1), 0.5)
    grid = np.repeat(grid[..., None], 3, axis=-1) if grid.ndim == 4 else grid
    down, across, high, wide = grid.shape[:4]
    seen = np.round(np.clip(grid, 0, 1) * 255).astype(np.uint8)
    sheet = np.zeros((down, high + 1, across, wide + 1, 4), dtype=np.uint8)  # a transparent pixel between two images
    sheet[:, :high, :, :wide, :3], sheet[:, :high, :, :wide, 3] = seen.transpose(0, 2, 1, 3, 4), 255
    sheet = sheet.reshape(down * (high + 1), across * (wide + 1), 4)[:-1, :-1]

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots()
        axes.imshow(sheet, interpolation="none", aspect="equal")
        axes.set_xticks([(wide + 1) * i + wide / 2 - 0.5 for i in range(len(columns))], list(columns))
        axes.set_yticks([(high + 1) * i + high / 2 - 0.5 for i in range(len(rows))], list(rows))
        axes.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    room = SINGLE - (max(map(len, rows)) * 8 if rows else 10)
    height = round(down * room / across * high / wide) + (30 if columns else 10)
    return figure(paint, (SINGLE, height), words, pd.DataFrame())


# Networks as rows of boxes -------------------------------------------------------------------------------------------

TITLE, HIGH, SPACE = 24, 46, 12  # CSS pixels: a row's title, its boxes, the room below them
# A state is never told by colour alone. fill and hatching: the share of the edge's colour.
STATES: dict[str, dict[str, Any]] = {
    "plain": {"edge": INK, "ls": "-", "lw": 1.0, "fill": 0.0, "hatch": 0.0},
    "trained": {"edge": PALETTE["green"], "ls": "-", "lw": 1.8, "fill": 0.18, "hatch": 0.0},
    "frozen": {"edge": PALETTE["blue"], "ls": "-", "lw": 1.2, "fill": 0.0, "hatch": 0.35},
    "compressed": {"edge": PALETTE["vermillion"], "ls": "-", "lw": 2.8, "fill": 0.22, "hatch": 0.0},
}


@dataclass(frozen=True)
class Box:
    """A part of a network: a name, smaller words under it, and its state."""

    label: str
    detail: str = ""
    state: str = "plain"


@dataclass(frozen=True)
class Row:
    """A network from left to right, under its title."""

    title: str
    boxes: tuple[Box, ...]


def diagram(rows: Sequence[Row], words: Words) -> Figure:
    """Networks as rows of boxes, one below the other, columns in line; the states that occur are explained."""
    found = {box.state for row in rows for box in row.boxes}
    if found - set(STATES) or not found:
        raise UserError(
            f"A diagram needs rows of boxes in the states {', '.join(STATES)}; got "
            f"{', '.join(sorted(found - set(STATES))) or 'no boxes'}."
        )
    states = [state for state in STATES if state in found] if found != {"plain"} else []
    step = TITLE + HIGH + SPACE
    width = SINGLE / max(len(row.boxes) for row in rows)
    height = step * len(rows) + (26 if states else 0)

    def paint(canvas: Canvas) -> None:
        canvas.set_layout_engine("none")
        axes = canvas.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, SINGLE), ylim=(height, 0))
        axes.set_axis_off()
        for i, row in enumerate(rows):
            top = i * step + TITLE
            axes.text(3, top - 6, row.title, va="bottom", fontsize=14.5, fontweight="bold")
            for j, box in enumerate(row.boxes):
                _box(axes, (j * width + 3, top), (width - 6, HIGH), box.state)
                middle: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 14.2}
                weight = "bold" if box.state == "compressed" else "normal"
                axes.text(
                    (j + 0.5) * width, top + HIGH * (0.32 if box.detail else 0.5), box.label, weight=weight, **middle
                )
                axes.text((j + 0.5) * width, top + HIGH * 0.72, box.detail, **middle)
        left = 6.0
        for state in states:
            _box(axes, (left, height - 20), (22, 14), state)
            axes.text(left + 28, height - 13, state, va="center", fontsize=14.5)
            left += 46 + 8 * len(state)

    parts = [
        {"network": row.title, "part": box.label, "detail": box.detail, "state": box.state}
        for row in rows
        for box in row.boxes
    ]
    return figure(paint, (SINGLE, height), words, pd.DataFrame(parts))


def _box(axes: Axes, at: tuple[float, float], size: tuple[float, float], state: str) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import FancyBboxPatch

    look = STATES[state]
    styles: list[dict[str, Any]] = [{"fc": "none", "ec": look["edge"], "ls": look["ls"], "lw": look["lw"]}]
    if look["fill"]:
        styles.insert(0, {"fc": to_rgba(look["edge"], look["fill"]), "ec": "none"})
    if look["hatch"]:
        styles.insert(0, {"fc": "none", "ec": to_rgba(look["edge"], look["hatch"]), "lw": 0, "hatch": "///"})
    for style in styles:
        axes.add_patch(FancyBboxPatch(at, *size, boxstyle="round,pad=0,rounding_size=5", **style))
