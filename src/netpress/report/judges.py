"""Judges: small functions that build the test of a claim. A judge looks at runs and returns Evidence.

Every judge carries its rule in words, made from the very numbers it tests with. All pair by seed. Differences
are tested two-sided (their 95 % interval excludes the threshold when p < 0.05), equivalence by two one-sided tests
(its 90 % interval is inside the margin when p < 0.05).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from netpress.errors import UserError
from netpress.report.estimates import Estimate, above, below, interval
from netpress.report.evidence import ACCURACY, EPOCHS, Contrast, Evidence, Judge, Measure, weakest
from netpress.report.frames import Where, finished, one_edition, require_columns, rows_where
from netpress.report.statistics import equivalence, trend


def difference_judge(contrast: Contrast, threshold: float = 0.0, direction: str = "more") -> Judge:
    """Is left minus right more (or less) than `threshold`, in the measure's unit (a quotient for ratios)?"""
    if direction not in ("more", "less"):
        raise UserError(f"direction is {direction!r}; expected 'more' or 'less'.")
    other = {"more": "less", "less": "more"}[direction]
    bound, every = f"{threshold:g} {contrast.measure.unit}", " and ".join(contrast.every)
    rule = (
        f"{contrast.measure.column}, {_words(contrast.left)} {'over' if contrast.measure.ratio else 'minus'} "
        f"{_words(contrast.right)}: supported if {direction} than {bound}{f' in every {every}' if every else ''}, "
        f"contradicted if {other}{f' in any {every}' if every else ''} "
        f"(paired by {', '.join(('seed', *contrast.by))}; Student's t, two-sided)"
    )

    def find(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence:
        sides = _pick(runs, contrast.left, contrast.measure), _pick(runs, contrast.right, contrast.measure)
        found = {
            name: _side(interval(_paired(left, right, contrast)), contrast.measure, threshold, direction)
            for name, left, right in _parts(*sides, contrast)
        }
        return _with_note(weakest(found), _absent(pd.concat(sides)))

    return Judge(find, rule)


def difference(runs: pd.DataFrame, contrast: Contrast) -> Estimate:
    """Left minus right over all runs of both sides, in the measure's unit, without a test."""
    left, right = (_pick(runs, side, contrast.measure) for side in (contrast.left, contrast.right))
    return interval(_paired(left, right, contrast))


def noninferiority_judge(contrast: Contrast, margin: float) -> Judge:
    """Is left no more than `margin` below right? For accuracies: margin in points, above 0."""
    return difference_judge(contrast, threshold=-margin, direction="more")


def equivalence_judge(
    where: Where, over: str, margin: float, measure: Measure = ACCURACY,
    by: tuple[str, ...] = ("dataset", "method"), every: tuple[str, ...] = (),
) -> Judge:  # fmt: skip
    """Are all values of the column `over` equal within `margin`, every two of them, paired by seed (TOST)?

    Within each seed the mean is taken over the combinations of `by` in which all values of `over` have a run.
    """
    everywhere = f" in every {' and '.join(every)}" if every else ""
    rule = (
        f"{measure.column}, {_words(where)}: supported if every two values of {over} differ by less than {margin:g} "
        f"{measure.unit}{everywhere} (two one-sided t tests, paired by seed), contradicted if two differ by more"
    )

    def find(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence:
        rows = _pick(runs, where, measure)
        found = {
            name: _equal(_table(part, over, by, measure), margin, measure)
            for name, part in _split(rows, every)
        }
        return _with_note(weakest(found), _absent(rows))

    return Judge(find, rule)


def trend_judge(
    where: Where, over: str, order: Mapping[str, float], measure: Measure = EPOCHS, by: tuple[str, ...] = ()
) -> Judge:
    """Does the measure rise with `order`, which gives a number to each value of the column `over`?"""
    steps = " < ".join(sorted(order, key=lambda name: order[name]))
    rule = (
        f"{measure.column}, {_words(where)}, against the order {steps}: supported if Kendall's tau-b within seeds is "
        "above 0, contradicted if below (permutations within seeds, two-sided)"
    )

    def find(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence:
        rows = _pick(runs, where, measure)
        require_columns(rows, [over])
        table = _table(rows[rows[over].isin(list(order))], over, by, measure)
        if table.shape[1] < 3:
            return Evidence(None, None, None, 0, "tau", note=f"A trend needs three values of {over} or more.")
        found = trend([order[name] for name in table], table)
        e, some = found.estimate, found.estimate.n > 1
        p, against = (min(1.0, 2 * found.p_rising), min(1.0, 2 * found.p_falling)) if some else (None, None)
        return Evidence(e.mean, e.low, e.high, e.n, "tau", p, against, note=_absent(rows))

    return Judge(find, rule)


def exact_judge(
    measure: Callable[[pd.DataFrame], float | None],
    unit: str,
    at_least: float = -math.inf,
    at_most: float = math.inf,
) -> Judge:
    """Is a number that does not depend on chance (a count, a ratio of sizes) within its bounds?

    `measure` takes the finished runs and returns the number, or None where it cannot be told from them.
    """
    bounds = [f"at least {at_least:g}"] * (at_least > -math.inf) + [f"at most {at_most:g}"] * (
        at_most < math.inf
    )
    rule = f"supported if the number is {' and '.join(bounds)} {unit}, contradicted if not (exact: nothing is random)"

    def find(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence:
        value = measure(finished(runs))
        if value is None:
            return Evidence(None, None, None, 0, unit)
        value = float(value)
        return Evidence(value, None, None, 1, unit, exact=at_least <= value <= at_most, note="exact")

    return Judge(find, rule)


def all_of(**judges: Callable[[pd.DataFrame, pd.DataFrame], Evidence]) -> Judge:
    """A claim with several parts, each with its judge: supported if all are, contradicted if any is."""
    parts = tuple(f"{name.replace('_', ' ')}: {getattr(judge, 'rule', '')}" for name, judge in judges.items())

    def find(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence:
        return weakest({name.replace("_", " "): judge(runs, history) for name, judge in judges.items()})

    return Judge(find, f"supported if all hold, contradicted if one does not: {'; and '.join(parts)}", parts)


def _side(estimate: Estimate, measure: Measure, threshold: float, direction: str) -> Evidence:
    bound = math.log(threshold) if measure.ratio else threshold
    up, down = above(estimate, bound), below(estimate, bound)
    sides = (up, down) if direction == "more" else (down, up)
    p, against = (None if side is None else min(1.0, 2 * side) for side in sides)
    distance = (estimate.mean - bound) * (1 if direction == "more" else -1)
    return _evidence(estimate, measure, p, against, distance)


def _equal(table: pd.DataFrame, margin: float, measure: Measure) -> Evidence:
    if table.shape[1] < 2 or table.empty:
        return Evidence(None, None, None, 0, measure.unit)
    found = equivalence(table, math.log(margin) if measure.ratio else margin)
    name, worst = found.worst
    evidence = _evidence(worst, measure, found.p, found.p_against, found.margin - abs(worst.mean))
    return replace(evidence, note=f"widest of {len(found.pairs)} pairs: {name}")


def _evidence(
    estimate: Estimate, measure: Measure, p: float | None, against: float | None, distance: float
) -> Evidence:
    if not estimate.n:
        return Evidence(None, None, None, 0, measure.unit)
    mean, low, high = (measure.back(value) for value in (estimate.mean, estimate.low, estimate.high))
    found = Evidence(mean, low, high, estimate.n, measure.unit, p, against, estimate.level)
    return replace(found, spread=estimate.sd, distance=distance)


def _pick(runs: pd.DataFrame, where: Where, measure: Measure) -> pd.DataFrame:
    """The runs of one side with their measure in the column "value"; missing where the run is not finished."""
    one_edition(runs)
    rows = rows_where(runs, where)
    values = measure.of(rows[measure.column]) if measure.column in rows else pd.Series(math.nan, rows.index)
    return rows.assign(value=values.where(rows.index.isin(finished(rows).index)))


def _split(rows: pd.DataFrame, every: tuple[str, ...]) -> Iterator[tuple[str, pd.DataFrame]]:
    require_columns(rows, every)
    if not every:
        yield "all", rows
        return
    for key, part in rows.groupby(list(every), sort=False):
        yield ", ".join(map(str, key)), part


def _parts(
    left: pd.DataFrame, right: pd.DataFrame, contrast: Contrast
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    shared = [column for column in contrast.every if column in contrast.by]
    for name, part in _split(left, contrast.every):
        match = right
        for column in shared:
            match = match[match[column] == part[column].iloc[0]]
        yield name, part, match


def _paired(left: pd.DataFrame, right: pd.DataFrame, contrast: Contrast) -> pd.Series:
    """One difference a seed: the mean over the combinations of `by` that both sides have."""
    keys = ["seed", *contrast.by]
    require_columns(left, keys)
    require_columns(right, keys)
    pairs = left.groupby(keys)["value"].mean() - right.groupby(keys)["value"].mean()
    return pairs.dropna().groupby("seed").mean()


def _table(rows: pd.DataFrame, over: str, by: tuple[str, ...], measure: Measure) -> pd.DataFrame:
    """Seeds down, values of `over` across, each the mean over the combinations of `by` that are complete."""
    require_columns(rows, ["seed", *by, over])
    kept = rows.dropna(subset=["value"])
    cells = kept.groupby(["seed", *by, over], sort=False)["value"].mean().unstack(over, sort=False)
    return cells.dropna().groupby("seed").mean()


def _absent(rows: pd.DataFrame) -> str:
    """Which of the runs that the test asks for are not there."""
    if "status" not in rows:
        return ""
    counts = rows.loc[rows["status"] != "done", "status"].value_counts()
    listed = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
    return f"{counts.sum()} of {len(rows)} runs do not count: {listed}" if len(counts) else ""


def _with_note(evidence: Evidence, note: str) -> Evidence:
    return replace(evidence, note="; ".join(part for part in (evidence.note, note) if part))


def _words(where: Where) -> str:
    return " and ".join(f"{column} {_value(value)}" for column, value in where.items()) or "all runs"


def _value(value: Any) -> str:
    if callable(value):
        return getattr(value, "__name__", "chosen").strip("<>")
    return " or ".join(map(str, value)) if isinstance(value, list | tuple | set | frozenset) else str(value)
