"""Plain HTML tables: everything escaped, no styles of their own, the same bytes from the same numbers."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from netpress.report.estimates import Estimate

NOTHING = "–"
BETWEEN = " | "  # the paper's number and ours
WORDY = 18  # letters from which a text gets room of its own
RUNS = "runs"  # the column of a CSV that names the records behind a row


class Signed(float):
    """A difference: shown with its sign."""


class Whole(str):
    """A text that is not broken over lines."""

    __slots__ = ()


@dataclass(frozen=True)
class Beside:
    """A cell with the paper's value and ours: "93.9 | 77.2 ± 2.1". Either may be words or None.

    `best`: whether the paper's, ours, is the best of its row.
    """

    paper: Any
    ours: Any
    best: tuple[bool, bool] = (False, False)

    def parts(self, digits: int, bare: bool) -> list[str]:
        """The texts left and right of the line; words that are equal, or alone, stand once."""
        paper = self.paper if self.paper is None or isinstance(self.paper, str) else float(self.paper)
        texts = [shown(value, digits, bare) for value in (paper, self.ours)]
        if any(is_number(value) for value in (self.paper, self.ours)):
            return texts
        return [*dict.fromkeys(text for text in texts if text != NOTHING)] or [NOTHING]


def is_number(value: object) -> bool:
    """Whether a cell holds a number."""
    return isinstance(value, Estimate | float | int | np.number) and not isinstance(value, bool)


def number(value: float, digits: int = 1, sign: bool = False) -> str:
    """A number with a true minus sign, thousands separated; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{value:{'+' if sign else ''},.{digits}f}"
    if not re.search("[1-9]", text):
        text = text.lstrip("-+")
    return text.replace("-", "\u2212")


def shown(value: object, digits: int = 1, bare: bool = False) -> str:
    """What a cell shows: "93.1 ± 0.4 (n = 3)", "93.1 [92.5, 93.3] (n = 3)" where that is lopsided, "93.1 (one run)",
    "not run", a number, or the text itself.

    `bare`: Estimates without their n.
    """
    if isinstance(value, Estimate):
        if not value.n:
            return "not run"
        text, runs = number(value.mean, digits), "" if bare else f" ({_runs(value.n)})"
        if value.n == 1 or value.low is None or value.high is None or value.half is None:
            return text + runs
        if math.isclose(value.mean - value.low, value.half, rel_tol=1e-6, abs_tol=1e-12):
            return f"{text} ± {number(value.half, digits)}{runs}"
        return f"{text} [{number(value.low, digits)}, {number(value.high, digits)}]{runs}"
    if isinstance(value, Beside):
        return BETWEEN.join(value.parts(digits, bare))
    if value is None or value is pd.NaT or value is pd.NA:
        return NOTHING
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return number(int(value), 0)
    if isinstance(value, float | np.floating):
        return number(float(value), digits, sign=isinstance(value, Signed))
    return str(value)


def _runs(n: int) -> str:
    return "one run" if n == 1 else f"n = {n}"


@dataclass(frozen=True, eq=False)
class Table:
    """A frame with a caption. Cells: numbers, texts, Estimates, Besides.

    `digits` are shown after the point. Without a named index the rows have no heads. On a page, an n that all Estimates
    share is said once, below the table. A column RUNS, the names of the records behind each row, is for
    `to_frame` alone.
    """

    cells: pd.DataFrame
    caption: str
    note: str = ""
    digits: int = 1

    def to_frame(self) -> pd.DataFrame:
        """The values as numbers: an Estimate becomes four columns, its mean, and its low, high and n; the paper's
        number, as printed, stands before ours."""
        columns: dict[Any, list[Any]] = {}
        for name, held in self.cells.items():
            values = list(held)
            if any(isinstance(value, Beside) for value in values):
                columns[f"{name} paper"] = [v.paper if isinstance(v, Beside) else v for v in values]
                values, name = [v.ours if isinstance(v, Beside) else v for v in values], f"{name} ours"
            columns[name] = [v.mean if isinstance(v, Estimate) else v for v in values]
            if any(isinstance(value, Estimate) for value in values):
                for part in ("low", "high", "n"):
                    columns[f"{name} {part}"] = [getattr(value, part, None) for value in values]
        return pd.DataFrame(columns, index=self.cells.index)

    def __repr__(self) -> str:
        texts = self.cells.drop(columns=RUNS, errors="ignore").map(lambda value: shown(value, self.digits))
        body = texts.to_string() if len(texts) else "nothing to show yet"
        return "\n".join(part for part in (self.caption, body, self.note) if part)

    def _repr_html_(self) -> str:
        caption = html.escape(self.caption)
        own = (value.ours if isinstance(value, Beside) else value for value in self.cells.to_numpy().flat)
        counts = [value.n for value in own if isinstance(value, Estimate) and value.n]
        n = counts[0] if len(counts) > 1 and len(set(counts)) == 1 else None  # said once, below the table
        frame = self.cells.drop(columns=RUNS, errors="ignore")
        named = not (isinstance(frame.index, pd.RangeIndex) and frame.index.name is None)
        if named:
            frame.insert(0, frame.index.name or "", frame.index, allow_duplicates=True)
        texts = frame.map(lambda value: _content(value, self.digits, n is not None))
        right = [bool(frame.iloc[:, i].map(is_number).any()) for i in range(frame.shape[1])]
        heads = [html.escape(str(name)) for name in frame.columns]
        texts.columns = pd.Index(
            [
                f'<span class="np-number">{head}</span>' if each else head
                for head, each in zip(heads, right, strict=True)
            ]
        )
        with pd.option_context("display.max_colwidth", None):
            made = texts.to_html(index=False, escape=False, border=0, classes="np-table", justify="unset")
        made = re.sub(r' style="text-align: unset;"|(?<=>)\s+(?=<)', "", made)
        made = made.replace("<th>", '<th scope="col">').replace("<thead>", f"<caption>{caption}</caption><thead>", 1)
        if named:
            made = re.sub(r"<tr><td>(.*?)</td>", r'<tr><th scope="row">\1</th>', made, flags=re.S)
        if not len(frame):
            made = made.replace(
                "<tbody>", f'<tbody><tr><td colspan="{max(1, len(heads))}">nothing to show yet</td></tr>'
            )
        notes = " ".join(note for note in (self.note, f"Every cell: {_runs(n)}." if n else "") if note)
        note = f'<p class="np-note">{html.escape(notes)}</p>' if notes else ""
        return f'<div class="np-scroll" tabindex="0" role="region" aria-label="Table: {caption}">{made}</div>{note}'


def _content(value: object, digits: int, bare: bool) -> str:
    """A cell as HTML: numbers to the right, long texts with room; the style sheet looks at the classes."""
    text = html.escape(shown(value, digits, bare))
    if isinstance(value, Beside):
        parts = zip(value.parts(digits, bare), value.best, strict=False)
        whole = ((html.escape(part.replace(" ± ", "\u00a0±\u00a0")), best) for part, best in parts)
        text = "\u00a0| ".join(f"<b>{part}</b>" if best else part for part, best in whole)  # a line may end at the bar
    kinds = {"np-number": value is None or is_number(value), "np-whole": isinstance(value, Whole)}
    kinds |= {"np-words": isinstance(value, str) and len(value) > WORDY}
    kind = next((kind for kind, holds in kinds.items() if holds), "")
    return f'<span class="{kind}">{text}</span>' if kind else text


def beside(
    printed: pd.DataFrame, ours: pd.DataFrame, caption: str, note: str = "", digits: int = 1, best: bool = True
) -> Table:
    """The paper's number and ours, cell by cell, in the order of the printed table. `best`: that of a row is bold.

    `printed`: numbers, or the words the paper prints in place of one; `ours`: Estimates (or numbers) with the
    same labels. Rows and columns that only `ours` has come after the printed ones.
    """
    rows, columns = (
        [*theirs, *(name for name in own if name not in theirs)]
        for theirs, own in ((printed.index, ours.index), (printed.columns, ours.columns))
    )
    pairs = [frame.reindex(index=rows, columns=columns).astype("object") for frame in (printed, ours)]
    values = [
        pair.map(lambda v: v.mean if isinstance(v, Estimate) else v if is_number(v) else np.nan) for pair in pairs
    ]
    tops = [(each.astype("float64").max(axis=1), each.count(axis=1)) for each in values]

    def cell(row: Any, column: Any) -> Beside:
        paper, own = (None if isinstance(v := pair.at[row, column], float) and math.isnan(v) else v for pair in pairs)
        bold = (
            best and each.at[row, column] == top[row] and n[row] > 1
            for each, (top, n) in zip(values, tops, strict=True)
        )
        return Beside(paper, "not run" if own is None else own, best=tuple(map(bool, bold)))  # type: ignore[arg-type]

    cells = {column: [cell(row, column) for row in rows] for column in columns}
    index = pd.Index(rows, name=printed.index.name or ours.index.name)
    return Table(pd.DataFrame(cells, index=index, dtype="object"), caption, note, digits)


def listing(rows: Sequence[dict[str, Any]], caption: str, note: str = "", digits: int = 1) -> Table:
    """A table from one dict a row; the first key names the row."""
    frame = pd.DataFrame(list(rows), dtype="object")
    return Table(frame.set_index(frame.columns[0]) if len(frame) else frame, caption, note, digits)


def run_names(rows: pd.DataFrame) -> str:
    """The names of runs, for the column RUNS of a CSV."""
    return " ".join(rows["name"].drop_duplicates()) if "name" in rows else ""


def named_runs(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """A table, whose index is named after a column of `rows`, with the names of the runs behind each of its rows."""
    names = rows.groupby(table.index.name, sort=False)[["name"]].apply(run_names) if "name" in rows else ""
    return table.assign(**{RUNS: names})
