"""What a claim's test finds: its parts, how they are combined, and the words that tests are composed of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pandas as pd

from netpress.report.comparisons import ACCURACY, Comparison, Family, LargestT, Measure
from netpress.report.frames import Where
from netpress.report.labels import WHOLE, Label
from netpress.report.trends import Trend

Side = tuple[float | None, float | None]  # from where to where an effect supports a claim, None where it is open


@dataclass(frozen=True)
class Count:
    """A number in which chance plays no part, whether it meets the claim, and from where to where it would."""

    label: Label
    value: float
    unit: str
    holds: bool
    side: Side = (None, None)


Part = Comparison | Trend | Count


@dataclass(frozen=True)
class Findings:
    """What a test found among the runs: its parts, and the runs that it still lacks.

    `lacking` of `asked` runs have no record yet; `lost`: in words, those that have one and do not count (diverged).
    `opposite`: the claim is that not all of the parts hold.
    """

    parts: tuple[Part, ...] = ()
    lacking: int = 0
    asked: int = 0
    lost: str = ""
    opposite: bool = False

    @property
    def comparisons(self) -> Family:
        """The comparisons among the parts."""
        return Family([part for part in self.parts if isinstance(part, Comparison)])

    @property
    def trends(self) -> list[Trend]:
        """The trends among the parts."""
        return [part for part in self.parts if isinstance(part, Trend)]

    @property
    def counts(self) -> list[Count]:
        """The counts among the parts."""
        return [part for part in self.parts if isinstance(part, Count)]


class Finds(Protocol):
    """Looks at the runs of a paper and at their history."""

    def __call__(self, runs: pd.DataFrame, history: pd.DataFrame) -> Findings: ...


@dataclass(frozen=True)
class ClaimTest:
    """The test of a claim, with its rule in words. `parts`: of a test that consists of several, the rule of each."""

    run: Finds
    rule: str
    parts: tuple[str, ...] = ()


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
class TestResult:
    """What a claim's test says.

    `p`: small where the claim holds; `p_against`: small where it does not; `p_equal`: small where no difference
    matters. `exact`: whether it holds, where chance plays no part. `n`: seeds in the smallest data set, 0 where there
    is nothing to judge. `effect`, `low`, `high` in `unit` are those of the part `decided_by`; the interval is the one
    that decides, at level `alpha`. `holds`: from where to where the effect supports the claim, None where that side is
    open. `largest_t`: how large the largest t of several comparisons must be to contradict the claim; None where it
    would support it instead, since the claim is that not all of them hold.
    """

    __test__ = False  # not a test of pytest's

    n: int = 0
    unit: str = ""
    p: float | None = None
    p_against: float | None = None
    p_equal: float | None = None
    exact: bool | None = None
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    alpha: float | None = None
    decided_by: Label = WHOLE
    note: str = ""
    holds: Side = (None, None)
    largest_t: LargestT | None = None

    @property
    def best_p(self) -> float | None:
        """The p of what the findings favour; None where chance plays no part or nothing was tested."""
        known = [p for p in (self.p, self.p_against, self.p_equal) if p is not None]
        return min(known) if known and self.exact is None else None


def tested(findings: Findings) -> TestResult:
    """The p of a claim's parts together, without an interval yet: its level depends on the paper's other claims."""
    if findings.lacking or not findings.parts:
        return TestResult(note=f"{findings.lacking} of {findings.asked} runs are missing" if findings.lacking else "")
    family, trends, counts = findings.comparisons, findings.trends, findings.counts
    if not family.comparisons and not trends:
        return TestResult(n=1, exact=all(count.holds for count in counts))
    if not all(count.holds for count in counts):
        return TestResult(n=1, exact=False)
    groups = [family] if family.comparisons else []
    tests: list[Family | Trend] = [*groups, *trends]
    ps, against = [test.p for test in tests], [test.p_against for test in tests]
    sides = [p for p in against if p is not None]
    seen = [comparison.found.n for comparison in family.comparisons] + [trend.n for trend in trends]
    hold = None if None in ps else max(p for p in ps if p is not None)
    fail = min(1.0, len(sides) * min(sides)) if sides else None
    p, p_against = (fail, hold) if findings.opposite else (hold, fail)
    equal = None if trends else family.p_equal
    return TestResult(n=min(seen), p=p, p_against=p_against, p_equal=equal, note=findings.lost)


def deciding(findings: Findings, equal: bool) -> Part:
    """The part that decides: the one that supports least; for equality, the one that is least sure to be small."""
    if equal:
        return max(findings.comparisons.comparisons, key=lambda each: each.p_equal or 0.0)
    wrong = [count for count in findings.counts if not count.holds]
    uncertain: list[Comparison | Trend] = [*findings.comparisons.comparisons, *findings.trends]
    if wrong or not uncertain:
        return (wrong or findings.counts)[0]
    # What cannot be tested comes first, then the largest p; where p is 1, the strongest evidence against.
    return max(uncertain, key=lambda each: (each.p is None, each.p or 0.0, -(each.p_against or 0.0)))


def holding(part: Comparison | Trend, opposite: bool) -> Side:
    """From where to where the effect of a part supports the claim; `opposite`: the claim is that it does not hold."""
    more = part.rising if isinstance(part, Trend) else part.more
    threshold = 0.0 if isinstance(part, Trend) else part.measure.back(part.threshold)
    return (threshold, None) if more != opposite else (None, threshold)


def shown(findings: Findings, part: Part, alpha: float, equal: bool) -> dict[str, Any]:
    """Effect, interval and unit of the part that decides, in the unit it is shown in, and where the claim holds."""
    if isinstance(part, Count):
        return {"effect": part.value, "unit": part.unit, "holds": part.side}
    holds = holding(part, findings.opposite)
    if isinstance(part, Trend):
        bounds = part.interval(alpha) or (None, None)
        return {"effect": part.tau, "unit": "tau", "low": bounds[0], "high": bounds[1], "holds": holds}
    family = Family([part]) if equal else findings.comparisons
    bounds = family.interval(part, alpha) or (None, None)
    low, high = (None if bound is None else part.measure.back(bound) for bound in bounds)
    effect = part.measure.back(part.found.mean)
    largest_t = None if findings.opposite else findings.comparisons.largest_t(alpha)
    return {
        "effect": effect, "unit": part.measure.unit, "low": low, "high": high, "holds": holds, "largest_t": largest_t,
    }  # fmt: skip


def several(findings: Mapping[Label, Findings]) -> Findings:
    """Findings of several tests as one; the parts carry the label of their test."""
    parts = tuple(
        replace(part, label=part.label.within(label)) for label, found in findings.items() for part in found.parts
    )
    lost = "; ".join(dict.fromkeys(found.lost for found in findings.values() if found.lost))
    every = findings.values()
    return Findings(parts, sum(found.lacking for found in every), sum(found.asked for found in every), lost)
