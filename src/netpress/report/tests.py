"""Tests of claims: what is compared, and how sure one may be of it.

A claim asserts one inequality or several. The unit that is repeated is the seed; data sets are fixed, so what is
estimated is the mean over them, with the variance that seeds have within each and Satterthwaite's (1946) degrees of
freedom. Where the comparisons of a claim have variances within a data set that agree (Bartlett's test at 5 %), these
are pooled, with Box's (1954) degrees of freedom, as the comparisons share networks.

A claim of several comparisons holds if each of them does (intersection-union, Berger 1982: no correction is due), and
fails if one of them does not: the smallest of their p is compared with the distribution of the smallest p (min-p,
Westfall & Young 1993), drawn with the covariance that was found, shrunk to full rank (Ledoit & Wolf 2004). Unlike the
largest t, it does not let comparisons with few degrees of freedom decide for all.

Probabilities are two-sided: twice the smaller tail, at most 1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from netpress.errors import UserError
from netpress.report.estimates import Estimate, interval
from netpress.report.frames import Where, balanced, finished, one_edition, require_columns, rows_where

DRAWS = 50_000  # of the smallest p: a probability of 0.002 is then known to a tenth
BLOCK = 2_000  # draws at a time
AGREE = 0.05  # variances are pooled where Bartlett's p is above this
TINY = 1e-12

Side = tuple[float | None, float | None]  # from where to where an effect supports a claim, None where it is open


# WHAT IS COMPARED -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measure:
    """A column of the frame of runs and the unit it is judged in: column times `scale`, or its quotients.

    `equal`: differences up to here do not matter in practice, in the unit; None where no such margin was stated.
    """

    column: str
    unit: str
    scale: float = 1.0
    ratio: bool = False  # compare quotients (differences of logarithms), not differences
    equal: float | None = None

    def of(self, values: pd.Series) -> pd.Series:
        """The values in the unit of the test; logarithms for quotients."""
        numbers = pd.to_numeric(values, errors="coerce").astype("float64")
        return np.log(numbers.where(numbers > 0)) if self.ratio else numbers * self.scale

    def to_test(self, value: float) -> float:
        """A value as it is shown, in the unit of the test."""
        return math.log(value) if self.ratio else value

    def back(self, value: float) -> float:
        """A value of the test as it is shown."""
        return math.exp(value) if self.ratio else value


MATTERS = 1.0  # points: the one margin for all accuracies, for "the same" and for what "not above" forgives
ACCURACY = Measure("best", "points", 100.0, equal=MATTERS)
LAST = Measure("last", "points", 100.0, equal=MATTERS)


@dataclass(frozen=True)
class Contrast:
    """Two sides, left minus right, of one measure.

    Both sides are averaged within each data set, seed and combination of `by`, then paired on all of these; the
    differences are averaged to one number a data set and seed. `every` splits the left side (and the right by those
    columns that are also in `by`): the claim must hold in each part.
    """

    left: Where
    right: Where
    measure: Measure = ACCURACY
    by: tuple[str, ...] = ("dataset",)
    every: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """One inequality: the mean of `values` lies above `threshold` (`more`), or below it.

    `part`: which part of the claim it is, in words. `values`: data set -> one number a seed, in the unit of the test,
    nan where there is none; comparisons of one claim list the seeds of a data set in the same order. `equal`: the
    margin of practical equality around 0, None where the claim is not about a difference. `fails_at`: where the claim
    begins to fail, if that is not `threshold`. `cells`: in how many cells the mean lies on the claim's side, of how
    many.
    """

    part: str
    values: Mapping[str, np.ndarray]
    measure: Measure = ACCURACY
    threshold: float = 0.0
    more: bool = True
    equal: float | None = None
    fails_at: float | None = None
    cells: tuple[int, int] = (0, 0)

    @property
    def sign(self) -> int:
        """1 where more supports, -1 where less does."""
        return 1 if self.more else -1


@dataclass(frozen=True)
class Count:
    """A number in which chance plays no part, whether it meets the claim, and from where to where it would."""

    part: str
    value: float
    unit: str
    holds: bool
    side: Side = (None, None)


@dataclass(frozen=True)
class Found:
    """What a test found among the runs: comparisons and counts, and the runs that it still lacks.

    `lacking` of `asked` runs have no record yet; `lost`: in words, those that have one and do not count (diverged).
    """

    comparisons: tuple[Comparison, ...] = ()
    counts: tuple[Count, ...] = ()
    lacking: int = 0
    asked: int = 0
    lost: str = ""


@dataclass(frozen=True)
class ClaimTest:
    """The test of a claim: looks at the runs of a paper; with its rule in words."""

    run: Callable[[pd.DataFrame], Found]
    rule: str


# HOW SURE ONE MAY BE --------------------------------------------------------------------------------------------------


class Family:
    """The comparisons of one claim, tested together. Arrays have one number a comparison.

    mean, se, df: the estimate, its standard error, its degrees of freedom; se and df are nan where a data set has a
    single seed. n: seeds in the smallest data set, over all comparisons.
    """

    draws = DRAWS

    def __init__(self, comparisons: Sequence[Comparison]):
        self.comparisons = tuple(comparisons)
        names = list(dict.fromkeys(name for each in self.comparisons for name in each.values))
        self.strata = [self._stratum(name) for name in names]
        self.n = min((stratum.n for stratum in self.strata), default=0)
        self.mean, variance, squares = np.zeros((3, len(self.comparisons)))
        for stratum in self.strata if self.n else ():
            part = stratum.variance / stratum.n / self._weight(stratum) ** 2
            self.mean[stratum.own] += stratum.mean / self._weight(stratum)
            variance[stratum.own] += part
            squares[stratum.own] += part**2 / stratum.df
        self.se = np.sqrt(variance)
        self.se[self.se <= TINY * np.maximum(1.0, np.abs(self.mean))] = 0.0
        self.df = np.divide(variance**2, squares, out=np.ones_like(squares), where=squares > 0)
        if self.n < 2:  # a single seed says nothing of how much seeds differ
            self.se[:] = self.df[:] = math.nan

    def _stratum(self, name: str) -> Stratum:
        own = [i for i, each in enumerate(self.comparisons) if name in each.values]
        values = np.array([self.comparisons[i].values[name] for i in own], dtype=np.float64)
        return Stratum(np.array(own), values[:, np.isfinite(values).all(axis=0)],
                       [self.comparisons[i].measure for i in own])  # fmt: skip

    def _weight(self, stratum: Stratum) -> np.ndarray:
        """Over how many data sets each of a stratum's comparisons is averaged."""
        return np.array([len(self.comparisons[i].values) for i in stratum.own], dtype=np.float64)

    def _each(self, name: str) -> np.ndarray:
        return np.array([getattr(each, name) for each in self.comparisons], dtype=np.float64)

    def _p(self, distance: np.ndarray) -> np.ndarray:
        """Of the tests that each distance from a threshold, in the unit of the test, is above 0."""
        with np.errstate(invalid="ignore", divide="ignore"):
            t = np.where(self.se == 0, np.where(distance > 0, np.inf, -np.inf), distance / self.se)
        return np.minimum(1.0, 2 * special.stdtr(self.df, -t))

    @cached_property
    def each_p(self) -> np.ndarray:
        """Small: this inequality holds."""
        return self._p(self._each("sign") * (self.mean - self._each("threshold")))

    @cached_property
    def each_p_against(self) -> np.ndarray:
        """Small: this inequality, by itself, does not hold."""
        fails = [each.threshold if each.fails_at is None else each.fails_at for each in self.comparisons]
        return self._p(-self._each("sign") * (self.mean - np.array(fails)))

    @cached_property
    def each_p_equal(self) -> np.ndarray:
        """Small: this difference lies within its margin of practical equality (two one-sided tests, Schuirmann 1987);
        nan where no margin was stated."""
        return self._p(self._each("equal") - np.abs(self.mean))

    @property
    def p(self) -> float | None:
        """Small: every inequality holds. None where one of them cannot be tested."""
        return _largest(self.each_p)

    @property
    def p_equal(self) -> float | None:
        """Small: every difference lies within the margin of practical equality."""
        return _largest(self.each_p_equal)

    @cached_property
    def p_against(self) -> float | None:
        """Small: at least one inequality does not hold."""
        if self.n < 2:
            return None
        smallest = float(self.each_p_against.min(initial=1.0))
        most = min(1.0, self.many * smallest)
        if self.many == 1 or smallest == 0:
            return most
        return float(np.clip(2 * (1 + (self.smallest <= smallest / 2).sum()) / (1 + self.draws), smallest, most))

    def fails(self, level: float) -> bool:
        """Whether `p_against` is below `level`; nothing is drawn where Bonferroni's bounds already tell."""
        smallest = float(self.each_p_against.min(initial=1.0))
        if self.n < 2 or smallest >= level:
            return False
        return self.many * smallest < level or (self.p_against or 0.0) < level

    def interval(self, i: int, alpha: float, alone: bool = False) -> tuple[float, float] | None:
        """The interval of comparison `i` that decides at level `alpha`, in the unit of the test.

        Where the claim is supported, the bound that supports lies on its side of the threshold; where it is
        contradicted, so does the other, which has min-p's width. `alone`: as if there were no other comparison.
        """
        if not math.isfinite(self.se[i]):
            return None
        tail = alpha / 2 if alone else self.critical(alpha)
        one, many = (-float(special.stdtrit(self.df[i], part)) * self.se[i] for part in (alpha / 2, tail))
        down, up = (one, many) if self.comparisons[i].more else (many, one)
        return float(self.mean[i] - down), float(self.mean[i] + up)

    def critical(self, alpha: float) -> float:
        """How small the smallest one-sided p against the claim must be to contradict it at level `alpha`."""
        least = alpha / 2 / self.many
        if self.many == 1:
            return least
        below = max(0, math.ceil(alpha / 2 * (1 + self.draws)) - 2)  # draws below it, as many as p_against allows
        return float(np.clip(np.partition(self.smallest, below)[below], least, alpha / 2))

    @cached_property
    def smallest(self) -> np.ndarray:
        """Draws of the smallest one-sided p of the family, were every comparison exactly at its threshold."""
        generator = np.random.default_rng(0)
        sizes = [min(BLOCK, self.draws - begin) for begin in range(0, self.draws, BLOCK)]
        return np.concatenate([self._smallest(size, generator) for size in sizes])

    @cached_property
    def _apart(self) -> np.ndarray:
        """Which comparisons can be at their thresholds together: of the bounds of one number, the first."""
        seen = [[each.values[name].tobytes() for name in sorted(each.values)] for each in self.comparisons]
        return np.array([own not in seen[:i] for i, own in enumerate(seen)])

    @property
    def many(self) -> int:
        """How many comparisons can be at their thresholds together."""
        return int(self._apart.sum())

    def _smallest(self, draws: int, generator: np.random.Generator) -> np.ndarray:
        mean, variance = np.zeros((2, len(self.comparisons), draws))
        for stratum in self.strata:
            drawn = stratum.root @ generator.standard_normal((stratum.n, len(stratum.own), draws))
            # a mean, and as many squares as the variance has degrees of freedom, which are independent of it
            squares = (drawn[1:] ** 2).sum(axis=0) / (stratum.n - 1)
            weight = self._weight(stratum)[:, None]
            mean[stratum.own] += drawn[0] / math.sqrt(stratum.n) / weight
            variance[stratum.own] += stratum.pooled(squares) / stratum.n / weight**2
        moving = (self.se > 0) & self._apart
        t = self._each("sign")[moving, None] * mean[moving] / np.sqrt(variance[moving])
        return special.stdtr(self.df[moving, None], t).min(axis=0, initial=1.0)


class Stratum:
    """The comparisons of a claim on one data set: `values` of shape (comparisons, seeds), without gaps.

    own: their places in the family; variance, df: of each, pooled within a measure where variances agree.
    """

    def __init__(self, own: np.ndarray, values: np.ndarray, measures: Sequence[Measure]):
        self.own, self.n = own, values.shape[1]
        self.mean = values.mean(axis=1) if self.n else np.full(len(own), math.nan)
        self.rest = values - self.mean[:, None]
        free = max(self.n - 1, 1)
        self.variance = (self.rest**2).sum(axis=1) / free
        self.df = np.full(len(own), float(free))
        self.groups = [np.flatnonzero([one == measure for one in measures]) for measure in dict.fromkeys(measures)]
        self.groups = [group for group in self.groups if self._agree(group)]
        for group in self.groups:
            covariance = self.rest[group] @ self.rest[group].T / free
            self.df[group] = free * np.trace(covariance) ** 2 / (covariance**2).sum()
        self.variance = self.pooled(self.variance)

    def _agree(self, group: np.ndarray) -> bool:
        """Bartlett's (1937) test, for groups of one size."""
        if len(group) < 2 or self.n < 2 or (self.variance[group] <= TINY).any():
            return False
        many, free = len(group), self.n - 1
        far = many * math.log(self.variance[group].mean()) - np.log(self.variance[group]).sum()
        return bool(special.chdtrc(many - 1, free * far / (1 + (many + 1) / (3 * many * free))) > AGREE)

    def pooled(self, variance: np.ndarray) -> np.ndarray:
        """Variances, (comparisons, ...), each replaced by the mean of its group."""
        variance = variance.copy()
        for group in self.groups:
            variance[group] = variance[group].mean(axis=0)
        return variance

    @cached_property
    def root(self) -> np.ndarray:
        """A matrix whose product with its transpose is the covariance of a seed's values, of full rank."""
        spread = np.sqrt(self.variance)
        own = np.sqrt((self.rest**2).mean(axis=1))
        correlation = np.eye(len(spread))
        moving = np.flatnonzero(own > TINY)
        if len(moving) > 1:
            from sklearn.covariance import ledoit_wolf  # a second to load

            shrunk = ledoit_wolf((self.rest[moving] / own[moving, None]).T, assume_centered=True)[0]
            scale = np.sqrt(np.diag(shrunk))
            correlation[np.ix_(moving, moving)] = shrunk / np.outer(scale, scale)
        sizes, axes = np.linalg.eigh(correlation)
        return spread[:, None] * axes * np.sqrt(np.maximum(sizes, 0.0))


def _largest(values: np.ndarray) -> float | None:
    return float(values.max()) if len(values) and np.isfinite(values).all() else None


# HOW A TEST IS BUILT --------------------------------------------------------------------------------------------------


def difference_test(
    contrast: Contrast, threshold: float = 0.0, direction: str = "more", fails_at: float | None = None
) -> ClaimTest:
    """Is left minus right more (or less) than `threshold`, in the measure's unit (a quotient for ratios)?

    About a difference (threshold 0) it may also be found that none matters: see `Measure.equal`. `fails_at`: where the
    claim begins to fail, if that is not `threshold`.
    """
    if direction not in ("more", "less"):
        raise UserError(f"direction is {direction!r}; expected 'more' or 'less'.")
    measure, more = contrast.measure, direction == "more"
    equal = measure.equal if threshold == 0 and not measure.ratio else None
    other = "less" if more else "more"
    nothing = f", no difference that matters if within {equal:g} {measure.unit} of 0" if equal else ""
    fails = "" if fails_at is None else f" than {fails_at:g} {measure.unit}"
    rule = (
        f"{measure.column}, {_words(contrast.left)} {'over' if measure.ratio else 'minus'} {_words(contrast.right)}: "
        f"supported if {direction} than {threshold:g} {measure.unit}{_in_every(contrast.every)}, contradicted if "
        f"{other}{fails}{_in_every(contrast.every, 'any')}{nothing} (paired by {', '.join(('seed', *contrast.by))})"
    )
    limit = measure.to_test(threshold)
    end = None if fails_at is None else measure.to_test(fails_at)

    def run(runs: pd.DataFrame) -> Found:
        sides = _pick(runs, contrast.left, measure), _pick(runs, contrast.right, measure)
        found = [
            Comparison(part, values, measure, limit, more, equal, end, _cells(pairs, limit, more))
            for part, left, right in _parts(*sides, contrast)
            for pairs in [_paired(left, right, contrast)]
            if (values := by_dataset(pairs.groupby(["dataset", "seed"]).mean(), runs))
        ]
        return _found(found, *sides)

    return ClaimTest(run, rule)


def difference(runs: pd.DataFrame, contrast: Contrast) -> Estimate:
    """Left minus right over all runs of both sides, in the measure's unit, one number a seed, without a test."""
    left, right = (_pick(runs, side, contrast.measure) for side in (contrast.left, contrast.right))
    pairs = _paired(left, right, contrast).groupby(["dataset", "seed"]).mean().rename("value").reset_index()
    return interval(balanced(pairs).groupby("seed")["value"].mean())


def equivalence_test(where: Where, over: str, margin: float, by: tuple[str, ...] = ("method",)) -> ClaimTest:
    """Are the accuracies of all values of the column `over` equal within `margin` points, every two of them, paired?

    Within each data set and seed the mean is taken over the combinations of `by` in which all values of `over` have a
    run. Each difference is asserted to lie above -margin and below margin.
    """
    measure = ACCURACY
    rule = (
        f"{measure.column}, {_words(where)}: supported if every two values of {over} differ by less than {margin:g} "
        f"{measure.unit}, contradicted if two differ by more (paired by data set and seed)"
    )

    def run(runs: pd.DataFrame) -> Found:
        rows = _pick(runs, where, measure)
        table = _table(rows, over, by)
        found = [
            Comparison(f"{named(a)} less {named(b)}", values, measure, bound, bound < 0)
            for a, b in itertools.combinations(table.columns, 2)
            if (values := by_dataset(table[a] - table[b], runs))
            for bound in (-margin, margin)
        ]
        return _found(found, rows)

    return ClaimTest(run, rule)


def slope_test(
    where: Where, over: str, order: Mapping[Any, float], measure: Measure = ACCURACY, by: tuple[str, ...] = (),
    rising: bool = True, step: str = "step",
) -> ClaimTest:  # fmt: skip
    """Does the measure rise (or fall) with `order`, which gives a number to each value of the column `over`?

    The slope of a straight line through the means, one number a seed, is compared with 0. Where `over` is the data set,
    whose seeds have nothing in common, each data set has its share of the slope.
    """
    steps = " < ".join(map(str, sorted(order, key=lambda name: order[name])))
    up, down = ("rises", "falls") if rising else ("falls", "rises")
    rule = (
        f"{measure.column}, {_words(where)}, against the order {steps}: supported if it {up} with the order, "
        f"contradicted if it {down} (t test of the slope of a straight line, one slope a seed)"
    )
    slope = Measure("slope", f"{measure.unit} a {step}")

    def run(runs: pd.DataFrame) -> Found:
        rows = _pick(runs, where, measure)
        require_columns(rows, [over])
        rows = rows[rows[over].isin(list(order))]
        table = _table(rows, over, by)
        if table.shape[1] < len(order) or len(order) < 3:
            return _found([], rows)
        numbers = np.array([order[name] for name in table])
        weights = (numbers - numbers.mean()) / ((numbers - numbers.mean()) ** 2).sum()
        if over == "dataset":
            shares = {name: len(numbers) * weight * table[name] for name, weight in zip(table, weights, strict=True)}
            values = {name: share.dropna().to_numpy() for name, share in shares.items()}
        else:
            values = by_dataset((table * weights).sum(axis=1, skipna=False), runs)
        return _found([Comparison("", values, slope, more=rising)] if values else [], rows)

    return ClaimTest(run, rule)


def correlation_test(where: Where, left: Measure, right: Measure, by: tuple[str, ...]) -> ClaimTest:
    """Does one measure rise with another over the runs of a data set and seed?

    Kendall's tau-b within each data set and seed; its mean over data sets is compared with 0.
    """
    rule = (
        f"{left.column} against {right.column}, {_words(where)}: supported if Kendall's tau-b over {' and '.join(by)} "
        "within a data set and seed is above 0 on average, contradicted if below"
    )

    def run(runs: pd.DataFrame) -> Found:
        one, other = _pick(runs, where, left), _pick(runs, where, right)
        pairs = one.assign(other=other["value"]).dropna(subset=["value", "other"])
        taus = {key: own["value"].corr(own["other"], method="kendall")
                for key, own in pairs.groupby(["dataset", "seed"])}  # fmt: skip
        values = by_dataset(pd.Series(taus, dtype="float64"), runs)
        return _found([Comparison("", values, Measure("tau", "tau"))] if values else [], one)

    return ClaimTest(run, rule)


def count_test(
    measure: Callable[[pd.DataFrame], float | None], unit: str, at_least: float = -math.inf, at_most: float = math.inf
) -> ClaimTest:
    """Is a number in which chance plays no part (a count, a ratio of sizes) within its bounds?

    `measure` takes the runs, finished or not, and returns the number, or None where it cannot be told from them.
    """
    bounds = [f"at least {at_least:g}"] * (at_least > -math.inf) + [f"at most {at_most:g}"] * (at_most < math.inf)
    rule = f"supported if the number is {' and '.join(bounds)} {unit}, contradicted if not (exact: nothing is random)"

    def run(runs: pd.DataFrame) -> Found:
        value = measure(runs)
        if value is None:
            return Found()
        side = (at_least if at_least > -math.inf else None, at_most if at_most < math.inf else None)
        return Found(counts=(Count("", float(value), unit, at_least <= value <= at_most, side),))

    return ClaimTest(run, rule)


def all_of(tests: Mapping[str, ClaimTest]) -> ClaimTest:
    """A claim with several parts, each with its test: supported if all hold, contradicted if one does not."""
    rule = "; and ".join(f"{part}: {test.rule}" for part, test in tests.items())

    def run(runs: pd.DataFrame) -> Found:
        found = {part: test.run(runs) for part, test in tests.items()}
        every = list(found.values())
        return Found(
            tuple(replace(each, part=_joined(part, each.part)) for part, one in found.items()
                  for each in one.comparisons),
            tuple(replace(each, part=_joined(part, each.part)) for part, one in found.items() for each in one.counts),
            sum(one.lacking for one in every), sum(one.asked for one in every),
            "; ".join(dict.fromkeys(one.lost for one in every if one.lost)),
        )  # fmt: skip

    return ClaimTest(run, f"supported if all hold, contradicted if one does not: {rule}")


NAMES = {
    "mnist": "MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "dogs": "Stanford Dogs",
    "flowers102": "Flowers-102", "digits": "digits", "two-stages": "2 stages", "gram": "Gram", "fitnet": "FitNet",
    "gram-direct": "Gram Direct", "scratch": "Scratch", "mean": "from the mean",
}  # fmt: skip


def named(value: object) -> str:
    """A value of a factor in words: "CIFAR-10", "block 3", "SVGG8"."""
    text = str(value)
    if text.startswith("block"):
        return f"block {text.removeprefix('block')}"
    return NAMES.get(text, text.upper() if text.startswith("svgg") else text)


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _in_every(columns: tuple[str, ...], word: str = "every") -> str:
    return f" in {word} {' and '.join(columns)}" if columns else ""


def _found(comparisons: Sequence[Comparison], *sides: pd.DataFrame) -> Found:
    """The comparisons, with how many of the runs that they ask for are not there."""
    rows = pd.concat(sides)
    rows = rows[~rows.index.duplicated()]
    if "status" not in rows:
        return Found(tuple(comparisons), asked=len(rows))
    lacking = int(rows["status"].isin(("missing", "stale")).sum())
    lost = rows.loc[~rows["status"].isin(("done", "missing", "stale")), "status"].value_counts()
    words = ", ".join(f"{count} {status}" for status, count in sorted(lost.items()))
    return Found(tuple(comparisons), (), lacking, len(rows), f"{words} do not count" if words else "")


def _pick(runs: pd.DataFrame, where: Where, measure: Measure) -> pd.DataFrame:
    """The runs of one side with their measure in the column "value"; missing where the run is not finished."""
    one_edition(runs)
    rows = rows_where(runs, where)
    values = measure.of(rows[measure.column]) if measure.column in rows else pd.Series(math.nan, rows.index)
    return rows.assign(value=values.where(rows.index.isin(finished(rows).index)))


def _parts(
    left: pd.DataFrame, right: pd.DataFrame, contrast: Contrast
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Part in words, left side, right side."""
    if not contrast.every:
        yield "", left, right
        return
    require_columns(left, contrast.every)
    shared = [column for column in contrast.every if column in contrast.by]
    for key, part in left.groupby(list(contrast.every), sort=False):
        match = right
        for column in shared:
            match = match[match[column] == part[column].iloc[0]]
        yield ", ".join(map(named, key)), part, match


def _paired(left: pd.DataFrame, right: pd.DataFrame, contrast: Contrast) -> pd.Series:
    """One difference for every data set, seed and combination of `by` that both sides have."""
    keys = list(dict.fromkeys(["dataset", "seed", *contrast.by]))
    require_columns(left, keys)
    require_columns(right, keys)
    return (left.groupby(keys)["value"].mean() - right.groupby(keys)["value"].mean()).dropna()


def _cells(pairs: pd.Series, threshold: float, more: bool) -> tuple[int, int]:
    """In how many cells, each the mean over seeds, a difference lies on the claim's side, and how many there are."""
    names = [name for name in pairs.index.names if name != "seed"]
    means = pairs.groupby(names).mean() - threshold
    return int(((means > 0) if more else (means < 0)).sum()), len(means)


def _table(rows: pd.DataFrame, over: str, by: tuple[str, ...]) -> pd.DataFrame:
    """Data sets and seeds down, values of `over` across, each the mean over the combinations of `by` that are complete.

    Where `over` is the data set itself, only seeds are down, and a data set may lack some.
    """
    down = [column for column in ("dataset", "seed") if column != over]
    require_columns(rows, [*down, *by, over])
    kept = rows.dropna(subset=["value"])
    keys = list(dict.fromkeys([*down, *by]))
    cells = kept.groupby([*keys, over], sort=False)["value"].mean().unstack(over, sort=False)
    return (cells if over == "dataset" else cells.dropna()).groupby(down).mean()


def by_dataset(values: pd.Series, runs: pd.DataFrame) -> dict[str, np.ndarray]:
    """Data set -> one number for each of its seeds among the runs, in order; nan where there is none."""
    found = {}
    for dataset, part in values.dropna().groupby(level=0):
        seeds = sorted(runs.loc[runs["dataset"] == dataset, "seed"].unique())
        found[str(dataset)] = part.droplevel(0).reindex(seeds).to_numpy(dtype=np.float64)
    return found


def _words(where: Where) -> str:
    return " and ".join(f"{column} {_value(value)}" for column, value in where.items()) or "all runs"


def _value(value: object) -> str:
    if callable(value):
        return getattr(value, "__name__", "chosen").strip("<>")
    return " or ".join(map(str, value)) if isinstance(value, list | tuple | set | frozenset) else str(value)
