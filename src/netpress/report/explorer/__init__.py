"""The explorer: every run as a row of a table, with its learning curves and its record, made for a page with a script.

Without the script it is a plain table of the first runs. With it (the script and the bundle of Vega that `assets`
gives, nothing from elsewhere) the table is filtered, sorted and turned page by page, a scatter of all runs is linked to
it, and any two runs are compared. Numbers are rounded and columns coded. A site puts the data into a file of their own
(`split`), so that the page stays as small however many runs there are.
"""

import html
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any

import pandas as pd

from netpress.report.theme import PALETTE

ELEMENT = "np-explorer"  # the page's id for it, and the class of its parts
BUNDLE, *OWN = FILES = ("np-vega.js", "np-explorer.js", "np-explorer.css")  # in the order of loading
OPEN, CLOSE = f'<script type="application/json" class="{ELEMENT}-data">', "</script>"
PLAIN = 100  # rows that are shown without the script

# column of the frame -> head of the table
SHOWN = {
    "model": "network", "method": "method", "dataset": "data set", "seed": "seed", "paper": "paper",
    "edition": "edition", "best": "best, %", "last": "last, %", "parameters": "parameters",
    "multiply_adds": "multiply-adds", "seconds": "training, s",
}  # fmt: skip
BEHIND = ("status", "epochs", "epochs_to_99", "images_per_second", "device", "commit", "time", "fingerprint")
DIGITS = {"best": 2, "last": 2, "seconds": 1}


@dataclass(frozen=True, eq=False)
class Explorer:
    """`runs`: one row a run, as in `runs.records.frame`; `history`: one row an epoch. Runs without a record are left
    out. `code`: the address of the folder of the code in which results/ lies, for links to records; "" without one.
    Shows itself as HTML; everything that comes from a record is escaped."""

    runs: pd.DataFrame
    history: pd.DataFrame
    code: str = ""

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The runs that have a record, numbered."""
        return self.runs[self.runs["time"].notna()].reset_index(drop=True)

    @cached_property
    def data(self) -> dict[str, Any]:
        """What the script reads: coded columns, curves, measures, charts.

        `measured`: the different lists of names of measures that runs have; `measures`: per run which of these it has,
        then its values. `curves`: per run test and training accuracy by epoch, in hundredths of a per cent.
        """
        names = [str(name) for name in self.rows if str(name).startswith("measures.")]
        measured: dict[tuple[str, ...], int] = {}
        measures: list[list[Any]] = []
        for row in self.rows[names].to_dict("records"):
            held = {name: row[name] for name in names if isinstance(row[name], str | int | float)}
            own = tuple(name for name, value in held.items() if value != "" and plain(value, 5) is not None)
            measures.append([measured.setdefault(own, len(measured)), *(plain(row[name], 5) for name in own)])
        histories = dict(list(self.history.groupby("name", sort=False))) if len(self.history) else {}
        curves = [
            [
                [plain(value, 0, 10_000) for value in histories[name][column]]
                for column in ("test_accuracy", "train_accuracy")
                if name in histories and column in histories[name]
            ]
            for name in self.rows["name"]
        ]
        return {
            "heads": SHOWN,
            "columns": {name: coded(self.column(name)) for name in (*SHOWN, *BEHIND) if name in self.rows},
            "measured": [[name.removeprefix("measures.") for name in own] for own in measured],
            "measures": measures,
            "curves": curves,
            "charts": charts(),
            "code": self.code.rstrip("/"),
        }

    def column(self, name: str) -> list[Any]:
        """A column's values as they are shown: rounded, accuracies in per cent, None where there is none."""
        factor = 100 if name in ("best", "last") else 1
        return [plain(value, DIGITS.get(name, 0), factor) for value in self.rows[name]]

    def __repr__(self) -> str:
        return f"Explorer of {len(self.rows)} runs"

    def _repr_html_(self) -> str:
        data = json.dumps(self.data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        for sign in "<\u2028\u2029":  # which could end the script element that it stands in
            data = data.replace(sign, f"\\u{ord(sign):04x}")
        columns = [self.column(name)[:PLAIN] for name in SHOWN]
        head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in SHOWN.values())
        texts = [[f"{v:,}" if isinstance(v, int | float) else str(v or "–") for v in column] for column in columns]
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(text)}</td>' for text in row)}</tr>" for row in zip(*texts, strict=True)
        )
        first = f"<p>The first {PLAIN} of {len(self.rows):,} runs.</p>" if len(self.rows) > PLAIN else ""
        return (
            f'<div id="{ELEMENT}" class="{ELEMENT}" data-runs="{len(self.rows)}"><div class="{ELEMENT}-plain">{first}'
            '<div class="np-scroll" tabindex="0" role="region" aria-label="Table: runs"><table class="dataframe '
            f'np-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></div>'
            f"{OPEN}{data}{CLOSE}</div>"
        )


def split(page: str) -> tuple[str, str]:
    """A page without the explorer's data, and these as a script; "" where there are none.

    A script, since browsers do not let a page that was opened from the disk read a file of data.
    """
    before, opened, rest = page.partition(OPEN)
    data, _, after = rest.partition(CLOSE)
    return (before + after, f"window.npExplorer={data};\n") if opened else (page, "")


def plain(value: Any, digits: int, factor: float = 1) -> Any:
    """A value as JSON has it: rounded, whole where nothing is behind the point, None where it is missing."""
    if value is None or value is pd.NA or isinstance(value, str):
        return value or None
    number = float(value) * factor
    if not math.isfinite(number):
        return None
    rounded = round(number, digits)
    return int(rounded) if digits == 0 or rounded == int(rounded) else rounded


def coded(values: list[Any]) -> dict[str, Any]:
    """A column as its different values and, for each row, which of them; as it is where most differ."""
    different = list(dict.fromkeys(values))
    if 2 * len(different) > len(values):
        return {"values": values}
    place = {value: i for i, value in enumerate(different)}
    return {"different": different, "codes": [place[value] for value in values]}


@cache
def charts() -> dict[str, Any]:
    """Two charts as Vega-Lite: the scatter of all runs that fit, and learning curves of the chosen ones.

    The script fills their data `runs`, `chosen` and `curves`; `var:NAME` stands for a colour of the page.
    """
    import altair as alt

    def finished(chart: Any, description: str) -> dict[str, Any]:
        size = {"width": "container", "height": 260, "autosize": {"type": "fit", "contains": "padding"}}
        made = {name: value for name, value in chart.to_dict().items() if name != "$schema"}
        return made | size | {"description": description, "config": {"view": {"stroke": None}}}

    x = alt.X("parameters:Q", scale=alt.Scale(type="log", nice=False), axis=alt.Axis(format="~s"), title="parameters")
    y = alt.Y("best:Q", scale=alt.Scale(zero=False), title="best accuracy, %")
    shades = alt.Scale(range=[f"var:--np-{name}" for name in PALETTE])
    dashes = alt.Scale(domain=["test", "training"], range=[[1, 0], [5, 4]])
    legend = alt.Legend(title=None, orient="top")
    points = alt.Chart(alt.NamedData(name="runs")).mark_point(filled=True, size=45, opacity=0.7, cursor="pointer")
    points = points.encode(
        x, y, alt.Color("paper:N", scale=shades, legend=legend), alt.Shape("paper:N", legend=legend), tooltip="name:N"
    )
    rings = alt.Chart(alt.NamedData(name="chosen")).mark_point(size=190, strokeWidth=2.2, color="var:ink").encode(x, y)
    lines = alt.Chart(alt.NamedData(name="curves")).mark_line(strokeWidth=2, point=True).encode(
        x=alt.X("epoch:Q", title="epoch over all stages (dashed: training)", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y("accuracy:Q", title="accuracy, %", scale=alt.Scale(zero=False)),
        color=alt.Color("run:N", scale=shades, legend=alt.Legend(title=None, orient="top", columns=1, labelLimit=0)),
        strokeDash=alt.StrokeDash("on:N", scale=dashes, legend=None),
        tooltip=["run:N", "on:N", "epoch:Q", "accuracy:Q"],
    )  # fmt: skip
    return {
        "scatter": finished(alt.layer(points, rings), "Every run that fits: parameters against best accuracy"),
        "curves": finished(lines, "Learning curves of the chosen runs"),
    }


@cache
def assets() -> Mapping[str, str]:
    """The files that a page with an explorer loads, by name: Vega with its embedding, the script, its style."""
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    own = {name: resources.files(__name__).joinpath(name).read_text("utf-8") for name in OWN}
    return {BUNDLE: f"(function(){{{bundle}\n}})();\n", **own}
