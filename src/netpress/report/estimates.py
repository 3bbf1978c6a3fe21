"""An estimate: a mean, its interval, how many values it rests on.

The unit that is repeated is the seed: every function takes one number a seed. A single value has no interval,
and none is made up: `low`, `high` and `p` are then None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
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
