"""What the pyramid costs in training: multiply-adds of all its levels, and the time of its two losses (section 5)."""

from typing import Any

import pandas as pd

from netpress.nets.levels import LEVELS
from netpress.report.frames import finished
from netpress.report.tables import Table, listing
from netpress.runs.cost import work

READINGS = {
    "forward, nothing frozen in stage 2": ("forward", "thawed"),
    "forward, frozen as in section 3.1": ("forward", "frozen"),
    "backward": ("backward", "thawed"),
}

DEVICES = {"cpu": "a core", "cuda": "a GPU", "mps": "MPS"}


def computation(edition: str) -> dict[str, int]:
    """Reading -> multiply-adds of training all five levels in 2 stages, on the first data set of the edition."""
    from netpress.papers import pyramid

    every = pyramid.grid(edition, (0,))
    own = [run for run in every if run.dataset == every[0].dataset and dict(run.factors)["approach"] == "two-stages"]
    spent = {(f["direction"], f["regime"], f["level"]): work(run) for run in own for f in [dict(run.factors)]}
    # At the first level nothing was compressed before: one network in both readings of forward.
    spent["forward", "thawed", LEVELS[0]] = spent["forward", "frozen", LEVELS[0]]
    return {name: sum(spent[*reading, level] for level in LEVELS) for name, reading in READINGS.items()}


def training_cost(runs: pd.DataFrame) -> Table:
    """Multiply-adds of training, and the median seconds of stage 1 with either loss."""
    spent = computation(str(runs["edition"].iloc[0])) if len(runs) else {}
    rows = finished(runs)
    kinds = dict(list(rows.groupby("kind"))) if len(rows) else {"cpu": rows}
    listed = [
        {
            "pyramid": name, "multiply-adds, in 10^12": spent[name] / 1e12,
            "times backward's": spent[name] / spent["backward"], "stage 1 on": DEVICES[kind],
            "with L2, s": seconds(own, "two-stages", reading), "with Gram, s": seconds(own, "gram", reading),
        }
        for kind, own in kinds.items()
        for name, reading in READINGS.items()
        if spent
    ]  # fmt: skip
    return listing(
        listed,
        "What training the pyramid costs: all five levels in 2 stages, and the two losses of stage 1.",
        "Multiply-adds are counted, on one data set; teachers' answers to images that stay the same are computed once. "
        "Seconds are those of the records, the median over the levels where Gram is defined; the machine had other "
        "work, and a GPU trained several networks at once.",
        digits=2,
    )


def seconds(rows: pd.DataFrame, approach: str, reading: tuple[str, str]) -> Any:
    """Seconds of stage 1, missing where nothing was run."""
    direction, regime = reading
    undefined = LEVELS[0] if direction == "forward" else LEVELS[-1]
    if "seconds.imitate" not in rows:
        return None
    chosen = (rows["approach"] == approach) & (rows["direction"] == direction) & (rows["regime"] == regime)
    values = rows.loc[chosen & (rows["level"] != undefined), "seconds.imitate"].dropna()
    return float(values.median()) if len(values) else None
