"""An estimate: a mean, its interval, how many values it rests on; and the paired t test.

The unit that is repeated is the seed: every function takes one number a seed. A single value has no interval,
and none is made up: `low`, `high` and `p` are then None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

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


def _finite(values: Any) -> np.ndarray:
    array = np.asarray(pd.to_numeric(pd.Series(values, dtype="object"), errors="coerce"), dtype=np.float64)
    return array[np.isfinite(array)]


def check_level(level: float) -> None:
    """Raise UserError unless `level` is a probability strictly between 0 and 1."""
    if not 0 < level < 1:
        raise UserError(f"level is {level!r}; expected a number between 0 and 1, such as 0.95.")


def interval(values: Any, level: float = 0.95) -> Estimate:
    """Mean with Student's t interval, mean +- t(n-1) s / sqrt(n). Missing values are not counted.

    n = 0 gives a mean of nan; n = 1 the value itself without an interval.
    """
    check_level(level)
    kept = _finite(values)
    n = len(kept)
    if n < 2:
        return Estimate(float(kept[0]) if n else math.nan, None, None, n, level=level)
    mean, sd = float(kept.mean()), float(kept.std(ddof=1))
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * sd / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n, level=level, sd=sd)


def above(estimate: Estimate, threshold: float) -> float | None:
    """One-sided p of Student's t test whose rejection says: the true mean lies above `threshold`.

    Where all values are equal the limit is taken: 0 above the threshold, 1 at it or below. None for n < 2.
    """
    if estimate.n < 2 or estimate.sd is None:
        return None
    distance = estimate.mean - threshold
    if estimate.sd <= 1e-12 * max(1.0, abs(estimate.mean)):
        return 0.0 if distance > 0 else 1.0
    return float(stats.t.sf(distance * math.sqrt(estimate.n) / estimate.sd, estimate.n - 1))


def below(estimate: Estimate, threshold: float) -> float | None:
    """One-sided p whose rejection says: the true mean lies below `threshold`."""
    sd, n, level = estimate.sd, estimate.n, estimate.level
    return above(Estimate(-estimate.mean, None, None, n, level=level, sd=sd), -threshold)


def differences(a: Any, b: Any) -> np.ndarray:
    """a - b, pair by pair: by index where both are Series (seeds), else by position.

    Raises UserError where the lengths differ and there is no index to pair by, or a seed occurs twice.
    """
    if isinstance(a, pd.Series) and isinstance(b, pd.Series):
        if a.index.has_duplicates or b.index.has_duplicates:
            raise UserError("A seed occurs twice on one side of a paired difference; average it first.")
        return _finite(a.astype("float64") - b.astype("float64"))
    if len(a) != len(b):
        raise UserError(
            f"Paired values differ in number, {len(a)} and {len(b)}; give Series indexed by seed."
        )
    return _finite(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64))


def paired_difference(a: Any, b: Any, level: float = 0.95, against: float = 0.0) -> Estimate:
    """Mean of a - b with its interval and the two-sided p of the paired t test of a - b = `against`."""
    estimate = interval(differences(a, b), level)
    up, down = above(estimate, against), below(estimate, against)
    p = None if up is None or down is None else min(1.0, 2 * min(up, down))
    return replace(estimate, p=p)
