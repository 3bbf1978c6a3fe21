"""The ladder of scale: is a block more or less critical, the more images a network has seen? (not in the paper)

On CIFAR-10, networks of three blocks, student-teacher, frozen and thawed, with four numbers of training images. Each
rung is an edition of its own, such as "small+images=1000"; the edition's own number of images is a rung too.
"""

from pathlib import Path

import pandas as pd

from netpress import editions, papers
from netpress.papers.triage import BLOCK_NAMES, CONSTANT, REGIMES, tidy
from netpress.papers.triage.figures import compressed, named
from netpress.report.estimates import Estimate, interval
from netpress.report.figures import Encoding, Figure, Words, lines, nothing
from netpress.report.sentences import listed, over_seeds, plain
from netpress.report.sentences import runs as runs_text
from netpress.report.tables import number
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


def climbed(edition: str) -> bool:
    """Whether an edition has a ladder: it uses CIFAR-10, and nothing of it was changed."""
    return papers.uses("triage", edition, DATASET) and not editions.parse(edition)[1]


def runs_of(edition: str, images: int | None) -> tuple[Run, ...]:
    """The runs of a rung. Of the edition itself, fresh seeds are shown once all of them are there."""
    own = rung(edition, images)
    runs = papers.shown("triage", edition) if own == edition else papers.grid("triage", own, (DATASET,), SEEDS)
    return tuple(run for run in runs if belongs(run))


def belongs(run: Run) -> bool:
    """Whether a run is one of a rung, or its parent."""
    facts = dict(run.factors)
    kept = not facts or (facts["block"] in BLOCKS and facts["initialisation"] == BEGIN)
    return kept and run.dataset == DATASET and run.seed in SEEDS and facts.get("retraining") != CONSTANT


def frame(edition: str, results: Path | None = None) -> pd.DataFrame:
    """One row a finished compressed network: images, block, regime, seed, and `over_parent` in points."""
    found = []
    for images in IMAGES if climbed(edition) else ():
        runs = runs_of(edition, images)
        own = rung(edition, images)
        rows = compressed(named(tidy(records.frame(runs, own, results), results))) if runs else pd.DataFrame()
        if len(rows):
            rows = rows.assign(images=images or EVERY, over_parent=100 * rows["over_parent"])
            found.append(rows[["images", "block", "regime", "seed", "over_parent"]])
    columns = ["images", "block", "regime", "seed", "over_parent"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def figure_ladder(rungs: pd.DataFrame, edition: str) -> Figure:
    """Points against the parent over the number of training images, a line for each block, frozen and thawed apart."""
    alt = "Two panels, frozen and thawed: points against the parent over training images, one line for each block."
    caption = (
        "Points of best accuracy above the uncompressed parent that saw as many images, CIFAR-10, student-teacher; "
        f"{held(rungs, edition)}. Dashed: the parent."
    )
    words = Words(alt, caption, "training images", "points above the parent")
    if rungs.empty:
        return nothing(words)
    rows = rungs.assign(block=rungs["block"].map(BLOCK_NAMES), n=rungs["regime"].map(REGIMES.index))
    rows = rows.sort_values(["n", "block", "images"], kind="stable")
    encoding = Encoding(x="images", y="over_parent", series="block", panel="regime", shared=True)
    parents = rows[["regime", "seed"]].drop_duplicates().assign(over_parent=0.0)
    return lines(rows, encoding, words, parents)


def held(rungs: pd.DataFrame, edition: str) -> str:
    """What the figure's bars mean, or why there are none."""
    if not climbed(edition):
        return f"none in the edition {edition}"
    return over_seeds(rungs) if len(rungs) else "not run yet"


def change(rungs: pd.DataFrame, regime: str) -> tuple[Estimate, Estimate, Estimate] | None:
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


def conclusion(rungs: pd.DataFrame, edition: str) -> str:
    """What the ladder of an edition says of block 1, from records: its cost on every rung that was run, and from the
    fewest images to all: shrinks, grows, cannot be told, or not run yet."""
    if not climbed(edition):
        return f"The edition {edition} does not tell: its networks see one number of images."
    costs = [cost(rungs, regime) for regime in REGIMES]
    lines = [sentence(regime, found) for regime in REGIMES if (found := change(rungs, regime)) and found[2].n]
    return " ".join(filter(None, [*costs, *(lines or [waiting(rungs)])]))


def waiting(rungs: pd.DataFrame) -> str:
    """At which end of the ladder networks with block 1 replaced lack, frozen or thawed, of any seed."""
    rows = rungs[rungs["block"] == SUBJECT].dropna(subset=["over_parent"])
    counts = rows.groupby("images").size()
    lacking = [f"{images:,}" for images in (IMAGES[0], EVERY) if counts.get(images, 0) < len(SEEDS) * len(REGIMES)]
    return (
        "Whether criticality shrinks or grows with data is open: networks with block 1 replaced are not all run yet "
        f"with {' and '.join(lacking)} images."
    )


def cost(rungs: pd.DataFrame, regime: str) -> str:
    """What block 1 costs on every rung that was run: "Frozen, block 1 costs 7.8 ± 2.0 points with 1,000 images ..."."""
    rows = rungs[(rungs["block"] == SUBJECT) & (rungs["regime"] == regime)]
    found = {images: interval(-part["over_parent"]) for images, part in rows.groupby("images")}
    if not found:
        return ""
    words = [f"{plain(value)} with {images:,}" for images, value in found.items()]
    n = runs_text(*found.values())
    return f"{regime.capitalize()}, block 1 costs, in points by number of training images: {listed(words)} ({n})."


def sentence(regime: str, found: tuple[Estimate, Estimate, Estimate]) -> str:
    """One regime's part of the conclusion."""
    few, many, less = found
    ends = f"from {IMAGES[0]:,} to {EVERY:,} images (it costs {number(few.mean)} points, then {number(many.mean)})"
    runs = "one seed, so no interval" if less.n == 1 else f"n = {less.n}"
    if less.low is None or less.high is None or less.low <= 0 <= less.high:
        width = "" if less.half is None else f" ± {number(less.half)}"
        return (
            f"{regime.capitalize()}, it cannot be told whether criticality of block 1 changes {ends}: "
            f"{number(-less.mean, sign=True)}{width} points ({runs})."
        )
    word = "shrinks" if less.mean > 0 else "grows"
    by = f"{number(abs(less.mean))} ± {number(less.half or 0.0)} points ({runs})"
    return f"{regime.capitalize()}, criticality of block 1 {word} with data, by {by} {ends}."
