"""FIGURES of the Pyramid: the paper's three, and the accuracies of its tables drawn."""

import pandas as pd

from netpress.data.registry import DATASETS, titles
from netpress.nets import levels
from netpress.nets.levels import LEVELS, SETS, TOP
from netpress.papers.pyramid import BACKWARD, DIRECTIONS, FORWARD, NAMES, PARENT, as_in_tables
from netpress.papers.pyramid.tables import depth_text
from netpress.report.figures import Box, Encoding, Figure, Row, Words, diagram, grouped_points, scatter
from netpress.report.frames import finished


def figure_1() -> Figure:
    """Figure 1: the forward scheme."""
    return scheme(FORWARD, "from the head to the image; what was compressed earlier is frozen")


def figure_2() -> Figure:
    """Figure 2: the backward scheme."""
    return scheme(BACKWARD, "from the image to the head; everything trains in stage 2")


def scheme(direction: str, words: str) -> Figure:
    """VGG19 and the five levels of a direction, one below the other."""
    rows = [Row("VGG19", tuple(Box(name, layers_text(name, count)) for name, count in SETS.items()))]
    rows += [level_row(level, direction) for level in LEVELS]
    alt = (
        "Six rows of five boxes, C1 to C4 and F. VGG19 on top; in each row below one more box is compressed to a "
        f"single layer, {words}."
    )
    caption = (
        f"The {direction} pyramid: each level compresses one more set of layers, {words}. Each level is taught by the "
        "one above it. In brackets: convolutions + fully connected layers."
    )
    return diagram(rows, Words(alt, caption))


def level_row(level: str, direction: str) -> Row:
    """One level: what is compressed there, what earlier, and what trains."""
    model = levels.NAMES[level, direction]
    *earlier, new = levels.compressed(model)
    kept = "frozen" if direction == FORWARD else "trained"
    states = dict.fromkeys(SETS, "trained") | dict.fromkeys(earlier, kept) | {new: "compressed"}
    counts = {name: 1 if name in (*earlier, new) else count for name, count in SETS.items()}
    title = f"{level.upper()} ({depth_text(model)})"
    return Row(title, tuple(Box(name, layers_text(name, counts[name]), states[name]) for name in SETS))


def layers_text(name: str, count: int) -> str:
    """ "4 conv." or "1 linear"."""
    return f"{count} {'linear' if name == 'F' else 'conv.'}"


def figure_3(speeds: pd.DataFrame, size: str = "parameters", time: str = "seconds_13000") -> Figure:
    """Figure 3: time to classify 13,000 images against size. `size`: parameters or multiply_adds; `time`: seconds_13000
    or latency (of a single image)."""
    sizes = {"parameters": ("parameters, millions", 1e6), "multiply_adds": ("multiply-adds an image, billions", 1e9)}
    times = {"seconds_13000": "seconds for 13,000 images of 96 px", "latency": "milliseconds for one image of 96 px"}
    axis, unit = sizes[size]
    rows = speeds.assign(**{size: speeds[size] / unit, "scheme": speeds["direction"].replace("", "uncompressed")})
    rows["name"] = rows["level"].str.upper()
    alt = f"Eleven points: {times[time]} against {axis}, for VGG19 and the five levels forward and backward."
    caption = f"{times[time].capitalize()} against {axis}, for VGG19 and every level of both directions."
    encoding = Encoding(x=size, y=time, series="scheme", label="name")
    return scatter(rows, encoding, Words(alt, caption, axis, times[time]), front=False)


def figure_levels(runs: pd.DataFrame) -> Figure:
    """Accuracy by level, one series a method, one panel a data set and direction, VGG19 drawn in (Tables 1-4 drawn)."""
    rows = in_order(as_in_tables(finished(runs)))
    tops = [rows[rows["approach"] == PARENT].assign(direction=direction) for direction in DIRECTIONS]
    shown, top = (with_panel(part) for part in (rows[rows["approach"] != PARENT], pd.concat(tops)))
    alt = "One panel a data set and direction: best test accuracy at each of the five levels for five methods."
    caption = (
        "Best test accuracy (filled) and accuracy after the last epoch (hollow) by level and method; "
        f"{spread(rows)}. Dashed: VGG19."
    )
    encoding = Encoding(x="level name", y="best", series="method", panel="panel", beside="last", scale=100.0)
    return grouped_points(shown, encoding, Words(alt, caption, "level", "accuracy, %"), top)


def with_panel(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with their panel's name, "CIFAR-10, forward"."""
    return runs.assign(panel=runs["dataset"].map(titles()) + ", " + runs["direction"])


def in_order(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs by data set, direction, level and approach, with the level's name."""
    keys = pd.DataFrame({
        "s": runs["dataset"].map([*DATASETS].index), "d": runs["direction"].map([*DIRECTIONS, ""].index),
        "l": runs["level"].map([TOP, *LEVELS].index),
        "m": runs["approach"].map([*NAMES, PARENT].index),
    })  # fmt: skip
    rows = runs.loc[keys.sort_values(["s", "d", "l", "m"], kind="stable").index]
    return rows.assign(**{"level name": rows["level"].str.upper()})


def spread(rows: pd.DataFrame) -> str:
    """What the bars mean, with the number of seeds."""
    seeds = rows["seed"].nunique()
    return "one run each, so no intervals" if seeds == 1 else f"mean and 95 % interval over {seeds} seeds"
