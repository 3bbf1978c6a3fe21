"""The ladder of scale: is a block more or less critical, the more images a network has seen? (not in the paper)

On CIFAR-10, networks of three blocks, student-teacher, frozen and thawed, with four numbers of training images. Each
rung is an edition of its own, such as "small+images=1000"; the edition's own number of images is a rung too.
"""

from pathlib import Path

import pandas as pd

from netpress import editions, papers
from netpress.papers.paper import facts_of, meets
from netpress.papers.triage import BLOCK_NAMES, ONE_CYCLE, REGIMES, tidy
from netpress.papers.triage.figures import replaced
from netpress.report.estimates import Estimate, interval
from netpress.report.figures import Encoding, Figure, Words, curves
from netpress.runs import records
from netpress.runs.run import Run

DATASET = "cifar10"
IMAGES = (1_000, 3_000, 10_000, None)  # None: all
EVERY = 50_000  # images that CIFAR-10 has for training
BLOCKS = ("block1", "block3", "block5")
BEGIN = "student-teacher"
SEEDS = (3, 4, 5)
SUBJECT = "block1"  # whose criticality the conclusion is about


def rung(edition: str, images: int | None) -> str:
    """The edition of a rung: the edition itself where it has so many images."""
    if editions.settings(edition, "triage").images == images:
        return edition
    return editions.with_changes(edition, [f"images={editions.shown(images)}"])


def runs_of(edition: str, images: int | None) -> tuple[Run, ...]:
    """The runs of a rung with their parents. Of the edition itself, fresh seeds are shown once all are there."""
    own = rung(edition, images)
    runs = papers.shown("triage", edition) if own == edition else papers.grid("triage", own, (DATASET,), SEEDS)
    wanted = {"initialisation": BEGIN, "retraining": ONE_CYCLE, "block": BLOCKS}
    return tuple(
        run for run in runs
        if (run.method == "parent" or meets(facts_of(run), wanted)) and run.dataset == DATASET and run.seed in SEEDS
    )  # fmt: skip


def frame(edition: str, results: Path | None = None) -> pd.DataFrame:
    """One row a finished compressed network: name, images, block, regime, seed, and `over_parent` in points.

    Empty where an edition has no ladder: it does not use CIFAR-10, or something of it was changed.
    """
    found, columns = [], ["name", "images", "block", "regime", "seed", "over_parent"]
    climbed = papers.uses("triage", edition, DATASET) and not editions.parse(edition)[1]
    for images in IMAGES if climbed else ():
        runs = runs_of(edition, images)
        own = rung(edition, images)
        rows = replaced(tidy(records.frame(runs, own, results), results)) if runs else pd.DataFrame()
        if len(rows):
            rows = rows.assign(images=images or EVERY, over_parent=100 * rows["over_parent"])
            found.append(rows[columns])
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def figure_ladder(rungs: pd.DataFrame, edition: str) -> Figure:
    """Points against the parent over the number of training images, a line for each block, frozen and thawed apart."""
    held = "" if len(rungs) else f" Not run in the edition {edition}."
    less = [found[2] for regime in REGIMES if (found := by_size(rungs, regime))]
    finding = "Replaced blocks and the number of training images"
    for word, sign in (("less", 1), ("more", -1)):  # all means on one side, and one interval clear of zero
        bounds = [value.low if sign > 0 else value.high for value in less]
        if less and all(sign * value.mean > 0 for value in less) and any(sign * (bound or 0) > 0 for bound in bounds):
            finding = f"Block 1 matters {word} the more images are seen"
    rows = rungs.assign(block=rungs["block"].map(BLOCK_NAMES), n=rungs["regime"].map(REGIMES.index))
    rows = rows.sort_values(["n", "block", "images"], kind="stable")
    parents = rows.drop_duplicates(["regime", "seed"]).assign(over_parent=0.0)
    return curves(
        rows,
        Encoding(x="images", y="over_parent", series="block", panel="regime", shared=True),
        Words(
            alt=(
                "Two panels, frozen and thawed: points against the parent over training images, one line for each "
                "block."
            ),
            caption=f"CIFAR-10, replacements begun by imitation. Dashed: the parent that saw as many images.{held}",
            x="training images",
            y="points",
            finding=finding,
            measure="Points of best test accuracy above or below the parent, by training images",
        ),
        {"the parent": parents},
        log=True,
    )


def by_size(rungs: pd.DataFrame, regime: str) -> tuple[Estimate, Estimate, Estimate] | None:
    """What block 1 costs with fewest and with most images, in points, and by how much less with most; pairs of seeds.

    None where either end has not been run.
    """
    rows = rungs[(rungs["block"] == SUBJECT) & (rungs["regime"] == regime)]
    table = -rows.pivot_table(index="seed", columns="images", values="over_parent")
    least, most = IMAGES[0], EVERY
    if least not in table or most not in table:
        return None
    both = table[[least, most]].dropna()
    return interval(both[least]), interval(both[most]), interval(both[least] - both[most])
