"""Trends: does a measure rise with an order? Kendall's tau within strata, with its exact permutation distribution."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from netpress.errors import UserError
from netpress.report.labels import Label

MOST = 8  # groups whose orders are all gone through: 8! = 40,320


@dataclass(frozen=True)
class Trend:
    """Rows of one stratum each (a seed on a data set), one column a group, against one number a group.

    The statistic is S, concordant less discordant pairs, summed over the rows. If the order meant nothing, all orders
    of the groups within a row would be as likely: the distribution of S is exact, a convolution over the rows.
    """

    label: Label
    order: tuple[float, ...]
    rows: pd.DataFrame
    rising: bool = True  # the claim; False: it falls

    def __post_init__(self) -> None:
        if not 3 <= len(self.order) <= MOST or self.rows.shape[1] != len(self.order):
            raise UserError(
                f"A trend needs 3 to {MOST} groups and one number for each: "
                f"{len(self.order)} numbers for {self.rows.shape[1]} groups."
            )

    @cached_property
    def table(self) -> np.ndarray:
        """The complete rows, signed so that rising supports."""
        return self.rows.astype("float64").dropna().to_numpy() * (1 if self.rising else -1)

    @property
    def n(self) -> int:
        """Complete rows."""
        return len(self.table)

    @cached_property
    def signs(self) -> np.ndarray:
        """Which of every two groups has the larger number, (k, k)."""
        return _signs(self.order)

    @cached_property
    def scores(self) -> list[int]:
        """Concordant less discordant pairs, row by row."""
        return [_score(self.signs, row) for row in self.table]

    @property
    def s(self) -> int:
        """The statistic."""
        return sum(self.scores)

    @cached_property
    def most(self) -> float:
        """What S is divided by: tau-b's denominators, summed over the rows."""
        pairs = np.abs(self.signs).sum()
        return sum(math.sqrt(pairs * np.abs(_signs(row)).sum()) / 2 for row in self.table)

    @property
    def tau(self) -> float:
        """Tau-b, over all rows; above 0 where it rises."""
        return (1 if self.rising else -1) * self.s / self.most if self.most else math.nan

    @cached_property
    def chances(self) -> dict[int, float]:
        """Value of S -> its probability if the order means nothing."""
        total = {0: 1.0}
        for row in self.table:
            own = Counter(_score(self.signs, row[list(places)]) for places in _orders(len(row)))
            count = math.factorial(len(row))
            sums: dict[int, float] = defaultdict(float)
            for (a, p), (b, times) in itertools.product(total.items(), own.items()):
                sums[a + b] += p * times / count
            total = dict(sums)
        return total

    @property
    def p(self) -> float | None:
        """Two-sided, of the test whose rejection says that it rises (falls, where that is the claim)."""
        return self._p(1)

    @property
    def p_against(self) -> float | None:
        """Two-sided, of the test whose rejection says the opposite."""
        return self._p(-1)

    def _p(self, side: int) -> float | None:
        if self.n < 2:
            return None
        return min(1.0, 2 * sum(p for s, p in self.chances.items() if side * s >= side * self.s))

    def interval(self, alpha: float) -> tuple[float, float] | None:
        """Tau less and plus what chance alone reaches at level `alpha`: it leaves out 0 exactly where that decides."""
        if self.n < 2 or not self.most:
            return None
        reach = {side: self._reach(side, alpha) for side in (1, -1)}
        low, high = max(-1.0, (self.s - reach[1]) / self.most), min(1.0, (self.s - reach[-1]) / self.most)
        return (low, high) if self.rising else (-high, -low)

    def _reach(self, side: int, alpha: float) -> int:
        """The furthest S on a side that does not decide."""
        tail, reached = 0.0, 0
        for s in sorted(self.chances, key=lambda value: -side * value):
            tail, reached = tail + self.chances[s], s
            if 2 * tail >= alpha:
                break
        return reached


def _signs(values: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.sign(np.subtract.outer(np.asarray(values, dtype=np.float64), np.asarray(values, dtype=np.float64)))


def _score(signs: np.ndarray, row: np.ndarray) -> int:
    return int((signs * _signs(row)).sum()) // 2


def _orders(k: int) -> list[tuple[int, ...]]:
    return list(itertools.permutations(range(k)))
