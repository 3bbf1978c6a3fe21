"""Evidence for or against a claim, and the words that tests are composed of: measure, contrast, judge."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from netpress.report.frames import Where

LEVEL = 0.05  # below which a p decides


@dataclass(frozen=True)
class Evidence:
    """What a judge found: the effect in `unit` with its interval at `level`, over `n` seeds (0: nothing to judge).

    `p`: of the test whose rejection supports the claim; `p_against`: of the one whose rejection contradicts it.
    `exact`: whether the claim holds, where nothing is random. `spread` (standard deviation over seeds) and
    `distance` (from the threshold, negative on the wrong side) tell how many seeds would decide.
    """

    effect: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    p: float | None = None
    p_against: float | None = None
    level: float = 0.95
    note: str = ""
    exact: bool | None = None
    spread: float | None = None
    distance: float | None = None


@dataclass(frozen=True)
class Judge:
    """A test with its rule in words: called with the runs and the history, it returns Evidence.

    `parts`: of a test that consists of several, the rule of each.
    """

    find: Callable[[pd.DataFrame, pd.DataFrame], Evidence]
    rule: str
    parts: tuple[str, ...] = ()

    def __call__(self, runs: pd.DataFrame, history: pd.DataFrame) -> Evidence:
        return self.find(runs, history)


@dataclass(frozen=True)
class Measure:
    """A column of the frame of runs and the unit it is judged in: column times `scale`, or its ratios."""

    column: str
    unit: str
    scale: float = 1.0
    ratio: bool = False  # compare quotients (differences of logarithms), not differences

    def of(self, values: pd.Series) -> pd.Series:
        """The values in the unit of the test; logarithms for ratios."""
        numbers = pd.to_numeric(values, errors="coerce").astype("float64")
        return np.log(numbers.where(numbers > 0)) if self.ratio else numbers * self.scale

    def back(self, value: float | None) -> float | None:
        """A value of the test as it is shown."""
        return math.exp(value) if self.ratio and value is not None else value


ACCURACY = Measure("best", "points", 100.0)
LAST = Measure("last", "points", 100.0)
EPOCHS = Measure("epochs_to_99", "epochs")


@dataclass(frozen=True)
class Contrast:
    """Two sides, left minus right, of one measure.

    Both sides are averaged within each seed and each combination of `by`, then paired on both; the differences are
    averaged to one number a seed. `every` splits the left side (and the right by those columns that are also in
    `by`): the claim must hold in each part.
    """

    left: Where
    right: Where
    measure: Measure = ACCURACY
    by: tuple[str, ...] = ("dataset",)
    every: tuple[str, ...] = ()


def weakest(found: Mapping[str, Evidence]) -> Evidence:
    """Many findings as one, for a claim that all must support: the one that supports least.

    p is the largest of all (intersection-union), p_against the smallest times their number (Bonferroni).
    """
    known = {name: evidence for name, evidence in found.items() if evidence.n}
    if not known:
        return replace(next(iter(found.values())), note="") if found else Evidence(None, None, None, 0, "")
    name, worst = max(known.items(), key=lambda item: _doubt(item[1]))
    if len(found) == 1:
        return worst
    fors, against = [certainty(e)[0] for e in found.values()], [certainty(e)[1] for e in found.values()]
    sides = [p for p in against if p is not None]
    lacking = [part for part in found if part not in known]
    notes = (
        f"weakest of {len(found)}: {name}",
        worst.note,
        f"not run: {', '.join(lacking)}" if lacking else "",
    )
    exact = None if any(e.exact is None for e in found.values()) else all(e.exact for e in found.values())
    return replace(
        worst,
        p=None if None in fors else max(p for p in fors if p is not None),
        p_against=min(1.0, len(sides) * min(sides)) if sides else None,
        note="; ".join(note for note in notes if note),
        exact=exact,
    )


def certainty(evidence: Evidence) -> tuple[float | None, float | None]:
    """p for and against; 0 and 1 where the finding is exact."""
    if evidence.exact is None:
        return evidence.p, evidence.p_against
    return (0.0, 1.0) if evidence.exact else (1.0, 0.0)


def _doubt(evidence: Evidence) -> tuple[float, bool, float]:
    """Where p tells no order any more, what is contradicted comes before what is open: distances have many units."""
    p, against = (1.0 if each is None else each for each in certainty(evidence))
    return min(p, 0.5), against < LEVEL, -(evidence.distance or 0.0)
