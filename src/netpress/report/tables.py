"""Plain HTML tables: everything escaped, no styles of their own, the same bytes from the same numbers."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from netpress.errors import UserError
from netpress.report.estimates import Estimate

NOTHING = "–"
BETWEEN = " | "  # the paper's number and ours
WORDY = 18  # letters from which a text gets room of its own
SAFE_LINK = re.compile(r"^(https?://|#|\.{0,2}/|[\w-]+[\w./-]*(#|$))")
RUNS = "runs"  # the column of a CSV that names the records behind a row


class Printed(float):
    """A number as the paper prints it, with all its digits."""


class Signed(float):
    """A difference: shown with its sign."""


class Whole(str):
    """A text that is not broken over lines."""

    __slots__ = ()


@dataclass(frozen=True)
class Link:
    """A cell that leads somewhere: a page of the site, an anchor or an https address."""

    text: str
    to: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Tag:
    """A cell that shows one of a few words, such as a verdict, as a coloured label; `by`: a word on whose it is."""

    text: str
    by: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.by})" if self.by else self.text


@dataclass(frozen=True)
class Lines:
    """A cell of several lines, shown as a list; `folded`: under this word, and one click away."""

    lines: tuple[str, ...]
    folded: str = ""

    def __str__(self) -> str:
        return "; ".join(self.lines)


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
    """What a cell shows: "93.1 ± 0.4 (n = 3)", "93.1 (one run)", "not run", a number, or the text itself.

    `bare`: Estimates without their n.
    """
    if isinstance(value, Estimate):
        runs = "" if bare else f" ({_runs(value.n)})"
        return f"{_interval(value, digits)}{runs}" if value.n else "not run"
    if isinstance(value, Beside):
        return BETWEEN.join(value.parts(digits, bare))
    if value is None or value is pd.NaT or value is pd.NA:
        return NOTHING
    if isinstance(value, Printed):
        return f"{value:.10g}"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return number(int(value), 0)
    if isinstance(value, float | np.floating):
        return number(float(value), digits, sign=isinstance(value, Signed))
    return str(value)


def _runs(n: int) -> str:
    return "one run" if n == 1 else f"n = {n}"


def _interval(value: Estimate, digits: int) -> str:
    """An estimate without its n: "93.1 ± 0.4", "93.1 [92.5, 93.3]" where that is lopsided, "93.1" of one run."""
    mean = number(value.mean, digits)
    if value.n == 1 or value.low is None or value.high is None or value.half is None:
        return mean
    if math.isclose(value.mean - value.low, value.half, rel_tol=1e-6, abs_tol=1e-12):
        return f"{mean} ± {number(value.half, digits)}"
    return f"{mean} [{number(value.low, digits)}, {number(value.high, digits)}]"


@dataclass(frozen=True, eq=False)
class Table:
    """A frame with a caption. Cells: numbers, texts, Estimates, Links, Tags, Lines, Besides.

    `digits` are shown after the point. Without a named index the rows have no heads. On a page, an n that all Estimates
    share is said once, below the table. `runs`: the names of the records behind each row, for the CSV.
    """

    cells: pd.DataFrame
    caption: str
    note: str = ""
    digits: int = 1
    runs: Mapping[Any, str] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """The values as numbers: an Estimate becomes four columns, its mean, and its low, high and n; the paper's
        number, as printed, stands before ours; the runs come last."""
        columns: dict[Any, list[Any]] = {}
        for place, name in enumerate(self.cells.columns):
            values = list(self.cells.iloc[:, place])
            if any(isinstance(value, Beside) for value in values):
                columns[_part(name, "paper")] = [v.paper if isinstance(v, Beside) else v for v in values]
                values, name = [v.ours if isinstance(v, Beside) else v for v in values], _part(name, "ours")
            if not any(isinstance(value, Estimate) for value in values):
                columns[name] = [str(v) if isinstance(v, Link | Tag | Lines) else v for v in values]
                continue
            columns[name] = [v.mean if isinstance(v, Estimate) else v for v in values]
            for part in ("low", "high", "n"):
                columns[_part(name, part)] = [getattr(value, part, None) for value in values]
        if self.runs:
            columns[RUNS] = [self.runs.get(row, "") for row in self.cells.index]
        frame = pd.DataFrame(columns, index=self.cells.index)
        return frame.rename_axis(columns=self.cells.columns.names) if self.cells.columns.nlevels > 1 else frame

    def __repr__(self) -> str:
        texts = self.cells.map(lambda value: shown(value, self.digits))
        body = texts.to_string() if len(texts) else "nothing to show yet"
        return "\n".join(part for part in (self.caption, body, self.note) if part)

    def _repr_html_(self) -> str:
        caption, n = html.escape(self.caption), _shared_n(self.cells)
        frame = self.cells.copy()
        if not (isinstance(frame.index, pd.RangeIndex) and frame.index.name is None):
            for level in reversed(range(frame.index.nlevels)):
                name = str(frame.index.names[level] or "")
                key = (*[""] * (frame.columns.nlevels - 1), name) if frame.columns.nlevels > 1 else name
                frame.insert(0, key, frame.index.get_level_values(level), allow_duplicates=True)
        numeric = [bool(frame.iloc[:, i].map(is_number).any()) for i in range(frame.shape[1])]
        texts = frame.map(lambda value: _content(value, self.digits, n is not None))
        texts = texts.set_axis(_heads(frame.columns, numeric), axis=1)
        with pd.option_context("display.max_colwidth", None):
            made = texts.to_html(
                index=False, escape=False, border=0, classes="np-table", justify="unset", sparsify=True
            )
        made = re.sub(r"<table[^>]*>", rf"\g<0><caption>{caption}</caption>", made, count=1)
        made = re.sub(r' style="text-align: unset;"|(?<=>)\s+(?=<)', "", made)
        made = re.sub(r"<th( colspan=\"\d+\")? ?(?:halign=\"\w+\")?>", r'<th\1 scope="col">', made)
        if frame.shape[1] > self.cells.shape[1]:  # the rows have heads
            made = re.sub(r"<tr><td>(.*?)</td>", r'<tr><th scope="row">\1</th>', made, flags=re.S)
        if not len(frame):
            made = re.sub(
                "<tbody></tbody>",
                f'<tbody><tr><td colspan="{max(1, frame.shape[1])}">nothing to show yet</td></tr></tbody>',
                made,
            )
        notes = " ".join(note for note in (self.note, f"Every cell: {_runs(n)}." if n else "") if note)
        note = f'<p class="np-note">{html.escape(notes)}</p>' if notes else ""
        return f'<div class="np-scroll" tabindex="0" role="region" aria-label="Table: {caption}">{made}</div>{note}'


def _part(name: object, part: str) -> Any:
    return (*name[:-1], f"{name[-1]} {part}") if isinstance(name, tuple) else f"{name} {part}"


def _shared_n(frame: pd.DataFrame) -> int | None:
    """The n of all Estimates that rest on runs, where there are several and it is the same."""
    own = (value.ours if isinstance(value, Beside) else value for value in frame.to_numpy().flat)
    found = [value.n for value in own if isinstance(value, Estimate) and value.n]
    return found[0] if len(found) > 1 and len(set(found)) == 1 else None


def _heads(columns: pd.Index, numeric: list[bool]) -> pd.Index:
    """The columns' names as HTML, those of numbers to the right."""
    keys = [key if isinstance(key, tuple) else (key,) for key in columns]
    texts = [[html.escape(str(part)) for part in key] for key in keys]
    for text, right in zip(texts, numeric, strict=True):
        text[-1] = f'<span class="np-number">{text[-1]}</span>' if right else text[-1]
    return (
        pd.MultiIndex.from_tuples(map(tuple, texts))
        if columns.nlevels > 1
        else pd.Index([t[0] for t in texts], dtype="object")
    )


def _content(value: object, digits: int, bare: bool) -> str:
    """A cell as HTML: numbers to the right, long texts with room; the style sheet looks at the classes."""
    text = html.escape(shown(value, digits, bare))
    if isinstance(value, Beside):
        parts = zip(value.parts(digits, bare), value.best, strict=False)
        text = BETWEEN.join(f"<b>{html.escape(part)}</b>" if best else html.escape(part) for part, best in parts)
    if isinstance(value, Link):
        if not SAFE_LINK.match(value.to):
            raise UserError(f"A table cannot link to {value.to!r}; expected a page, an anchor or an https address.")
        return f'<a href="{html.escape(value.to)}">{text}</a>'
    if isinstance(value, Lines):
        listed = f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in value.lines)}</ul>"
        listed = (
            f"<details><summary>{html.escape(value.folded)}</summary>{listed}</details>" if value.folded else listed
        )
        return f'<div class="np-lines">{listed}</div>'
    if isinstance(value, Tag):
        return tag(value)
    kinds = {"np-number": value is None or is_number(value), "np-whole": isinstance(value, Whole | Beside)}
    kinds |= {"np-words": isinstance(value, str) and len(value) > WORDY}
    kind = next((kind for kind, holds in kinds.items() if holds), "")
    return f'<span class="{kind}">{text}</span>' if kind else text


def tag(value: Tag) -> str:
    """A label as HTML: "supported", with "pilot" behind it where that is whose it is."""
    kind = re.sub("[^a-z]+", "-", value.text.lower())
    label = f'<span class="np-tag np-{kind}{" np-by" if value.by else ""}">{html.escape(value.text)}</span>'
    return f'{label} <small class="np-whose">{html.escape(value.by)}</small>' if value.by else label


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
