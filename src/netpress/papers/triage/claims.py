"""What Deep Net Triage claims, and the tests that decide it, stated before any number they judge was looked at."""

from netpress.papers.triage import BLOCK_NAMES, CONSTANT, ONE_CYCLE
from netpress.report.claim_tests import (
    all_of,
    any_difference_test,
    correlation_test,
    difference_test,
    equivalence_test,
    noninferiority_test,
    trend_test,
)
from netpress.report.claims import Claim, Pilot
from netpress.report.comparisons import Measure
from netpress.report.evidence import ClaimTest, Contrast
from netpress.report.frames import Where
from netpress.report.labels import Label, against, at, less

GRANULARITY = {"mnist": 0, "cifar10": 1, "cifar100": 2, "dogs": 3}  # coarse to fine, as the paper orders them
PARENT = {"method": "parent"}
FIGURE_2 = {"retraining": ONE_CYCLE}  # the networks that the paper's figures show
COMPRESSED = FIGURE_2 | {"block": "block*"}
FROZEN, THAWED = (FIGURE_2 | {"regime": regime} for regime in ("frozen", "thawed"))
IMITATED = "student-teacher"
LITTLE = 0.5  # points
PER_BLOCK = ("dataset", "block")
PER_NETWORK = ("dataset", "block", "regime")
RETRAINED_LONG = {"retraining": CONSTANT}  # until they settle
EPOCHS_TO_SETTLE = Measure("settled", "epochs", equal=0.5)
RATE = Measure("rate", "1/epochs")
OVER_PARENT = Measure("over_parent", "points", 100.0)
FILTERS = Measure("measures.filter_cosine", "cosine")
OUTPUT = Measure("measures.cka", "CKA")


def began(initialisation: str, where: Where) -> Where:
    """Those networks that have an initialisation."""
    return {"initialisation": initialisation} | dict(where)


def sooner(than: str, regime: Where = RETRAINED_LONG, every: tuple[str, ...] = ("dataset",)) -> ClaimTest:
    """Do student-teacher networks settle in fewer epochs than those with another initialisation?"""
    contrast = Contrast(
        began(IMITATED, regime), began(than, regime), EPOCHS_TO_SETTLE, by=PER_NETWORK, every=every
    )  # fmt: skip
    return difference_test(contrast, direction="less")


def below_parent(where: Where, every: tuple[str, ...]) -> ClaimTest:
    """Are networks not more than LITTLE above their parent?"""
    return difference_test(Contrast(where, PARENT, every=every), threshold=LITTLE, direction="less")


def likeness(measure: Measure) -> ClaimTest:
    """Is a student more like its parent than the same network from random weights, both frozen?"""
    return difference_test(Contrast(began(IMITATED, FROZEN), began("random", FROZEN), measure, by=PER_BLOCK))


# Unit of an effect -> what it is measured against, where the parts of a test do not say
OVER = {"points": "the parent"}
THAN: dict[str, dict[str, str]] = {
    "T3": OVER, "T6a": OVER, "T6b": OVER, "T10": OVER,
    "T4": {"epochs": "random"}, "T9": {"cosine": "random", "CKA": "random"},
    "T7": {"tau": "the number of epochs {} with finer data"},
    "T11": {"tau": "accuracy {} with the rate"},
}  # fmt: skip

# What decided the pilot by the first rules
ABOVE, BELOW = (0.0, None), (None, 0.0)
PILOT = {
    "T1": Pilot((-1.0, 1.0), less("block1", "block5")),
    "T2": Pilot((-0.5, None), at("cifar10").within(against("the parent"))),
    "T3": Pilot((-5.0, None), at("cifar10")),
    "T4": Pilot(BELOW, Label("faster")),
    "T5": Pilot(BELOW, at("dogs").within(against("mean"))),
    "T6a": Pilot(BELOW, at("cifar100")), "T6b": Pilot(BELOW, at("cifar100")),
    "T7": Pilot(ABOVE),
    "T8": Pilot(BELOW, against("mean frozen")),
    "T9": Pilot(ABOVE, at("output")),
}  # fmt: skip


def claim(
    name: str, statement: str, where: str, compares: str, statistic: str, margin: str, test: ClaimTest, *rests_on: str
) -> Claim:
    """One claim of this paper."""
    than, pilot = THAN.get(name, {}), PILOT.get(name)
    return Claim(
        name, "triage", statement, where, compares, statistic, margin, test, rests_on, than, BLOCK_NAMES, pilot=pilot
    )  # fmt: skip


OTHERS = (("random", "frozen"), ("random", "thawed"), ("mean", "frozen"), ("mean", "thawed"), (IMITATED, "frozen"))

CLAIMS = (
    claim(
        "T1", "Accuracy does not depend on which block was compressed: all blocks are equally critical.",
        "section 4, figure 2; poster", "The best accuracy of networks with different blocks compressed",
        "Every two blocks, averaged over methods and data sets", "1 point",
        equivalence_test(COMPRESSED, "block", margin=1.0), "figure_2", "criticality",
    ),
    claim(
        "T2", "Thawed training is best on every data set, and reaches or passes the baseline.", "section 4, figure 2",
        "The best accuracy of thawed networks, against frozen ones and against the parent",
        "Mean difference on every data set", "0 points to frozen, 0.5 points below the parent",
        all_of({
            against("frozen"): difference_test(Contrast(THAWED, FROZEN, every=("dataset",))),
            against("the parent"): noninferiority_test(Contrast(THAWED, PARENT, every=("dataset",)), margin=0.5),
        }),
        "figure_2",
    ),
    claim(
        "T3", "Frozen networks stay within about 5 points of the baseline.", "section 4, figure 2",
        "The best accuracy of frozen networks, against the parent",
        "Mean difference for every block on every data set, and on average over blocks", "5 points",
        all_of({
            at("each block"): noninferiority_test(Contrast(FROZEN, PARENT, every=PER_BLOCK), margin=5.0),
            at("on average"): noninferiority_test(Contrast(FROZEN, PARENT, every=("dataset",)), margin=5.0),
        }),
        "figure_2", "criticality",
    ),
    claim(
        "T4", "Mean initialisation converges only slightly faster than random.", "section 4, figure 3",
        "Epochs of retraining until networks settle, at a constant rate: mean against random", "Mean difference",
        "faster by more than 0 and less than 1 epoch",
        all_of({
            Label("faster"): difference_test(
                Contrast(began("mean", RETRAINED_LONG), began("random", RETRAINED_LONG), EPOCHS_TO_SETTLE, PER_NETWORK),
                direction="less",
            ),
            Label("only slightly"): difference_test(
                Contrast(began("mean", RETRAINED_LONG), began("random", RETRAINED_LONG), EPOCHS_TO_SETTLE, PER_NETWORK),
                threshold=-1.0,
            ),
        }),
        "settling",
    ),
    claim(
        "T5", "Student-teacher networks converge fastest.", "section 4, figure 3; poster",
        "Epochs of retraining until networks settle, at a constant rate: student-teacher against random and mean",
        "Mean difference on every data set", "0 epochs",
        all_of({against(than): sooner(than) for than in ("random", "mean")}), "settling",
    ),
    claim(
        "T6a", "Distillation caps accuracy at the parent's: no frozen student-teacher network beats its parent.",
        "poster; section 5", "The best accuracy of frozen student-teacher networks, against their parents",
        "Mean difference for every block on every data set", "not more than 0.5 points above",
        below_parent(began(IMITATED, FROZEN), PER_BLOCK), "figure_2",
    ),
    claim(
        "T6b", "Distillation caps accuracy at the parent's: no thawed student-teacher network beats its parent.",
        "poster", "The best accuracy of thawed student-teacher networks, against their parents",
        "Mean difference for every block on every data set", "not more than 0.5 points above",
        below_parent(began(IMITATED, THAWED), PER_BLOCK), "figure_2",
    ),
    claim(
        "T7", "The finer-grained the data set, the longer the convergence.", "section 4, figure 3",
        "Epochs of retraining until networks settle, at a constant rate, on MNIST, CIFAR-10 and CIFAR-100",
        "Kendall's tau-b of epochs with granularity", "0",
        trend_test(
            RETRAINED_LONG, "dataset", {name: GRANULARITY[name] for name in ("mnist", "cifar10", "cifar100")},
            EPOCHS_TO_SETTLE, by=("block", "initialisation", "regime"),
        ),
        "settling",
    ),
    claim(
        "T8", "A student-teacher network that is then thawed converges fastest and reaches the highest accuracy.",
        "section 4 (a hypothesis)", "Student-teacher thawed against every other method",
        "Mean differences of epochs of retraining until networks settle, and of best accuracy", "0 epochs, 0 points",
        all_of({
            **{
                against(f"{initialisation} {regime}", "faster than"): difference_test(
                    Contrast(
                        began(IMITATED, RETRAINED_LONG | {"regime": "thawed"}),
                        began(initialisation, RETRAINED_LONG | {"regime": regime}), EPOCHS_TO_SETTLE, PER_BLOCK,
                    ),
                    direction="less",
                )
                for initialisation, regime in OTHERS
            },
            **{
                against(f"{initialisation} {regime}", "above"): difference_test(
                    Contrast(
                        began(IMITATED, THAWED), began(initialisation, FIGURE_2 | {"regime": regime}), by=PER_BLOCK
                    )
                )
                for initialisation, regime in OTHERS
            },
        }),
        "figure_2", "settling",
    ),
    claim(
        "T9", "The student learns the parent's filters rather than other, better ones.", "poster",
        "Student-teacher against random, both frozen: likeness to the parent of the filters and of the block's output",
        "Mean difference of the cosine of matched filters and of linear CKA", "0",
        all_of({at("filters"): likeness(FILTERS), at("output"): likeness(OUTPUT)}), "filters", "similarity",
    ),
    claim(
        "T10", "Every network above the baseline was fine-tuned as a whole: no frozen one is.", "section 4, figure 2",
        "The best accuracy of frozen networks, against their parents",
        "Mean difference for every block and initialisation on every data set", "not more than 0.5 points above",
        below_parent(FROZEN, ("dataset", "block", "initialisation")), "figure_2", "criticality",
    ),
    claim(
        "T11", "Apart from student-teacher networks, convergence rate and relative accuracy are correlated.", "poster",
        "One over the epochs of retraining until a network settles, at a constant rate, against its accuracy less the "
        "parent's",
        "Kendall's tau-b over blocks, initialisations and regimes within a data set and seed, averaged over data sets",
        "0",
        correlation_test(
            RETRAINED_LONG | {"initialisation": ["random", "mean"]}, RATE, OVER_PARENT,
            by=("block", "initialisation", "regime"),
        ),
        "settling",
    ),
    claim(
        "T12", "Triage indicates the relative importance of layers: some blocks are more critical than others.",
        "abstract (ICLR); the opposite of T1", "The best accuracy of networks with different blocks compressed",
        "Every two blocks, averaged over methods and data sets", "1 point",
        any_difference_test(COMPRESSED, "block", margin=1.0), "figure_2", "criticality",
    ),
)  # fmt: skip
