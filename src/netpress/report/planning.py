"""How many fresh seeds would decide an undecided claim, or why no number of them would."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from netpress.editions import MOST_SEEDS
from netpress.report.comparisons import Comparison
from netpress.report.evidence import Part
from netpress.report.tables import number
from netpress.report.trends import Trend

POWER = 0.8


@dataclass(frozen=True)
class Needed:
    """Seeds on each data set with which a claim would be decided in four of five cases, if its effect is what it seems
    to be; None, and why, where no number up to MOST_SEEDS would."""

    seeds: int | None = None
    why: str = ""

    @property
    def text(self) -> str:
        """In words."""
        return f"at least {self.seeds}" if self.seeds else f"no number up to {MOST_SEEDS}{self.why and f': {self.why}'}"


NOTHING_NEEDED = Needed()


def needed(part: Part, seeds: int, alpha: float) -> Needed:
    """For what decides a claim, of which there are `seeds` seeds by now, at the level that is left to it."""
    if isinstance(part, Comparison):
        return Needed(found) if (found := seeds_needed(part, alpha)) else Needed(None, obstacle(part))
    if isinstance(part, Trend):
        found = seeds_for_trend(part, seeds, alpha)
        return Needed(found) if found else Needed(None, "the order is no clearer than chance makes it")
    return NOTHING_NEEDED


def seeds_needed(comparison: Comparison, alpha: float, power: float = POWER) -> int | None:
    """Seeds on each data set with which a comparison would be decided with this power, if it is what it seems to be.

    By the noncentral t, two-sided at level `alpha`, with the standard error shrinking as the root of the number of
    seeds and the degrees of freedom growing with it. A difference that seems too small to matter is decided by showing
    that it is. None where more than MOST_SEEDS would be needed.
    """
    found = comparison.found
    if found.se is None or found.df is None:
        return None
    spread, freedom = found.se * math.sqrt(found.n), found.df / (found.n - 1)
    for n in range(2, MOST_SEEDS + 1):
        if power_of(distance(comparison) * math.sqrt(n), spread, freedom * (n - 1), alpha) >= power:
            return max(n, found.n + 1)
    return None


def distance(comparison: Comparison) -> float:
    """How far the effect lies from where a verdict ends, at the better of two: its threshold, practical equality."""
    mean = comparison.found.mean
    within = -math.inf if comparison.equal is None else comparison.equal - abs(mean)
    return max(abs(mean - comparison.threshold), within)


def obstacle(comparison: Comparison) -> str:
    """Why no number of seeds would decide a comparison, in words."""
    found = comparison.found
    if found.se is None:
        return "one seed says nothing of how much seeds differ"
    far, spread, unit = distance(comparison), found.se * math.sqrt(found.n), f" {comparison.measure.unit}"
    if comparison.measure.ratio:  # logarithms
        far, spread, unit = math.exp(far), math.exp(spread), "-fold"
    return f"{number(far, 2)}{unit} from the margin, and one seed's estimate varies by {number(spread, 2)}{unit}"


def seeds_for_trend(trend: Trend, seeds: int, alpha: float, power: float = POWER) -> int | None:
    """The same for a trend: by the normal distribution, with the exact variance of the statistic where the order means
    nothing, and that of the rows as they are."""
    scores = np.array(trend.scores, dtype=np.float64)
    if len(scores) < 2 or not seeds:
        return None
    mean, own = abs(scores.mean()), scores.var(ddof=1)
    chance = sum(p * s * s for s, p in trend.chances.items()) / len(scores)  # their mean is 0
    critical, away = -float(special.ndtri(alpha / 2)), float(special.ndtri(power))
    for n in range(2, MOST_SEEDS + 1):
        rows = n * len(scores) / seeds
        if rows * mean >= math.sqrt(rows) * (critical * math.sqrt(chance) + away * math.sqrt(own)):
            return max(n, seeds + 1)
    return None


def power_of(shift: float, spread: float, df: float, alpha: float) -> float:
    """Power of a two-sided t test for a mean `shift` away from 0; `spread` is the standard deviation of the estimate.

    The larger tail alone counts, as a decision on the other side would be wrong.
    """
    if spread == 0:
        return 1.0 if shift > 0 else 0.0
    critical, away = -float(special.stdtrit(df, alpha / 2)), shift / spread
    if away > 25:  # far out scipy's noncentral t gives nan; there the spread's own error is all that counts
        return float(special.chdtr(df, df * (away / critical) ** 2))
    return 1 - float(special.nctdtr(df, away, critical))
