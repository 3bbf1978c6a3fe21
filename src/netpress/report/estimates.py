"""An estimate: a mean, its interval, how many values it rests on; rank correlation, and Holm's correction.

The unit that is repeated is the seed: every function takes one number a seed. A single value has no interval,
and none is made up: `low`, `high` and `p` are then None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from netpress.errors import UserError


@dataclass(frozen=True)
class Estimate:
    """A mean of `n` values with its interval at `level`, in the unit of the values.

    `p` is there where a test was made, `sd` is the spread of the values (n - 1 in the denominator).
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    p: float | None = None
    level: float = 0.95
    sd: float | None = None

    @property
    def half(self) -> float | None:
        """Half the width of the interval: the number behind the plus-minus sign."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    def times(self, factor: float) -> Estimate:
        """The same estimate in another unit; `factor` > 0, 100 for per cent."""
        low, high, sd = (None if v is None else v * factor for v in (self.low, self.high, self.sd))
        return replace(self, mean=self.mean * factor, low=low, high=high, sd=sd)


def _finite(values: object) -> np.ndarray:
    array = np.asarray(pd.to_numeric(pd.Series(values, dtype="object"), errors="coerce"), dtype=np.float64)
    return array[np.isfinite(array)]


def check_level(level: float) -> None:
    """Raise UserError unless `level` is a probability strictly between 0 and 1."""
    if not 0 < level < 1:
        raise UserError(f"level is {level!r}; expected a number between 0 and 1, such as 0.95.")


def interval(values: object, level: float = 0.95) -> Estimate:
    """Mean with Student's t interval, mean +- t(n-1) s / sqrt(n). Missing values are not counted.

    n = 0 gives a mean of nan; n = 1 the value itself without an interval.
    """
    check_level(level)
    kept = _finite(values)
    n = len(kept)
    if n < 2:
        return Estimate(float(kept[0]) if n else math.nan, None, None, n, level=level)
    mean, sd = float(kept.mean()), float(kept.std(ddof=1))
    half = float(special.stdtrit(n - 1, 0.5 + level / 2)) * sd / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n, level=level, sd=sd)


def unpaired(values: object, others: object, level: float = 0.95) -> Estimate:
    """Mean of `values` less that of `others`, with Welch's (1947) interval, which takes both spreads as they are.

    `n` counts both. No interval where one side has a single value.
    """
    check_level(level)
    one, other = _finite(values), _finite(others)
    if min(len(one), len(other)) < 2:
        mean = one.mean() - other.mean() if len(one) and len(other) else math.nan
        return Estimate(float(mean), None, None, len(one) + len(other), level=level)
    from scipy import stats  # a second to load, and few need it

    found = stats.ttest_ind(one, other, equal_var=False)
    low, high = found.confidence_interval(level)
    return Estimate(
        float(one.mean() - other.mean()), float(low), float(high), len(one) + len(other), float(found.pvalue), level
    )


def rank_correlation(x: ArrayLike, y: ArrayLike, level: float = 0.95) -> Estimate:
    """Kendall's tau-b with p (scipy's) and an interval by Fisher's z.

    Variance of z after Fieller (1957), 0.437 / (n - 4). At a tau of 1 or -1, where z is infinite, the inner bound is
    taken from half an exchange of neighbours further in. No interval below 5 pairs.
    """
    check_level(level)
    pair = pd.DataFrame({"x": np.asarray(x, dtype=np.float64), "y": np.asarray(y, dtype=np.float64)}).dropna()
    n = len(pair)
    if n < 2 or pair["x"].nunique() < 2 or pair["y"].nunique() < 2:
        return Estimate(math.nan, None, None, n, level=level)
    from scipy import stats  # a second to load, and few need it

    found = stats.kendalltau(pair["x"], pair["y"])
    r, p = round(float(found.statistic), 12), float(found.pvalue)
    if n < 5:
        return Estimate(r, None, None, n, p, level)
    exchange = 4 / (n * (n - 1))  # how far tau falls from 1 when two neighbours change places
    inner = math.copysign(min(abs(r), 1 - exchange / 2), r)
    half = float(special.ndtri(0.5 + level / 2)) * math.sqrt(0.437 / (n - 4))
    low, high = math.tanh(math.atanh(inner) - half), math.tanh(math.atanh(inner) + half)
    return Estimate(r, -1.0 if r <= -1 else low, 1.0 if r >= 1 else high, n, p, level)


def holm(p_values: Sequence[float | None], level: float) -> tuple[list[float | None], list[float]]:
    """Holm's (1979) step-down correction, in the order given: corrected p, and the level left to each uncorrected one.

    A corrected p is below `level` exactly where the uncorrected one is below what is left to it. None stays None and is
    not counted.
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    levels = [level] * len(p_values)
    largest, stopped = 0.0, None
    for rank, (p, i) in enumerate(known):
        share = level / (len(known) - rank)
        if stopped is None and p >= share:
            stopped = share
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        adjusted[i], levels[i] = largest, stopped or share
    return adjusted, levels
