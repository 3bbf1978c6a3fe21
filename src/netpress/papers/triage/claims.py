"""What Deep Net Triage claims, and the tests that decide it, stated before any number they judge was looked at.

"Above the original" is judged against the control: the parent retrained for as long, on the same images. By itself,
retraining gains a point on CIFAR-100 (pilot), which is no merit of a compressed network.
"""

from netpress.papers.triage import BLOCKS, CONSTANT, ONE_CYCLE, REGIMES
from netpress.report.claims import AMENDED, Claim
from netpress.report.frames import Where
from netpress.report.tests import (
    MATTERS,
    ClaimTest,
    Contrast,
    Measure,
    all_of,
    correlation_test,
    difference_test,
    equivalence_test,
    slope_test,
)

GRANULARITY = {"mnist": 0, "cifar10": 1, "cifar100": 2}  # coarse to fine, as the paper orders them
PARENT, CONTROL = {"method": "parent"}, {"method": "control"}
FIGURE_2 = {"retraining": ONE_CYCLE, "block": BLOCKS}  # the networks that the paper's figures show
FROZEN, THAWED = (FIGURE_2 | {"regime": regime} for regime in REGIMES)
IMITATED = "student-teacher"
PER_BLOCK = ("dataset", "block")
LONG = {"retraining": CONSTANT}  # retrained until they settle
LONG_IN = {regime: LONG | {"regime": regime} for regime in REGIMES}
SLIGHTLY = 1.0  # epochs, as figure 3 counts them
PASSAGE = Measure("passage", "epochs", equal=SLIGHTLY)
TIMES = Measure("passage", "times", ratio=True)
RATE = Measure("rate", "1/epochs")
OVER_PARENT = Measure("over_parent", "points", 100.0)
FILTERS = Measure("measures.filter_cosine", "cosine")
OUTPUT = Measure("measures.cka", "CKA")
ALIKE = 0.05  # of a cosine or of CKA: a likeness that is more than a trace
OTHERS = (("random", "frozen"), ("random", "thawed"), ("mean", "frozen"), ("mean", "thawed"), (IMITATED, "frozen"))


def began(initialisation: str, where: Where) -> Where:
    """Those networks that have an initialisation."""
    return {"initialisation": initialisation} | dict(where)


def sooner(one: str, than: str, regime: str, measure: Measure, every: tuple[str, ...] = ()) -> Contrast:
    """Epochs until 99 % of the final level, with one initialisation against those with another, in a regime."""
    return Contrast(began(one, LONG_IN[regime]), began(than, LONG_IN[regime]), measure, PER_BLOCK, every)


def not_above_control(where: Where, *every: str) -> ClaimTest:
    """Is no network above the control? What lies surely within MATTERS of it is forgiven."""
    return difference_test(Contrast(where, CONTROL, every=every), MATTERS, "less", fails_at=0.0)


def likeness(measure: Measure) -> ClaimTest:
    """Is a student more like its parent, by ALIKE, than the same network from random weights, both frozen?"""
    return difference_test(Contrast(began(IMITATED, FROZEN), began("random", FROZEN), measure, PER_BLOCK), ALIKE)


def claim(
    name: str, statement: str, where: str, compares: str, statistic: str, margin: str, test: ClaimTest, *rests_on: str,
    than: str = "", noticed: str = "",
) -> Claim:  # fmt: skip
    """One claim of this paper."""
    return Claim(name, "triage", statement, where, compares, statistic, margin, test, rests_on, than, noticed=noticed)


FORGIVEN = f"surely within {MATTERS:g} point of it is forgiven{AMENDED}"
UNTIL = "Epochs of retraining at a constant rate until a network is first at 99 % of its final level"

CLAIMS = (
    claim(
        "T1", "Accuracy does not depend on which block was compressed: all blocks are equally critical.",
        "section 4, figure 2; poster", "The best accuracy of networks with different blocks compressed",
        "Every two blocks, averaged over methods and data sets", "1 point",
        equivalence_test(FIGURE_2, "block", margin=1.0), "figure_2", "criticality",
        noticed="the ICLR abstract says the opposite: triage indicates the relative importance of layers",
    ),
    claim(
        "T2a", "Thawed training is best on every data set.", "section 4, figure 2",
        "The best accuracy of thawed networks, against frozen ones", "Mean difference on every data set", "0 points",
        difference_test(Contrast(THAWED, FROZEN, by=("dataset", "block", "initialisation"), every=("dataset",))),
        "figure_2", than="frozen",
    ),
    claim(
        "T2b", "Thawed training reaches or passes the baseline on every data set.", "section 4, figure 2",
        "The best accuracy of thawed networks, against the control: the parent retrained for as long",
        "Mean difference on every data set", f"not below the control; {FORGIVEN}",
        difference_test(Contrast(THAWED, CONTROL, every=("dataset",)), -MATTERS, fails_at=0.0), "figure_2",
        than="the control",
    ),
    claim(
        "T3", "Frozen networks stay within about 5 points of the baseline.", "section 4, figure 2",
        "The best accuracy of frozen networks, against the parent",
        "Mean difference for every block on every data set, and on average over blocks", "5 points",
        all_of({
            "each block": difference_test(Contrast(FROZEN, PARENT, every=PER_BLOCK), -5.0),
            "on average": difference_test(Contrast(FROZEN, PARENT, every=("dataset",)), -5.0),
        }),
        "figure_2", "criticality", than="the parent",
    ),
    *(
        claim(
            name, f"Mean initialisation converges only slightly faster than random ({regime}).", "section 4, figure 3",
            f"{UNTIL}: mean against random, {regime}", "Mean difference",
            f"not slower, and faster by less than 1 epoch; slower by surely less than 1 epoch is forgiven{AMENDED}",
            all_of({
                "not slower": difference_test(sooner("mean", "random", regime, PASSAGE), SLIGHTLY, "less", 0.0),
                "only slightly": difference_test(sooner("mean", "random", regime, PASSAGE), -SLIGHTLY),
            }),
            "convergence", than="random",
        )
        for name, regime in zip(("T4a", "T4b"), REGIMES, strict=True)
    ),
    *(
        claim(
            name, f"Student-teacher networks converge fastest ({regime}).", "section 4, figure 3; poster",
            f"{UNTIL}: student-teacher against random and mean, {regime}", "Mean quotient on every data set",
            "1",
            all_of({
                f"against {than}": difference_test(sooner(IMITATED, than, regime, TIMES, ("dataset",)), 1.0, "less")
                for than in ("random", "mean")
            }),
            "convergence",
        )
        for name, regime in zip(("T5a", "T5b"), REGIMES, strict=True)
    ),
    claim(
        "T6a", "Distillation caps accuracy at the parent's: no frozen student-teacher network beats its parent.",
        "poster; section 5", "The best accuracy of frozen student-teacher networks, against the control",
        "Mean difference for every block on every data set", f"not above the control; {FORGIVEN}",
        not_above_control(began(IMITATED, FROZEN), *PER_BLOCK), "figure_2", than="the control",
    ),
    claim(
        "T6b", "Distillation caps accuracy at the parent's: no thawed student-teacher network beats its parent.",
        "poster", "The best accuracy of thawed student-teacher networks, against the control",
        "Mean difference for every block on every data set", f"not above the control; {FORGIVEN}",
        not_above_control(began(IMITATED, THAWED), *PER_BLOCK), "figure_2", than="the control",
    ),
    *(
        claim(
            name, f"The finer-grained the data set, the longer the convergence ({regime}).", "section 4, figure 3",
            f"{UNTIL}, on MNIST, CIFAR-10 and CIFAR-100, {regime}", "Slope of a straight line", "0",
            slope_test(
                LONG_IN[regime], "dataset", GRANULARITY, PASSAGE, by=("block", "initialisation"), step="data set"
            ),
            "convergence", than="the next coarser data set",
        )
        for name, regime in zip(("T7a", "T7b"), REGIMES, strict=True)
    ),
    claim(
        "T8", "A student-teacher network that is then thawed converges fastest and reaches the highest accuracy.",
        "section 4 (a hypothesis)", "Student-teacher thawed against every other method",
        f"Mean differences of best accuracy, and of: {UNTIL[0].lower()}{UNTIL[1:]}", "0 epochs, 0 points",
        all_of({
            **{
                f"faster than {initialisation} {regime}": difference_test(
                    Contrast(
                        began(IMITATED, LONG_IN["thawed"]), began(initialisation, LONG_IN[regime]), PASSAGE, PER_BLOCK
                    ),
                    direction="less",
                )
                for initialisation, regime in OTHERS
            },
            **{
                f"above {initialisation} {regime}": difference_test(
                    Contrast(
                        began(IMITATED, THAWED), began(initialisation, FIGURE_2 | {"regime": regime}), by=PER_BLOCK
                    )
                )
                for initialisation, regime in OTHERS
            },
        }),
        "figure_2", "convergence",
    ),
    claim(
        "T9", "The student learns the parent's filters rather than other, better ones.", "poster",
        "Student-teacher against random, both frozen: likeness to the parent of the filters and of the block's output",
        "Mean difference of the cosine of matched filters and of linear CKA", f"{ALIKE:g}",
        all_of({"filters": likeness(FILTERS), "output": likeness(OUTPUT)}), "filters", "similarity", than="random",
    ),
    claim(
        "T10", "Every network above the baseline was fine-tuned as a whole: no frozen one is.", "section 4, figure 2",
        "The best accuracy of frozen networks, against the control",
        "Mean difference for every block and initialisation on every data set", f"not above the control; {FORGIVEN}",
        not_above_control(FROZEN, "dataset", "block", "initialisation"), "figure_2", "criticality",
        than="the control",
    ),
    claim(
        "T11", "Apart from student-teacher networks, convergence rate and relative accuracy are correlated.", "poster",
        f"One over: {UNTIL[0].lower()}{UNTIL[1:]}; against its accuracy less the parent's",
        "Kendall's tau-b over blocks, initialisations and regimes within a data set and seed, averaged over data sets",
        "0",
        correlation_test(
            LONG | {"initialisation": ["random", "mean"]}, RATE, OVER_PARENT, by=("block", "initialisation", "regime")
        ),
        "convergence",
    ),
)  # fmt: skip
