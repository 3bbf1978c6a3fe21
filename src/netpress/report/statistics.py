"""Tests that decide claims: equivalence, ranks, trends, Holm's correction, how many seeds would decide.

Every function takes one number a seed, or a table of seeds by groups: the seed is the unit that is repeated.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from netpress.errors import UserError
from netpress.report.estimates import Estimate, above, below, check_level, interval, paired_difference

__all__ = [
    "Equivalence",
    "Estimate",
    "Trend",
    "above",
    "below",
    "epochs_to",
    "equivalence",
    "holm",
    "interval",
    "paired_difference",
    "power_of",
    "rank_correlation",
    "seeds_needed",
    "tost",
    "trend",
]


def tost(values: Any, margin: float, level: float = 0.95) -> Estimate:
    """Two one-sided t tests (Schuirmann 1987): p = max of both; small p says |mean| < margin.

    The interval is the one that belongs to it, at 2 level - 1 (90 % for 95 %): it lies within the margin
    exactly when p < 1 - level.
    """
    check_level(level)
    if not margin > 0:
        raise UserError(f"The margin of an equivalence test is {margin!r}; expected a number above 0.")
    estimate = interval(values, 2 * level - 1)
    up, down = above(estimate, -margin), below(estimate, margin)
    return replace(estimate, p=None if up is None or down is None else max(up, down))


@dataclass(frozen=True)
class Equivalence:
    """All comparisons of an equivalence test and its two p-values.

    `p` small: all differences are within the margin (intersection-union: the largest p of all pairs).
    `p_against` small: at least one is outside (the smallest p of all sides of all pairs, times their number).
    """

    margin: float
    pairs: tuple[tuple[str, Estimate], ...]
    p: float | None
    p_against: float | None

    @property
    def worst(self) -> tuple[str, Estimate]:
        """The comparison that is furthest from being equivalent."""
        return max(self.pairs, key=lambda pair: (-1.0 if pair[1].p is None else pair[1].p, abs(pair[1].mean)))


def _contrasts(table: pd.DataFrame, against: str) -> list[tuple[str, pd.Series]]:
    if against == "pairs":
        return [(f"{a} - {b}", table[a] - table[b]) for a, b in itertools.combinations(table.columns, 2)]
    if against == "others":
        return [(f"{a} - others", table[a] - table.drop(columns=a).mean(axis=1, skipna=False)) for a in table]
    raise UserError(f"against is {against!r}; expected 'pairs' or 'others'.")


def equivalence(
    table: pd.DataFrame, margin: float, against: str = "pairs", level: float = 0.95
) -> Equivalence:
    """Are all columns of `table` (one row a seed, one column a group) equal within `margin`, paired by seed?

    `against="pairs"` compares every two columns, `"others"` each with the mean of the others. One TOST
    each; all must reject (Berger 1982), so no further correction is due. A missing cell drops its seed
    from the pairs that need it.
    """
    if table.shape[1] < 2:
        raise UserError(f"An equivalence test compares at least two groups; it was given {table.shape[1]}.")
    named = _contrasts(table.astype("float64"), against)
    pairs = tuple((name, tost(values.dropna(), margin, level)) for name, values in named)
    inside = [estimate.p for _, estimate in pairs]
    sides = [p for _, e in pairs for p in (above(e, margin), below(e, -margin)) if p is not None]
    p = None if None in inside else max(v for v in inside if v is not None)
    return Equivalence(margin, pairs, p, min(1.0, min(sides) * len(sides)) if sides else None)


def _step(n: int, kind: str) -> float:
    """How far the coefficient falls from 1 when two neighbours change places."""
    return 4 / (n * (n - 1)) if kind == "kendall" else 12 / (n * (n * n - 1))


def rank_correlation(x: Any, y: Any, kind: str = "kendall", level: float = 0.95) -> Estimate:
    """Kendall's tau-b or Spearman's rho with p (scipy's) and an interval by Fisher's z.

    Variance of z after Fieller (1957), 0.437 / (n - 4), for Kendall and after Bonett and Wright (2000),
    (1 + r^2 / 2) / (n - 3), for Spearman. At |r| = 1, where z is infinite, the inner bound is taken from half
    an exchange of neighbours further in. No interval below 5 (Kendall) or 4 (Spearman) pairs.
    """
    check_level(level)
    if kind not in ("kendall", "spearman"):
        raise UserError(f"kind is {kind!r}; expected 'kendall' or 'spearman'.")
    pair = pd.DataFrame({"x": np.asarray(x, dtype=np.float64), "y": np.asarray(y, dtype=np.float64)}).dropna()
    n, least = len(pair), 5 if kind == "kendall" else 4
    if n < 2 or pair["x"].nunique() < 2 or pair["y"].nunique() < 2:
        return Estimate(math.nan, None, None, n, level=level)
    found = (stats.kendalltau if kind == "kendall" else stats.spearmanr)(pair["x"], pair["y"])
    r, p = round(float(found.statistic), 12), float(found.pvalue)
    if n < least:
        return Estimate(r, None, None, n, p, level)
    inner = math.copysign(min(abs(r), 1 - _step(n, kind) / 2), r)
    variance = 0.437 / (n - 4) if kind == "kendall" else (1 + inner**2 / 2) / (n - 3)
    half = float(stats.norm.ppf(0.5 + level / 2)) * math.sqrt(variance)
    low, high = math.tanh(math.atanh(inner) - half), math.tanh(math.atanh(inner) + half)
    return Estimate(r, -1.0 if r <= -1 else low, 1.0 if r >= 1 else high, n, p, level)


@dataclass(frozen=True)
class Trend:
    """Mean Kendall tau-b over strata with its t interval, and the p of both directions by permutation."""

    estimate: Estimate
    p_rising: float
    p_falling: float


def trend(x: Sequence[float], table: pd.DataFrame, level: float = 0.95, draws: int = 9999) -> Trend:
    """Does each row of `table` (one row a seed, one column a group) rise with `x` (one number a group)?

    Tau-b within each seed; the p-values shuffle the groups within every seed (`draws` times, one generator):
    (1 + as extreme) / (1 + draws), so seeds may differ in level and no spread need be known.
    """
    order = np.asarray(x, dtype=np.float64)
    if table.shape[1] != len(order) or table.shape[1] < 3:
        raise UserError(
            f"A trend needs three groups or more and one x for each: {len(order)} for {table.shape[1]}."
        )
    rows = table.astype("float64").dropna()
    signs = np.sign(np.subtract.outer(order, order))
    taus = [stats.kendalltau(order, row).statistic for row in rows.to_numpy()]
    estimate = interval(taus, level)
    if estimate.low is not None and estimate.high is not None:
        estimate = replace(estimate, low=max(-1.0, estimate.low), high=min(1.0, estimate.high))
    generator = np.random.default_rng(0)
    grids = [np.sign(np.subtract.outer(row, row)) for row in rows.to_numpy()]
    seen = sum((float((signs * grid).sum()) for grid in grids), 0.0)
    shuffled = np.zeros(draws)
    for grid in grids:
        places = generator.permuted(np.tile(np.arange(len(order)), (draws, 1)), axis=1)
        shuffled += (signs * grid[places[:, :, None], places[:, None, :]]).sum(axis=(1, 2))
    rising = (1 + int((shuffled >= seen).sum())) / (1 + draws)
    return Trend(estimate, rising, (1 + int((shuffled <= seen).sum())) / (1 + draws))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's (1979) step-down correction, in the order given. None stays None and is not counted."""
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, i) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        adjusted[i] = largest
    return adjusted


def power_of(n: int, sd: float, effect: float, level: float = 0.95) -> float:
    """Power of the two-sided paired t test with `n` seeds for a true mean `effect` from the threshold."""
    critical = float(stats.t.ppf(0.5 + level / 2, n - 1))
    shift = abs(effect) / sd * math.sqrt(n)
    # Far out scipy's noncentral t gives nan; there the mean's own error is nothing beside that of its spread.
    if shift > 25:
        return float(stats.chi2.cdf((n - 1) * (shift / critical) ** 2, n - 1))
    other = stats.nct.cdf(-critical, n - 1, shift) if shift < 5 else 0.0
    return float(stats.nct.sf(critical, n - 1, shift) + other)


def seeds_needed(
    sd: float, effect: float, level: float = 0.95, power: float = 0.8, most: int = 10_000
) -> int | None:
    """The smallest number of seeds with which a two-sided paired t test would decide, by the noncentral t.

    `sd`: standard deviation of the paired differences; `effect`: distance of their mean from the threshold.
    None where more than `most` would be needed (an effect on the threshold itself is never decided).
    """
    check_level(level)
    check_level(power)
    if sd < 0 or not math.isfinite(sd) or not math.isfinite(effect):
        raise UserError(f"sd is {sd!r} and effect {effect!r}; expected finite numbers and sd of 0 or more.")
    if effect == 0 or (sd > 0 and power_of(most, sd, effect, level) < power):
        return None
    if sd == 0:
        return 2
    low, high = 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle, sd, effect, level) >= power else (middle, high)
    return high


def epochs_to(history: pd.DataFrame, share: float = 0.99, every_stage: bool = False) -> pd.Series:
    """Epochs (counted from 1) until a run first reaches `share` of its highest test accuracy.

    One value a name. `history`: long frame (name, stage, epoch, test_accuracy), rows in order of training.
    Stages without a measured accuracy (student-teacher) are left out unless `every_stage` counts them too.
    """
    if not 0 < share <= 1:
        raise UserError(f"share is {share!r}; expected a number above 0 and at most 1, such as 0.99.")
    runs = history.groupby("name", sort=False)["test_accuracy"]
    found = {name: _first(values, share, every_stage) for name, values in runs}
    return pd.Series(found, dtype="float64", name="epochs")


def _first(accuracy: pd.Series, share: float, every_stage: bool) -> float:
    values = accuracy.astype("float64").to_numpy()
    values = values if every_stage else values[np.isfinite(values)]
    if not np.isfinite(values).any():
        return math.nan
    return float(np.argmax(np.nan_to_num(values, nan=-1.0) >= share * np.nanmax(values)) + 1)
