"""FIGURES and TABLES of the page that sets all approaches side by side. Each takes the frame of `networks`."""

from typing import Any

import pandas as pd

from netpress.papers.paper import UNCOMPRESSED
from netpress.papers.together import SIZES, order, same_images
from netpress.report.figures import Encoding, Figure, Words, pareto, scatter
from netpress.report.tables import Table, Whole, listing, number

FLOOR = -15.0  # points: networks that lose more are counted and not drawn
ALLOWED = (1.0, 2.0, 5.0)  # points that one may be ready to lose
GAIN = {"parameters": "smaller", "multiply_adds": "fewer multiply-adds", "bytes": "fewer bytes", "latency": "faster"}


def points(networks: pd.DataFrame) -> pd.DataFrame:
    """One row a network: means over seeds; only those that saw the same training images."""
    frame = same_images(networks)
    values = ["accuracy", "below", *SIZES]
    means = frame.groupby(["approach", "network"], sort=False)[values].mean().reset_index()
    seeds = frame.groupby(["approach", "network"], sort=False).size().reset_index(name="n")
    return means.merge(seeds, on=["approach", "network"])


def figure_size(networks: pd.DataFrame) -> Figure:
    """Accuracy lost against weights that are not zero."""
    return against(networks, "parameters")


def figure_work(networks: pd.DataFrame) -> Figure:
    """Accuracy lost against multiply-adds of an image."""
    return against(networks, "multiply_adds")


def figure_bytes(networks: pd.DataFrame) -> Figure:
    """Accuracy lost against bytes on disk."""
    return against(networks, "bytes")


def figure_latency(networks: pd.DataFrame) -> Figure:
    """Accuracy lost against measured time for one image."""
    return against(networks, "latency")


def against(networks: pd.DataFrame, size: str) -> Figure:
    """One point a network, what no other beats joined by a line and named."""
    every = points(networks).dropna(subset=[size, "below"])
    drawn = every[every["below"] >= FLOOR]
    lost = len(every) - len(drawn)
    names = ", ".join(name for name in order() if name in set(drawn["approach"]))
    alt = f"A scatter of {len(drawn)} networks: {SIZES[size]} on a logarithmic axis, accuracy above or below; {names}."
    missing = f" {lost} that lose more than {-FLOOR:.0f} points are not drawn." if lost else ""
    caption = (
        f"{SIZES[size].capitalize()} against accuracy, in points above or below the best uncompressed network that saw "
        f"the same training images. One point is one network, {runs_text(drawn)}; dotted: no other is both smaller "
        f"and better.{missing}"
    )
    words = Words(alt, caption, SIZES[size], "points above or below the best")
    encoding = Encoding(x=size, y="below", series="approach", label="network", all_series=order())
    return scatter(drawn, encoding, words, log=True, named="front")


def runs_text(drawn: pd.DataFrame) -> str:
    """Over how many runs points are averaged: one a seed, and those of two papers where both train the network."""
    least, most = (int(drawn["n"].min()), int(drawn["n"].max())) if len(drawn) else (0, 0)
    if most <= 1:
        return "one run each"
    return f"mean over {most} runs" if least == most else f"mean over {least} to {most} runs"


def table_front(networks: pd.DataFrame) -> Table:
    """The networks that no other beats, on any of the four axes, from the most accurate down."""
    every = points(networks)
    on = {size: pareto(every[size], every["below"]) for size in SIZES}
    chosen = every.assign(on=[", ".join(s for s in SIZES if on[s][i]) for i in range(len(every))])
    chosen = chosen[chosen["on"] != ""].sort_values(["below", "network"], ascending=[False, True])
    rows = [
        {
            "network": Whole(row.network), "approach": row.approach, "accuracy, %": 100 * row.accuracy,
            "points": row.below, "weights": round(row.parameters), "multiply-adds": round(row.multiply_adds),
            "bytes": round(row.bytes), "ms": row.latency,
            "best in": row.on.replace("_", "-").replace("parameters", "weights"),
        }
        for row in chosen.itertuples()
    ]  # fmt: skip
    return listing(rows, "The networks that no other beats, and in what.", digits=2)


def table_allowed(networks: pd.DataFrame) -> Table:
    """Approach by approach: how much smaller one gets than the best uncompressed network, for so many points."""
    every = points(networks)
    rows = []
    for approach in order():
        if approach == UNCOMPRESSED or approach not in set(every["approach"]):
            continue
        row: dict[str, Any] = {"approach": approach}
        for points_lost in ALLOWED:
            for size in ("parameters", "bytes"):
                row[f"{GAIN[size]}, −{points_lost:.0f}"] = times(every, approach, points_lost, size)
        rows.append(row)
    top = best(every)
    largest = "that network" if top is None else f"that network, {top['network']}"
    note = (
        "How many times smaller than the best uncompressed network the smallest network of each approach is that loses "
        f"at most 1, 2 or 5 points. Below 1: larger than {largest}. A dash: none of this approach stays so near."
    )
    return listing(rows, "How small each approach gets, by how much accuracy one is ready to lose.", note)


def times(every: pd.DataFrame, approach: str, lost: float, size: str) -> float | None:
    """How many times smaller than the best uncompressed network an approach gets, for at most `lost` points."""
    top, kept = best(every), within(every, approach, lost)[size].dropna()
    return float(top[size]) / float(kept.min()) if top is not None and len(kept) else None


def within(every: pd.DataFrame, approach: str, lost: float) -> pd.DataFrame:
    """The networks of an approach (all compressed ones where it is "") that lose at most so many points."""
    of = every["approach"] == approach if approach else every["approach"] != UNCOMPRESSED
    return every[of & (every["below"] >= -lost)]


def best(every: pd.DataFrame) -> Any:
    """The most accurate uncompressed network; None where there is none."""
    top = every[every["approach"] == UNCOMPRESSED]
    return top.loc[top["below"].idxmax()] if len(top) else None


def advice(networks: pd.DataFrame, lost: float, size: str) -> tuple[str, float | None]:
    """(network, times smaller) of the smallest compressed network that loses at most `lost` points.

    Of equally small ones the most accurate: it is on the front. None where none is smaller than the best uncompressed.
    """
    every = points(networks)
    kept = within(every, "", lost).dropna(subset=[size])
    top = best(every)
    if top is None or kept.empty or pd.isna(top[size]):
        return "not run", None
    least = kept.sort_values([size, "below"], ascending=[True, False], kind="stable").iloc[0]
    if least[size] >= top[size]:
        return f"nothing is {GAIN[size].replace('fewer', 'of fewer')} within {points_text(lost)}", None
    return f"{least['network']} ({least['approach']})", float(top[size]) / float(least[size])


def advice_text(networks: pd.DataFrame, lost: float, size: str) -> str:
    """The same as words: "svgg5-backward gram (pyramid), 5.9 times smaller"."""
    name, factor = advice(networks, lost, size)
    times_ = "" if factor is None else f", {number(factor)} times {GAIN[size]}"
    return f"{name}{times_}" if factor is not None or name != "not run" else f"for {SIZES[size]} nothing was run"


def points_text(lost: float) -> str:
    """ "one point", "2 points"."""
    return "one point" if lost == 1 else f"{lost:g} points"
