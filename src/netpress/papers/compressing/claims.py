"""What Compressing Neural Nets claims, and the tests that decide it, stated before any number they judge was looked at.

Accuracies are those after the last epoch: the paper does not say, and the example it took its networks from does so.
"""

from netpress.papers.compressing import distillation, matching, pruning
from netpress.papers.compressing.distillation import ALPHA
from netpress.report.claim_tests import all_of, difference_test, noninferiority_test, trend_test
from netpress.report.claims import Claim, Pilot
from netpress.report.comparisons import LAST, Measure
from netpress.report.evidence import ClaimTest, Contrast
from netpress.report.labels import Label, against, at

LITTLE = 1.0  # points: "minimal reduction"
SMALL, LARGE = {"model": pruning.SMALL}, {"model": pruning.LARGE}
PRUNED = {"role": "pruned", "how": "global"}  # all layers ranked together, at once
AT_5X, CONTROL = ({"ratio": ratio, "finish": "retrained"} | PRUNED for ratio in (pruning.PRINTED, 1))
UNTOUCHED = {"ratio": pruning.PRINTED, "finish": "untouched"} | PRUNED
PARENT = {"role": "parent"}
AS_LARGE = {"ratio": list(pruning.MATCHED), "finish": "retrained"} | PRUNED
NARROW = {"role": "narrow", "finish": "distilled"}
DISTILLED = {"role": "distilled", "alpha": ALPHA}
TAUGHT = DISTILLED | {"temperature": distillation.TEMPERATURE, "squared": False}
ALONE = {"role": "alone"}
RISING = {float(t): float(t) for t in distillation.TEMPERATURES if t <= distillation.TEMPERATURE}
HOTTEST = float(distillation.TEMPERATURES[-1])
SHORT, LONG = ({"way": "matched", "length": length} for length in (matching.LENGTHS[0], matching.LONGEST))

CHANGE = Measure("change", "points", 100.0, equal=0.5)
AGREEMENT = Measure("measures.agreement", "points", 100.0, equal=0.5)
OVERFIT = Measure("overfit", "points", 100.0, equal=0.5)
OVER_ALONE = Measure("over_alone", "points", 100.0, equal=0.5)


def costs_more(how: dict) -> ClaimTest:
    """Does pruning cost the large network more than the small one?"""
    return difference_test(Contrast(LARGE | how, SMALL | how, CHANGE), direction="less")


def hotter(squared: bool) -> ClaimTest:
    """Does a student agree more with its teacher the higher T is, and overfit more at 32 than at 10?

    At T = 1 the factor T squared is 1: that student counts in both.
    """
    students = DISTILLED | {"form": ("either", "squared" if squared else "printed")}
    hot, printed = (students | {"temperature": t} for t in (HOTTEST, float(distillation.TEMPERATURE)))
    return all_of({
        Label("knowledge"): trend_test(students, "temperature", RISING, AGREEMENT),
        Label("overfitting"): difference_test(Contrast(hot, printed, OVERFIT)),
    })  # fmt: skip


# Unit of an effect -> what it is measured against, where the parts of a test do not say
BY_SIX = ("better than six layers", "worse than six layers")
OF_T: dict[str, str | tuple[str, str]] = {"tau": "agreement {} as T rises", "points": "T = 10 in overfitting"}
THAN: dict[str, dict[str, str | tuple[str, str]]] = {
    "K1": {"points": "the parent"}, "K2a": {"points": BY_SIX}, "K2b": {"points": BY_SIX},
    "K3": {"points": "the student alone"}, "K4a": OF_T, "K4b": OF_T, "K5a": {"points": "the shortest schedule"},
    "K5b": {"points": "the lead of the shortest schedule"}, "K6": {"points": "the pruned ones of equal size"},
}  # fmt: skip

# What decided the pilot by the first rules
ABOVE = (0.0, None)
PILOT = {
    "K1": Pilot((-1.0, None), against("the parent")),
    "K2b": Pilot((None, 0.0)),
    "K3": Pilot(ABOVE, at("cifar10", "accuracy")),
    "K4a": Pilot(ABOVE, Label("knowledge")),
    "K5a": Pilot(ABOVE),
    "K6": Pilot(ABOVE),
}


def claim(
    name: str, statement: str, where: str, compares: str, statistic: str, margin: str, test: ClaimTest, *rests_on: str
) -> Claim:
    """One claim of this paper."""
    than, pilot = THAN.get(name, {}), PILOT.get(name)
    return Claim(
        name, "compressing", statement, where, compares, statistic, margin, test, rests_on, than, pilot=pilot
    )  # fmt: skip


CLAIMS = (
    claim(
        "K1", "Pruned to 5x sparsity, a network of six layers loses little accuracy.", "section III.C",
        "The network of six layers, pruned 5x (all layers ranked together, at once) and retrained, against its parent "
        "and against the parent retrained for as long",
        "Mean difference", "1 point",
        all_of({
            against(name): noninferiority_test(Contrast(SMALL | AT_5X, SMALL | other, LAST), LITTLE)
            for name, other in (("the parent", PARENT), ("the parent retrained", CONTROL))
        }),
        "sparsity",
    ),
    claim(
        "K2a", "Pruning does not work for large models: before retraining it costs them more.",
        "section III.C; conclusions",
        "What pruning 5x costs VGG16, against what it costs the network of six layers, each against its parent",
        "Mean difference", "0 points", costs_more(UNTOUCHED), "sparsity",
    ),
    claim(
        "K2b", "Pruning does not work for large models: after retraining too it costs them more.",
        "section III.C; conclusions",
        "What pruning 5x costs VGG16, against what it costs the network of six layers, each against its parent "
        "retrained for as long",
        "Mean difference", "0 points", costs_more(AT_5X), "sparsity",
    ),
    claim(
        "K3", "Distilled students come nearest to the accuracies of their teachers.", "section III.C; Table I",
        "The student taught as printed, against the same student trained alone: accuracy, agreement with the teacher",
        "Mean differences on every data set", "0 points",
        all_of({
            at("accuracy"): difference_test(Contrast(TAUGHT, ALONE, LAST, every=("dataset",))),
            at("agreement"): difference_test(Contrast(TAUGHT, ALONE, AGREEMENT, every=("dataset",))),
        }),
        "table_1", "agreement",
    ),
    *(
        claim(
            name, f"The higher the temperature, the more knowledge is extracted; too high a one overfits ({short}).",
            f"section III.B ({label})",
            "Students taught at T = 1, 2, 4, 8 and 10: agreement with the teacher. At T = 32 against T = 10: accuracy "
            "on the training images less that on the test images",
            "Kendall's tau-b; mean difference", "0; 0 points", hotter(squared), "temperatures",
        )
        for name, squared, label, short in (
            ("K4a", False, "the loss as printed", "loss as printed"),
            ("K4b", True, "the soft part times T squared, as Hinton has it", "loss with T squared"),
        )
    ),
    claim(
        "K5a", "Long schedules pay in function matching.", "section III.B",
        f"Students matched for {matching.LONGEST} times as long as those of the shortest schedule, against these",
        "Mean difference", "0 points", difference_test(Contrast(LONG, SHORT, LAST)), "schedules",
    ),
    claim(
        "K5b", "Long schedules pay in function matching more than they pay from labels alone.", "section III.B",
        "The lead of matched students over the same students from labels alone, on the longest schedule and on the "
        "shortest", "Difference of mean differences", "0 points",
        difference_test(Contrast(LONG, SHORT, OVER_ALONE)), "schedules",
    ),
    claim(
        "K6", "On large networks, distillation gives better results than pruning, at equal size.", "conclusions",
        "Narrow VGG16s taught by VGG16, against VGG16 pruned 5, 10 and 20x (all layers ranked together, at once) and "
        "retrained: their stored files are equally large",
        "Mean difference over the three sizes", "0 points",
        difference_test(Contrast(LARGE | NARROW, LARGE | AS_LARGE, LAST, by=("dataset", "ratio"))), "sizes",
    ),
)  # fmt: skip
