"""Claim tests: small functions that build the test of a claim. A test looks at runs and returns Findings.

Every test carries its rule in words, made from the very numbers it tests with.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from netpress.errors import UserError
from netpress.report.comparisons import ACCURACY, EPOCHS, Comparison, Measure
from netpress.report.estimates import Estimate, interval
from netpress.report.evidence import ClaimTest, Contrast, Count, Findings, several
from netpress.report.frames import Where, balanced, finished, one_edition, require_columns, rows_where
from netpress.report.labels import WHOLE, Label, at, less
from netpress.report.trends import Trend


def difference_test(contrast: Contrast, threshold: float = 0.0, direction: str = "more") -> ClaimTest:
    """Is left minus right more (or less) than `threshold`, in the measure's unit (a quotient for ratios)?

    About a difference (threshold 0) it may also be found that none matters: see `Measure.equal`.
    """
    if direction not in ("more", "less"):
        raise UserError(f"direction is {direction!r}; expected 'more' or 'less'.")
    measure = contrast.measure
    equal = measure.equal if threshold == 0 and not measure.ratio else None
    rule = _difference_rule(contrast, threshold, direction, equal)

    def run(runs: pd.DataFrame, history: pd.DataFrame) -> Findings:
        sides = _pick(runs, contrast.left, measure), _pick(runs, contrast.right, measure)
        parts = tuple(
            Comparison(label, values, measure, measure.to_test(threshold), direction == "more", equal)
            for label, left, right in _parts(*sides, contrast)
            if (values := by_dataset(_paired(left, right, contrast), runs))
        )
        return _findings(parts, *sides)

    return ClaimTest(run, rule)


def difference(runs: pd.DataFrame, contrast: Contrast) -> Estimate:
    """Left minus right over all runs of both sides, in the measure's unit, one number a seed, without a test."""
    left, right = (_pick(runs, side, contrast.measure) for side in (contrast.left, contrast.right))
    pairs = _paired(left, right, contrast).rename("value").reset_index()
    return interval(balanced(pairs).groupby("seed")["value"].mean())


def noninferiority_test(contrast: Contrast, margin: float) -> ClaimTest:
    """Is left no more than `margin` below right? For accuracies: margin in points, above 0."""
    return difference_test(contrast, threshold=-margin, direction="more")


def equivalence_test(
    where: Where, over: str, margin: float, measure: Measure = ACCURACY,
    by: tuple[str, ...] = ("method",), every: tuple[str, ...] = (),
) -> ClaimTest:  # fmt: skip
    """Are all values of the column `over` equal within `margin`, every two of them, paired by data set and seed?

    Within each data set and seed the mean is taken over the combinations of `by` in which all values of `over` have a
    run. Each difference is asserted to lie above -margin and below margin.
    """
    rule = (
        f"{measure.column}, {_words(where)}: supported if every two values of {over} differ by less than {margin:g} "
        f"{measure.unit}{_in_every(every)}, contradicted if two differ by more (paired by data set and seed)"
    )

    def run(runs: pd.DataFrame, history: pd.DataFrame) -> Findings:
        rows = _pick(runs, where, measure)
        parts = tuple(
            Comparison(label.within(less(a, b)), values, measure, bound, bound < 0)
            for label, part in _split(rows, every)
            for (a, b), values in _pairs(part, over, by, runs).items()
            for bound in (-margin, margin)
        )
        return _findings(parts, rows)

    return ClaimTest(run, rule)


def any_difference_test(
    where: Where, over: str, margin: float, measure: Measure = ACCURACY, by: tuple[str, ...] = ("method",)
) -> ClaimTest:
    """Do two values of the column `over` differ by more than `margin`? The opposite of `equivalence_test`."""
    opposite = equivalence_test(where, over, margin, measure, by)
    rule = (
        f"{measure.column}, {_words(where)}: supported if two values of {over} differ by more than {margin:g} "
        f"{measure.unit}, contradicted if every two differ by less (paired by data set and seed)"
    )
    return ClaimTest(lambda runs, history: replace(opposite.run(runs, history), opposite=True), rule)


def trend_test(
    where: Where, over: str, order: Mapping[Any, float], measure: Measure = EPOCHS, by: tuple[str, ...] = (),
    rising: bool = True,
) -> ClaimTest:  # fmt: skip
    """Does the measure rise (or fall) with `order`, which gives a number to each value of the column `over`?"""
    steps = " < ".join(map(str, sorted(order, key=lambda name: order[name])))
    up, down = ("rises", "falls") if rising else ("falls", "rises")
    within = "seed" if over == "dataset" else "data set and seed"
    rule = (
        f"{measure.column}, {_words(where)}, against the order {steps}: supported if it {up} with the order, "
        f"contradicted if it {down} (Kendall's tau-b, all orders within each {within} gone through)"
    )

    def run(runs: pd.DataFrame, history: pd.DataFrame) -> Findings:
        rows = _pick(runs, where, measure)
        require_columns(rows, [over])
        rows = rows[rows[over].isin(list(order))]
        table = _table(rows, over, by)
        numbers = tuple(order[name] for name in table)
        parts = (Trend(WHOLE, numbers, table, rising),) if len(numbers) >= 3 else ()
        return _findings(parts, rows)

    return ClaimTest(run, rule)


def correlation_test(where: Where, left: Measure, right: Measure, by: tuple[str, ...]) -> ClaimTest:
    """Does one measure rise with another over the runs of a data set and seed?

    Tau-b within each data set and seed over the combinations of `by`; its mean over data sets is compared with 0.
    """
    tau = Measure("tau", "tau")
    rule = (
        f"{left.column} against {right.column}, {_words(where)}: supported if Kendall's tau-b over {' and '.join(by)} "
        "within a data set and seed is above 0 on average, contradicted if below"
    )

    def run(runs: pd.DataFrame, history: pd.DataFrame) -> Findings:
        one, other = _pick(runs, where, left), _pick(runs, where, right)
        pairs = one.assign(other=other["value"]).dropna(subset=["value", "other"])
        taus = {
            key: part["value"].corr(part["other"], method="kendall") for key, part in pairs.groupby(["dataset", "seed"])
        }
        values = by_dataset(pd.Series(taus, dtype="float64"), runs)
        return _findings((Comparison(WHOLE, values, tau),) if values else (), one)

    return ClaimTest(run, rule)


def count_test(
    measure: Callable[[pd.DataFrame], float | None], unit: str, at_least: float = -math.inf, at_most: float = math.inf
) -> ClaimTest:
    """Is a number in which chance plays no part (a count, a ratio of sizes) within its bounds?

    `measure` takes the runs, finished or not, and returns the number, or None where it cannot be told from them.
    """
    bounds = [f"at least {at_least:g}"] * (at_least > -math.inf) + [f"at most {at_most:g}"] * (at_most < math.inf)
    rule = f"supported if the number is {' and '.join(bounds)} {unit}, contradicted if not (exact: nothing is random)"

    def run(runs: pd.DataFrame, history: pd.DataFrame) -> Findings:
        value = measure(runs)
        if value is None:
            return Findings()
        side = (at_least if at_least > -math.inf else None, at_most if at_most < math.inf else None)
        return Findings((Count(WHOLE, float(value), unit, at_least <= value <= at_most, side),))

    return ClaimTest(run, rule)


def all_of(tests: Mapping[Label, ClaimTest]) -> ClaimTest:
    """A claim with several parts, each with its test: supported if all hold, contradicted if one does not."""
    parts = tuple(f"{label}: {test.rule}" for label, test in tests.items())

    def run(runs: pd.DataFrame, history: pd.DataFrame) -> Findings:
        return several({label: test.run(runs, history) for label, test in tests.items()})

    return ClaimTest(run, f"supported if all hold, contradicted if one does not: {'; and '.join(parts)}", parts)


def _difference_rule(contrast: Contrast, threshold: float, direction: str, equal: float | None) -> str:
    measure, other = contrast.measure, {"more": "less", "less": "more"}[direction]
    nothing = f", no difference that matters if within {equal:g} {measure.unit} of 0" if equal else ""
    return (
        f"{measure.column}, {_words(contrast.left)} {'over' if measure.ratio else 'minus'} {_words(contrast.right)}: "
        f"supported if {direction} than {threshold:g} {measure.unit}{_in_every(contrast.every)}, contradicted if "
        f"{other}{_in_every(contrast.every, 'any')}{nothing} (paired by {', '.join(('seed', *contrast.by))})"
    )


def _in_every(columns: tuple[str, ...], word: str = "every") -> str:
    return f" in {word} {' and '.join(columns)}" if columns else ""


def _findings(parts: tuple, *sides: pd.DataFrame) -> Findings:
    """The parts, with how many of the runs that they ask for are not there."""
    rows = pd.concat(sides)
    rows = rows[~rows.index.duplicated()]
    if "status" not in rows:
        return Findings(parts, 0, len(rows))
    lacking = int(rows["status"].isin(("missing", "stale")).sum())
    lost = rows.loc[~rows["status"].isin(("done", "missing", "stale")), "status"].value_counts()
    words = ", ".join(f"{count} {status}" for status, count in sorted(lost.items()))
    return Findings(parts, lacking, len(rows), f"{words} do not count" if words else "")


def _pick(runs: pd.DataFrame, where: Where, measure: Measure) -> pd.DataFrame:
    """The runs of one side with their measure in the column "value"; missing where the run is not finished."""
    one_edition(runs)
    rows = rows_where(runs, where)
    values = measure.of(rows[measure.column]) if measure.column in rows else pd.Series(math.nan, rows.index)
    return rows.assign(value=values.where(rows.index.isin(finished(rows).index)))


def _split(rows: pd.DataFrame, every: tuple[str, ...]) -> Iterator[tuple[Label, pd.DataFrame]]:
    require_columns(rows, every)
    if not every:
        yield WHOLE, rows
        return
    for key, part in rows.groupby(list(every), sort=False):
        yield at(*map(str, key)), part


def _parts(
    left: pd.DataFrame, right: pd.DataFrame, contrast: Contrast
) -> Iterator[tuple[Label, pd.DataFrame, pd.DataFrame]]:
    shared = [column for column in contrast.every if column in contrast.by]
    for label, part in _split(left, contrast.every):
        match = right
        for column in shared:
            match = match[match[column] == part[column].iloc[0]]
        yield label, part, match


def _paired(left: pd.DataFrame, right: pd.DataFrame, contrast: Contrast) -> pd.Series:
    """One difference a data set and seed: the mean over the combinations of `by` that both sides have."""
    keys = list(dict.fromkeys(["dataset", "seed", *contrast.by]))
    require_columns(left, keys)
    require_columns(right, keys)
    pairs = left.groupby(keys)["value"].mean() - right.groupby(keys)["value"].mean()
    return pairs.dropna().groupby(["dataset", "seed"]).mean()


def _pairs(
    rows: pd.DataFrame, over: str, by: tuple[str, ...], runs: pd.DataFrame
) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """Two values of `over` -> data set -> one difference a seed."""
    table = _table(rows, over, by)
    return {(a, b): by_dataset(table[a] - table[b], runs) for a, b in itertools.combinations(table.columns, 2)}


def _table(rows: pd.DataFrame, over: str, by: tuple[str, ...]) -> pd.DataFrame:
    """Data sets and seeds down, values of `over` across, each the mean over the combinations of `by` that are complete.

    Where `over` is the data set itself, only seeds are down.
    """
    down = [column for column in ("dataset", "seed") if column != over]
    require_columns(rows, [*down, *by, over])
    kept = rows.dropna(subset=["value"])
    keys = list(dict.fromkeys([*down, *by]))
    cells = kept.groupby([*keys, over], sort=False)["value"].mean().unstack(over, sort=False)
    return cells.dropna().groupby(down).mean()


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
