"""FIGURES of the Pyramid: the paper's three, and the accuracies of its tables drawn."""

import pandas as pd

from netpress.data.registry import DATASETS, titles
from netpress.nets import levels
from netpress.nets.levels import LEVELS, SETS, TOP
from netpress.papers.pyramid import BACKWARD, DIRECTIONS, FORWARD, NAMES, PARENT
from netpress.papers.pyramid.tables import TABLES, TAUGHT, cells_of, depth_text, kinds
from netpress.report.figures import Box, Encoding, Figure, Row, Words, diagram, grouped_points, scatter
from netpress.report.frames import finished
from netpress.report.sentences import over_seeds
from netpress.report.slopes import Slopes, slopes


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
    return scatter(rows, encoding, Words(alt, caption, axis, times[time]), front="")


def figure_levels(runs: pd.DataFrame) -> Figure:
    """Tables 1-4 drawn: points over Scratch by level, one series a kind of teacher, one panel a data set and direction.

    Forward also with nothing frozen in stage 2, where that was run.
    """
    rows = in_order(over_scratch(finished(runs)))
    rows = rows.assign(panel=rows["dataset"].map(titles()) + ", " + rows["direction"], last=rows["last_over"])
    alt = "One panel a data set and direction: points over Scratch at each level, for every kind of teacher."
    caption = (
        "Points of best test accuracy above Scratch, the same network with VGG19's weights where shapes agree, "
        "trained with labels (filled), and the same after the last epoch (hollow), by level and kind of teacher; "
        f"{over_seeds(rows)}. Dashed: Scratch. Thawed: nothing is frozen in stage 2."
    )
    encoding = Encoding(
        x="level name", y="points", series="taught by", panel="panel", beside="last", all_series=kinds_of_teacher()
    )
    line = rows.drop_duplicates(["panel", "seed"]).assign(points=0.0)
    return grouped_points(rows, encoding, Words(alt, caption, "level", "points over Scratch"), line)


def over_scratch(runs: pd.DataFrame) -> pd.DataFrame:
    """The networks that somebody teaches, with `points` and `last_over`: points above Scratch of the same network and
    seed, the best against the best and the last against the last; and `taught by`, the kind of teacher."""
    keys = ["dataset", "model", "seed"]
    alone = runs[runs["approach"] == "scratch"].drop_duplicates(keys).set_index(keys)["last"].rename("last_alone")
    rows = runs.assign(**{"taught by": taught_by(runs)}).join(alone, on=keys)
    rows = rows.assign(points=100 * rows["over_scratch"], last_over=100 * (rows["last"] - rows["last_alone"]))
    return rows[rows["taught by"] != ""]


def taught_by(runs: pd.DataFrame) -> pd.Series:
    """Who teaches each network, in few words; "" where nobody does."""
    names = {(direction, *kind): name for direction in DIRECTIONS for kind, name in kinds(direction).items()}
    keys = zip(runs["direction"], runs["approach"], runs["regime"], strict=True)
    return pd.Series([names.get(key, "") for key in keys], index=runs.index, dtype="object")


def kinds_of_teacher() -> tuple[str, ...]:
    """Scratch and every kind of teacher once: the order of colours in all figures of this paper."""
    return ("Scratch", *dict.fromkeys(name for direction in (BACKWARD, FORWARD) for name in kinds(direction).values()))


def figure_slopes(runs: pd.DataFrame) -> Figure:
    """Points over Scratch in the paper's tables and in ours, level by level."""
    found, short = [], {NAMES[approach]: words for approach, words in TAUGHT.items()}
    for place, (direction, _) in TABLES.items():
        pairs = cells_of(runs, place) if len(finished(runs)) else pd.DataFrame(columns=["level", "method"])
        alone = pairs[pairs["method"] == NAMES["scratch"]].set_index("level")
        for row in pairs[pairs["method"] != NAMES["scratch"]].itertuples():
            if row.level in alone.index:
                gain = {end: getattr(row, end) - alone.at[row.level, end] for end in ("paper", "ours")}
                named = {"table": f"Table {place}, {direction}", "level": row.level, "method": short[row.method]}
                found.append(named | gain)
    alt = "Small charts for every table and level: points over Scratch in the paper on the left, ours on the right."
    caption = (
        "Points over Scratch as the paper prints them and as they are here, for each of its tables and every level. "
        "A line that crosses the dashed one changed its sign. Forward as printed: frozen in stage 2."
    )
    words = Words(alt, caption, "", "points over Scratch")
    return slopes(pd.DataFrame(found), Slopes("table", "level", "method"), words, kinds_of_teacher())


def figure_cost(runs: pd.DataFrame) -> Figure:
    """Best accuracy over all the multiply-adds that a network's training took, its teachers' included."""
    from netpress.papers.pyramid.training_cost import whole_cost

    rows = finished(runs)
    rows = rows[rows["dataset"] == (rows["dataset"].iloc[-1] if len(rows) else "")]
    spent = whole_cost(str(rows["edition"].iloc[0])) if len(rows) else {}
    cost = [
        spent.get(key, float("nan")) / 1e12 for key in zip(rows["dataset"], rows["model"], rows["method"], strict=True)
    ]
    teacher = taught_by(rows).mask(rows["approach"] == "scratch", "Scratch")
    rows = rows.assign(cost=cost, **{"taught by": teacher}).dropna(subset=["cost"])
    rows = rows[rows["taught by"] != ""]
    network = [f"{level.upper()} {direction}" for level, direction in rows[["level", "direction"]].to_numpy()]
    rows = rows.assign(network=network)
    title = DATASETS[rows["dataset"].iloc[0]].title if len(rows) else ""
    alt = f"A scatter of all levels on {title}: multiply-adds of training over all stages and teachers, and accuracy."
    caption = (
        f"Best accuracy on {title} over what training took: all stages of the network and of every level above it that "
        "taught it. VGG19's own training, which all need, is left out. Dotted: no other is cheaper and better."
    )
    encoding = Encoding(
        x="cost", y="best", series="taught by", label="network", scale=100.0, all_series=kinds_of_teacher()
    )
    words = Words(alt, caption, "multiply-adds of training, in 10¹²", "accuracy, %")
    return scatter(rows, encoding, words, front="no other is cheaper and better", log=True, named="front")


def in_order(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs by data set, direction, level and approach, with the level's name."""
    keys = pd.DataFrame({
        "s": runs["dataset"].map([*DATASETS].index), "d": runs["direction"].map([*DIRECTIONS, ""].index),
        "l": runs["level"].map([TOP, *LEVELS].index),
        "m": runs["approach"].map([*NAMES, PARENT].index),
    })  # fmt: skip
    rows = runs.loc[keys.sort_values(["s", "d", "l", "m"], kind="stable").index]
    return rows.assign(**{"level name": rows["level"].str.upper()})
