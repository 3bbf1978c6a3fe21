"""TABLES of the Pyramid: the paper's four beside ours, and those that it lacks.

Every function takes the frame of `tidy` (or that of `speed.of_levels`) and returns what a chapter shows.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from netpress import editions
from netpress.data.registry import DATASETS
from netpress.nets import levels
from netpress.nets.levels import LEVELS, TOP
from netpress.papers import printed
from netpress.papers.pyramid import (
    BACKWARD,
    ENLARGED,
    FACTORS,
    FORWARD,
    FROZEN,
    INSTEAD,
    NAMES,
    NATIVE,
    PARENT,
    PRINTED,
    PYRAMID,
    SHALLOWER,
    THAWED,
    UNDEFINED,
    from_random,
    grid,
)
from netpress.papers.speed import CLASSES, PX, WIDTH
from netpress.report.estimates import Estimate, interval, rank_correlation
from netpress.report.frames import by_seed, finished
from netpress.report.tables import NOTHING, RUNS, Table, beside, listing, run_names
from netpress.report.tests import Contrast, difference
from netpress.runs.cost import work

PAPERS_DATA = ("stl10", "cifar100")
# table: direction, and which of the paper's data sets
TABLES = {1: (FORWARD, 0), 2: (FORWARD, 1), 3: (BACKWARD, 0), 4: (BACKWARD, 1)}
FINE = "plain fine-tuning"  # the paper's Scratch, which begins from VGG19's weights where shapes agree
TAUGHT = {approach: name for approach, name in NAMES.items() if approach != "scratch"}  # those with a stage 1
SHOWN = {"scratch": FINE} | TAUGHT
LITERAL = "section 3.1"  # the pyramid with what was compressed earlier frozen, as that section has it
CELL = ("level", "direction", "approach")
LEFT_OUT = {FORWARD: "(same as pyramid 2-stage)", BACKWARD: "not defined"}


# Tables 1-4 ----------------------------------------------------------------------------------------------------------


def printed_beside(runs: pd.DataFrame, number: int) -> Table:
    """Tables 1 to 4, the paper's accuracies and ours; forward with the frozen reading in columns of its own."""
    direction, place = TABLES[number]
    paper, here = (DATASETS[name].title for name in (PAPERS_DATA[place], stand_in(runs, place)))
    data = paper if paper == here else f"{paper}, ours on {here} in its place"
    note = (
        "Bold: the best of a row, the paper's and ours. The paper: VGG19 pretrained on ImageNet, 96 px, one run a "
        "cell. No Gram matrix is defined for fully connected layers."
    )
    own = ours(runs, number)
    made = beside(
        as_printed(number),
        own,
        f"Table {number} of the paper, {direction}, {data}: the best epoch's test accuracy in %, the paper's | ours.",
        note,
    )
    if direction == FORWARD:
        literal = ours(runs, number, FROZEN)
        cells = made.cells.assign(**{f"{name}, {LITERAL}": literal[name] for name in (TAUGHT[a] for a in PYRAMID)})
        made = replace(
            made, cells=cells, note=f"Nothing is frozen in stage 2; last columns: {LITERAL} taken literally. {note}"
        )
    there = finished(runs[runs["dataset"] == stand_in(runs, place)]).groupby(runs["level"].str.upper())
    return replace(made, cells=made.cells.assign(**{RUNS: there.apply(run_names)}))


def as_printed(number: int) -> pd.DataFrame:
    """One of the paper's four tables, to the digit, with the methods' names of this book."""
    names = {name: TAUGHT.get(key, FINE) for key, name in NAMES.items()}
    return printed.table(f"pyramid_table_{number}").rename(columns=PRINTED).rename(columns=names)


def stand_in(runs: pd.DataFrame, place: int) -> str:
    """The data set that stands for the paper's first or second one in the edition of the runs."""
    edition = str(runs["edition"].iloc[0]) if len(runs) else editions.EDITIONS[0]
    used = editions.settings(edition, "pyramid").datasets
    return used[min(place, len(used) - 1)]


def read_as(runs: pd.DataFrame, reading: str) -> pd.DataFrame:
    """VGG19 and the networks of Tables 1-4 in one reading of forward: frozen in stage 2, or thawed. At its first level
    nothing was compressed before, so that both are one network."""
    wanted = [
        "" if row.approach not in PYRAMID
        else THAWED if row.direction == BACKWARD
        else FROZEN if row.level == LEVELS[0]
        else reading
        for row in runs.itertuples()
    ]  # fmt: skip
    return runs[runs["approach"].isin([PARENT, *NAMES]) & (runs["regime"] == wanted)]


def ours(runs: pd.DataFrame, number: int, reading: str = THAWED) -> pd.DataFrame:
    """Our cells with the labels of a printed table: Estimates in %, words where a cell is not defined."""
    direction, place = TABLES[number]
    rows = read_as(runs[runs["dataset"] == stand_in(runs, place)], reading)
    table = by_seed(rows, "best", CELL) if len(finished(rows)) else pd.DataFrame()

    def cell(*key: str) -> Any:
        return LEFT_OUT[direction] if key in UNDEFINED else points(table.get(key))

    cells = {name: [cell(level, direction, approach) for level in LEVELS] for approach, name in SHOWN.items()}
    frame = pd.DataFrame(cells, index=[level.upper() for level in LEVELS], dtype="object")
    top = pd.DataFrame({name: [NOTHING] for name in cells}, index=[TOP.upper()], dtype="object")
    top.loc[TOP.upper(), FINE] = cell(TOP, "", PARENT)  # the paper prints it in the first column
    return pd.concat([top, frame]).rename_axis("Architecture")


def order_agreement(runs: pd.DataFrame) -> Table:
    """How well the order of our cells agrees with the printed one: Kendall's tau-b per table, with its interval.

    All cells; the order of methods (cells less the mean of their level) and of levels (less the mean of their method).
    VGG19 is left out, being one number. Forward in both readings.
    """
    rows = []
    for number, (direction, _) in TABLES.items():
        for reading in (THAWED, FROZEN) if direction == FORWARD else (THAWED,):
            pair = cells_of(runs, number, reading)
            centred = {"all cells": pair, "methods": less_mean(pair, "level"), "levels": less_mean(pair, "method")}
            found = {word: rank_correlation(part["paper"], part["ours"]) for word, part in centred.items()}
            rows.append({"table": f"Table {number}" + (f", {LITERAL}" if reading == FROZEN else ""), **found})
    return listing(
        rows,
        "Agreement of our order with the paper's, Kendall's tau-b: 1 is the same order, 0 none, −1 the reverse.",
        "n: cells that both have. Methods: within a level, levels: within a method. Intervals after Fieller (1957).",
        digits=2,
    )


def cells_of(runs: pd.DataFrame, number: int, reading: str = THAWED) -> pd.DataFrame:
    """One row a cell that both the paper and we have: level, method, paper, ours (mean, %)."""
    paper, own = as_printed(number), ours(runs, number, reading)
    pairs = [
        {"level": level, "method": method, "paper": paper.at[level, method], "ours": own.at[level, method].mean}
        for level in paper.index
        for method in paper.columns
        if level != TOP.upper() and isinstance(own.at[level, method], Estimate)
    ]
    return pd.DataFrame(pairs).astype({"paper": "float64", "ours": "float64"}).dropna()


def less_mean(pairs: pd.DataFrame, by: str) -> pd.DataFrame:
    """The cells less the mean of their level or method, rounded so that equal cells stay equal."""
    numbers = pairs[["paper", "ours"]]
    return (numbers - numbers.groupby(pairs[by]).transform("mean")).round(9)


# What the paper lacks ------------------------------------------------------------------------------------------------


def table_speed(speeds: pd.DataFrame) -> Table:
    """The numbers behind Figure 3: sizes, times with the fastest and slowest pass, how much faster than VGG19."""
    top = speeds.loc[speeds["model"] == TOP, "seconds_13000"]
    rows = [
        {
            "network": name_of(row.level, row.direction), "depth": depth_text(row.model),
            "parameters": row.parameters, "multiply-adds": row.multiply_adds,
            "s for 13,000": row.seconds_13000, "fastest": row.seconds_fastest, "slowest": row.seconds_slowest,
            "times faster": float(top.iloc[0]) / row.seconds_13000, "ms for one": row.latency,
        }
        for row in speeds.itertuples()
    ]  # fmt: skip
    return listing(
        rows,
        "Time to classify 13,000 images of 96 px, and one image.",
        "Medians over the passes. P7, P8 and the opening sentence compare pass by pass instead.",
        digits=2,
    )


def table_sizes() -> Table:
    """Every level: what is compressed, the real depth, parameters and multiply-adds, and their share of VGG19's."""
    import torch

    from netpress import nets
    from netpress.nets.describe import describe

    with torch.device("meta"):
        found = {model: describe(nets.build(model, PX, CLASSES, WIDTH), PX) for model in (TOP, *levels.MODELS)}
    top = found[TOP]
    rows = [
        {
            "network": name_of(*levels.place(model)), "compressed": " ".join(levels.compressed(model)) or NOTHING,
            "depth": depth_text(model), "parameters": size.parameters,
            "times fewer": top.parameters / size.parameters, "multiply-adds": size.multiply_adds,
            "times fewer multiply-adds": top.multiply_adds / size.multiply_adds,
        }
        for model, size in found.items()
    ]  # fmt: skip
    return listing(
        rows,
        f"VGG19 and its levels at {PX} px, {CLASSES} classes, width {WIDTH:g}.",
        "Depth: convolutions + fully connected layers.",
    )


def table_readings(runs: pd.DataFrame) -> Table:
    """The pyramid above the methods that go straight from VGG19, in both readings of forward, and backward.

    On every data set with the variant; averaged over both pyramid methods and the levels that the variant has.
    """

    def over(data: str, direction: str, regime: str, other: str) -> Estimate:
        here = runs[(runs["dataset"] == data) & runs["level"].isin(LEVELS[1:])]
        ours = {"direction": direction, "approach": PYRAMID, "regime": regime}
        theirs = {"direction": direction, "approach": other}
        return difference(here, Contrast(ours, theirs, by=("model",)))

    free = runs[(runs["direction"] == FORWARD) & (runs["regime"] == THAWED)]
    datasets = list(free["dataset"].drop_duplicates()) or [stand_in(runs, 1)]
    listed = [
        {
            "over": f"{SHOWN[other]}, {DATASETS[data].title}", "forward, frozen": over(data, FORWARD, FROZEN, other),
            "forward, thawed": over(data, FORWARD, THAWED, other), "backward": over(data, BACKWARD, THAWED, other),
        }
        for data in datasets
        for other in ("scratch", "fitnet", "gram-direct")
    ]  # fmt: skip
    return listing(
        listed,
        "Points of the pyramid above the methods without one: forward as section 3.1 has it, forward with nothing "
        "frozen in stage 2, backward.",
        "Averaged over 2 stages and Gram, SVGG14 to SVGG5 (where Gram Direct is defined), paired by seed.",
    )


def table_native(runs: pd.DataFrame) -> Table:
    """Networks of different depth from random weights at 32 px (claim P9), and with the images enlarged (claim P12).

    Where the pyramid has images of 32 px too, its own networks stand beside them: fine-tuned, and those taught level by
    level with nothing frozen.
    """
    rows = from_random(runs)
    same_px = PARENT in set(rows["approach"])
    shown = runs[runs["dataset"].isin(rows["dataset"])] if same_px else rows
    table = by_seed(shown, "best", FACTORS) if len(finished(shown)) else pd.DataFrame()
    listed = [native_row(*place, table, same_px) for place in SHALLOWER]
    px = editions.settings(str(runs["edition"].iloc[0]), "pyramid").enlarged_px if len(runs) else 0
    enlarged = bool(listed) and "images enlarged" in listed[0]
    data = DATASETS[rows["dataset"].iloc[0]].title if len(rows) else "Not run"
    sizes = f"at 32 and {px} px" if enlarged else "at 32 px"
    taught = ", and from VGG19" if same_px else ""
    note = (
        "Beside them the same networks in the pyramid of 2 stages, nothing frozen, and the difference within seeds. "
        "From random weights a network is trained as VGG19 is; those of the pyramid go on from VGG19, on plain images."
    )
    if enlarged:
        note += f" Images enlarged: the same images at {px} px, from random weights too."
    return listing(
        listed,
        f"{data}: networks from random weights {sizes}{taught}: best test accuracy in %, deep to shallow.",
        note.strip() if same_px else "",
    )


def native_row(level: str, direction: str, table: pd.DataFrame, same_px: bool) -> dict[str, Any]:
    """One network of table_native; `table` has one column a network, approach and regime."""
    native = table.get((level, direction, NATIVE, ""), table.get((level, direction, PARENT, "")))
    depth = depth_text(levels.NAMES[level, direction])
    row = {"network": name_of(level, direction), "depth": depth, "random weights": points(native)}
    if any(key[2] == ENLARGED for key in table):
        row["images enlarged"] = points(table.get((level, direction, ENLARGED, "")))
    if not same_px:
        return row
    if level == TOP:
        return row | dict.fromkeys((FINE, "pyramid, thawed", "difference"), NOTHING)
    regime = FROZEN if level == LEVELS[0] else THAWED  # where nothing was compressed before, nothing is frozen
    scratch, taught = (table.get((level, direction, *kind)) for kind in (("scratch", ""), (INSTEAD, regime)))
    gain = None if taught is None or native is None else taught - native
    return row | {FINE: points(scratch), "pyramid, thawed": points(taught), "difference": points(gain)}


COST_OF = {  # in words: its direction, and what stage 2 does with what was compressed earlier
    "forward, nothing frozen in stage 2": (FORWARD, THAWED),
    "forward, frozen as in section 3.1": (FORWARD, FROZEN),
    "backward": (BACKWARD, THAWED),
}
DEVICES = {"cpu": "a core", "cuda": "a GPU", "mps": "MPS"}


def computation(edition: str) -> dict[str, int]:
    """Reading -> multiply-adds of training all five levels in 2 stages, on the first data set of the edition."""
    every = grid(edition, (0,))
    own = [run for run in every if run.dataset == every[0].dataset and dict(run.factors)["approach"] == "two-stages"]
    spent = {(f["direction"], f["regime"], f["level"]): work(run) for run in own for f in [dict(run.factors)]}
    # At the first level nothing was compressed before: one network in both readings of forward.
    spent[FORWARD, THAWED, LEVELS[0]] = spent[FORWARD, FROZEN, LEVELS[0]]
    return {name: sum(spent[*reading, level] for level in LEVELS) for name, reading in COST_OF.items()}


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
        for name, reading in COST_OF.items()
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
    undefined = LEVELS[0] if direction == FORWARD else LEVELS[-1]
    if "seconds.imitate" not in rows:
        return None
    chosen = (rows["approach"] == approach) & (rows["direction"] == direction) & (rows["regime"] == regime)
    values = rows.loc[chosen & (rows["level"] != undefined), "seconds.imitate"].dropna()
    return float(values.median()) if len(values) else None


def points(fractions: pd.Series | None) -> Estimate:
    """An Estimate in %, with n = 0 where nothing was run."""
    return interval([] if fractions is None else fractions.dropna()).times(100)


def name_of(level: str, direction: str) -> str:
    """ "SVGG14 backward"."""
    return f"{level.upper()} {direction}".strip()


def depth_text(model: str) -> str:
    """The real depth: "13+3" is 13 convolutions and 3 fully connected layers."""
    return "{}+{}".format(*levels.depth(model))


# The claims in the paper's own printed numbers -----------------------------------------------------------------------
#
# In how many cells of Tables 1-4 each holds, of how many it could. One run a cell is no test; but a claim that fails in
# the numbers it was read from was not read from all of them.

Counted = tuple[int, int]


def printed_of(direction: str) -> list[pd.DataFrame]:
    """The tables of a direction, one a data set; nan where a cell holds no number. VGG19 is left out."""
    tables = [as_printed(number).iloc[1:] for number, (own, _) in TABLES.items() if own == direction]
    return [table.apply(pd.to_numeric, errors="coerce") for table in tables]


def wins_of_five(method: str, direction: str) -> Counted:
    """In how many rows in which a pyramid method has a number it is above all others."""
    rows = [row for table in printed_of(direction) for _, row in table.dropna(subset=[NAMES[method]]).iterrows()]
    return sum(row[NAMES[method]] > row.drop(NAMES[method]).max() for row in rows), len(rows)


def wins_over(*others: str) -> Counted:
    """In how many pairs of a pyramid's cell and another method's of the same network the pyramid's is above."""
    return larger(
        (row[NAMES[ours]], row[SHOWN[other]])
        for direction in (FORWARD, BACKWARD)
        for table in printed_of(direction)
        for _, row in table.iterrows()
        for ours in PYRAMID
        for other in others
    )


def early_and_late() -> Counted:
    """In how many pairs of the same level, data set and pyramid method forward is above, early; late, backward."""
    return larger(
        pair if level in LEVELS[:3] else pair[::-1]
        for forward, backward in zip(printed_of(FORWARD), printed_of(BACKWARD), strict=True)
        for level in LEVELS
        for name in (NAMES[method] for method in PYRAMID)
        for pair in [(forward.at[level.upper(), name], backward.at[level.upper(), name])]
    )


def larger(pairs: Iterable[tuple[float, float]]) -> Counted:
    """In how many pairs of two numbers the first is larger."""
    known = [(one, other) for one, other in pairs if pd.notna(one) and pd.notna(other)]
    return sum(one > other for one, other in known), len(known)


# claim: what counts it
COUNTS: dict[str, Callable[[], Counted]] = {
    "P1": partial(wins_of_five, "gram", FORWARD),
    "P2": partial(wins_of_five, "two-stages", BACKWARD),
    "P3": early_and_late,
    "P4": partial(wins_over, "scratch"),
    "P5": partial(wins_over, "fitnet", "gram-direct"),
}
