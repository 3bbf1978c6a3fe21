"""Deep Net Triage (Nowak & Corso 2018): how critical is each block of VGG16?

One block is replaced by a single convolution, with three initialisations and two regimes, on four data sets:
4 x (1 parent + 5 blocks x 3 x 2) = 124 networks per seed.

    netpress run triage --edition small          372 networks of the pilot, 774 with fresh seeds: a day of one core
    netpress run triage --edition demo            31 networks (digits), minutes on two CPU cores
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from netpress import editions
from netpress.compress.edits import Inherit, Mean, Pretrained, Random
from netpress.data.registry import DATASETS
from netpress.papers.paper import BLOCK, UNCOMPRESSED, Paper
from netpress.runs.measures import Filters, Similarity
from netpress.runs.run import Edit, Run
from netpress.training.stage import Stage

if TYPE_CHECKING:
    import pandas as pd

# PAPER ---------------------------------------------------------------------------------------------------------------

BLOCKS = ("block1", "block2", "block3", "block4", "block5")
BLOCK_NAMES = {block: f"block {number}" for number, block in enumerate(BLOCKS, start=1)}  # as the book has them
INITIALISATIONS = ("random", "mean", "student-teacher")
REGIMES = ("frozen", "thawed")
ONE_CYCLE, CONSTANT = "one-cycle", "constant"  # retraining: a few epochs, as in the figures; until the network settles
AUGMENTED = editions.AUGMENTED  # retraining as in the figures, on images augmented as the parent saw them
LOOKS = (8, 16, 32, 64, 96, 128, 192, 256, 384)  # steps after which accuracy is measured as well

# (initialisation, regime): (name in the ICLR text, name on the poster)
NAMES = {
    ("", ""): ("baseline", "Base"),  # the parent
    ("random", "frozen"): ("CL-RW", "FM-RW"),
    ("random", "thawed"): ("CM-RW", "TM-RW"),
    ("mean", "frozen"): ("CL-MW", "FM-MW"),
    ("mean", "thawed"): ("CM-MW", "TM-MW"),
    ("student-teacher", "frozen"): ("STN", "FM-STN"),
    ("student-teacher", "thawed"): ("STN, then thawed (hypothesis)", "TM-STN"),
}


# GRID ----------------------------------------------------------------------------------------------------------------


def grid(edition: str, seeds: tuple[int, ...]) -> tuple[Run, ...]:
    """All runs of an edition, needs first."""
    chosen = editions.settings(edition, "triage")
    return tuple(run for dataset in chosen.datasets for seed in seeds for run in runs(chosen, dataset, seed))


def runs(chosen: editions.Settings, dataset: str, seed: int) -> Iterator[Run]:
    """The parent on a data set with a seed, augmented as is usual there; 5 blocks x 3 initialisations x 2 regimes on
    plain images; some blocks again at a constant rate until they settle; the controls."""
    begin: tuple[Edit, ...] = (Pretrained("vgg16"),) if chosen.weights == "pretrained" else ()
    train = Stage(
        "train", epochs=chosen.parent_epochs, lr=chosen.parent_rate, schedule=chosen.parent_schedule,
        batch_size=chosen.batch, view=DATASETS[dataset].view,
    )  # fmt: skip
    place = {"paper": "triage", "dataset": dataset, "model": "vgg16", "seed": seed, **scale(chosen, dataset)}
    parent = Run(method="parent", steps=(*begin, train), measures=(Filters("block1"),), **place)
    yield parent
    # Retrained until they settle: networks of the first seeds that confirm, of the first fresh ones, and those of the
    # search for settings, which is judged on validation images.
    settled: tuple[str, ...] = ()
    if editions.FRESH <= seed < editions.FRESH + chosen.settled_fresh:
        settled = chosen.settled_fresh_blocks
    elif editions.CONFIRMED <= seed < editions.CONFIRMED + chosen.settled_seeds or chosen.judged_on == "validation":
        settled = chosen.settled_blocks
    for retraining, blocks in ((ONE_CYCLE, BLOCKS), (CONSTANT, settled if dataset in chosen.settled_on else ())):
        for block in blocks:
            for initialisation in INITIALISATIONS:
                for regime in REGIMES:
                    yield compressed_run(chosen, parent, block, initialisation, regime, retraining)
    # The parent retrained for as long: what retraining alone gains. Of some seeds in each view, and student-teacher
    # networks in the further views too.
    views = chosen.views if seed < editions.FRESH + editions.of(chosen.viewed, dataset) else (editions.PLAIN,)
    for view in views if editions.controlled(chosen, dataset, seed) else ():
        retraining = ONE_CYCLE if view == editions.PLAIN else view
        whole = retrain(chosen, "", DATASETS[dataset].view if retraining == AUGMENTED else "plain")["thawed"]
        method = "control" if retraining == ONE_CYCLE else f"control-{view}"
        yield Run(
            method=method, steps=(Inherit(), whole), needs=(("parent", parent),),
            factors=(("retraining", retraining),), **place,
        )  # fmt: skip
        for block in BLOCKS if view != editions.PLAIN else ():
            for regime in REGIMES:
                yield compressed_run(chosen, parent, block, INITIALISATIONS[-1], regime, view)


def compressed_run(
    chosen: editions.Settings, parent: Run, block: str, initialisation: str, regime: str, retraining: str = ONE_CYCLE
) -> Run:
    """VGG16 with one block replaced by a single convolution."""
    usual = retraining == ONE_CYCLE
    compared = (*((Filters(block),) if block == "block1" else ()), Similarity(block))
    return Run(
        paper="triage",
        dataset=parent.dataset,
        model=f"vgg16-{block}",
        method=f"{initialisation}-{regime}{'' if usual else f'-{retraining}'}",
        seed=parent.seed,
        steps=steps(chosen, parent.dataset, block, initialisation, regime, retraining),
        needs=(("parent", parent),),
        measures=compared if usual else (),
        factors=(
            ("block", block),
            ("initialisation", initialisation),
            ("regime", regime),
            ("retraining", retraining),
        ),
        **scale(chosen, parent.dataset),
    )


def scale(chosen: editions.Settings, dataset: str) -> dict:
    """What an edition sets for every run on a data set."""
    px = editions.of(chosen.px, dataset)
    return {"px": px, "width": chosen.width, "images": chosen.images, "judged_on": chosen.judged_on}


# STAGES --------------------------------------------------------------------------------------------------------------


def steps(
    chosen: editions.Settings, dataset: str, block: str, initialisation: str, regime: str, retraining: str
) -> tuple[Stage | Edit, ...]:
    """Begin from the parent, initialise the replacement, retrain."""
    stages = {
        ONE_CYCLE: retrain(chosen, block),
        CONSTANT: settle(chosen, block),
        AUGMENTED: retrain(chosen, block, DATASETS[dataset].view),
    }
    return (Inherit(), *begin(chosen, block)[initialisation], stages[retraining][regime])


def begin(chosen: editions.Settings, block: str) -> dict[str, tuple[Stage | Edit, ...]]:
    """The three initialisations (ICLR text, sections 2.3.1, 2.3.3 and 2.3.5)."""
    imitate = Stage(
        "imitate",
        loss="block-l2",
        at=block,
        trains=(block,),
        teacher="parent",
        epochs=chosen.imitation_epochs,
        optimiser="adam",
        lr=chosen.imitation_rate,
        weight_decay=0.0,
        batch_size=chosen.batch,
        shared=True,
    )
    return {"random": (Random(block),), "mean": (Mean(block),), "student-teacher": (Random(block), imitate)}


def retrain(chosen: editions.Settings, block: str, view: str = "plain") -> dict[str, Stage]:
    """Frozen: only the replacement trains. Thawed: everything does."""
    return {
        regime: Stage(
            "retrain", trains=trains, epochs=chosen.epochs, lr=chosen.rate, batch_size=chosen.batch, view=view
        )
        for regime, trains in {"frozen": (block,), "thawed": ()}.items()
    }


def settle(chosen: editions.Settings, block: str) -> dict[str, Stage]:
    """The same at a constant rate until the network is as good as it gets, so that its speed can be told (ours).

    Accuracy is also measured within the first epochs, where most of it is won.
    """
    return {
        regime: replace(stage, epochs=chosen.settling_epochs, lr=chosen.settling_rate, schedule="constant", looks=LOOKS)
        for regime, stage in retrain(chosen, block).items()
    }


# RECORDS -------------------------------------------------------------------------------------------------------------


MEASURED = tuple(f"measures.{name}" for name in ("filters", "filter_cosine", "filter_cosine_untrained", "cka"))
FACTORS = ("block", "initialisation", "regime", "retraining")


def tidy(runs: "pd.DataFrame", results: Path | None = None) -> "pd.DataFrame":
    """The frame of runs with the columns FACTORS ("" for the parent), all of MEASURED, and how fast networks settle.

    over_parent: best accuracy less the parent's of the same data set and seed, a fraction; control, control_augmented:
    best accuracy of the control in either view, missing where there is none; passage, reached, rate: see
    `with_settling`.
    """
    runs = runs.reindex(columns=list(dict.fromkeys([*runs.columns, "curve", *FACTORS, *MEASURED])))
    runs = runs.assign(**{name: runs[name].astype("object").fillna("") for name in FACTORS})
    keys = ["dataset", "seed"]
    columns = {"parent": "baseline", "control": "control", f"control-{AUGMENTED}": "control_augmented"}
    for method, name in columns.items():
        own = runs[runs["method"] == method].drop_duplicates(keys).set_index(keys)["best"]
        runs = runs.join(own.rename(name), on=keys)
    return with_settling(runs.assign(over_parent=runs["best"] - runs["baseline"]))


# How fast a network converges: the paper counts epochs to 99 % of the best accuracy. Where retraining is short and its
# rate falls to zero, accuracy rises to the last epoch, and all networks "converge" there. So networks are also
# retrained at a constant rate until they are as good as they get, and what is counted is when they are first at 99 % of
# their final level. (When they last came within a point of it, the rule of version 2, tells of overfitting: thawed
# networks mostly come from above.)
SHARE = 0.99  # of the final level
TAIL = 0.8  # the final level is the mean over what comes after this share of the steps
NEAR = 0.01 + 1e-9  # within a point, whatever rounding makes of a point


def with_settling(runs: "pd.DataFrame") -> "pd.DataFrame":
    """The frame of runs (columns curve, final_epochs, baseline) with how fast they settle, in epochs.

    passage: until 99 % of the final level; reached: until the parent's level less a point, missing where that never
    is; rate: one over `passage`. All are missing where no curve was kept.
    """
    nan = float("nan")
    runs = runs.assign(passage=nan, reached=nan)
    known = runs["curve"].map(lambda curve: isinstance(curve, list) and len(curve) > 2)
    if known.any():
        runs.loc[known, ["passage", "reached"]] = [
            [steps * row.final_epochs / row.curve[-1][0] for steps in first_steps(row.curve, row.baseline)]
            for row in runs[known].itertuples()
        ]
    return runs.assign(rate=1 / runs["passage"])


def first_steps(curve: list[list[float]], baseline: float) -> tuple[float, float]:
    """Steps until accuracy is first at 99 % of its final level, and at `baseline` less a point; nan where it never is.

    `curve`: pairs of steps done and test accuracy, which is smoothed: each with the one before and the one after it.
    """
    import numpy as np

    steps, accuracy = np.array(curve).T
    smooth = np.convolve(np.concatenate([accuracy[:1], accuracy, accuracy[-1:]]), np.ones(3) / 3, "valid")
    final = accuracy[steps > TAIL * steps[-1]].mean()
    level, parents = (np.flatnonzero(smooth >= bound) for bound in (SHARE * final - 1e-9, baseline - NEAR))
    first, reached = (float(steps[there[0]]) if len(there) else float("nan") for there in (level, parents))
    return first, reached


def called(run: Run) -> str:
    """ "VGG16, block 3 mean-thawed"."""
    block = str(dict(run.factors).get("block", ""))
    return f"VGG16, {block.replace('block', 'block ')} {run.method}" if block else "VGG16"


# THE PAPER, as the registry has it ------------------------------------------------------------------------------------

PAPER = Paper(
    key="triage", title="Deep Net Triage", authors="Nowak and Corso", year=2018, grid=grid, tidy=tidy,
    approaches={UNCOMPRESSED: ({"method": "parent"},), BLOCK: ({"block": BLOCKS, "retraining": ONE_CYCLE},)},
    called=called,
)  # fmt: skip
