"""One package per paper, read in the same stops.

PAPER, GRID, STAGES and RECORDS are in its `__init__.py`, then comes `claims.py`, then `figures.py` (one function per
published table or figure, named after it). The first needs neither torch nor pandas, so that a grid is listed at once.
"""

from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from netpress import editions
from netpress.editions import PAPERS
from netpress.errors import UserError
from netpress.runs import records
from netpress.runs.run import Run

if TYPE_CHECKING:
    import pandas as pd

    from netpress.report.claims import Verdict


def module(paper: str) -> ModuleType:
    """The module of a paper; UserError for an unknown one."""
    editions.known(paper, PAPERS, "paper")
    return import_module(f"netpress.papers.{paper}")


def grid(
    paper: str, edition: str, datasets: tuple[str, ...] = (), seeds: tuple[int, ...] = ()
) -> tuple[Run, ...]:
    """All runs of a paper in an edition, needs first; of some data sets or seeds alone where these are given.

    Raises UserError for a data set that the paper does not use in this edition.
    """
    chosen = editions.settings(edition, paper)
    for dataset in datasets:
        editions.known(dataset, chosen.datasets, f"data set of {paper} in edition {edition}")
    runs = module(paper).grid(edition, seeds or tuple(range(chosen.seeds)))
    return tuple(run for run in runs if not datasets or run.dataset in datasets)


def matching(runs: tuple[Run, ...], pattern: str) -> tuple[Run, ...]:
    """The runs whose name, or a part of it, matches the glob; UserError where none does."""
    found = tuple(run for run in runs if fnmatchcase(run.name, pattern) or fnmatchcase(run.label, pattern))
    if not found:
        raise UserError(f"No run matches --only {pattern!r}: see their names with `netpress plan`.")
    return found


def runs_frame(paper: str, edition: str, results: Path | None = None) -> "pd.DataFrame":
    """One row a run that has a fresh record, with the paper's own columns."""
    return module(paper).tidy(records.frame(grid(paper, edition), edition, results))


def verdicts(paper: str, edition: str, results: Path | None = None) -> "list[Verdict]":
    """Every claim of a paper, judged on the fresh records of an edition."""
    from netpress.report.claims import judge_all

    claims = import_module(f"netpress.papers.{paper}.claims").CLAIMS
    history = records.history(grid(paper, edition), edition, results)
    return judge_all(claims, runs_frame(paper, edition, results), history)
