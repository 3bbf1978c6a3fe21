"""Numbers and verdicts as words. Nothing is said of what was not run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from netpress.report.estimates import Estimate, interval
from netpress.report.frames import finished
from netpress.report.tables import number

if TYPE_CHECKING:
    from netpress.report.claims import Verdict


def over_seeds(rows: pd.DataFrame) -> str:
    """What the bars of a figure mean, with the number of seeds of a data set."""
    counts = rows.groupby("dataset")["seed"].nunique() if "dataset" in rows else pd.Series([rows["seed"].nunique()])
    return intervals_over(0, 1) if counts.empty else intervals_over(counts.min(), counts.max())


def intervals_over(least: int, most: int, drawn: str = "") -> str:
    """The same of points that rest on so many seeds; `drawn`: as what the intervals are drawn."""
    if most <= 1:
        return "one run each, so no intervals"
    seeds = f"{most}" if least == most else f"{least} to {most}"
    return f"mean and 95 % interval{f' ({drawn})' if drawn else ''} over {seeds} seeds"


def known(value: object) -> bool:
    """Whether it is an Estimate that rests on runs."""
    return isinstance(value, Estimate) and value.n > 0


def signed(value: Estimate, digits: int = 1) -> str:
    """ "+2.6 ± 0.3"; of one run "+2.6"."""
    return number(value.mean, digits, sign=True) + spread(value, digits)


def plain(value: Estimate, digits: int = 1) -> str:
    """ "93.1 ± 0.3"; of one run "93.1"."""
    return number(value.mean, digits) + spread(value, digits)


def spread(value: Estimate, digits: int) -> str:
    """Half the interval behind a plus-minus sign; "" of one run."""
    return "" if value.half is None else f" ± {number(value.half, digits)}"


def runs(*values: Estimate) -> str:
    """On how many runs estimates rest: "n = 3", "one run"."""
    counts = sorted({value.n for value in values if known(value)})
    if counts == [1]:
        return "one run"
    return "n = " + (str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}") if counts else "not run"


def span(values: Iterable[Estimate], digits: int = 1) -> str:
    """From the smallest mean to the largest, signed: "−4.3 to +2.6"; one number where they round to the same."""
    means = sorted(value.mean for value in values if known(value))
    texts = dict.fromkeys(number(mean, digits, sign=True) for mean in (means[0], means[-1]))
    return " to ".join(texts)


def minus(value: Estimate) -> Estimate:
    """What is lost where `value` is what is gained."""
    low, high = (None if bound is None else -bound for bound in (value.high, value.low))
    return replace(value, mean=-value.mean, low=low, high=high)


def clear(value: Estimate) -> bool:
    """Whether the interval leaves out 0."""
    return value.low is not None and value.high is not None and (value.low > 0 or value.high < 0)


def cells(frame: pd.DataFrame) -> list[tuple[str, str, Estimate]]:
    """(row, column, estimate) of every cell of a table that rests on runs."""
    return [
        (str(row), str(column), frame.at[row, column])
        for row in frame.index
        for column in frame
        if known(frame.at[row, column])
    ]


def listed(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""


def count(things: int, word: str, plural: str = "") -> str:
    """ "1 claim", "2 claims"."""
    return f"{things:,} {word if things == 1 else plural or word + 's'}"


# for sentences that an author wrote in a notebook

OPEN = "At this scale the runs do not tell."


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
