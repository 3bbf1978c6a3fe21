"""Compressing Neural Nets (Rishikesh et al.): distillation with temperature, pruning, function matching.

Each of the three parts is a module with its own PAPER, GRID, STAGES and RECORDS; claims and figures are of the whole.

    netpress run compressing --edition small         432 networks of the pilot, 204 with fresh seeds: a day of one core
    netpress run compressing --edition demo          104 networks (digits), minutes on two CPU cores
"""

from pathlib import Path
from typing import TYPE_CHECKING

from netpress import editions
from netpress.papers.compressing import distillation, matching, pruning
from netpress.papers.paper import (
    DISTILLED,
    INTEGERS,
    PRUNED,
    SHARED,
    SMALL,
    UNCOMPRESSED,
    Paper,
)
from netpress.runs.run import Run

if TYPE_CHECKING:
    import pandas as pd

# PAPER ---------------------------------------------------------------------------------------------------------------

PARTS = (distillation, pruning, matching)


# GRID ----------------------------------------------------------------------------------------------------------------


def grid(edition: str, seeds: tuple[int, ...]) -> tuple[Run, ...]:
    """All runs of all parts, needs first."""
    chosen = editions.settings(edition, "compressing")
    return tuple(run for part in PARTS for run in part.runs(chosen, seeds))


# RECORDS -------------------------------------------------------------------------------------------------------------


FORMS = ("dense32", "sparse32", "shared", "shared+huffman", "int8")
TAKEN = ("agreement", "divergence", "train_accuracy", "int8_accuracy", "sparsity", *(f"bytes_{form}" for form in FORMS))
MEASURED = tuple(f"measures.{name}" for name in TAKEN)


def tidy(runs: "pd.DataFrame", results: Path | None = None) -> "pd.DataFrame":
    """The frame of runs with what each part varies (its COLUMNS, and role), and all of MEASURED.

    change: see `pruning.change`; overfit: accuracy on the training images less that on the test images, where it was
    measured; over_alone: accuracy less that of the same student from labels alone, for as long; ratio and bits are
    missing where there are none.
    """
    numbers = ("temperature", "alpha", "length", "ratio", "bits")
    columns = ("role", *(name for part in PARTS for name in part.COLUMNS))
    runs = runs.reindex(columns=list(dict.fromkeys([*runs.columns, *columns, *MEASURED])))
    empty = {name: False if name == "squared" else "" for name in columns if name not in numbers}
    words = {name: runs[name].astype("object").fillna(value) for name, value in empty.items()}
    counts = {name: runs[name].astype("float64").replace(0.0, float("nan")) for name in ("ratio", "bits")}
    runs = runs.assign(**words, **counts)
    parents = runs["model"].isin(pruning.NETWORKS) & (runs["role"] == "parent")
    runs = runs.assign(ratio=runs["ratio"].mask(parents, 1.0))
    keys = ["dataset", "model", "seed", "length"]
    alone = runs[runs["way"] == "alone"].drop_duplicates(keys).set_index(keys)["last"].rename("alone")
    last = runs["last"].astype("float64")
    return runs.assign(
        change=pruning.change(runs),
        overfit=runs["measures.train_accuracy"].astype("float64") - last,
        over_alone=last - runs.join(alone, on=keys)["alone"].astype("float64"),
    )


NETWORKS = {"six-layer": "six layers", "vgg16": "VGG16", "cnn-16-32": "CNN 16-32", "cnn-256-512": "CNN 256-512"}


def called(run: Run) -> str:
    """ "VGG16 pruned 5x, global", "six layers pruned 5x, 3 bits", "CNN 16-32 distilled, T = 4, alpha = 0.9"."""
    facts = dict(run.factors)
    network, role = NETWORKS.get(run.model, run.model), facts.get("role")
    if role == "distilled":
        squared = ", T squared" if facts["squared"] else ""
        return f"{network} distilled, T = {facts['temperature']:g}, alpha = {facts['alpha']:g}{squared}"
    if role == "pruned":
        return f"{network} pruned {facts['ratio']}x, {facts['how']}"
    if role == "shared":
        base = "" if facts["base"] == "dense" else f" pruned {facts['base']}"
        return f"{network}{base}, {facts['bits']} bits"
    if role == "narrow":
        return f"{network} narrow {facts['ratio']}x, {facts['finish']}"
    return network if role in ("parent", "teacher") else f"{network} {run.method}"


# THE PAPER, as the registry has it ------------------------------------------------------------------------------------

PAPER = Paper(
    key="compressing", title="Compressing Neural Nets", authors="Rishikesh and others", year=2022, grid=grid, tidy=tidy,
    approaches={
        UNCOMPRESSED: ({"role": "parent"}, distillation.TEACHES),
        SMALL: (distillation.ALONE, {"role": "narrow", "finish": "alone"}),
        PRUNED: ({"role": "pruned", "finish": "retrained", "ratio": lambda ratio: ratio > 1},),
        SHARED: ({"role": "shared", "finish": "tuned"},),
        INTEGERS: (),  # no runs of their own: measured on some of the above
        DISTILLED: ({"role": "distilled"}, {"role": "narrow", "finish": "distilled"}),
    },
    called=called,
)  # fmt: skip
