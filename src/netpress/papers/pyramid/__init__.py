"""The Pyramid (Ravindran & Fita Sanmartin 2018): VGG19 shrunk level by level, each level taught by the one above.

Five sets of layers are compressed into one layer each, from the head to the image (forward) or from the image to the
head (backward), and compared with three approaches that go straight from VGG19:
2 data sets x (VGG19 + 2 directions x 5 levels x 5 methods - 4 cells that are not defined) = 2 x 47 networks per seed.
Besides, 8 forward ones with everything thawed in stage 2, and on the last data set 5 or 6 from random weights at 32 px,
with some fresh seeds also with the images enlarged.

    netpress run pyramid --edition small         345 networks of the pilot, 702 with fresh seeds: a day of one core
    netpress run pyramid --edition demo           60 networks (digits), minutes on two CPU cores
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from netpress import editions
from netpress.compress.edits import Inherit, Pretrained
from netpress.data.registry import DATASETS
from netpress.editions import confirms
from netpress.nets import levels
from netpress.nets.levels import LEVELS, ORDERS, TOP
from netpress.papers import paper
from netpress.papers.paper import Paper
from netpress.runs.run import Edit, Run
from netpress.training.stage import Stage

if TYPE_CHECKING:
    import pandas as pd

# PAPER ---------------------------------------------------------------------------------------------------------------

DIRECTIONS = FORWARD, BACKWARD = tuple(ORDERS)
REGIMES = FROZEN, THAWED = "frozen", "thawed"  # what was compressed earlier, in stage 2

# approach: its name in this book
NAMES = {
    "scratch": "Scratch",
    "two-stages": "2 stages",
    "gram": "Gram",
    "fitnet": "FitNet",
    "gram-direct": "Gram Direct",
}
# its column in Tables 1-4, where that is another
PRINTED = {"Pyramid 2-stages": "2 stages", "Pyramid Gram Normal": "Gram", "Fitnet": "FitNet"}
PARENT = "parent"  # VGG19
CONTROL = "control"  # VGG19 retrained for as long
SOFT_TARGETS = "soft-targets"  # FitNet without its hint
PYRAMID = ("two-stages", "gram")  # taught by the level above; the others go straight from VGG19
NATIVE = "native"  # random weights at 32 px: the paper's motive for enlarging CIFAR-100 (section 5)
NATIVE_PX = 32
ENLARGED = "enlarged"  # the same with the images enlarged
SHALLOWER = ((TOP, ""), *((level, FORWARD) for level in LEVELS))

# Approaches that are defined for convolutions alone: fully connected layers have no Gram matrix (section 5)
OF_CONVOLUTIONS = (
    "gram",
    "gram-direct",
)
# Cells that the paper therefore leaves out: there the head was compressed
UNDEFINED = frozenset(
    (*place, approach) for place in (("svgg17", FORWARD), ("svgg5", BACKWARD)) for approach in OF_CONVOLUTIONS
)
# Where the level above is missing in an approach, that approach goes on from this one (section 5)
INSTEAD = "two-stages"

# FitNet (Romero et al. 2014): the hint is the output of VGG19's middle convolution, the eighth of sixteen. The
# temperature is 3; the weight of the soft targets falls there from 4 to 1 times that of the labels, here it stays at
# the mean of both.
HINT = "C2"
TEMPERATURE = 3.0
SOFT = 2.5


# GRID ----------------------------------------------------------------------------------------------------------------


def grid(edition: str, seeds: tuple[int, ...]) -> tuple[Run, ...]:
    """All runs of an edition, needs first."""
    chosen = editions.settings(edition, "pyramid")
    return tuple(run for dataset in chosen.datasets for seed in seeds for run in runs(chosen, dataset, seed))


def runs(chosen: editions.Settings, dataset: str, seed: int) -> Iterator[Run]:
    """VGG19 on a data set with a seed; what it teaches, with fresh seeds where it can teach; random weights."""
    px, step = editions.of(chosen.px, dataset), whole(chosen, dataset)
    begin: tuple[Edit, ...] = (Pretrained(TOP),) if chosen.weights == "pretrained" else ()
    top = run_of(chosen, Cell(TOP, "", PARENT), (*begin, step), (), (dataset, seed, px))
    yield top
    if seed < editions.FRESH or dataset in chosen.fresh_taught:
        yield from taught(chosen, top)
    # VGG19 and the forward levels from random weights at 32 px, each trained as VGG19 is; on some seeds also with the
    # images enlarged, which the paper says removes the anomaly (section 5). VGG19 is left out where it is the grid's.
    counts = {editions.CONFIRMED: chosen.enlarged, editions.FRESH: chosen.fresh_enlarged}
    enlarged = any(seed in range(first, first + count) for first, count in counts.items())
    kinds = ((NATIVE, NATIVE_PX), *(((ENLARGED, chosen.enlarged_px),) if enlarged else ()))
    for approach, side in kinds if dataset == chosen.datasets[-1] else ():
        for place in SHALLOWER:
            made_already = approach == NATIVE and place == (TOP, "") and (px, top.steps) == (NATIVE_PX, (step,))
            if not made_already:
                yield run_of(chosen, Cell(*place, approach), (step,), (), (dataset, seed, side))


def taught(chosen: editions.Settings, top: Run) -> Iterator[Run]:
    """The networks below VGG19: both pyramids and what they are compared with; forward once more; the controls."""
    for direction in DIRECTIONS:  # five levels, five approaches, without the cells that are not defined: 46 runs
        above = dict.fromkeys(NAMES, top)
        for level in LEVELS:
            made = {
                approach: level_run(
                    chosen, Cell(level, direction, approach, usual_regime(approach, direction)), above[approach]
                )
                for approach in NAMES
                if (level, direction, approach) not in UNDEFINED
            }
            yield from made.values()
            above |= {approach: made.get(approach, made[INSTEAD]) for approach in PYRAMID}
    # Forward once more, earlier compressed layers trained in stage 2 (section 4 has no frozen layers): 4 levels, 2
    # approaches. At the first level nothing was compressed before, and the run is the grid's own.
    for approach in PYRAMID:
        teacher = level_run(chosen, Cell(LEVELS[0], FORWARD, INSTEAD, FROZEN), top)
        for level in LEVELS[1:]:
            teacher = level_run(chosen, Cell(level, FORWARD, approach, THAWED), teacher)
            yield teacher
    # The controls: VGG19 retrained for as long, in each view; with fresh seeds also FitNet without its hint.
    if editions.controlled(chosen, top.dataset, top.seed):
        at = (top.dataset, top.seed, top.px)
        for view in chosen.views:
            usual = view == editions.PLAIN
            stage = replace(retrain(chosen, ()), view="plain" if usual else DATASETS[top.dataset].view)
            control = Cell(TOP, "", CONTROL, "" if usual else view)
            yield run_of(chosen, control, (Inherit("teacher"), stage), (("teacher", top),), at)
        for direction in DIRECTIONS if confirms(chosen, top.seed) else ():
            for level in LEVELS:
                yield level_run(chosen, Cell(level, direction, SOFT_TARGETS), top)


@dataclass(frozen=True)
class Cell:
    """What a network of the grid is: where it stands ("" is the direction of VGG19), and how it is trained.

    `regime`: of the pyramid's approaches, what stage 2 does with what was compressed earlier; "" for the others.
    """

    level: str
    direction: str
    approach: str
    regime: str = ""

    @property
    def method(self) -> str:
        """The method's name. Only the variant says its regime."""
        own = self.regime == (usual_regime(self.approach, self.direction) if self.direction else "")
        return self.approach if own else f"{self.approach}-{self.regime}"

    @property
    def factors(self) -> tuple[tuple[str, object], ...]:
        """As a run carries them."""
        return tuple((field.name, getattr(self, field.name)) for field in fields(self))


def usual_regime(approach: str, direction: str) -> str:
    """What Tables 1-4 have: forward frozen (section 3.1), backward thawed; "" where an approach is no pyramid."""
    return {FORWARD: FROZEN, BACKWARD: THAWED}[direction] if approach in PYRAMID else ""


def level_run(chosen: editions.Settings, cell: Cell, above: Run) -> Run:
    """One network below VGG19; `above` is the one that it inherits from and, unless it is Scratch, is taught by."""
    at = (above.dataset, above.seed, above.px)
    return run_of(chosen, cell, steps(chosen, cell), (("teacher", above),), at)


def run_of(
    chosen: editions.Settings, cell: Cell, steps: tuple[Stage | Edit, ...], needs: tuple[tuple[str, Run], ...],
    at: tuple[str, int, int],
) -> Run:  # fmt: skip
    """The run of a cell, at a data set, a seed and a size of the images."""
    dataset, seed, px = at
    return Run(
        paper="pyramid", dataset=dataset, model=levels.NAMES[cell.level, cell.direction], method=cell.method, seed=seed,
        px=px, width=chosen.width, images=chosen.images, steps=steps, needs=needs, judged_on=chosen.judged_on,
        factors=cell.factors,
    )  # fmt: skip


# STAGES --------------------------------------------------------------------------------------------------------------


def whole(chosen: editions.Settings, dataset: str) -> Stage:
    """How VGG19 is trained: augmented as is usual for the data set. Compressed networks see no augmentation."""
    return Stage(
        "train", epochs=chosen.parent_epochs, lr=chosen.parent_rate, schedule=chosen.parent_schedule,
        batch_size=chosen.batch, view=DATASETS[dataset].view,
    )  # fmt: skip


def steps(chosen: editions.Settings, cell: Cell) -> tuple[Stage | Edit, ...]:
    """What each approach does at a level of the pyramid.

    Each first inherits every layer of unchanged structure (section 4). Stage 1 trains everything up to the newly
    compressed set. Frozen, stage 2 does so too, and what lies behind it, compressed earlier, stays as it is
    (section 3.1); thawed, stage 2 trains everything.
    """
    at = levels.module_of(levels.compressed(levels.NAMES[cell.level, cell.direction])[-1])
    kept = upto(at) if cell.regime == FROZEN else ()
    labels = retrain(chosen, ())
    stages = {
        "scratch": (labels,),
        "two-stages": (imitate(chosen, "set-l2", at, upto(at)), retrain(chosen, kept)),
        "gram": (imitate(chosen, "gram", at, upto(at)), retrain(chosen, kept)),
        "fitnet": (imitate(chosen, "hint", HINT, upto(HINT)), distil(chosen)),
        "gram-direct": (imitate(chosen, "all-grams", None, upto("C4")), labels),
        SOFT_TARGETS: (distil(chosen),),
    }
    return (Inherit("teacher"), *stages[cell.approach])


def upto(name: str) -> tuple[str, ...]:
    """The slices of a network up to and including `name`."""
    names = tuple(levels.module_of(each) for each in levels.SETS)
    return names[: names.index(name) + 1]


def imitate(chosen: editions.Settings, loss: str, at: str | None, trains: tuple[str, ...]) -> Stage:
    """Stage 1: be like the teacher inside. The same settings for every method."""
    return Stage(
        "imitate", loss=loss, at=at, trains=trains, teacher="teacher", epochs=chosen.imitation_epochs,
        optimiser="adam", lr=chosen.imitation_rate, weight_decay=0.0, batch_size=chosen.batch,
    )  # fmt: skip


def retrain(chosen: editions.Settings, trains: tuple[str, ...]) -> Stage:
    """Stage 2: cross-entropy with the labels."""
    return Stage("retrain", trains=trains, epochs=chosen.epochs, lr=chosen.rate, batch_size=chosen.batch)


def distil(chosen: editions.Settings) -> Stage:
    """FitNet's stage 2: soft targets and labels."""
    return Stage(
        "retrain", loss="labels-and-soft-targets", teacher="teacher", epochs=chosen.epochs, lr=chosen.rate,
        batch_size=chosen.batch, temperature=TEMPERATURE, alpha=SOFT,
    )  # fmt: skip


# RECORDS -------------------------------------------------------------------------------------------------------------

FACTORS = tuple(field.name for field in fields(Cell))


def tidy(runs: "pd.DataFrame", results: Path | None = None) -> "pd.DataFrame":
    """The frame of runs with further columns.

    level ("vgg19", "svgg17", ...), direction ("" for VGG19), approach, regime; over_scratch: best accuracy less that of
    Scratch on the same data set, level, direction and seed, a fraction; seconds_13000, passes_13000 and latency of the
    network at the paper's size, missing where nothing was measured (speed.of_levels).
    """
    from netpress.papers import speed

    rows = runs.reindex(columns=list(dict.fromkeys([*runs.columns, *FACTORS])))
    keys = ["dataset", "model", "seed"]
    scratch = rows[rows["approach"] == "scratch"].set_index(keys)["best"]
    plain = rows[keys].join(scratch, on=keys)["best"] if len(scratch) else float("nan")
    rows = rows.assign(over_scratch=rows["best"] - plain)
    timed = speed.of_levels(rows["edition"].iloc[0], results) if len(rows) else rows
    measured = ["seconds_13000", "passes_13000", "latency"]
    if timed.empty:
        return rows.assign(**dict.fromkeys(measured, float("nan")))
    return rows.join(timed.set_index("model")[measured], on="model")


def from_random(runs: "pd.DataFrame") -> "pd.DataFrame":
    """Those trained from random weights at 32 px; VGG19 is the grid's own where it was trained in that very way."""
    native = runs["approach"] == NATIVE
    datasets, models = (set(runs.loc[native, column]) for column in ("dataset", "model"))
    top = (runs["approach"] == PARENT) & runs["dataset"].isin(datasets) & (TOP not in models)
    return runs[native | top]


def called(run: Run) -> str:
    """ "SVGG14 backward, Gram"."""
    facts = dict(run.factors)
    approach, thawed = str(facts["approach"]), ", thawed" if run.method.endswith(THAWED) else ""
    if approach == PARENT:
        return TOP.upper()
    named = {**NAMES, NATIVE: "from random weights"}.get(approach, approach)
    return f"{str(facts['level']).upper()} {facts['direction']}".strip() + f", {named}{thawed}"


# THE PAPER, as the registry has it ------------------------------------------------------------------------------------

PAPER = Paper(
    key="pyramid", title="The Pyramid", authors="Ravindran and Fita Sanmartin", year=2018, grid=grid, tidy=tidy,
    approaches={
        paper.UNCOMPRESSED: ({"approach": PARENT}, {"approach": NATIVE, "level": TOP}),
        paper.PYRAMID: ({"approach": PYRAMID},),
        paper.DIRECT: ({"approach": ("scratch", "fitnet", "gram-direct")},),
        paper.SMALL: ({"approach": NATIVE, "level": LEVELS},),
    },
    called=called,
)  # fmt: skip
