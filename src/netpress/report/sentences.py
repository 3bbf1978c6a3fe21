"""Numbers and verdicts as words, for sentences that an author wrote in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from netpress.report.estimates import Estimate, interval
from netpress.report.frames import finished
from netpress.report.tables import number

if TYPE_CHECKING:
    from netpress.report.claims import Verdict

OPEN = "At this scale the runs do not tell."


def plain(value: Estimate, sign: bool = False) -> str:
    """ "93.1 ± 0.3"; of a single run, which has no interval, "93.1"."""
    spread = "" if value.half is None else f" ± {number(value.half, 1)}"
    return number(value.mean, 1, sign=sign) + spread


def signed(value: Estimate) -> str:
    """ "+2.6 ± 0.3"."""
    return plain(value, sign=True)


def minus(value: Estimate) -> Estimate:
    """What is lost where `value` is what is gained."""
    low, high = (None if bound is None else -bound for bound in (value.high, value.low))
    return replace(value, mean=-value.mean, low=low, high=high)


def pairs(
    runs: pd.DataFrame, factor: str, left: str, right: str, value: str = "best", within: Sequence[str] = ("dataset",)
) -> pd.Series:
    """Points by which `left` lies above `right` of a factor, in each group of `within` and each seed that has both.

    `value`: a column of fractions, such as "best" or "last". The index has the columns `within` and "seed".
    """
    table = finished(runs).pivot_table(index=[*within, "seed"], columns=factor, values=value, sort=False)
    table = table.reindex(columns=[left, right])
    return 100 * (table[left] - table[right]).dropna().astype("float64")


def mean(points: pd.Series) -> Estimate:
    """The mean of `pairs` with its 95 % interval, over the seeds that every group has."""
    return interval(points.unstack("seed").dropna(axis=1).mean() if len(points) else [])


def above(value: Estimate) -> bool:
    """Whether the whole interval lies above 0; False of a single run, which has none."""
    return value.low is not None and value.low > 0


def below(value: Estimate, bound: float = 0.0) -> bool:
    """Whether the whole interval lies below `bound`."""
    return value.high is not None and value.high < bound


def found(holds: object, sentence: str, otherwise: str = OPEN) -> str:
    """A sentence that states a finding, where the records carry it; else a neutral one."""
    return sentence if holds else otherwise


def held(verdict: Verdict | None) -> str:
    """A verdict in words that carry scale and extent: "held in 7 of 10 cells", "did not hold here"."""
    if verdict is None:
        return "not run yet"
    within, of = verdict.cells or (0, 0)
    mostly = f"held in {within} of {of} cells" if of and of / 2 <= within < of else ""
    words = {
        "supported": "held on average, in {within} of {of} cells" if mostly else "held here",
        "contradicted": mostly or "did not hold here",
        "no difference that matters": "made no difference that matters here",
        "undecided": "too close to call",
        "cannot be tested": "cannot be tested at this scale",
        "not run": "not run yet",
    }
    return words[verdict.verdict].format(within=within, of=of)


def by(verdict: Verdict | None) -> str:
    """By what a claim is decided: "−1.2 points (against FitNet, CIFAR-10)"."""
    if verdict is None or verdict.effect is None:
        return ""
    part = f" ({verdict.part})" if verdict.part else ""
    return f"{number(verdict.effect, 1, sign=verdict.unit != 'times')} {verdict.unit}{part}"


def provisional(verdicts: Mapping[str, Verdict]) -> str:
    """A sentence that says so where verdicts rest on seeds that were known when their rules were stated."""
    text = (
        "Verdicts are provisional: they rest on seeds that were known when the rules were stated; "
        "those that will decide are not all run."
    )
    return text if any(verdict.provisional for verdict in verdicts.values()) else ""
