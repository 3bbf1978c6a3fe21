"""Images side by side: the filters of a network, its maps, the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from netpress.errors import UserError
from netpress.report.theme import WIDTH, Figure, Words, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

GAP = 1  # pixels of the images between two of them


def images(
    pixels: object, words: Words, rows: Sequence[str] = (), columns: Sequence[str] = (), each: bool = True,
    data: pd.DataFrame | None = None,
) -> Figure:  # fmt: skip
    """Images side by side: `pixels` of shape (rows, columns, h, w) or (rows, columns, h, w, 3).

    `each` stretches every image from its own least to its greatest value (filters); without it values are taken
    as they are, from 0 to 1. `data`: numbers to show behind the figure.
    """
    grid = np.asarray(pixels, dtype=np.float64)
    if grid.ndim not in (4, 5) or (grid.ndim == 5 and grid.shape[-1] != 3) or not grid.size:
        raise UserError(f"images takes (rows, columns, h, w) or (rows, columns, h, w, 3); it was given {grid.shape}.")
    sheet = _sheet(_stretched(grid) if each else np.clip(grid, 0, 1))
    down, across, high, wide = grid.shape[:4]
    side = min(90.0, (WIDTH - (110 if rows else 10)) / across)
    size = (WIDTH, round(down * side * high / wide) + (30 if columns else 10))

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots()
        axes.imshow(sheet, interpolation="none", aspect="equal")
        axes.set_xticks([(wide + GAP) * i + wide / 2 - 0.5 for i in range(len(columns))], list(columns))
        axes.set_yticks([(high + GAP) * i + high / 2 - 0.5 for i in range(len(rows))], list(rows))
        axes.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    return figure(paint, size, words, pd.DataFrame() if data is None else data)


def _stretched(grid: np.ndarray) -> np.ndarray:
    axes = tuple(range(2, grid.ndim))
    low, high = grid.min(axis=axes, keepdims=True), grid.max(axis=axes, keepdims=True)
    return np.where(high > low, (grid - low) / np.where(high > low, high - low, 1), 0.5)


def _sheet(grid: np.ndarray) -> np.ndarray:
    """All images on one transparent sheet, shape (height, width, 4), bytes."""
    down, across, high, wide = grid.shape[:4]
    sheet = np.zeros((down * (high + GAP) - GAP, across * (wide + GAP) - GAP, 4), dtype=np.uint8)
    colours = np.repeat(grid[..., None], 3, axis=-1) if grid.ndim == 4 else grid
    for i in range(down):
        for j in range(across):
            top, left = i * (high + GAP), j * (wide + GAP)
            sheet[top : top + high, left : left + wide, :3] = np.round(colours[i, j] * 255).astype(np.uint8)
            sheet[top : top + high, left : left + wide, 3] = 255
    return sheet
