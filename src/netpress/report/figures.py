"""Charts: points with intervals, bars, curves with bands, labelled scatter with a Pareto front.

Every chart takes a tidy frame, an Encoding (which column goes where) and Words (alternative text, caption, axes),
and returns a Figure. Means and intervals are over seeds. One import for all: pictures and diagrams are here too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from netpress.report.diagrams import Box, Row, diagram
from netpress.report.encoding import Encoding, summary
from netpress.report.pictures import images
from netpress.report.scatter import pareto, scatter
from netpress.report.tables import number
from netpress.report.theme import (
    INK,
    LETTER,
    LINES,
    NARROW,
    WIDTH,
    Figure,
    Words,
    colour,
    figure,
    hover,
    legend_columns,
    marker,
    nothing,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

__all__ = [
    "Box",
    "Encoding",
    "Figure",
    "Row",
    "Words",
    "bars",
    "curves",
    "diagram",
    "grouped_points",
    "images",
    "lines",
    "nothing",
    "pareto",
    "scatter",
    "summary",
]

PANEL_HEIGHT = 240  # CSS pixels
Key = tuple[str, dict[str, Any]]  # an entry of the legend: its text and the style of its line


@dataclass(frozen=True)
class _Chart:
    """What all panels share: the points, the order of x values and series, and the words."""

    points: pd.DataFrame
    encoding: Encoding
    words: Words

    @property
    def order(self) -> list[Any]:
        return list(self.points[self.encoding.x].unique())

    @property
    def series(self) -> list[tuple[int, Any]]:
        """Place in the order of colours, and name."""
        return (
            self.encoding.ordered(list(self.points[self.encoding.series].unique()))
            if self.encoding.series
            else [(0, None)]
        )

    @property
    def panels(self) -> list[Any]:
        return list(self.points[self.encoding.panel].unique()) if self.encoding.panel else [None]

    def rows(self, points: pd.DataFrame, panel: object, name: object = None) -> pd.DataFrame:
        """The points of one panel, of one series where `name` is given."""
        chosen = points[points[self.encoding.panel] == panel] if self.encoding.panel else points
        return chosen if name is None else chosen[chosen[self.encoding.series] == name]

    def places(self, rows: pd.DataFrame, name: object, spread: float) -> pd.Series:
        """Where a series stands on a categorical axis."""
        step = spread / max(1, len(self.series))
        return rows[self.encoding.x].map(self.order.index).astype("float64") + step * self.aside(name)

    def aside(self, name: object) -> float:
        """How many steps a series stands right of the middle of all."""
        return [other for _, other in self.series].index(name) - (len(self.series) - 1) / 2


def grouped_points(
    runs: pd.DataFrame, encoding: Encoding, words: Words, baseline: pd.DataFrame | None = None
) -> Figure:
    """Points with intervals over seeds, the series side by side within each x.

    `baseline`: the runs of a dashed line (the uncompressed parent), in every panel its own mean and interval.
    """
    chart = _Chart(summary(runs, encoding), encoding, words)
    line = pd.DataFrame() if baseline is None else _baseline(baseline, encoding)

    def draw(axes: Axes, panel: object) -> None:
        for row in chart.rows(line, panel).itertuples() if len(line) else ():
            axes.axhspan(row.low, row.high, color=INK, alpha=0.10, lw=0)
            axes.axhline(row.mean, color=INK, ls="--", lw=1.4)
        for i, name in chart.series:
            rows = chart.rows(chart.points, panel, name)
            at = chart.places(rows, name, 0.7)
            _whiskers(axes, at, rows, colour(i))
            axes.plot(at, rows["mean"], **_mark(i))
            _hovers(axes, at, rows, chart, name)
            if encoding.beside:
                axes.plot(at + 0.2 / len(chart.series), rows[encoding.beside], **_mark(i) | {"mfc": "none", "ms": 5})
        _categories(axes, chart)

    keys: list[Key] = [(str(name), _mark(i)) for i, name in chart.series if name is not None]
    if encoding.beside:
        keys.append((f"{encoding.beside} (hollow)", {"marker": "o", "mfc": "none", "color": INK, "ls": "none"}))
    if len(line):
        keys.append(("baseline", {"color": INK, "ls": "--", "lw": 1.4}))
    return _multiples(chart, draw, keys, pd.concat([chart.points, line]) if len(line) else chart.points)


def _baseline(runs: pd.DataFrame, encoding: Encoding) -> pd.DataFrame:
    return summary(runs.assign(**{encoding.x: "baseline"}), replace(encoding, series="", beside=""))


def bars(runs: pd.DataFrame, encoding: Encoding, words: Words) -> Figure:
    """Bars from zero with intervals over seeds, the series side by side: counts such as epochs to 99 %."""
    chart = _Chart(summary(runs, encoding), encoding, words)
    width = 0.8 / max(1, len(chart.series))

    def draw(axes: Axes, panel: object) -> None:
        for i, name in chart.series:
            rows = chart.rows(chart.points, panel, name)
            at = chart.places(rows, name, 0.8)
            axes.bar(at, rows["mean"], width * 0.9, color=colour(i), hatch=HATCHES[i % len(HATCHES)], **OUTLINE)
            _whiskers(axes, at, rows, INK)
            _hovers(axes, at, rows, chart, name)
        _categories(axes, chart)
        axes.grid(axis="x", visible=False)

    keys: list[Key] = [(str(name), _mark(i) | {"marker": "s"}) for i, name in chart.series if name is not None]
    return _multiples(chart, draw, keys, chart.points)


def curves(history: pd.DataFrame, encoding: Encoding, words: Words) -> Figure:
    """Mean lines over a numeric x (epochs) with the interval over seeds as a band; a single run has no band."""
    from matplotlib.ticker import MaxNLocator

    chart = _Chart(summary(history, encoding), encoding, words)

    def draw(axes: Axes, panel: object) -> None:
        for i, name in chart.series:
            rows = chart.rows(chart.points, panel, name).sort_values(encoding.x)
            axes.fill_between(rows[encoding.x], rows["low"], rows["high"], color=colour(i), alpha=0.18, lw=0)
            axes.plot(rows[encoding.x], rows["mean"], **_line(i, len(rows)))
            _hovers(axes, rows[encoding.x], rows, chart, name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # epochs

    keys: list[Key] = [(str(name), _line(i, 2)) for i, name in chart.series if name is not None]
    return _multiples(chart, draw, keys, _wide(chart))


def _wide(chart: _Chart) -> pd.DataFrame:
    """Curves as a table: one row a line, one column an x."""
    keys = [key for key in chart.encoding.keys if key != chart.encoding.x]
    if not keys:
        return chart.points
    table = chart.points.set_index(chart.encoding.keys)["mean"].unstack(chart.encoding.x)
    return table.sort_index(axis=1).reset_index()


def lines(runs: pd.DataFrame, encoding: Encoding, words: Words, baseline: pd.DataFrame | None = None) -> Figure:
    """Points with intervals over seeds on a logarithmic x, joined, the series slightly apart so that all are seen.

    The ticks are the values of x themselves. `baseline`: the runs of a dashed line, in every panel its own mean.
    """
    chart = _Chart(summary(runs, encoding), encoding, words)
    line = pd.DataFrame() if baseline is None else _baseline(baseline, encoding)

    def draw(axes: Axes, panel: object) -> None:
        for row in chart.rows(line, panel).itertuples() if len(line) else ():
            axes.axhline(row.mean, color=INK, ls="--", lw=1.4)
        for i, name in chart.series:
            rows = chart.rows(chart.points, panel, name).sort_values(encoding.x)
            at = rows[encoding.x] * APART ** chart.aside(name)
            _whiskers(axes, at, rows, colour(i))
            axes.plot(at, rows["mean"], **_line(i, 1) | {"ms": 7})
            _hovers(axes, at, rows, chart, name)
        _powers(axes, sorted(chart.order))

    keys: list[Key] = [(str(name), _line(i, 1)) for i, name in chart.series if name is not None]
    keys += [("baseline", {"color": INK, "ls": "--", "lw": 1.4})] if len(line) else []
    return _multiples(chart, draw, keys, pd.concat([chart.points, line]) if len(line) else chart.points)


def _powers(axes: Axes, values: list[float]) -> None:
    """A logarithmic x axis with the values as its ticks."""
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.set_xticks(values, [f"{value:,.0f}" for value in values])
    axes.xaxis.set_minor_locator(NullLocator())


APART = 1.05  # between two series at the same x, a factor
HATCHES = ("", "//", "\\\\", "--", "xx", "||", "++")
OUTLINE: dict[str, Any] = {"alpha": 0.85, "edgecolor": INK, "linewidth": 0.8}


def _mark(i: int) -> dict[str, Any]:
    return {"marker": marker(i), "color": colour(i), "ls": "none"}


def _line(i: int, points: int) -> dict[str, Any]:
    every = max(1, points // 6)
    return {"color": colour(i), "ls": LINES[i % len(LINES)], "marker": marker(i), "markevery": every, "ms": 5}


def _hovers(axes: Axes, at: pd.Series, rows: pd.DataFrame, chart: _Chart, name: object) -> None:
    """Under the mouse every point says what it is: panel, series, x, and its value with the interval."""
    words, x = chart.words, chart.encoding.x
    for place, row in zip(at, rows.to_dict("records"), strict=True):
        where = ", ".join(str(part) for part in (row.get(chart.encoding.panel), name) if part not in (None, ""))
        if row["n"] > 1 and pd.notna(row["low"]):
            value = f"{number(row['mean'])} ± {number((row['high'] - row['low']) / 2)} (n = {row['n']})"
        else:
            value = f"{number(row['mean'])} (one run)"
        hover(axes, (place, row["mean"]), f"{where}, {words.x or x} {row[x]}: {value}".lstrip(", "))


def _whiskers(axes: Axes, at: pd.Series, rows: pd.DataFrame, shade: str) -> None:
    known = rows["low"].notna()
    axes.vlines(at[known], rows["low"][known], rows["high"][known], color=shade, lw=1.4)


def _categories(axes: Axes, chart: _Chart) -> None:
    """Ticks at the middle of each group, turned where the labels would touch; the panel's name above."""
    labels = [str(name) for name in chart.order]
    room = _width(axes.get_figure()) / _across(axes.get_figure(), chart) * 0.8 / max(1, len(labels))
    turned = max((len(label) for label in labels), default=0) * LETTER > room
    axes.set_xticks(range(len(labels)), labels, rotation=30 if turned else 0, ha="right" if turned else "center")
    axes.set_xlim(-0.5, len(labels) - 0.5)
    axes.tick_params(axis="x", length=0)


def _multiples(chart: _Chart, draw: Callable[[Axes, Any], None], keys: list[Key], data: pd.DataFrame) -> Figure:
    """One small chart a panel, a common legend above, a common name for either axis."""
    panels = chart.panels

    def paint(canvas: Canvas) -> None:
        from matplotlib.lines import Line2D

        if chart.points.empty:
            canvas.text(0.5, 0.5, "nothing to show yet", ha="center", va="center")
            return
        across = _across(canvas, chart)
        grid = canvas.subplots(-(-len(panels) // across), across, squeeze=False, sharey=chart.encoding.shared)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for axes, panel in zip(grid.flat, panels, strict=False):
            draw(axes, panel)
            axes.set_title("" if panel is None else str(panel), loc="left")
        canvas.supxlabel(chart.words.x, fontsize=13)
        canvas.supylabel(chart.words.y, fontsize=13)
        if keys:
            handles = [Line2D([], [], label=text, **{**style, "markevery": None}) for text, style in keys]
            canvas.legend(handles=handles, loc="outside upper center", ncols=_legend_columns(keys, _width(canvas)))

    size, narrow = (_size(chart, keys, width) for width in (WIDTH, NARROW))
    return figure(paint, size, chart.words, data.reset_index(drop=True), _intervals(chart.points), narrow)


def _width(canvas: Any) -> float:
    """Of a drawing, in CSS pixels."""
    return float(canvas.get_figwidth()) * 72


def _across(canvas: Any, chart: _Chart) -> int:
    """Panels beside each other: one on a phone."""
    return 1 if _width(canvas) < WIDTH / 2 else min(chart.encoding.columns, len(chart.panels)) or 1


def _size(chart: _Chart, keys: list[Key], width: int) -> tuple[int, int]:
    """Width and height with room for every row of panels and of the legend, CSS pixels."""
    if chart.points.empty:
        return width, 80
    across = 1 if width < WIDTH / 2 else min(chart.encoding.columns, len(chart.panels))
    down = -(-len(chart.panels) // across)
    legend_rows = -(-len(keys) // _legend_columns(keys, width)) if keys else 0
    return width, down * PANEL_HEIGHT + (40 if across * down > 1 else 80) + 20 * legend_rows


def _intervals(points: pd.DataFrame) -> str:
    """What the intervals are and over how many seeds."""
    if points.empty:
        return ""
    least, most = int(points["n"].min()), int(points["n"].max())
    if most == 1:
        return "One run each: no intervals."
    return f"Intervals: 95 %, Student's t, n = {most if least == most else f'{least} to {most}'}."


def _legend_columns(keys: list[Key], width: float) -> int:
    return legend_columns([text for text, _ in keys], width)
