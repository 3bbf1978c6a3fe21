"""What Compressing Neural Nets claims, and the tests that decide it, stated before any number was looked at.

Accuracies are those after the last epoch: the paper does not say, and the example it took its networks from does so.
"""

from netpress.papers.compressing import distillation, matching, pruning
from netpress.papers.compressing.distillation import ALPHA, named
from netpress.report.claims import (
    LAST,
    Claim,
    Contrast,
    Measure,
    all_of,
    difference_judge,
    noninferiority_judge,
    trend_judge,
)

LITTLE = 1.0  # points: "minimal reduction"
SMALL, LARGE = {"model": pruning.SMALL}, {"model": pruning.LARGE}
AT_5X, CONTROL, PARENT = {"method": pruning.AT_PRINTED}, {"method": pruning.CONTROL}, {"method": "parent"}
TAUGHT, ALONE = {"method": distillation.AS_PRINTED}, {"method": "alone", "model": distillation.STUDENT}
RISING = {named(t, ALPHA, False): t for t in distillation.TEMPERATURES if t <= distillation.TEMPERATURE}
HOTTEST = {"method": named(distillation.TEMPERATURES[-1], ALPHA, False)}
SHORT, LONG = ({"method": f"matched-{length}x"} for length in (matching.LENGTHS[0], matching.LONGEST))
NARROW = {"method": "narrow-*-distilled"}
AS_LARGE = {"method": [f"pruned-{ratio}x-global-retrained" for ratio in pruning.MATCHED]}

CHANGE = Measure("change", "points", 100.0)
AGREEMENT = Measure("measures.agreement", "points", 100.0)
OVERFIT = Measure("overfit", "points", 100.0)


def claim(number: int, statement: str, where: str, compares: str, statistic: str, margin: str, judge, *rests_on: str):
    """One claim of this paper."""
    return Claim(f"K{number}", "compressing", statement, where, compares, statistic, margin, judge, rests_on)


CLAIMS = (
    claim(
        1, "Pruned to 5x sparsity, a network of six layers loses little accuracy.", "section III.C",
        "The network of six layers, pruned 5x (all layers ranked together, at once) and retrained, against its parent "
        "and against the parent retrained for as long",
        "Mean difference, paired by seed", "1 point",
        all_of(
            parent=noninferiority_judge(Contrast(SMALL | AT_5X, SMALL | PARENT, LAST), LITTLE),
            retrained_parent=noninferiority_judge(Contrast(SMALL | AT_5X, SMALL | CONTROL, LAST), LITTLE),
        ),
        "sparsity",
    ),
    claim(
        2, "Pruning does not work for large models: it costs them more.", "section III.C; conclusions",
        "What pruning 5x costs VGG16, against what it costs the network of six layers, each against its parent "
        "retrained for as long",
        "Mean difference, paired by seed", "0 points",
        difference_judge(Contrast(LARGE | AT_5X, SMALL | AT_5X, CHANGE), direction="less"), "sparsity",
    ),
    claim(
        3, "Distilled students come nearest to the accuracies of their teachers.", "section III.C; Table I",
        "The student taught as printed, against the same student trained alone: accuracy, agreement with the teacher",
        "Mean differences, paired by seed, on every data set", "0 points",
        all_of(
            accuracy=difference_judge(Contrast(TAUGHT, ALONE, LAST, every=("dataset",))),
            agreement=difference_judge(Contrast(TAUGHT, ALONE, AGREEMENT, every=("dataset",))),
        ),
        "table_1", "agreement",
    ),
    claim(
        4, "The higher the temperature, the more knowledge is extracted; too high a one overfits.", "section III.B",
        "Students taught at T = 1, 2, 4, 8 and 10: agreement with the teacher. At T = 32 against T = 10: accuracy on "
        "the training images minus that on the test images",
        "Kendall's tau-b within seeds; mean difference, paired by seed", "0; 0 points",
        all_of(
            knowledge=trend_judge({"method": list(RISING)}, "method", RISING, AGREEMENT, by=("dataset",)),
            overfitting=difference_judge(Contrast(HOTTEST, TAUGHT, OVERFIT)),
        ),
        "temperatures",
    ),
    claim(
        5, "Long schedules pay in function matching.", "section III.B",
        f"Students matched for {matching.LONGEST} times as long as those of the shortest schedule, against these",
        "Mean difference, paired by seed", "0 points", difference_judge(Contrast(LONG, SHORT, LAST)), "schedules",
    ),
    claim(
        6, "On large networks, distillation gives better results than pruning, at equal size.", "conclusions",
        "Narrow VGG16s taught by VGG16, against VGG16 pruned 5, 10 and 20x (all layers ranked together, at once) and "
        "retrained: their stored files are equally large",
        "Mean difference over the three sizes, paired by seed", "0 points",
        difference_judge(Contrast(LARGE | NARROW, LARGE | AS_LARGE, LAST, by=("dataset", "ratio"))), "sizes",
    ),
)  # fmt: skip
