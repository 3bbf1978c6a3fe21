"""Networks drawn as rows of boxes, from the same data that build them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from netpress.errors import UserError
from netpress.report.theme import INK, PALETTE, SINGLE, Figure, Words, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

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
