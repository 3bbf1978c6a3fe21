"""Plain HTML tables: everything escaped, no styles of their own, the same bytes from the same numbers."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from netpress.errors import UserError
from netpress.report.estimates import Estimate

NOTHING = "–"
BETWEEN = " | "  # the paper's number and ours
WORDY = 18  # letters from which a text gets room of its own
SAFE_LINK = re.compile(r"^(https?://|#|\.{0,2}/|[\w-]+[\w./-]*(#|$))")


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
class Beside:
    """A cell with the paper's value and ours: "93.9 | 77.2 ± 2.1". Either may be words or None.

    `best`: whether the paper's, ours, is the best of its row.
    """

    paper: Any
    ours: Any
    best: tuple[bool, bool] = (False, False)


def number(value: float, digits: int = 1, sign: bool = False) -> str:
    """A number with a true minus sign, thousands separated; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{value:{'+' if sign else ''},.{digits}f}"
    if not re.search("[1-9]", text):
        text = text.lstrip("-+")
    return text.replace("-", "\u2212")


@dataclass(frozen=True)
class Lines:
    """A cell of several lines, shown as a list; `folded`: under this word, and one click away."""

    lines: tuple[str, ...]
    folded: str = ""

    def __str__(self) -> str:
        return "; ".join(self.lines)


def shown(value: object, digits: int = 1) -> str:
    """What a cell shows: "93.1 ± 0.4 (n = 3)", "93.1 (one run)", "not run", a number, or the text itself."""
    if isinstance(value, Estimate):
        return _estimate(value, digits)
    if isinstance(value, Beside):
        return BETWEEN.join(_beside(value, partial(shown, digits=digits)))
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


def _beside(cell: Beside, show: Callable[[Any], str]) -> tuple[str, ...]:
    """What stands left and right of the line: the paper's number with as many digits as ours; words stand alone."""
    paper = None if cell.paper is None else show(float(cell.paper) if _numeric(cell.paper) else cell.paper)
    ours = None if cell.ours is None or cell.ours == NOTHING else show(cell.ours)
    if _numeric(cell.paper) or _numeric(cell.ours):
        return paper or NOTHING, ours or NOTHING
    return tuple(dict.fromkeys(text for text in (paper, ours) if text)) or (NOTHING,)


def _estimate(value: Estimate, digits: int) -> str:
    if value.n == 0:
        return "not run"
    return f"{_interval(value, digits)} ({_runs(value.n)})"


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
    share is said once, below the table. `cards`: in a narrow window each row is a card.
    """

    cells: pd.DataFrame
    caption: str
    note: str = ""
    digits: int = 1
    cards: bool = False

    def to_frame(self) -> pd.DataFrame:
        """The values as numbers: an Estimate becomes four columns, its mean, and its low, high and n; the paper's
        number, as printed, stands before ours."""
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
        frame = pd.DataFrame(columns, index=self.cells.index)
        return frame.rename_axis(columns=self.cells.columns.names) if self.cells.columns.nlevels > 1 else frame

    def __repr__(self) -> str:
        texts = self.cells.map(lambda value: shown(value, self.digits))
        body = texts.to_string() if len(texts) else "nothing to show yet"
        return "\n".join(part for part in (self.caption, body, self.note) if part)

    def _repr_html_(self) -> str:
        caption, n = html.escape(self.caption), _shared_n(self.cells)
        show = partial(shown if n is None else _without_n, digits=self.digits)
        head, body = _head(self.cells), _body(self.cells, show, self.cards)
        kind = " np-cards" if self.cards else ""
        notes = " ".join(note for note in (self.note, f"Every cell: {_runs(n)}." if n else "") if note)
        note = f'<p class="np-note">{html.escape(notes)}</p>' if notes else ""
        return (
            f'<div class="np-scroll" tabindex="0" role="region" aria-label="Table: {caption}">'
            f'<table class="dataframe np-table{kind}"><caption>{caption}</caption>{head}{body}</table></div>{note}'
        )


def _part(name: object, part: str) -> Any:
    return (*name[:-1], f"{name[-1]} {part}") if isinstance(name, tuple) else f"{name} {part}"


def _shared_n(frame: pd.DataFrame) -> int | None:
    """The n of all Estimates that rest on runs, where there are several and it is the same."""
    own = (value.ours if isinstance(value, Beside) else value for value in frame.to_numpy().flat)
    found = [value.n for value in own if isinstance(value, Estimate) and value.n]
    return found[0] if len(found) > 1 and len(set(found)) == 1 else None


def _without_n(value: object, digits: int) -> str:
    if isinstance(value, Beside):
        return BETWEEN.join(_beside(value, partial(_without_n, digits=digits)))
    return _interval(value, digits) if isinstance(value, Estimate) and value.n else shown(value, digits)


def _bare(frame: pd.DataFrame) -> bool:
    """Whether the rows are only numbered."""
    return isinstance(frame.index, pd.RangeIndex) and frame.index.name is None


def _head(frame: pd.DataFrame) -> str:
    names = [] if _bare(frame) else list(frame.index.names)
    stubs = "".join(f'<th scope="col">{html.escape(str(name))}</th>' if name else "<td></td>" for name in names)
    keys = [key if isinstance(key, tuple) else (key,) for key in frame.columns]
    upper = []
    for level in range(frame.columns.nlevels - 1):
        groups = [(key, len(list(same))) for key, same in groupby(keys, key=lambda key: key[: level + 1])]
        cells = (f'<th colspan="{n}" scope="colgroup">{html.escape(str(key[-1]))}</th>' for key, n in groups)
        upper.append(f"<tr>{'<td></td>' * len(names)}{''.join(cells)}</tr>")
    kinds = [' class="np-number"' if frame.iloc[:, i].map(_numeric).any() else "" for i in range(len(keys))]
    last = "".join(
        f'<th scope="col"{kind}>{html.escape(str(key[-1]))}</th>' for key, kind in zip(keys, kinds, strict=True)
    )
    return f"<thead>{''.join(upper)}<tr>{stubs}{last}</tr></thead>"


def _body(frame: pd.DataFrame, show: Callable[[Any], str], cards: bool) -> str:
    if not len(frame):
        span = max(1, frame.shape[1] + (0 if _bare(frame) else frame.index.nlevels))
        return f'<tbody><tr><td colspan="{span}">nothing to show yet</td></tr></tbody>'
    rows, labels = [], [_label(name) if cards else "" for name in frame.columns]
    for key, values in zip(frame.index, frame.itertuples(index=False, name=None), strict=True):
        keys = () if _bare(frame) else key if isinstance(key, tuple) else (key,)
        stub = "".join(f'<th scope="row">{_content(part, show)}</th>' for part in keys)
        named = [label if value not in (None, "") else "" for value, label in zip(values, labels, strict=True)]
        cells = "".join(_cell(value, show, label) for value, label in zip(values, named, strict=True))
        rows.append(f"<tr>{stub}{cells}</tr>")
    return f"<tbody>{''.join(rows)}</tbody>"


def _numeric(value: object) -> bool:
    return isinstance(value, Estimate | float | int | np.number) and not isinstance(value, bool)


def _label(name: object) -> str:
    """The head of a column, for a row that is a card."""
    return f' data-label="{html.escape(str(name[-1] if isinstance(name, tuple) else name))}"'


def _cell(value: object, show: Callable[[Any], str], label: str = "") -> str:
    kind = _kind(value)
    attribute = f' class="{kind}"' if kind else ""
    title = f' title="{html.escape(_printed(value))}"' if isinstance(value, Beside) and _numeric(value.paper) else ""
    return f"<td{attribute}{title}{label}>{_content(value, show)}</td>"


def _printed(cell: Beside) -> str:
    """Both values of a cell in full, for the pointer that rests on it."""
    return f"printed: {shown(Printed(cell.paper))}; ours: {shown(cell.ours, 3)}"


def _kind(value: object) -> str:
    """How a cell is set: numbers to the right, long texts and lists with room."""
    if value is None or _numeric(value):
        return "np-number"
    if isinstance(value, Whole | Beside):
        return "np-whole"
    if isinstance(value, Lines):
        return "np-lines"
    return "np-words" if isinstance(value, str) and len(value) > WORDY else ""


def _content(value: object, show: Callable[[Any], str]) -> str:
    text = html.escape(show(value))
    if isinstance(value, Beside):
        parts = zip(text.split(BETWEEN), value.best, strict=False)
        return BETWEEN.join(f"<b>{part}</b>" if best else part for part, best in parts)
    if isinstance(value, Link):
        if not SAFE_LINK.match(value.to):
            raise UserError(f"A table cannot link to {value.to!r}; expected a page, an anchor or an https address.")
        return f'<a href="{html.escape(value.to)}">{text}</a>'
    if isinstance(value, Lines):
        listed = f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in value.lines)}</ul>"
        return f"<details><summary>{html.escape(value.folded)}</summary>{listed}</details>" if value.folded else listed
    if isinstance(value, Tag):
        return tag(value)
    return text


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
    rows = [*printed.index, *(row for row in ours.index if row not in printed.index)]
    columns = [*printed.columns, *(column for column in ours if column not in printed)]
    cells: dict[Any, list[Beside]] = {column: [] for column in columns}
    for row in rows:
        pairs = [(_at(printed, row, column), _own(ours, row, column)) for column in columns]
        tops = tuple(_best([pair[side] for pair in pairs]) if best else None for side in (0, 1))
        for column, pair in zip(columns, pairs, strict=True):
            paper, own = (
                _mean(value) is not None and _mean(value) == top for value, top in zip(pair, tops, strict=True)
            )
            cells[column].append(Beside(*pair, best=(paper, own)))
    index = pd.Index(rows, name=printed.index.name or ours.index.name)
    return Table(pd.DataFrame(cells, index=index, dtype="object"), caption, note, digits)


def _at(frame: pd.DataFrame, row: object, column: object) -> Any:
    if row not in frame.index or column not in frame:
        return None
    value = frame.at[row, column]
    return None if isinstance(value, float) and math.isnan(value) else value


def _own(frame: pd.DataFrame, row: object, column: object) -> Any:
    value = _at(frame, row, column)
    return "not run" if value is None else value


def _mean(value: Any) -> float | None:
    """The number of a cell, None where it has none."""
    mean = value.mean if isinstance(value, Estimate) else value
    return float(mean) if _numeric(mean) and math.isfinite(mean) else None


def _best(values: Sequence[object]) -> float | None:
    """The largest of a row; None where there is nothing to choose from."""
    known = [mean for mean in map(_mean, values) if mean is not None]
    return max(known) if len(known) > 1 else None


def listing(
    rows: Sequence[dict[str, Any]], caption: str, note: str = "", digits: int = 1, cards: bool = False
) -> Table:
    """A table from one dict a row; the first key names the row."""
    frame = pd.DataFrame(list(rows), dtype="object")
    return Table(frame.set_index(frame.columns[0]) if len(frame) else frame, caption, note, digits, cards)
