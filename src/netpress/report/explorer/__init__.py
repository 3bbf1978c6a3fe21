"""The explorer: every run as a row of a table, with its learning curves and its record, made for a page with a script.

Without the script it is a plain table. With it (the script and the bundle of Vega that `assets` gives, nothing from
elsewhere) the table is filtered, sorted and turned page by page, a scatter of all runs is linked to it, and any two
runs are compared. Numbers are rounded and columns coded, so that a thousand runs take some hundred kilobytes.
"""

import html
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any

import pandas as pd

from netpress.report.explorer.charts import specifications

ELEMENT = "np-explorer"  # the page's id for it, and the class of its parts
BUNDLE, *OWN = FILES = ("np-vega.js", "np-explorer.js", "np-explorer.css")  # in the order of loading

# column of the frame -> head of the table
SHOWN = {
    "model": "network", "method": "method", "best": "best, %", "last": "last, %", "seed": "seed",
    "dataset": "data set", "paper": "paper", "edition": "edition", "epochs_to_99": "epochs to 99 %",
    "parameters": "parameters", "multiply_adds": "multiply-adds", "seconds": "training, s",
}  # fmt: skip
BEHIND = {
    "status": "status", "epochs": "epochs", "images_per_second": "images per second", "device": "device",
    "commit": "commit", "time": "made", "fingerprint": "fingerprint",
}  # fmt: skip
PER_CENT = ("best", "last")
DIGITS = {"best": 2, "last": 2, "seconds": 1, "images_per_second": 0}
CURVES = ("test_accuracy", "train_accuracy", "test_loss", "train_loss")
CUT = {"fingerprint": 12, "time": len("2026-01-01T00:00")}  # letters shown


@dataclass(frozen=True, eq=False)
class Explorer:
    """`runs`: one row a run, as in `runs.records.frame`; `history`: one row an epoch. Runs without a record are left
    out. Shows itself as HTML; everything that comes from a record is escaped."""

    runs: pd.DataFrame
    history: pd.DataFrame

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The runs that have a record, numbered."""
        return self.runs[self.runs["time"].notna()].reset_index(drop=True)

    @cached_property
    def data(self) -> dict[str, Any]:
        """What the script reads: coded columns, curves, measures, specifications of the charts."""
        columns = {name: coded(self.column(name)) for name in [*SHOWN, *BEHIND] if name in self.rows}
        return {
            "heads": {name: head for name, head in (SHOWN | BEHIND).items() if name in columns},
            "columns": columns,
            **self.measures(),
            **self.histories(),
            "charts": specifications(list(dict.fromkeys(self.rows["paper"]))),
        }

    def column(self, name: str) -> list[Any]:
        """A column's values as they are shown: rounded, accuracies in per cent, None where there is none."""
        factor = 100 if name in PER_CENT else 1
        values = [plain(value, DIGITS.get(name, 0), factor) for value in self.rows[name]]
        return [value[: CUT[name]] if value else value for value in values] if name in CUT else values

    def measures(self) -> dict[str, list[list[Any]]]:
        """What else was measured on each run; only single numbers and words.

        `measured`: the different lists of names that runs have. `measures`: per run which of these it has, then values.
        """
        names = [name for name in self.rows if str(name).startswith("measures.")]
        measured: dict[tuple[str, ...], int] = {}
        measures: list[list[Any]] = []
        for row in self.rows[names].to_dict("records"):
            own = tuple(name for name in names if is_shown(row[name]))
            measures.append([measured.setdefault(own, len(measured)), *(plain(row[name], 5) for name in own)])
        return {
            "measured": [[name.removeprefix("measures.") for name in own] for own in measured],
            "measures": measures,
        }

    def histories(self) -> dict[str, list[list[Any]]]:
        """`stages`: the different stages that runs have, as [name, epochs] each. `curves`: per run which of these it
        has, then its CURVES, None where there is none; nothing without a history. Accuracies are 1/100 of a per cent.
        """
        groups = {} if self.history.empty else dict(list(self.history.groupby("name", sort=False)))
        stages: list[list[Any]] = []
        curves: list[list[Any]] = []
        for name in self.rows["name"]:
            if name not in groups:
                curves.append([])
                continue
            if (own := stages_of(groups[name])) not in stages:
                stages.append(own)
            curves.append([stages.index(own), *curves_of(groups[name])])
        return {"stages": stages, "curves": curves}

    def __repr__(self) -> str:
        return f"Explorer of {len(self.rows)} runs"

    def _repr_html_(self) -> str:
        data = json.dumps(self.data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return (
            f'<div id="{ELEMENT}" class="{ELEMENT}" data-runs="{len(self.rows)}">{self.plain_table()}'
            f'<script type="application/json" class="{ELEMENT}-data">{in_script(data)}</script></div>'
        )

    def plain_table(self) -> str:
        """All runs as a table, as short as HTML allows: end tags of rows and cells may be left out."""
        columns = [self.column(name) for name in SHOWN]
        head = "".join(f'<th scope="col">{html.escape(text)}' for text in SHOWN.values())
        texts = [[cell_text(value, name) for value in column] for name, column in zip(SHOWN, columns, strict=True)]
        rows = ("".join(f"<td>{html.escape(text)}" for text in row) for row in zip(*texts, strict=True))
        body = "".join(f"<tr>{row}" for row in rows)
        return (
            f'<div class="np-scroll {ELEMENT}-scroll" tabindex="0" role="region" aria-label="Table: every run">'
            f'<table class="dataframe np-table {ELEMENT}-table"><thead><tr>{head}</thead><tbody>{body}</tbody></table>'
            "</div>"
        )


def cell_text(value: object, name: str) -> str:
    """A cell of the plain table."""
    if value is None:
        return "–"
    if name in PER_CENT:
        return f"{value:.{DIGITS[name]}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def plain(value: Any, digits: int, factor: float = 1) -> Any:
    """A value as JSON has it: rounded, whole where nothing is behind the point, None where it is missing."""
    if value is None or value is pd.NA or isinstance(value, str):
        return value or None
    number = float(value) * factor
    if not math.isfinite(number):
        return None
    rounded = round(number, digits)
    return int(rounded) if digits == 0 or rounded == int(rounded) else rounded


def is_shown(value: object) -> bool:
    """Whether a measure is a single number or word."""
    if isinstance(value, str):
        return bool(value)
    return isinstance(value, int | float) and math.isfinite(value)


def coded(values: list[Any]) -> dict[str, Any]:
    """A column as its different values and, for each row, which of them; as it is where most differ."""
    different = list(dict.fromkeys(values))
    if 2 * len(different) > len(values):
        return {"values": values}
    place = {value: i for i, value in enumerate(different)}
    return {"different": different, "codes": [place[value] for value in values]}


def stages_of(rows: pd.DataFrame) -> list[list[Any]]:
    """The stages of one run."""
    stages: list[list[Any]] = []
    for stage in rows["stage"]:
        if not stages or stages[-1][0] != stage:
            stages.append([stage, 0])
        stages[-1][1] += 1
    return stages


def curves_of(rows: pd.DataFrame) -> list[list[Any] | None]:
    """The curves of one run."""
    found = [numbers(rows[name], name) if name in rows else [] for name in CURVES]
    return [values if any(value is not None for value in values) else None for values in found]


def numbers(values: Iterable[Any], name: str) -> list[Any]:
    """A curve: accuracies as whole hundredths of a per cent, losses to three digits."""
    if name.endswith("accuracy"):
        return [plain(value, 0, 10_000) for value in values]
    return [None if plain(value, 9) is None else float(f"{float(value):.3g}") for value in values]


def in_script(text: str) -> str:
    """JSON that cannot end the script element it stands in."""
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@cache
def assets() -> Mapping[str, str]:
    """The files that a page with an explorer loads, by name: Vega with its embedding, the script, its style."""
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    own = {name: resources.files(__name__).joinpath(name).read_text("utf-8") for name in OWN}
    return {BUNDLE: f"(function(){{{bundle}\n}})();\n", **own}
