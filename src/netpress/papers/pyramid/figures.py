"""FIGURES of the Pyramid: the paper's three, and the accuracies of its tables drawn.

Where a figure has a `reading`, "thawed" is the pyramid with nothing frozen in stage 2, for which the paper's own tables
speak, and "frozen" is its section 3.1 taken literally.
"""

from dataclasses import replace

import pandas as pd

from netpress.data.registry import DATASETS, titles
from netpress.nets import levels
from netpress.nets.levels import LEVELS, SETS, TOP
from netpress.papers.pyramid import (
    BACKWARD,
    CONTROL,
    DIRECTIONS,
    FORWARD,
    FROZEN,
    NAMES,
    PARENT,
    PYRAMID,
    REGIMES,
    THAWED,
)  # fmt: skip
from netpress.papers.pyramid.tables import FINE, TABLES, TAUGHT, cells_of, depth_text, read_as
from netpress.report.figures import Box, Encoding, Figure, Row, Words, curves, diagram, dumbbells, points
from netpress.report.frames import finished, ordered

ORIGINALS = {PARENT: "VGG19", CONTROL: "VGG19, retrained as long"}
KINDS = (FINE, *TAUGHT.values(), *ORIGINALS.values())  # the order of colours in all figures of this paper


SCHEMES = {
    FORWARD: "from the head to the image; what was compressed earlier is frozen",
    BACKWARD: "from the image to the head; everything trains in stage 2",
}


def scheme(direction: str) -> Figure:
    """Figures 1 and 2: VGG19 and the five levels of a direction, one below the other."""
    words = SCHEMES[direction]
    rows = [Row("VGG19", tuple(Box(name, layers_text(name, count)) for name, count in SETS.items()))]
    for level in LEVELS:
        model = levels.NAMES[level, direction]
        *earlier, new = levels.compressed(model)
        kept = "frozen" if direction == FORWARD else "trained"
        states = dict.fromkeys(SETS, "trained") | dict.fromkeys(earlier, kept) | {new: "compressed"}
        counts = {name: 1 if name in (*earlier, new) else count for name, count in SETS.items()}
        boxes = tuple(Box(name, layers_text(name, counts[name]), states[name]) for name in SETS)
        rows.append(Row(f"{level.upper()} ({depth_text(model)})", boxes))
    return diagram(
        rows,
        Words(
            alt=(
                "Six rows of five boxes, C1 to C4 and F. VGG19 on top; in each row below one more box is "
                f"compressed to a single layer, {words}."
            ),
            caption=(
                f"Each level compresses one more set of layers, {words}. In brackets: convolutions + fully "
                "connected layers."
            ),
            finding=f"The {direction} pyramid: each level teaches the next",
        ),
    )


def layers_text(name: str, count: int) -> str:
    """ "4 conv." or "1 linear"."""
    return f"{count} {'linear' if name == 'F' else 'conv.'}"


def figure_3(speeds: pd.DataFrame) -> Figure:
    """Figure 3: time to classify 13,000 images against size."""
    rows = speeds.assign(parameters=speeds["parameters"] / 1e6, scheme=speeds["direction"].replace("", "VGG19"))
    rows["name"] = rows["level"].str.removeprefix("svgg").where(rows["direction"] != "", "")
    related = float(rows["parameters"].corr(rows["seconds_13000"])) if len(rows) else 0.0
    measure = "Seconds for 13,000 images of 96 px"
    made = curves(
        rows,
        Encoding(x="parameters", y="seconds_13000", series="scheme", label="name"),
        Words(
            alt=(
                f"Eleven points: {measure.lower()} against parameters, millions, for VGG19 and the five levels forward "
                "and backward."
            ),
            caption=(
                "VGG19 and every level of both directions, named by its layers. Medians over the passes, on one "
                "processor."
            ),
            x="parameters, millions",
            y=measure,
            finding=f"Time {'follows' if related > 0.9 else 'against'} parameters (r = {related:.2f})",
            measure=measure,
        ),
        height=320,
        ends=False,
    )
    return replace(made, note="")


def figure_levels(runs: pd.DataFrame, reading: str = THAWED) -> Figure:
    """Tables 1-4 drawn: points over plain fine-tuning by level, one series a kind of teacher, one panel a data set and
    direction."""
    rows = taught(runs, reading)
    rows = pd.concat([rows, originals(runs, rows)])
    rows = rows.assign(panel=rows["dataset"].map(titles()) + ", " + rows["direction"])
    wins = rows[rows["approach"].isin(PYRAMID)].groupby(["panel", "model", "approach"])["points"].mean() > 0
    return points(
        rows,
        Encoding(x="depth", y="points", series="taught by", panel="panel", shared=True, all_series=KINDS),
        Words(
            alt=(
                "One panel a data set and direction: points over plain fine-tuning by level, for every kind of teacher."
            ),
            caption=(
                f"{READINGS[reading]} Plain fine-tuning is the same network with VGG19's weights where shapes "
                "agree, trained with labels. 2 stages and Gram are taught by the level above, FitNet and Gram "
                "Direct by VGG19."
            ),
            x="level, from the largest network to the smallest",
            y="points",
            finding=f"The pyramid beats plain fine-tuning in {wins.sum()} of {len(wins)} networks",
            measure="Points of best test accuracy above plain fine-tuning of the same network and seed, by level",
        ),
        {FINE: rows.drop_duplicates(["panel", "seed"]).assign(points=0.0)},
    )


READINGS = {
    THAWED: "Nothing is frozen in stage 2.",
    FROZEN: "Forward, what was compressed earlier is frozen in stage 2 (section 3.1 taken literally).",
}


def taught(runs: pd.DataFrame, reading: str) -> pd.DataFrame:
    """The finished networks of Tables 1-4 that somebody teaches, in their order, with `points` above plain fine-tuning
    of the same network and seed, `taught by` and `depth` (17, 14, ...)."""
    rows = read_as(finished(runs), reading)
    rows = rows[rows["approach"].isin(TAUGHT)]
    rows = ordered(rows, dataset=DATASETS, direction=DIRECTIONS, level=LEVELS, approach=NAMES)
    depth = rows["level"].str.removeprefix("svgg")
    return rows.assign(points=100 * rows["over_scratch"], depth=depth, **{"taught by": rows["approach"].map(TAUGHT)})


def originals(runs: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """VGG19 and VGG19 retrained for as long beside each network of `rows`, those of `taught`: `points` above the plain
    fine-tuning of that network, same seed. Nothing where VGG19 was not retrained: alone it would say too little."""
    keys = ["dataset", "seed"]
    tops = finished(runs[(runs["level"] == TOP) & (runs["regime"] == "") & runs["approach"].isin(ORIGINALS)])
    both = tops.groupby(keys)["approach"].transform("nunique") == len(ORIGINALS)
    tops = tops[both].set_index(keys)[["approach", "best", "name"]].add_prefix("top_")
    plain = rows.assign(plain=rows["best"] - rows["over_scratch"]).drop_duplicates(["dataset", "model", "seed"])
    beside = plain.join(tops, on=keys, how="inner").reset_index(drop=True)
    beside = beside.drop(columns=["approach", "name"]).rename(columns={"top_approach": "approach", "top_name": "name"})
    points = 100 * (beside["top_best"] - beside["plain"])
    beside = beside.assign(points=points, **{"taught by": beside["approach"].map(ORIGINALS)})
    return ordered(beside, **{"taught by": tuple(ORIGINALS.values())})


def figure_slopes(runs: pd.DataFrame, reading: str = THAWED) -> Figure:
    """Points over plain fine-tuning in the paper's tables and in ours, a point a cell."""
    found = []
    for place, (direction, _) in TABLES.items():
        pairs = cells_of(runs, place, reading) if len(finished(runs)) else pd.DataFrame(columns=["level", "method"])
        alone = pairs[pairs["method"] == FINE].set_index("level")
        for row in pairs[pairs["method"] != FINE].itertuples():
            if row.level in alone.index:
                gain = {end: getattr(row, end) - alone.at[row.level, end] for end in ("paper", "ours")}
                found.append({"table": f"Table {place}, {direction}", "level": row.level, "method": row.method} | gain)
    cells = pd.DataFrame(found, columns=["table", "level", "method", "paper", "ours"]).assign(seed=0)
    same = int(((cells["paper"] > 0) == (cells["ours"] > 0)).sum())
    made = curves(
        cells,
        Encoding("paper", "ours", series="method", panel="table", label="level", all_series=KINDS),
        Words(
            alt=(
                "One panel a table: points over plain fine-tuning, the paper's across and ours up, a point for "
                "every cell."
            ),
            caption=(
                f"{READINGS[reading]} On the dotted line both are equal; above the dashed one ours is better than "
                "fine-tuning."
            ),
            x="the paper's points",
            y="points",
            finding=f"{same} of {len(cells)} differences have the paper's sign",
            measure="Points over plain fine-tuning: ours (up) against the paper's (across)",
        ),
        {"": cells.drop_duplicates("table").assign(ours=0.0)},
        joined=False,
        ends=False,
        equal=True,
    )
    return replace(made, data=cells.drop(columns="seed"), note="")


def figure_readings(runs: pd.DataFrame) -> Figure:
    """Forward in both readings: points over plain fine-tuning with what was compressed earlier frozen and thawed."""
    rows = pd.concat([taught(runs, reading).assign(reading=reading) for reading in REGIMES])
    rows = rows[(rows["direction"] == FORWARD) & rows["approach"].isin(PYRAMID) & (rows["level"] != LEVELS[0])]
    rows = rows.assign(network=rows["level"].str.upper() + ", " + rows["taught by"], data=rows["dataset"].map(titles()))
    beside = originals(runs, rows)
    rows = pd.concat([rows, beside.assign(reading=beside["taught by"])])
    means = rows.groupby("reading")["points"].mean()
    lost = float(means.get(THAWED, 0.0) - means.get(FROZEN, 0.0))
    return dumbbells(
        rows,
        Encoding("network", "points", series="reading", panel="data", all_series=(*REGIMES, *ORIGINALS.values())),
        Words(
            alt=(
                "One row a network of the forward pyramid: points over plain fine-tuning, frozen and thawed in stage 2."
            ),
            caption=(
                "Frozen: section 3.1 taken literally. At SVGG17 nothing was compressed before. Dashed: plain "
                "fine-tuning."
            ),
            x="points",
            y="points",
            finding=(
                f"Freezing costs the forward pyramid {lost:.0f} points" if lost > 1.5 else "Frozen against thawed"
            ),
            measure="Points of best test accuracy above plain fine-tuning of the same network and seed",
        ),
        {FINE: rows.drop_duplicates(["data", "seed"]).assign(points=0.0)},
    )
