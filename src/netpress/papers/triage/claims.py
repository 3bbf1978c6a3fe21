"""What Deep Net Triage claims, and the tests that decide it, stated before any number was looked at."""

from netpress.report.claims import (
    EPOCHS,
    Claim,
    Contrast,
    Measure,
    all_of,
    difference_judge,
    equivalence_judge,
    noninferiority_judge,
    trend_judge,
)

GRANULARITY = {"mnist": 0, "cifar10": 1, "cifar100": 2, "dogs": 3}  # coarse to fine, as the paper orders them
FROZEN, THAWED, PARENT = {"method": "*-frozen"}, {"method": "*-thawed"}, {"method": "parent"}
STN = {"method": "student-teacher-*"}
STN_THAWED = {"method": "student-teacher-thawed"}
PER_BLOCK = ("dataset", "model")
FILTERS = Measure("measures.filter_cosine", "cosine")
OUTPUT = Measure("measures.cka", "CKA")


def claim(number: int, statement: str, where: str, compares: str, statistic: str, margin: str, judge, *rests_on: str):
    """One claim of this paper."""
    return Claim(f"T{number}", "triage", statement, where, compares, statistic, margin, judge, rests_on)


CLAIMS = (
    claim(
        1, "Accuracy does not depend on which block was compressed: all blocks are equally critical.",
        "section 4, figure 2; poster", "The best accuracy of networks with different blocks compressed",
        "Every two blocks, averaged over methods and data sets, paired by seed", "1 point",
        equivalence_judge({"method": "*-*"}, "model", margin=1.0), "figure_2", "criticality",
    ),
    claim(
        2, "Thawed training is best on every data set, and reaches or passes the baseline.", "section 4, figure 2",
        "The best accuracy of thawed networks, against frozen ones and against the parent",
        "Mean difference, paired by seed, in every data set", "0 points to frozen, 0.5 points below the parent",
        all_of(
            above_frozen=difference_judge(Contrast(THAWED, FROZEN, every=("dataset",))),
            reaches_parent=noninferiority_judge(Contrast(THAWED, PARENT, every=("dataset",)), margin=0.5),
        ),
        "figure_2",
    ),
    claim(
        3, "Frozen networks stay within about 5 points of the baseline.", "section 4, figure 2",
        "The best accuracy of frozen networks, against the parent",
        "Mean difference, paired by seed, in every data set", "5 points",
        noninferiority_judge(Contrast(FROZEN, PARENT, every=("dataset",)), margin=5.0), "figure_2",
    ),
    claim(
        4, "Mean initialisation converges only slightly faster than random.", "section 4, figure 3",
        "Epochs to 99 % of the best accuracy, mean against random", "Mean difference, paired by seed",
        "faster by more than 0 and less than 1 epoch",
        all_of(
            faster=difference_judge(
                Contrast({"method": "mean-*"}, {"method": "random-*"}, EPOCHS, PER_BLOCK), direction="less"
            ),
            only_slightly=difference_judge(
                Contrast({"method": "mean-*"}, {"method": "random-*"}, EPOCHS, PER_BLOCK), threshold=-1.0
            ),
        ),
        "figure_3",
    ),
    claim(
        5, "Student-teacher networks converge fastest.", "section 4, figure 3; poster",
        "Epochs of retraining to 99 % of the best accuracy, student-teacher against random and against mean",
        "Mean difference, paired by seed, in every data set", "0 epochs",
        all_of(
            than_random=difference_judge(
                Contrast(STN, {"method": "random-*"}, EPOCHS, PER_BLOCK, every=("dataset",)), direction="less"
            ),
            than_mean=difference_judge(
                Contrast(STN, {"method": "mean-*"}, EPOCHS, PER_BLOCK, every=("dataset",)), direction="less"
            ),
        ),
        "figure_3",
    ),
    claim(
        6, "Distillation caps accuracy at the parent's: no student-teacher network beats its parent.", "poster",
        "The best accuracy of student-teacher networks, against their parents",
        "Mean difference, paired by seed, in every data set", "0 points",
        difference_judge(Contrast(STN, PARENT, every=("dataset",)), direction="less"), "figure_2",
    ),
    claim(
        7, "The finer-grained the data set, the longer the convergence.", "section 4, figure 3",
        "Epochs to 99 % of the best accuracy on MNIST, CIFAR-10, CIFAR-100 and Stanford Dogs",
        "Kendall's tau-b of epochs with granularity, within seeds", "0",
        trend_judge({"method": "*-*"}, "dataset", GRANULARITY, EPOCHS, by=("method", "model")), "figure_3",
    ),
    claim(
        8, "A student-teacher network that is then thawed converges fastest and reaches the highest accuracy.",
        "section 4 (a hypothesis)", "Student-teacher thawed against every other method",
        "Mean differences of epochs to 99 % and of best accuracy, paired by seed", "0 epochs, 0 points",
        all_of(
            **{
                f"{word} {other}": difference_judge(
                    Contrast(STN_THAWED, {"method": other}, *measure), direction=direction
                )
                for other in ("random-frozen", "random-thawed", "mean-frozen", "mean-thawed", "student-teacher-frozen")
                for word, direction, measure in (("faster than", "less", (EPOCHS, PER_BLOCK)), ("above", "more", ()))
            }
        ),
        "figure_2", "figure_3",
    ),
    claim(
        9, "The student learns the parent's filters rather than other, better ones.", "poster",
        "Student-teacher against random, both frozen: likeness to the parent of the filters and of the block's output",
        "Mean difference of the cosine of matched filters and of linear CKA, paired by seed", "0",
        all_of(
            filters=difference_judge(
                Contrast({"method": "student-teacher-frozen"}, {"method": "random-frozen"}, FILTERS, PER_BLOCK)
            ),
            output=difference_judge(
                Contrast({"method": "student-teacher-frozen"}, {"method": "random-frozen"}, OUTPUT, PER_BLOCK)
            ),
        ),
        "filters", "similarity",
    ),
)
