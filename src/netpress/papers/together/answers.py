"""What each approach to a smaller network costs or brings, one number each.

A number is a difference in points of test accuracy, paired by seed and averaged over the data sets of the edition.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from netpress.papers.compressing import claims as compressing
from netpress.papers.pyramid import tables as pyramid
from netpress.papers.triage import claims as triage
from netpress.report.estimates import Estimate
from netpress.report.tests import LAST, Contrast, difference

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Answer:
    """One kind of networks over another, and the points between them.

    `found`: from the frame of the paper's runs to an Estimate in points, n = 0 where nothing was run; `shown`: the
    figure or table of the paper's chapters that has the rest.
    """

    paper: str
    what: str
    found: "Callable[[pd.DataFrame], Estimate]"
    shown: str


def answer(paper: str, what: str, contrast: Contrast, shown: str) -> Answer:
    """An answer that is a plain difference between two kinds of runs."""
    return Answer(paper, what, partial(difference, contrast=contrast), shown)


LAST_LEVEL = {direction: {"level": "svgg5", "direction": direction} for direction in ("forward", "backward")}
SCRATCH = {"approach": "scratch"}
BEGINS = "the same with VGG19's weights where shapes agree, trained with labels"
TWO_STAGES = {
    "forward": {"approach": "two-stages", "regime": "frozen"}, "backward": {"approach": "two-stages"},
    "thawed": {"approach": "two-stages", "regime": "thawed"},
}  # fmt: skip
FIRST, LAST_BLOCK = {"block": "block1"}, {"block": "block5"}

ANSWERS = (
    answer(
        "triage", "VGG16 with its first block replaced and all else frozen, over VGG16",
        Contrast(triage.FROZEN | FIRST, triage.PARENT), "criticality",
    ),
    answer(
        "triage", "VGG16 with its last block replaced and all else frozen, over VGG16",
        Contrast(triage.FROZEN | LAST_BLOCK, triage.PARENT), "criticality",
    ),
    answer(
        "triage", "VGG16 with one block replaced and everything trained, over VGG16",
        Contrast(triage.THAWED, triage.PARENT), "criticality",
    ),
    *(
        answer(
            "pyramid", f"SVGG5 after the {direction} pyramid in 2 stages, over Scratch, {BEGINS}",
            Contrast(TWO_STAGES[direction] | last, SCRATCH | last), "over_scratch",
        )
        for direction, last in LAST_LEVEL.items()
    ),
    answer(
        "pyramid", f"SVGG5 after the forward pyramid with nothing frozen, over Scratch, {BEGINS}",
        Contrast(TWO_STAGES["thawed"] | LAST_LEVEL["forward"], SCRATCH | LAST_LEVEL["forward"]), "readings",
    ),
    Answer(
        "pyramid", "SVGG5 after the forward pyramid with nothing frozen, over SVGG5 from random weights",
        partial(pyramid.taught_over_random, **LAST_LEVEL["forward"]), "native",
    ),
    answer(
        "compressing", "VGG16 pruned to one weight of five and retrained, over VGG16 retrained",
        Contrast(compressing.LARGE | compressing.AT_5X, compressing.LARGE | compressing.CONTROL, LAST), "pruned",
    ),
    answer(
        "compressing", "the small network of Table I taught as printed, over the same one alone",
        Contrast(compressing.TAUGHT, compressing.ALONE, LAST), "table_1",
    ),
    answer(
        "compressing", "a student matched for ten times as many epochs, over the shortest schedule",
        Contrast(compressing.LONG, compressing.SHORT, LAST), "schedules",
    ),
)  # fmt: skip
