"""What each way of making a network smaller costs or brings, one number each.

A number is a difference in points of test accuracy, paired by seed and averaged over the data sets of the edition.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from netpress.papers.compressing import claims as compressing
from netpress.papers.pyramid import tables as pyramid
from netpress.papers.triage import claims as triage
from netpress.report.estimates import Estimate, interval
from netpress.report.evidence import ACCURACY, LAST, Contrast
from netpress.report.judges import difference

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Answer:
    """What is done instead of what, and the points that it brings.

    `found`: from the frame of the paper's runs to an Estimate in points, n = 0 where nothing was run; `shown`: the
    figure or table of the paper's chapters that has the rest.
    """

    paper: str
    done: str
    instead: str
    found: "Callable[[pd.DataFrame], Estimate]"
    shown: str


def taught_against_random(runs: "pd.DataFrame") -> Estimate:
    """SVGG5 after the forward pyramid, nothing frozen, less SVGG5 from random weights, where sizes agree."""
    cells = pyramid.table_native(runs).cells
    return cells.at["SVGG5 forward", "difference"] if "difference" in cells else interval([])


def answer(paper: str, done: str, instead: str, contrast: Contrast, shown: str) -> Answer:
    """An answer that is a plain difference between two kinds of runs."""
    return Answer(paper, done, instead, partial(difference, contrast=contrast), shown)


LAST_LEVEL = {"forward": {"model": "svgg5-forward"}, "backward": {"model": "svgg5-backward"}}
TAUGHT, SCRATCH = {"method": "two-stages"}, {"method": "scratch"}
FIRST, LAST_BLOCK = {"block": "block1"}, {"block": "block5"}

ANSWERS = (
    answer(
        "triage", "first block of VGG16 replaced, all else frozen", "VGG16",
        Contrast(triage.FROZEN | FIRST, triage.PARENT), "criticality",
    ),
    answer(
        "triage", "last block of VGG16 replaced, all else frozen", "VGG16",
        Contrast(triage.FROZEN | LAST_BLOCK, triage.PARENT), "criticality",
    ),
    answer(
        "triage", "one block of VGG16 replaced, everything trained", "VGG16",
        Contrast(triage.THAWED, triage.PARENT), "criticality",
    ),
    *(
        answer(
            "pyramid", f"SVGG5 after the {direction} pyramid, 2 stages", "inherited, trained alone",
            Contrast(TAUGHT | last, SCRATCH | last, ACCURACY), "over_scratch",
        )
        for direction, last in LAST_LEVEL.items()
    ),
    Answer(
        "pyramid", "SVGG5 after the forward pyramid, nothing frozen", "SVGG5 from random weights",
        taught_against_random, "native",
    ),
    answer(
        "compressing", "VGG16 pruned to one weight of five, retrained", "VGG16 retrained",
        Contrast(compressing.LARGE | compressing.AT_5X, compressing.LARGE | compressing.CONTROL, LAST), "pruned",
    ),
    answer(
        "compressing", "the small network of Table I, taught as printed", "trained alone",
        Contrast(compressing.TAUGHT, compressing.ALONE, LAST), "table_1",
    ),
    answer(
        "compressing", "a function matched ten times as long", "the short schedule",
        Contrast(compressing.LONG, compressing.SHORT, LAST), "schedules",
    ),
)  # fmt: skip
