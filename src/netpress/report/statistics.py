"""Holm's correction, and rank correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from netpress.report.estimates import Estimate, check_level


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
