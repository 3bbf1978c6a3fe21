"""Choosing rows of the tidy frame of runs (one row a run) and averaging them without losing the seed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import pandas as pd

from netpress.errors import UserError
from netpress.report.estimates import Estimate, interval

Where = Mapping[str, Any]
GLOB = re.compile(r"[*?\[]")


def require_columns(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise UserError that names the columns which `frame` lacks."""
    missing = [column for column in columns if column not in frame]
    if missing:
        raise UserError(f"The frame lacks {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}.")


def finished(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows whose run is finished and current; all rows where the frame has no status."""
    return runs[runs["status"] == "done"] if "status" in runs else runs


def one_edition(runs: pd.DataFrame) -> None:
    """Raise UserError where runs of several editions are mixed: they are never averaged."""
    if "edition" in runs and runs["edition"].nunique() > 1:
        names = ", ".join(sorted(map(str, runs["edition"].unique())))
        raise UserError(f"Runs of several editions ({names}) are never averaged; choose the rows of one.")


def rows_where(runs: pd.DataFrame, where: Where) -> pd.DataFrame:
    """Rows that meet every condition, by column: a value, a glob ("*-thawed"), a collection, a predicate.

    A predicate takes one value of the column and returns true or false.
    """
    require_columns(runs, list(where))
    chosen = pd.Series(True, index=runs.index)
    for column, wanted in where.items():
        listed = wanted if isinstance(wanted, list | tuple | set | frozenset) else [wanted]
        if all(isinstance(one, str) and not GLOB.search(one) for one in listed):  # no pattern: compared in one go
            chosen &= runs[column].isin(listed)
        else:
            chosen &= runs[column].map(partial(_meets, wanted=wanted)).astype(bool)
    return runs[chosen]


def _meets(value: object, wanted: object) -> bool:
    if callable(wanted):
        return bool(wanted(value))
    if isinstance(wanted, str):
        return isinstance(value, str) and fnmatchcase(value, wanted)
    if isinstance(wanted, list | tuple | set | frozenset):
        return any(_meets(value, one) for one in wanted)
    return bool(value == wanted)


def ordered(rows: pd.DataFrame, **orders: Sequence[Any] | Mapping[Any, Any]) -> pd.DataFrame:
    """The rows sorted by several columns, each in the order that is given for it; equal rows stay in their order."""
    keys = pd.DataFrame({column: rows[column].map([*order].index) for column, order in orders.items()})
    return rows.loc[keys.sort_values([*orders], kind="stable").index]


def by_seed(runs: pd.DataFrame, column: str, over: Sequence[str] = ()) -> pd.DataFrame:
    """One row a seed, one column a combination of `over`; each cell the mean of the finished runs in it.

    Columns keep the order in which they first occur. Without `over` there is one column, called "all".
    """
    require_columns(runs, [column, "seed", *over])
    rows = finished(runs)
    one_edition(rows)
    rows = rows.assign(value=pd.to_numeric(rows[column], errors="coerce").astype("float64"))
    rows = balanced(rows.dropna(subset=["value"]), over)
    if not over:
        return rows.groupby("seed")["value"].mean().to_frame("all")
    table = rows.groupby([*over, "seed"], sort=False)["value"].mean().unstack("seed", sort=False).T
    return table.sort_index()


def balanced(rows: pd.DataFrame, over: Sequence[str] = ()) -> pd.DataFrame:
    """The rows of those seeds that have as many data sets as any, within each combination of `over`.

    Data sets may have different numbers of seeds; a mean over seeds of means over data sets would weigh them by that.
    """
    if "dataset" not in rows or rows.empty:
        return rows
    count = rows.groupby([*over, "seed"])["dataset"].transform("nunique")
    most = count.groupby([rows[name] for name in over]).transform("max") if over else count.max()
    return rows[count == most]


def estimates(runs: pd.DataFrame, rows: str, columns: str, value: str = "best", scale: float = 100.0) -> pd.DataFrame:
    """A table of Estimates over seeds: `rows` down, `columns` across, in the order in which they first occur.

    `value` times `scale` is averaged within each seed first; a combination without a finished run has n = 0.
    """
    table = by_seed(runs, value, (rows, columns))
    downs, acrosses = runs[rows].drop_duplicates(), runs[columns].drop_duplicates()

    def cell(down: object, across: object) -> Estimate:
        return interval(table.get((down, across), [])).times(scale)

    cells = {across: [cell(down, across) for down in downs] for across in acrosses}
    return pd.DataFrame(cells, index=pd.Index(list(downs), name=rows), dtype="object")
