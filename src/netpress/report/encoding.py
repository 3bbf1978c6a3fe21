"""Which column of a frame a chart shows where, and the points that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from netpress.report.estimates import interval
from netpress.report.frames import balanced, finished, one_edition, require_columns


@dataclass(frozen=True)
class Encoding:
    """Which column of the frame goes where; values of `y` and `beside` are multiplied by `scale`.

    `series`: colour and marker; `panel`: one small chart each, `columns` to a row; `beside`: a second value, drawn
    hollow (the last accuracy beside the best); `label`: the text at a point of a scatter; `shared`: one y axis for all
    panels; `all_series`: those that there may be, so that each has the same colour and marker in several figures.
    """

    x: str
    y: str
    series: str = ""
    panel: str = ""
    beside: str = ""
    label: str = ""
    scale: float = 1.0
    columns: int = 2
    shared: bool = False
    all_series: tuple[str, ...] = ()

    @property
    def keys(self) -> list[str]:
        """The columns that name a point."""
        return list(dict.fromkeys(column for column in (self.panel, self.series, self.x) if column))

    def ordered(self, shown: list[Any]) -> list[tuple[int, Any]]:
        """The series that are shown, each with the place that its colour and marker come from."""
        every = [*self.all_series, *(name for name in shown if name not in self.all_series)]
        return [(place, name) for place, name in enumerate(every) if name in shown]


def summary(runs: pd.DataFrame, encoding: Encoding) -> pd.DataFrame:
    """One row a point: its panel, series and x, then mean, low, high, n and, where asked for, the `beside` value.

    Only finished runs count; those of one seed are averaged before the interval over seeds is taken.
    """
    one_edition(runs)
    values = [column for column in (encoding.y, encoding.beside) if column]
    require_columns(runs, [*encoding.keys, *values])
    rows = finished(runs)
    scaled = {name: pd.to_numeric(rows[name], errors="coerce").astype("float64") for name in values}
    rows = rows.assign(**{name: column * encoding.scale for name, column in scaled.items()})
    points = []
    for key, group in rows.groupby(encoding.keys, sort=False):
        seeds = balanced(group).groupby("seed")[values].mean() if "seed" in group else group[values]
        found = interval(seeds[encoding.y])
        point = dict(zip(encoding.keys, key, strict=True))
        point |= {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n}
        point |= {encoding.beside: seeds[encoding.beside].mean()} if encoding.beside else {}
        points += [point] if found.n else []
    columns = [*encoding.keys, "mean", "low", "high", "n", *([encoding.beside] if encoding.beside else [])]
    return pd.DataFrame(points, columns=columns).astype({"mean": "float64", "low": "float64", "high": "float64"})
