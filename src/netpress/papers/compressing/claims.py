"""What Compressing Neural Nets claims, and the tests that decide it, stated before any number they judge was looked at.

Accuracies are those after the last epoch: the paper does not say, and the example it took its networks from does so.
A teacher must be better than the student that learns alone: on a data set where it is not, claims about teaching (K3 to
K5) cannot be tested.
"""

import pandas as pd

from netpress.papers.compressing import distillation, matching, pruning
from netpress.papers.compressing.distillation import ALPHA
from netpress.report.claims import Claim, Premise, granted
from netpress.report.frames import Where, finished, rows_where
from netpress.report.tests import (
    LAST,
    MATTERS,
    ClaimTest,
    Contrast,
    Measure,
    all_of,
    difference_test,
    named,
    slope_test,
)

SMALL, LARGE = {"model": pruning.SMALL}, {"model": pruning.LARGE}
PRUNED = {"role": "pruned", "how": "global"}  # all layers ranked together, at once
AT_5X, CONTROL = ({"ratio": ratio, "finish": "retrained"} | PRUNED for ratio in (pruning.PRINTED, 1))
CUT = AT_5X | {"ratio": list(pruning.MATCHED)}
UNTOUCHED = {"ratio": pruning.PRINTED, "finish": "untouched"} | PRUNED
PARENT = {"role": "parent"}
NARROW = {"role": "narrow", "finish": "distilled"}
DISTILLED = {"role": "distilled", "alpha": ALPHA}
TAUGHT = DISTILLED | {"temperature": distillation.TEMPERATURE, "squared": False}
ALONE = {"role": "alone"}
RISING = {float(t): float(t) for t in distillation.TEMPERATURES if t <= distillation.TEMPERATURE}
HOTTEST = float(distillation.TEMPERATURES[-1])
LONG_ALONE = {"way": "alone", "length": matching.LONGEST}
IN_ORDER = {t: float(place) for place, t in enumerate(sorted(RISING))}
SHORT, LONG = ({"way": "matched", "length": length} for length in (matching.LENGTHS[0], matching.LONGEST))

CHANGE = Measure("change", "points", 100.0, equal=MATTERS)
AGREEMENT = Measure("measures.agreement", "points", 100.0, equal=MATTERS)
OVERFIT = Measure("overfit", "points", 100.0, equal=MATTERS)


def costs_more(how: dict) -> ClaimTest:
    """Does pruning cost the large network more than the small one, at every ratio?"""
    by = ("dataset", "ratio")
    return difference_test(Contrast(LARGE | how, SMALL | how, CHANGE, by, every=("ratio",)), direction="less")


def students(squared: bool) -> dict:
    """Those taught at every temperature. At T = 1 the factor T squared is 1: that student counts with both losses."""
    return DISTILLED | {"form": ("either", "squared" if squared else "printed")}


def teacher_above(teacher: Where, alone: Where) -> Premise:
    """On which data sets the teacher is less accurate than the student that learns without it."""

    def premise(runs: pd.DataFrame) -> dict[str, str]:
        means = [finished(rows_where(runs, where)).groupby("dataset")["last"].mean() for where in (teacher, alone)]
        lead = (means[0] - means[1]).dropna()
        return {
            str(dataset): f"{named(dataset)} is left out: the teacher is less accurate there than its student alone, "
            "and has nothing to teach"
            for dataset in lead.index[lead < 0]
        }

    return premise


DISTILLS = teacher_above(distillation.TEACHES, distillation.ALONE)
MATCHES = teacher_above(
    {"part": "matching", "role": "teacher"}, LONG_ALONE
)  # fmt: skip


NOT_ON_MNIST = "CIFAR-10 alone has seeds from 9 on: in the pilot, MNIST's teacher was no better than its student alone"


def claim(
    name: str, statement: str, where: str, compares: str, statistic: str, margin: str, test: ClaimTest, *rests_on: str,
    than: str = "", premise: Premise = granted,
) -> Claim:  # fmt: skip
    """One claim of this paper."""
    noticed = NOT_ON_MNIST if premise is DISTILLS else ""
    return Claim(
        name, "compressing", statement, where, compares, statistic, margin, test, rests_on, than, premise=premise,
        noticed=noticed,
    )  # fmt: skip


PRINTED_LOSS = ("loss as printed", "the loss as printed")
HINTONS_LOSS = ("loss with T squared", "the soft part times T squared, as Hinton has it")

CLAIMS = (
    claim(
        "K1", "Pruned to 5x sparsity, a network of six layers loses little accuracy.", "section III.C",
        "The network of six layers, pruned 5x (all layers ranked together, at once) and retrained, against its parent "
        "and against the parent retrained for as long",
        "Mean difference", "1 point",
        all_of({
            f"against {name}": difference_test(Contrast(SMALL | AT_5X, SMALL | other, LAST), -MATTERS)
            for name, other in (("the parent", PARENT), ("the parent retrained", CONTROL))
        }),
        "sparsity",
    ),
    claim(
        "K2a", "Pruning does not work for large models: before retraining it costs them more.",
        "section III.C; conclusions",
        "What pruning 5x costs VGG16, against what it costs the network of six layers, each against its parent",
        "Mean difference", "0 points", costs_more(UNTOUCHED), "sparsity", than="six layers",
    ),
    claim(
        "K2b", "Pruning does not work for large models: after retraining too it costs them more.",
        "section III.C; conclusions",
        "What pruning 5x, 10x and 20x costs VGG16, against what it costs the network of six layers, each against its "
        "parent retrained for as long",
        "Mean difference at every ratio", "0 points", costs_more(CUT), "sparsity", than="six layers",
    ),
    *(
        claim(
            name, f"Distilled students come nearest to the accuracies of their teachers ({what}).",
            "section III.C; Table I",
            f"The student taught as printed, against the same student trained alone: {what}",
            "Mean difference on every data set", "0 points",
            difference_test(Contrast(TAUGHT, ALONE, measure, every=("dataset",))), *rests_on,
            than="the student alone", premise=DISTILLS,
        )
        for name, what, measure, rests_on in (
            ("K3a", "accuracy", LAST, ("table_1",)), ("K3b", "agreement with the teacher", AGREEMENT, ("agreement",))
        )
    ),
    *(
        claim(
            name, f"The higher the temperature, the more knowledge is extracted ({short}).", f"section III.B ({label})",
            "Students taught at T = 1, 2, 4, 8 and 10: agreement with the teacher",
            "Slope of a straight line over the five temperatures in their order", "0",
            slope_test(students(squared), "temperature", IN_ORDER, AGREEMENT, step="temperature"), "temperatures",
            premise=DISTILLS,
        )
        for name, squared, short, label in (("K4a", False, *PRINTED_LOSS), ("K4b", True, *HINTONS_LOSS))
    ),
    *(
        claim(
            name, f"Too high a temperature overfits ({short}).", f"section III.B ({label})",
            "Students taught at T = 32 against T = 10: accuracy on the training images less that on the test images",
            "Mean difference", "0 points",
            difference_test(
                Contrast(
                    students(squared) | {"temperature": HOTTEST},
                    students(squared) | {"temperature": float(distillation.TEMPERATURE)}, OVERFIT,
                )
            ),
            "temperatures", than="T = 10", premise=DISTILLS,
        )
        for name, squared, short, label in (("K4c", False, *PRINTED_LOSS), ("K4d", True, *HINTONS_LOSS))
    ),
    claim(
        "K5a", "Long schedules pay in function matching.", "section III.B",
        f"Students matched for {matching.LONGEST} times as long as those of the shortest schedule, against these",
        "Mean difference", "0 points", difference_test(Contrast(LONG, SHORT, LAST)), "schedules",
        than="the shortest schedule", premise=MATCHES,
    ),
    claim(
        "K5b", "On a long schedule function matching is ahead of labels alone.", "section III.B",
        "Matched students against the same students from labels alone, both on the longest schedule",
        "Mean difference", "0 points", difference_test(Contrast(LONG, LONG_ALONE, LAST)), "schedules",
        than="labels alone", premise=MATCHES,
    ),
    claim(
        "K6", "On large networks, distillation gives better results than pruning, at equal size.", "conclusions",
        "Narrow VGG16s taught by VGG16, against VGG16 pruned 5, 10 and 20x (all layers ranked together, at once) and "
        "retrained: their stored files are equally large",
        "Mean difference over the three sizes", "0 points",
        difference_test(Contrast(LARGE | NARROW, LARGE | CUT, LAST, by=("dataset", "ratio"))), "sizes",
    ),
)  # fmt: skip
