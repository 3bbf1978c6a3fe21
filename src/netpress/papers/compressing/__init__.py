"""Compressing Neural Nets (Rishikesh et al.): distillation with temperature, pruning, function matching.

Each of the three parts is a module with its own PAPER, GRID, STAGES and RECORDS; claims and figures are of the whole.

    netpress run compressing --edition small         432 networks (3 seeds), hours on two CPU cores
    netpress run compressing --edition demo          104 networks (digits), minutes on two CPU cores
"""

from typing import TYPE_CHECKING

from netpress import editions
from netpress.papers.compressing import distillation, matching, pruning
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


def tidy(runs: "pd.DataFrame") -> "pd.DataFrame":
    """The frame of runs with the columns that each part reads off the method, and all of MEASURED.

    `overfit`: accuracy on the training images minus that on the test images, where it was measured.
    """
    runs = runs.reindex(columns=list(dict.fromkeys([*runs.columns, *MEASURED])))
    for part in PARTS:
        runs = runs.assign(**part.columns(runs))
    return runs.assign(overfit=runs["measures.train_accuracy"].astype("float64") - runs["last"].astype("float64"))
