"""What each page about the Pyramid opens with: sentences made from its runs."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from netpress.data.registry import titles
from netpress.nets.levels import LEVELS, TOP
from netpress.papers.pyramid import (
    BACKWARD,
    FORWARD,
    FROZEN,
    NAMES,
    NATIVE,
    PARENT,
    PYRAMID,
    THAWED,
    from_random,
    tables,
)
from netpress.papers.pyramid.claims import passes
from netpress.report.estimates import Estimate, interval
from netpress.report.frames import finished
from netpress.report.sentences import clear, count, known, listed, plain, signed, span
from netpress.report.sentences import runs as runs_text
from netpress.report.tables import number
from netpress.report.tests import Contrast, difference

LAST = LEVELS[-1]
SCRATCH = "VGG19's weights where shapes agree, trained with labels"
# the pyramid in 2 stages: forward as printed, forward with nothing frozen in stage 2, backward
PYRAMIDS = {
    "forward as printed": {"direction": FORWARD, "regime": FROZEN},
    "forward with nothing frozen": {"direction": FORWARD, "regime": THAWED},
    "backward": {"direction": BACKWARD, "regime": THAWED},
}


def over(runs: pd.DataFrame, pyramid: str, other: str) -> dict[str, Estimate]:
    """Data set -> points of SVGG5 after the pyramid in 2 stages over SVGG5 by another method, where both were run."""
    kind = PYRAMIDS[pyramid] | {"level": LAST}
    found = {}
    for dataset in runs["dataset"].drop_duplicates():
        here = runs[runs["dataset"] == dataset]
        sides = kind | {"approach": "two-stages"}, {"level": LAST, "direction": kind["direction"], "approach": other}
        found[dataset] = difference(here, Contrast(*sides))
    return {titles()[name]: value for name, value in found.items() if known(value)}


def by_set(found: Mapping[str, Estimate]) -> str:
    """ "+2.6 ± 0.3 points on CIFAR-10 and +3.9 ± 0.5 on CIFAR-100"."""
    first, *rest = found.items()
    return listed([f"{signed(first[1])} points on {first[0]}", *(f"{signed(value)} on {name}" for name, value in rest)])


def verdict(found: Mapping[str, Estimate]) -> str:
    """Whether a pyramid pays: yes or no where every data set says so, else that it depends or cannot be told."""
    values = found.values()
    if all(clear(value) for value in values):
        signs = {value.mean > 0 for value in values}
        return {True: "yes", False: "no"}[signs.pop()] if len(signs) == 1 else "it depends on the data"
    return "it cannot be told" if not any(clear(value) for value in values) else "not on all data"


def accuracy(runs: pd.DataFrame) -> list[str]:
    """What each pyramid brings over Scratch and over FitNet at the smallest network; how strong the teacher is."""
    gains = {pyramid: over(runs, pyramid, "scratch") for pyramid in PYRAMIDS}
    gains = {pyramid: found for pyramid, found in gains.items() if found}
    if not gains:
        return []
    answers = "; ".join(f"{pyramid}: {verdict(found)} ({by_set(found)})" for pyramid, found in gains.items())
    n = runs_text(*(value for found in gains.values() for value in found.values()))
    lines = [
        f"Is SVGG5 better after a pyramid in 2 stages than as Scratch ({SCRATCH})? {answers[0].upper()}{answers[1:]}; "
        f"{n}."
    ]
    hints = {pyramid: over(runs, pyramid, "fitnet") for pyramid in gains}
    words = [f"{span(found.values())} points {pyramid}" for pyramid, found in hints.items() if found]
    lines += [f"Over FitNet, a teacher without a pyramid, it is {listed(words)}."] if words else []
    return [*lines, weak_teacher(runs)]


def weak_teacher(runs: pd.DataFrame) -> str:
    """Where VGG19 is weaker than the networks that it teaches, from random weights: by how much."""
    best, top = native(runs)
    if best is None or top is None or best[1].mean <= top.mean:
        return ""
    level, value, data = best
    return (
        f"VGG19 itself is a weak teacher at this size: {plain(top)} % on {data}, below {level.upper()} from random "
        f"weights with {plain(value)} %{', and so is every pyramid' if every_pyramid_below(runs, value) else ''}."
    )


def native(runs: pd.DataFrame) -> tuple[tuple[str, Estimate, str] | None, Estimate | None]:
    """The best of the networks from random weights at 32 px below VGG19, and VGG19 trained the same way."""
    rows = finished(from_random(runs))
    if rows.empty:
        return None, None
    data = titles()[rows["dataset"].iloc[0]]
    means = {
        level: interval(part.groupby("seed")["best"].mean()).times(100)
        for level, part in rows.groupby("level", sort=False)
    }
    top = means.pop(TOP, None)
    best = max(means.items(), key=lambda item: item[1].mean, default=None)
    return (None if best is None else (*best, data)), top


def every_pyramid_below(runs: pd.DataFrame, value: Estimate) -> bool:
    """Whether all networks of the pyramid on the same data are below it."""
    data = runs.loc[runs["approach"] == NATIVE, "dataset"].iloc[0]
    rows = finished(runs)
    taught = rows[(rows["dataset"] == data) & rows["approach"].isin(["two-stages", "gram"])]
    means = taught.groupby(["model", "method"])["best"].mean()
    return bool(len(means)) and 100 * float(means.max()) < value.mean


def below_scratch(runs: pd.DataFrame) -> str:
    """Which networks of the pyramid with nothing frozen lie below Scratch, the same network, where a claim about all
    of them rests on means."""
    rows = finished(runs)
    free = (rows["direction"] == BACKWARD) | (rows["regime"] == THAWED) | (rows["level"] == LEVELS[0])
    rows = rows[free & rows["approach"].isin(PYRAMID)]
    keys = ["dataset", "direction", "level", "approach"]
    found = {key: interval(part["over_scratch"]).times(100) for key, part in rows.groupby(keys, sort=False)}
    if not found:
        return "Which networks lie below Scratch is not known yet: they are not run."
    below = {key: value for key, value in found.items() if value.mean < 0}
    if not below:
        return f"None of the {len(found)} networks with nothing frozen lies below Scratch."
    lie = f"{len(below)} {'lies' if len(below) == 1 else 'lie'} below Scratch, the same network"
    every = f"{count(len(found), 'network')} with nothing frozen"
    return f"Means over levels and data sets decide that. Of {every}, {lie}: {places(below)}."


def places(found: Mapping[tuple[str, ...], Estimate]) -> str:
    """ "forward on CIFAR-10 SVGG14 (2 stages −0.4 ± 0.2, Gram −0.5 ± 0.2)"."""
    grouped: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for (dataset, direction, level, approach), value in found.items():
        one = grouped.setdefault((direction, dataset), {}).setdefault(level, [])
        one.append(f"{NAMES[approach]} {signed(value)}")
    return "; ".join(
        f"{direction} on {titles()[dataset]} "
        + listed([f"{level.upper()} ({', '.join(by_level[level])})" for level in LEVELS if level in by_level])
        for (direction, dataset), by_level in grouped.items()
    )


def idea(runs: pd.DataFrame) -> list[str]:
    """How much smaller the last level is, and what the best pyramid makes of it."""
    rows = finished(runs)
    sizes = rows.groupby("level")["parameters"].mean()
    if TOP not in sizes or LAST not in sizes:
        return []
    lines = [
        f"SVGG5, the last level, has {number(sizes[TOP] / sizes[LAST])} times fewer weights than VGG19 at this "
        f"width, and {count(len(rows), 'network')} were trained to see how it is best reached."
    ]
    for dataset in rows["dataset"].drop_duplicates():
        here = rows[rows["dataset"] == dataset]
        top = interval(here.loc[here["approach"] == PARENT, "best"]).times(100)
        last = here[(here["level"] == LAST) & (here["approach"] == "two-stages") & (here["direction"] == BACKWARD)]
        end = interval(last["best"]).times(100)
        if known(top) and known(end):
            title = titles()[dataset]
            lines.append(f"On {title} backward ends at {plain(end)} %, VGG19 has {plain(top)} % ({runs_text(end)}).")
    return lines


def architectures(runs: pd.DataFrame) -> list[str]:
    """What the layers alone say of the paper's numbers."""
    sizes = tables.table_sizes().cells
    last, half = "SVGG5 forward", "SVGG11"
    fewer = {name: sizes["times fewer"][f"{half} {name}"] for name in (FORWARD, BACKWARD)}
    work = {name: sizes["times fewer multiply-adds"][f"{half} {name}"] for name in (FORWARD, BACKWARD)}
    millions = sizes["parameters"] / 1e6
    less = {name: f"{number(fewer[name])} times fewer parameters and {number(work[name])} times" for name in fewer}
    return [
        f"SVGG5 has {number(millions[last])} million parameters and VGG19 {number(millions['VGG19'])}: "
        f"{number(sizes['times fewer'][last])} times fewer, not the 10 times of the paper; multiply-adds fall "
        f"{number(sizes['times fewer multiply-adds'][last])} times.",
        f"Halfway, at {half}, forward has {less[FORWARD]} fewer multiply-adds than VGG19, backward {less[BACKWARD]}.",
    ]


def speed(runs: pd.DataFrame) -> list[str]:
    """How much faster the small networks are, as measured: quotients pass by pass, as the claims have them."""
    seconds = passes(runs)
    if not seconds.keys() >= {(TOP, ""), (LAST, FORWARD)}:
        return ["No times were measured on this machine yet."]
    times = lambda slow, fast: float(np.exp((seconds[slow] - seconds[fast]).mean()))  # noqa: E731
    factor = times((TOP, ""), (LAST, FORWARD))
    pairs = [times((level, FORWARD), (level, BACKWARD)) for level in LEVELS[:-1] if (level, BACKWARD) in seconds]
    lines = [f"SVGG5 classifies 13,000 images {number(factor, 2)} times as fast as VGG19; the paper has 4 times."]
    if pairs:
        lines.append(
            f"At the levels between, backward is {number(min(pairs), 2)} to {number(max(pairs), 2)} times as fast as "
            f"forward, as the paper says."
            if min(pairs) > 1
            else "At the levels between, backward is not always faster than forward, which the paper says."
        )
    return lines


def headline(runs: pd.DataFrame) -> str:
    """What the paper's idea is worth here, in plain words."""
    found = {pyramid: over(runs, pyramid, "scratch") for pyramid in reversed(PYRAMIDS)}
    lines = [
        f"{PAYS[verdict(each)]} {FROM[pyramid]} ({span(each.values())} points)"
        for pyramid, each in found.items()
        if each
    ]
    if not lines:
        return ""
    n = runs_text(*(value for each in found.values() for value in each.values()))
    best, _ = native(runs)
    more = ""
    if best is not None and every_pyramid_below(runs, best[1]):
        more = f" On {best[2]} a small network from random weights beats all of these."
    return (
        "VGG19 was shrunk level by level to five layers, each level taught by the one above. Compared with Scratch, "
        f"the same five layers with {SCRATCH}, the result is {listed(lines)}; {n}.{more}"
    )


# a pyramid as a plain sentence says it
FROM = {
    "forward as printed": "when it begins at the head as the paper prints it",
    "forward with nothing frozen": "when it begins at the head and nothing is frozen",
    "backward": "when shrinking begins at the image",
}
# verdict of a pyramid: how a plain sentence says it
PAYS = {
    "yes": "better", "no": "worse", "it depends on the data": "better on some data and worse on others",
    "it cannot be told": "better or worse", "not on all data": "better or worse",
}  # fmt: skip
SENTENCES: Mapping[str, Callable[[pd.DataFrame], list[str]]] = {
    "idea": idea, "architectures": architectures, "accuracy": accuracy, "speed": speed,
}  # fmt: skip
HEADLINES = (headline,)
