"""What the Pyramid claims, and the tests that decide it, stated before any number was looked at."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from netpress.nets.levels import LEVELS, TOP
from netpress.papers.pyramid import NAMES, PYRAMID, from_random
from netpress.papers.pyramid.speed import CLASSES, PX, WIDTH
from netpress.report.claims import (
    Claim,
    Contrast,
    Evidence,
    Judge,
    Measure,
    all_of,
    difference_judge,
    exact_judge,
    trend_judge,
    weakest,
)
from netpress.report.estimates import Estimate, above, below, interval

EARLY, LATE = LEVELS[:3], LEVELS[3:]
CONVOLUTIONAL = LEVELS[1:]  # forward: the first level compresses the fully connected layers
BEFORE_HEAD = LEVELS[:-1]  # backward: the last level does
BETWEEN = LEVELS[:-1]  # where the two directions differ
COMPRESSION = {level: float(place) for place, level in enumerate((TOP, *LEVELS))}
OVER_SCRATCH = Measure("over_scratch", "points", 100.0)
TIMES_SMALLER, TIMES_FASTER = 10.0, 4.0


def best_of_five(method: str, direction: str, shared: tuple[str, ...]) -> Judge:
    """Is a method above each of the other four at every level? Gram has no level for fully connected layers."""

    def than(other: str) -> Judge:
        both = LEVELS if {method, other} <= {"scratch", "two-stages", "fitnet"} else shared
        left, right = ({"direction": direction, "level": both, "method": one} for one in (method, other))
        return difference_judge(Contrast(left, right, by=("dataset", "level"), every=("level",)))

    return all_of(**{f"above {other}": than(other) for other in NAMES if other != method})


def direction_judge(better: str, worse: str, where: tuple[str, ...]) -> Judge:
    """Is one direction above the other, averaged over levels and pyramid methods, on every data set?"""
    left, right = ({"direction": one, "level": where, "method": PYRAMID} for one in (better, worse))
    return difference_judge(Contrast(left, right, by=("dataset", "level", "method"), every=("dataset",)))


def parameter_ratio(runs: pd.DataFrame) -> float:
    """How many times more parameters VGG19 has than SVGG5, at the paper's size."""
    import torch

    from netpress import nets

    with torch.device("meta"):
        top, last = (nets.build(model, PX, CLASSES, WIDTH) for model in (TOP, "svgg5-forward"))
    return sum(p.numel() for p in top.parameters()) / sum(p.numel() for p in last.parameters())


def passes(runs: pd.DataFrame) -> dict[str, np.ndarray]:
    """Model -> logarithms of the seconds for 13,000 images, pass by pass; only what was measured."""
    timed = runs[runs["passes_13000"].map(lambda seconds: isinstance(seconds, list))].drop_duplicates("model")
    return {row.model: np.log(row.passes_13000) for row in timed.itertuples()}


def time_judge(slow_and_fast: dict[str, tuple[str, str]], threshold: float) -> Judge:
    """Does the first network take more than `threshold` times as long as the second, in every pair that is named?

    The networks took turns in every pass, so times are paired by pass.
    """
    pairs = ", ".join(slow_and_fast)
    rule = (
        f"seconds for 13,000 images, {pairs}: supported if each quotient, paired by pass, is more than {threshold:g}, "
        "contradicted if one is less (Student's t over the passes on one machine, two-sided; n counts passes)"
    )

    def find(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence:
        found = passes(runs)
        known = {n: pair for n, pair in slow_and_fast.items() if found.keys() >= set(pair)}
        if len(known) < len(slow_and_fast):
            return Evidence(None, None, None, 0, "times")
        sides = {n: quotient(interval(found[slow] - found[fast]), threshold) for n, (slow, fast) in known.items()}
        worst = weakest(sides)
        return replace(worst, note="; ".join(filter(None, ("passes on one machine", worst.note))))

    return Judge(find, rule)


def quotient(logarithm: Estimate, threshold: float) -> Evidence:
    """Evidence that a quotient, known by its logarithm, is above the threshold."""
    bound = math.log(threshold)
    sides = above(logarithm, bound), below(logarithm, bound)
    p, against = (None if side is None else min(1.0, 2 * side) for side in sides)
    mean, low, high = (
        None if value is None else math.exp(value) for value in (logarithm.mean, logarithm.low, logarithm.high)
    )
    return Evidence(mean, low, high, logarithm.n, "times", p, against, distance=logarithm.mean - bound)


def native_judge() -> Judge:
    """Does accuracy rise as networks get shallower, from random weights at 32 px?"""
    judge = trend_judge({}, "level", COMPRESSION, Measure("best", "points", 100.0), by=("dataset",))
    rule = judge.rule.replace("all runs", "networks from random weights at 32 px")
    return Judge(lambda runs, history: judge(from_random(runs), history), rule)


claim = partial(Claim, paper="pyramid")

CLAIMS = (
    claim(
        "P1", statement="Forward: the Gram pyramid is the best of the five methods at every convolutional level.",
        where="section 5, tables 1 and 2",
        compares="Best accuracy of Gram against each of the other four methods, forward",
        statistic="Mean difference over data sets at every level, paired by seed", margin="0 points",
        judge=best_of_five("gram", "forward", CONVOLUTIONAL), rests_on=("table_1", "table_2"),
    ),
    claim(
        "P2", statement="Backward: the pyramid in 2 stages is the best of the five methods at every level.",
        where="section 5, tables 3 and 4",
        compares="Best accuracy of 2 stages against each of the other four methods, backward",
        statistic="Mean difference over data sets at every level, paired by seed", margin="0 points",
        judge=best_of_five("two-stages", "backward", BEFORE_HEAD), rests_on=("table_3", "table_4"),
    ),
    claim(
        "P3", statement="Forward is better at the early levels (SVGG17 to SVGG11), backward at SVGG8 and SVGG5.",
        where="section 5", compares="Best accuracy of forward and backward, same level and pyramid method",
        statistic="Mean difference over early and over late levels, on every data set, paired by seed",
        margin="0 points",
        judge=all_of(
            forward_early=direction_judge("forward", "backward", EARLY),
            backward_late=direction_judge("backward", "forward", LATE),
        ),
        rests_on=("table_1", "table_2", "table_3", "table_4"),
    ),
    claim(
        "P4", statement="Every pyramid beats Scratch, by more the more is compressed.",
        where="section 5, tables 1-4", compares="Best accuracy of each pyramid method against Scratch, same network",
        statistic="Mean difference per method and direction, paired by seed; Kendall's tau-b of it with the level",
        margin="0 points, tau 0",
        judge=all_of(
            beats=difference_judge(
                Contrast(
                    {"method": PYRAMID}, {"method": "scratch"}, by=("dataset", "model"), every=("method", "direction")
                )
            ),
            grows=trend_judge(
                {"method": PYRAMID}, "level", {level: COMPRESSION[level] for level in LEVELS}, OVER_SCRATCH,
                by=("dataset", "direction", "method"),
            ),
        ),
        rests_on=("table_1", "table_2", "table_3", "table_4", "levels", "over_scratch"),
    ),
    claim(
        "P5", statement="The pyramid beats FitNet and Gram Direct.", where="abstract; section 5, tables 1-4",
        compares="Best accuracy of the pyramid methods against FitNet and against Gram Direct, same network",
        statistic="Mean difference over levels, methods and data sets, in each direction, paired by seed",
        margin="0 points",
        judge=all_of(**{
            f"above {other}": difference_judge(
                Contrast({"method": PYRAMID}, {"method": other}, by=("dataset", "model"), every=("direction",))
            )
            for other in ("fitnet", "gram-direct")
        }),
        rests_on=("table_1", "table_2", "table_3", "table_4"),
    ),
    claim(
        "P6", statement="SVGG5 has 10 times fewer parameters than VGG19.", where="abstract; section 6",
        compares="Parameters of VGG19 and of SVGG5, width 1, 96 px, 10 classes",
        statistic="Their quotient, counted", margin="it rounds to 10: at least 9.5",
        judge=exact_judge(parameter_ratio, "times", at_least=TIMES_SMALLER - 0.5), rests_on=("sizes",),
    ),
    claim(
        "P7", statement="SVGG5 is 4 times faster than VGG19.", where="abstract; figure 3",
        compares="Time of VGG19 and of SVGG5 to classify 13,000 images of 96 px, width 1",
        statistic="Their quotient, measured in passes in which the networks take turns",
        margin="it rounds to 4 or more: above 3.5",
        judge=time_judge({"VGG19 over SVGG5": (TOP, "svgg5-forward")}, TIMES_FASTER - 0.5), rests_on=("figure_3",),
    ),
    claim(
        "P8", statement="At the intermediate levels backward is faster than forward.", where="section 5, figure 3",
        compares="Time of forward and of backward at SVGG17, SVGG14, SVGG11 and SVGG8, 96 px, width 1",
        statistic="Their quotient at each level, measured in passes in which the networks take turns",
        margin="above 1 at every level",
        judge=time_judge(
            {f"{level.upper()} forward over backward": (f"{level}-forward", f"{level}-backward") for level in BETWEEN},
            threshold=1.0,
        ),
        rests_on=("figure_3",),
    ),
    claim(
        "P9", statement="At 32 px, from scratch, shallower networks beat deeper ones.",
        where="section 5 (the motive to enlarge images)",
        compares="Best accuracy of VGG19 and of the five forward networks from random weights at 32 px",
        statistic="Kendall's tau-b of accuracy with the level of compression, within seeds", margin="tau 0",
        judge=native_judge(), rests_on=("native",),
    ),
)  # fmt: skip
