"""Networks drawn as rows of boxes, from the same data that build them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from netpress.errors import UserError
from netpress.report.theme import INK, PALETTE, Figure, Words, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

HIGH, SPACE, EDGE = 46, 30, 8  # CSS pixels: a box's height, the room below it, the margin
LETTER = 7.4  # width of a letter of a box's label, CSS pixels
# A state is never told by colour alone. fill and hatching: the share of the edge's colour.
STATES: dict[str, dict[str, Any]] = {
    "plain": {"edge": INK, "ls": "-", "lw": 1.0, "fill": 0.0, "hatch": 0.0},
    "trained": {"edge": PALETTE["green"], "ls": "-", "lw": 1.8, "fill": 0.18, "hatch": 0.0},
    "frozen": {"edge": PALETTE["blue"], "ls": "-", "lw": 1.2, "fill": 0.0, "hatch": 0.35},
    "compressed": {"edge": PALETTE["vermillion"], "ls": "-", "lw": 2.8, "fill": 0.22, "hatch": 0.0},
    "removed": {"edge": INK, "ls": ":", "lw": 1.2, "fill": 0.0, "hatch": 0.0},
}
POINTED: dict[str, Any] = {"arrowstyle": "-|>", "color": INK, "shrinkA": 0, "shrinkB": 0}


@dataclass(frozen=True)
class Box:
    """A part of a network: a name, smaller words under it, its state, and how many columns wide it is."""

    label: str
    detail: str = ""
    state: str = "plain"
    width: float = 1.0


@dataclass(frozen=True)
class Row:
    """A network from left to right. `joined` draws the arrows from box to box."""

    title: str
    boxes: tuple[Box, ...]
    joined: bool = True


@dataclass(frozen=True)
class _Sheet:
    """Where everything stands, in CSS pixels from the top left."""

    rows: tuple[Row, ...]

    @property
    def boxes(self) -> list[Box]:
        return [box for row in self.rows for box in row.boxes]

    @property
    def used(self) -> list[str]:
        return [state for state in STATES if any(box.state == state for box in self.boxes)]

    @property
    def title(self) -> float:
        """The room for the rows' titles."""
        return max(len(row.title) for row in self.rows) * LETTER * 1.12 + 2 * EDGE

    @property
    def unit(self) -> float:
        """The width of a column: the longest text fits."""
        return max(max(len(box.label), len(box.detail)) * LETTER / box.width + 24 for box in self.boxes)

    @property
    def size(self) -> tuple[int, int]:
        columns = max(sum(box.width for box in row.boxes) for row in self.rows)
        legend = 26 if self.used != ["plain"] else 0
        return round(self.title + max(self.unit, 60.0) * columns) + EDGE, len(self.rows) * (HIGH + SPACE) + legend

    def place(self, row: int, box: int) -> tuple[float, float, float]:
        """Left, top and width of a box."""
        boxes = self.rows[row].boxes
        left = self.title + self.unit * sum(one.width for one in boxes[:box])
        return left + 6, EDGE + row * (HIGH + SPACE), self.unit * boxes[box].width - 12


def diagram(rows: Sequence[Row], words: Words) -> Figure:
    """Networks as rows of boxes, one below the other, columns in line; the states that occur are explained."""
    sheet = _Sheet(tuple(rows))
    unknown = {box.state for box in sheet.boxes} - set(STATES)
    if unknown or not sheet.boxes:
        found = f"got {', '.join(sorted(unknown))}" if unknown else "got no boxes"
        raise UserError(f"A diagram needs rows of boxes in the states {', '.join(STATES)}; {found}.")

    def paint(canvas: Canvas) -> None:
        canvas.set_layout_engine("none")
        axes = canvas.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, sheet.size[0]), ylim=(sheet.size[1], 0))
        axes.set_axis_off()
        for i in range(len(sheet.rows)):
            _row(axes, sheet, i)
        if sheet.used != ["plain"]:
            _legend(axes, sheet)

    parts = [
        {"network": row.title, "part": box.label, "detail": box.detail, "state": box.state}
        for row in sheet.rows
        for box in row.boxes
    ]
    return figure(paint, sheet.size, words, pd.DataFrame(parts))


def _row(axes: Axes, sheet: _Sheet, i: int) -> None:
    row, middle = sheet.rows[i], EDGE + i * (HIGH + SPACE) + HIGH / 2
    axes.text(4, middle, row.title, va="center", fontsize=13, fontweight="bold")
    for j, box in enumerate(row.boxes):
        left, top, width = sheet.place(i, j)
        _box(axes, (left, top), (width, HIGH), box.state)
        _words(axes, box, (left + width / 2, top))
        if row.joined and j:
            arrow = POINTED | {"lw": 1.0, "mutation_scale": 8}
            axes.annotate("", (left, middle), (left - 12, middle), arrowprops=arrow)


def _words(axes: Axes, box: Box, place: tuple[float, float]) -> None:
    x, top = place
    weight = "bold" if box.state == "compressed" else "normal"
    middle: dict[str, Any] = {"ha": "center", "va": "center"}
    axes.text(x, top + HIGH * (0.36 if box.detail else 0.5), box.label, fontsize=13, fontweight=weight, **middle)
    axes.text(x, top + HIGH * 0.72, box.detail, fontsize=13, **middle)


def _box(axes: Axes, at: tuple[float, float], size: tuple[float, float], state: str) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import FancyBboxPatch

    look = STATES[state]

    def add(**style: Any) -> None:
        axes.add_patch(FancyBboxPatch(at, *size, boxstyle="round,pad=0,rounding_size=5", **style))

    if look["fill"]:
        add(fc=to_rgba(look["edge"], look["fill"]), ec="none")
    if look["hatch"]:
        add(fc="none", ec=to_rgba(look["edge"], look["hatch"]), lw=0, hatch="///")
    add(fc="none", ec=look["edge"], ls=look["ls"], lw=look["lw"])


def _legend(axes: Axes, sheet: _Sheet) -> None:
    left, middle = 6.0, sheet.size[1] - 14.0
    for state in sheet.used:
        _box(axes, (left, middle - 7), (22, 14), state)
        axes.text(left + 28, middle, state, va="center", fontsize=13)
        left += 44 + 7 * len(state)
