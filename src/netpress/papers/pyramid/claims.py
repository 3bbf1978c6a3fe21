"""What the Pyramid claims, and the tests that decide it, stated before any number they judge was looked at.

Forward has two readings: section 3.1 keeps frozen in stage 2 what was compressed before, section 4's equations train
everything. The second is the main one (a); the first (b) is judged too. P1 to P5 are as strict as each other: means
over the levels that a claim is about decide, on every data set, for each method and direction; in how many cells it
holds, here and in the paper's own tables, is told beside. A teacher must be better than the students that learn without
it: on a data set where VGG19 is not, P1 to P5 cannot be tested.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from netpress.nets.levels import LEVELS, TOP
from netpress.nets.levels import NAMES as NETWORKS
from netpress.nets.vgg import VGG19
from netpress.papers.pyramid import ENLARGED, from_random
from netpress.papers.pyramid import NAMES as APPROACHES
from netpress.papers.pyramid.tables import COUNTS, computation
from netpress.papers.speed import CLASSES, PX, WIDTH
from netpress.report.claims import AMENDED, Claim, granted
from netpress.report.frames import finished
from netpress.report.tests import (
    MATTERS,
    ClaimTest,
    Comparison,
    Contrast,
    Found,
    Measure,
    all_of,
    count_test,
    difference_test,
    named,
    slope_test,
)
from netpress.runs import cost

# The methods that the claims are about, named here: one that is added to the grid later changes no test.
FIVE = ("scratch", "two-stages", "gram", "fitnet", "gram-direct")
PYRAMID = ("two-stages", "gram")
EARLY, LATE = LEVELS[:3], LEVELS[3:]
CONVOLUTIONAL = LEVELS[1:]  # forward: the first level compresses the fully connected layers
BEFORE_HEAD = LEVELS[:-1]  # backward: the last level does
BETWEEN = LEVELS[:-1]  # where the two directions differ
COMPRESSION = {level: float(place) for place, level in enumerate((TOP, *LEVELS))}
OVER_SCRATCH = Measure("over_scratch", "points", 100.0)
TIMES = Measure("seconds", "times", ratio=True)
TIMES_SMALLER, TIMES_FASTER = 10.0, 4.0
FORWARD = {"thawed": {"regime": "thawed"}, "frozen": {"regime": "frozen"}}  # readings of forward
PER_LEVEL = ("dataset", "level")
Place = tuple[str, str]  # level and direction
LAST: Place = (LEVELS[-1], "forward")


def runs_of(approach: str | tuple[str, ...], direction: str, levels: tuple[str, ...], reading: str) -> dict[str, Any]:
    """The networks of an approach in one direction; those of the pyramid in one reading of forward."""
    taught = {approach} <= set(PYRAMID) if isinstance(approach, str) else set(approach) <= set(PYRAMID)
    regime = FORWARD[reading] if taught and direction == "forward" else {}
    return {"approach": approach, "direction": direction, "level": levels} | regime


def best_of_five(approach: str, direction: str, shared: tuple[str, ...], reading: str = "thawed") -> ClaimTest:
    """Is an approach above each of the other four on every data set? Gram has no level for fully connected layers."""

    def than(other: str) -> ClaimTest:
        both = LEVELS if {approach, other} <= {"scratch", "two-stages", "fitnet"} else shared
        left, right = (runs_of(one, direction, both, reading) for one in (approach, other))
        return difference_test(Contrast(left, right, by=PER_LEVEL, every=("dataset",)))

    return all_of({f"against {APPROACHES[other]}": than(other) for other in FIVE if other != approach})


def direction_test(better: str, worse: str, where: tuple[str, ...], reading: str) -> ClaimTest:
    """Is one direction above the other, averaged over levels and pyramid approaches, on every data set?"""
    left, right = (runs_of(PYRAMID, one, where, reading) for one in (better, worse))
    return difference_test(Contrast(left, right, by=("dataset", "level", "approach"), every=("dataset",)))


def beats(other: str, reading: str) -> ClaimTest:
    """Is each method of the pyramid above another approach on every data set, in each direction?

    Forward with nothing frozen has no run of its own at the first level, where neither reading freezes anything.
    """
    tested = {"forward": LEVELS if reading == "frozen" else LEVELS[1:], "backward": LEVELS}
    return all_of({
        direction: difference_test(
            Contrast(
                runs_of(PYRAMID, direction, levels, reading), runs_of(other, direction, levels, reading),
                by=PER_LEVEL, every=("dataset", "approach"),
            )
        )
        for direction, levels in tested.items()
    })  # fmt: skip


def grows(reading: str) -> ClaimTest:
    """Does the pyramid's gain over Scratch grow with compression, in each direction?"""
    return all_of({
        f"growing, {direction}": slope_test(
            runs_of(PYRAMID, direction, LEVELS[1:], reading), "level",
            {level: COMPRESSION[level] for level in LEVELS[1:]}, OVER_SCRATCH, by=("approach",), step="level",
        )
        for direction in ("forward", "backward")
    })  # fmt: skip


def parameter_ratio(runs: pd.DataFrame) -> float:
    """How many times more parameters VGG19 has than SVGG5, at the paper's size."""
    top, last = (cost.parameters(NETWORKS[place], PX, CLASSES, WIDTH) for place in ((TOP, ""), LAST))
    return top / last


def passes(runs: pd.DataFrame) -> dict[Place, np.ndarray]:
    """Level and direction -> logarithms of the seconds for 13,000 images, pass by pass; only what was measured."""
    timed = runs[runs["passes_13000"].map(lambda seconds: isinstance(seconds, list))].drop_duplicates("model")
    return {(row.level, row.direction): np.log(row.passes_13000) for row in timed.itertuples()}


def time_test(slow_and_fast: Mapping[str, tuple[Place, Place]], threshold: float) -> ClaimTest:
    """Does the first network take more than `threshold` times as long as the second, in every pair that is named?

    The networks took turns in every pass, so times are paired by pass.
    """
    rule = (
        f"seconds for 13,000 images, {', '.join(slow_and_fast)}: supported if each quotient, paired by pass, is more "
        f"than {threshold:g}, contradicted if one is less (passes on one machine; n counts passes)"
    )

    def run(runs: pd.DataFrame) -> Found:
        found = passes(runs)
        if not all(found.keys() >= set(pair) for pair in slow_and_fast.values()):
            return Found()
        parts = tuple(
            Comparison(name, {"passes": found[slow] - found[fast]}, TIMES, TIMES.to_test(threshold))
            for name, (slow, fast) in slow_and_fast.items()
        )
        return Found(parts, lost="passes on one machine")

    return ClaimTest(run, rule)


def computation_ratio(runs: pd.DataFrame) -> float | None:
    """Multiply-adds of training forward over those of training backward.

    Forward is taken in the reading that needs fewer. None without runs.
    """
    if runs.empty:
        return None
    spent = computation(str(runs["edition"].iloc[0]))
    backward = spent.pop("backward")
    return min(spent.values()) / backward


def loss_ratio(runs: pd.DataFrame) -> float:
    """How many times the multiply-adds of the L2 loss the Gram loss takes, where it takes fewest, at the paper's size.

    Every number of the set's output is squared in the one, and multiplied with every map of its first layer (of the
    image, in the first set) in the other.
    """
    return float(min(3 if block.name == "C1" else block.groups[0][0] for block in VGG19))


def native_test() -> ClaimTest:
    """Does accuracy rise as networks get shallower, from random weights at 32 px?"""
    test = slope_test({}, "level", COMPRESSION, step="level")
    rule = test.rule.replace("all runs", "networks from random weights at 32 px")
    return ClaimTest(lambda runs: test.run(from_random(runs)), rule)


def teacher_above_students(runs: pd.DataFrame) -> dict[str, str]:
    """On which data sets VGG19 is below a shallower network that learned without it, from random weights, and so has
    nothing to teach; told only where both were trained at one size of the images."""
    means = finished(from_random(runs)).groupby(["dataset", "level"])["best"].mean()
    found = {}
    for dataset, own in means.groupby(level="dataset"):
        best = own.droplevel("dataset").drop(TOP, errors="ignore")
        if TOP in own.droplevel("dataset") and len(best) and best.max() > own[dataset, TOP]:
            found[str(dataset)] = (
                f"{named(dataset)} is left out: VGG19 is less accurate there than {best.idxmax().upper()} from random "
                "weights, and has nothing to teach"
            )
    return found


# What a reader should know of a test
NO_FIRST_LEVEL = "forward is tested from SVGG14 on: SVGG17 freezes nothing in either reading, and is left out"
ONE_METHOD = "Gram has no SVGG5 backward, so the slope backward is that of 2 stages"
MEANS_DECIDE = "means over levels decide, so single networks may lie on the other side: see the cells"


def claim(
    name: str, statement: str, where: str, compares: str, statistic: str, margin: str, test: ClaimTest, *rests_on: str,
    than: str = "", noticed: tuple[str, ...] = (),
) -> Claim:  # fmt: skip
    """One claim of this paper. P1 to P5 are about teaching, and take for granted that VGG19 can teach."""
    own = COUNTS.get(name.rstrip("ab"))
    premise = teacher_above_students if own else granted
    return Claim(
        name, "pyramid", statement, where, compares, statistic, margin, test, rests_on, than, own, premise,
        "; ".join(noticed),
    )  # fmt: skip


NO_FREEZING, FREEZING = "forward with nothing frozen in stage 2", "forward with frozen layers, as in section 3.1"
BRIEFLY = {"thawed": "nothing frozen", "frozen": "with frozen layers"}
TABLES = ("table_1", "table_2", "table_3", "table_4")
OVER_LEVELS = "Mean difference over levels, on every data set"

CLAIMS = (
    *(
        claim(
            name,
            f"Forward: the Gram pyramid is the best of five methods at every convolutional level ({BRIEFLY[reading]}).",
            f"section 5, tables 1 and 2 ({label})",
            "Best accuracy of Gram against each of the other four methods, forward", OVER_LEVELS, "0 points",
            best_of_five("gram", "forward", CONVOLUTIONAL, reading), "table_1", "table_2", "readings",
        )
        for name, reading, label in (("P1a", "thawed", NO_FREEZING), ("P1b", "frozen", FREEZING))
    ),
    claim(
        "P2", "Backward: the pyramid in 2 stages is the best of the five methods at every level.",
        "section 5, tables 3 and 4", "Best accuracy of 2 stages against each of the other four methods, backward",
        OVER_LEVELS, "0 points", best_of_five("two-stages", "backward", BEFORE_HEAD), "table_3", "table_4",
    ),
    *(
        claim(
            name,
            "Forward is better at the early levels (SVGG17 to SVGG11), backward at SVGG8 and SVGG5 "
            f"({BRIEFLY[reading]}).",
            f"section 5 ({label})", "Best accuracy of forward and backward, same level and pyramid method",
            "Mean difference over early and over late levels, on every data set", "0 points",
            all_of({
                "forward early": direction_test("forward", "backward", EARLY[1:], reading),
                "backward late": direction_test("backward", "forward", LATE, reading),
            }),
            *TABLES, than="the other direction", noticed=(NO_FIRST_LEVEL,),
        )
        for name, reading, label in (("P3a", "thawed", NO_FREEZING), ("P3b", "frozen", FREEZING))
    ),
    *(
        claim(
            name, f"Every pyramid beats Scratch, by more the more is compressed ({BRIEFLY[reading]}).",
            f"section 5, tables 1-4 ({label})",
            "Best accuracy of each pyramid method against Scratch, same network",
            "Mean difference per method, direction and data set; slope of it over the levels", "0 points",
            all_of({"beats": beats("scratch", reading), "grows": grows(reading)}),
            *TABLES, "levels", "over_scratch", than="Scratch",
            noticed=(MEANS_DECIDE, ONE_METHOD, *((NO_FIRST_LEVEL,) if reading == "thawed" else ())),
        )
        for name, reading, label in (("P4a", "thawed", NO_FREEZING), ("P4b", "frozen", FREEZING))
    ),
    *(
        claim(
            name, f"The pyramid beats FitNet and Gram Direct ({BRIEFLY[reading]}).",
            f"abstract; section 5, tables 1-4 ({label})",
            "Best accuracy of the pyramid methods against FitNet and against Gram Direct, same network",
            "Mean difference over levels, for each method in each direction on every data set", "0 points",
            all_of({f"against {APPROACHES[other]}": beats(other, reading) for other in ("fitnet", "gram-direct")}),
            *TABLES, "readings",
            noticed=(MEANS_DECIDE, *((NO_FIRST_LEVEL,) if reading == "thawed" else ())),
        )
        for name, reading, label in (("P5a", "thawed", NO_FREEZING), ("P5b", "frozen", FREEZING))
    ),
    claim(
        "P6", "SVGG5 has 10 times fewer parameters than VGG19.", "abstract; section 6",
        "Parameters of VGG19 and of SVGG5, width 1, 96 px, 10 classes", "Their quotient, counted",
        "it rounds to 10: at least 9.5",
        count_test(parameter_ratio, "times", at_least=TIMES_SMALLER - 0.5), "sizes",
    ),
    claim(
        "P7", "SVGG5 is 4 times faster than VGG19.", "abstract; figure 3",
        "Time of VGG19 and of SVGG5 to classify 13,000 images of 96 px, width 1",
        "Their quotient, measured in passes in which the networks take turns", "it rounds to 4 or more: above 3.5",
        time_test({"VGG19 over SVGG5": ((TOP, ""), LAST)}, TIMES_FASTER - 0.5), "figure_3",
    ),
    claim(
        "P8", "At the intermediate levels backward is faster than forward.", "section 5, figure 3",
        "Time of forward and of backward at SVGG17, SVGG14, SVGG11 and SVGG8, 96 px, width 1",
        "Their quotient at each level, measured in passes in which the networks take turns", "above 1 at every level",
        time_test(
            {f"{level.upper()} forward over backward": ((level, "forward"), (level, "backward")) for level in BETWEEN},
            threshold=1.0,
        ),
        "figure_3",
    ),
    claim(
        "P9", "At 32 px, from scratch, shallower networks beat deeper ones.",
        "section 5 (the motive to enlarge images)",
        "Best accuracy of VGG19 and of the five forward networks from random weights at 32 px",
        "Slope of accuracy over the levels of compression", "0", native_test(), "native",
    ),
    claim(
        "P10", "Backward needs less computation to be trained than forward.", "section 5",
        "Multiply-adds of training all five levels in 2 stages, in either reading of forward",
        "Their quotient, forward over backward, counted", "above 1",
        count_test(computation_ratio, "times", at_least=1.0), "training_cost",
    ),
    claim(
        "P11", "The L2 loss of 2 stages is faster to calculate than the Gram loss.", "section 5",
        "Multiply-adds of the Gram loss and of the L2 loss on one image, for each set of layers, width 1",
        "Their quotient where it is smallest, counted", "above 1",
        count_test(loss_ratio, "times", at_least=1.0), "training_cost", than="the multiply-adds of the L2 loss",
        noticed=("seconds were timed on machines with other work, and are told beside",),
    ),
    claim(
        "P12", "Enlarging the images removes the anomaly: deeper networks are no longer beaten by shallower ones.",
        "section 5", "Best accuracy of VGG19 and of the five forward networks from random weights, images enlarged",
        "Mean difference of each of the five and VGG19", f"not more than {MATTERS:g} point above VGG19{AMENDED}",
        difference_test(
            Contrast(
                {"approach": ENLARGED, "level": LEVELS}, {"approach": ENLARGED, "level": TOP}, every=("level",)
            ),
            MATTERS, "less",
        ),
        "native", than="VGG19",
    ),
)  # fmt: skip
