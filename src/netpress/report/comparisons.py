"""Comparisons: the inequalities that a claim asserts, estimated over fixed data sets and tested together.

The mean over the paper's data sets is what is estimated. Seeds vary within a data set, so the variance is that within
data sets, with Satterthwaite's (1946) degrees of freedom. A claim of several comparisons holds if each of them does
(intersection-union, Berger 1982: no correction is due), and fails if one of them does not: the largest of their t is
compared with the distribution of the largest t (max-t, Westfall & Young 1993), drawn with the covariance that was found
within the data sets. Where comparisons share networks and have equal degrees of freedom, that costs less than
Bonferroni's correction. Where these differ it may cost more: the comparisons with few make the largest t large, and the
others are compared with it too.

Probabilities are two-sided: twice the smaller tail, at most 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import special
from scipy.linalg import helmert

from netpress.report.labels import Label

DRAWS = 50_000  # of the largest t: a probability of 0.002 is then known to a tenth
BLOCK = 2_000  # draws at a time: they stay in a processor's cache
TINY = 1e-12


@dataclass(frozen=True)
class Measure:
    """A column of the frame of runs and the unit it is judged in: column times `scale`, or its ratios.

    `equal`: differences up to here do not matter in practice, in the unit; None where no such margin was stated.
    """

    column: str
    unit: str
    scale: float = 1.0
    ratio: bool = False  # compare quotients (differences of logarithms), not differences
    equal: float | None = None

    def of(self, values: pd.Series) -> pd.Series:
        """The values in the unit of the test; logarithms for ratios."""
        numbers = pd.to_numeric(values, errors="coerce").astype("float64")
        return np.log(numbers.where(numbers > 0)) if self.ratio else numbers * self.scale

    def to_test(self, value: float) -> float:
        """A value as it is shown, in the unit of the test."""
        return math.log(value) if self.ratio else value

    def back(self, value: float) -> float:
        """A value of the test as it is shown."""
        return math.exp(value) if self.ratio else value


ACCURACY = Measure("best", "points", 100.0, equal=0.5)
LAST = Measure("last", "points", 100.0, equal=0.5)
EPOCHS = Measure("epochs_to_99", "epochs", equal=0.5)


@dataclass(frozen=True)
class Stratified:
    """The mean over strata of the means within each, its standard error and degrees of freedom.

    `n`: values in the smallest stratum. `se` and `df` are None where a stratum has fewer than two values.
    """

    mean: float
    se: float | None
    df: float | None
    n: int


def stratified(values: Mapping[str, np.ndarray]) -> Stratified:
    """Equal weight to every stratum; variances within strata, not pooled (Satterthwaite 1946)."""
    kept = [each[np.isfinite(each)] for each in values.values()]
    n = min((len(each) for each in kept), default=0)
    if not n:
        return Stratified(math.nan, None, None, 0)
    mean = float(np.mean([each.mean() for each in kept]))
    if n < 2:
        return Stratified(mean, None, None, n)
    parts = np.array([each.var(ddof=1) / len(each) for each in kept]) / len(kept) ** 2
    total = float(parts.sum())
    if total <= (TINY * max(1.0, abs(mean))) ** 2:
        return Stratified(mean, 0.0, float(sum(len(each) - 1 for each in kept)), n)
    weights = np.array([len(each) - 1 for each in kept])
    return Stratified(mean, math.sqrt(total), float(total**2 / (parts**2 / weights).sum()), n)


@dataclass(frozen=True)
class Comparison:
    """One inequality: the mean of `values` lies above `threshold` (`more`), or below it.

    `values`: stratum (a data set) -> one number a seed, in the unit of the test, nan where there is none; comparisons
    of one claim list the seeds of a stratum in the same order. `equal`: the margin of practical equality around 0, None
    where the claim is not about a difference.
    """

    label: Label
    values: Mapping[str, np.ndarray]
    measure: Measure = ACCURACY
    threshold: float = 0.0
    more: bool = True
    equal: float | None = None

    @cached_property
    def found(self) -> Stratified:
        """Mean, standard error, degrees of freedom."""
        return stratified(self.values)

    @property
    def sign(self) -> int:
        """1 where more supports, -1 where less does."""
        return 1 if self.more else -1

    @property
    def t(self) -> float | None:
        """Distance from the threshold in standard errors, above 0 where it supports."""
        return _t(self.sign * (self.found.mean - self.threshold), self.found.se)

    @property
    def p(self) -> float | None:
        """Of the test whose rejection says that the inequality holds."""
        return None if self.t is None else min(1.0, 2 * _tail(self.t, self.found.df))

    @property
    def p_against(self) -> float | None:
        """Of the test, by itself, whose rejection says that the inequality does not hold."""
        return None if self.t is None else min(1.0, 2 * _tail(-self.t, self.found.df))

    @property
    def p_equal(self) -> float | None:
        """Of the two one-sided tests (Schuirmann 1987) whose rejection says: within the margin of equality."""
        if self.equal is None or self.t is None:
            return None
        near = _t(self.equal - abs(self.found.mean), self.found.se)
        return None if near is None else min(1.0, 2 * _tail(near, self.found.df))


@dataclass(frozen=True)
class LargestT:
    """How large the largest t against a claim must be to contradict it: by max-t, and by Bonferroni's correction with
    the degrees of freedom of the comparison that contradicts it most, by its own p. `p`: that it does not hold, by
    Bonferroni's correction."""

    maxt: float
    bonferroni: float
    p: float


class Family:
    """The comparisons of one claim, tested together."""

    draws_taken = DRAWS

    def __init__(self, comparisons: Sequence[Comparison]):
        self.comparisons = tuple(comparisons)
        self.draws = self.draws_taken

    @property
    def known(self) -> tuple[Comparison, ...]:
        """Those that can be tested."""
        return tuple(each for each in self.comparisons if each.t is not None)

    @property
    def p(self) -> float | None:
        """Small: every inequality holds. None where one of them cannot be tested."""
        return _largest([each.p for each in self.comparisons])

    @property
    def p_equal(self) -> float | None:
        """Small: every difference lies within the margin of practical equality."""
        return _largest([each.p_equal for each in self.comparisons])

    @cached_property
    def p_against(self) -> float | None:
        """Small: at least one inequality does not hold."""
        against = [-each.t for each in self.known if each.t is not None]
        if not against:
            return None
        if len(against) == 1:
            return self.known[0].p_against
        if max(against) == math.inf:
            return 0.0
        return min(1.0, 2 * (1 + int((self.largest >= max(against)).sum())) / (1 + self.draws))

    def interval(self, comparison: Comparison, alpha: float) -> tuple[float, float] | None:
        """The interval that decides at level `alpha`: where the claim is supported, the bound that supports lies on
        its side of the threshold; where it is contradicted, so does the other, which has the max-t's width."""
        found = comparison.found
        if found.se is None or found.df is None or comparison.t is None:
            return None
        one, many = (found.se * width for width in (_quantile(alpha / 2, found.df), self.critical(alpha)))
        down, up = (one, many) if comparison.more else (many, one)
        return found.mean - down, found.mean + up

    def largest_t(self, alpha: float) -> LargestT | None:
        """What max-t asks for at level `alpha`, beside what Bonferroni's correction would; None for one comparison."""
        many = len(self.known)
        if many < 2:
            return None
        # by p, not by t: the same t says less with few degrees of freedom
        most = min(self.known, key=lambda each: (each.p_against or 0.0, each.t or 0.0))
        p = min(1.0, many * (most.p_against or 0.0))
        return LargestT(self.critical(alpha), _quantile(alpha / 2 / many, most.found.df), p)

    def critical(self, alpha: float) -> float:
        """How large the largest t against the claim must be to contradict it at level `alpha`."""
        if len(self.known) == 1:
            return _quantile(alpha / 2, self.known[0].found.df)
        # as many draws above it as p_against allows
        above = max(0, math.ceil(alpha / 2 * (1 + self.draws)) - 2)
        return float(np.partition(self.largest, -1 - above)[-1 - above])

    @cached_property
    def largest(self) -> np.ndarray:
        """Draws of the largest t of the family, were every comparison exactly at its threshold."""
        moving = [each for each in self.known if each.found.se]
        if not moving:
            return np.zeros(self.draws)
        strata = dict.fromkeys(name for each in moving for name in each.values)
        spreads = [_spread(moving, stratum) for stratum in strata]
        generator = np.random.default_rng(0)
        sizes = [min(BLOCK, self.draws - begin) for begin in range(0, self.draws, BLOCK)]
        return np.concatenate([_largest_t(spreads, size, generator) for size in sizes])


def _spread(comparisons: Sequence[Comparison], stratum: str) -> np.ndarray:
    """A matrix, (comparisons, seeds - 1), whose product with its transpose is the covariance of the seeds in a stratum.

    Each comparison is in its standard errors and weighed as in its mean over the strata; 0 where it lacks the stratum.
    """
    nothing = np.zeros_like(next(each.values[stratum] for each in comparisons if stratum in each.values))
    values = np.array([each.values.get(stratum, nothing) for each in comparisons])
    values = values[:, np.isfinite(values).all(axis=0)]
    weights = np.array([each.sign / len(each.values) / (each.found.se or 1.0) for each in comparisons])
    seeds = values.shape[1]
    return weights[:, None] * values @ helmert(seeds).T / math.sqrt(seeds - 1)  # Helmert's matrix takes the mean away


def _largest_t(spreads: Sequence[np.ndarray], draws: int, generator: np.random.Generator) -> np.ndarray:
    """Draws of the largest t over comparisons whose normal seeds have these spreads, one a stratum."""
    mean, variance = np.zeros((2, len(spreads[0]), draws), dtype=np.float32)
    for spread in spreads:
        seeds = spread.shape[1] + 1
        # a mean, and as many squares as the variance has degrees of freedom, which are independent of it
        normal = generator.standard_normal((seeds, seeds - 1, draws), dtype=np.float32)
        drawn = spread.astype(np.float32) @ normal
        mean += drawn[0] / math.sqrt(seeds)
        variance += (drawn[1:] ** 2).sum(axis=0) / (seeds * (seeds - 1))
    return (mean / np.sqrt(variance)).max(axis=0).astype(np.float64)


def _t(distance: float, se: float | None) -> float | None:
    if se is None:
        return None
    if se == 0:
        return math.copysign(math.inf, distance) if distance else -math.inf
    return distance / se


def _tail(t: float, df: float | None) -> float:
    return float(special.stdtr(df, -t))


def _quantile(tail: float, df: float | None) -> float:
    return float(-special.stdtrit(df, tail))


def _largest(values: Sequence[float | None]) -> float | None:
    return None if not values or None in values else max(value for value in values if value is not None)
