"""The registry of papers, and one package per paper, read in the same stops.

PAPER, GRID, STAGES and RECORDS are in its `__init__.py`, then comes `claims.py`, then `figures.py` (one function per
published table or figure, named after it). The first needs neither torch nor pandas, so that a grid is listed at once;
the others are imported when they are needed. CONTRIBUTING.md says how a paper is added.
"""

import os
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from netpress import editions, env
from netpress.editions import FRESH
from netpress.errors import UserError, known
from netpress.papers.paper import Paper
from netpress.runs import records
from netpress.runs.run import Run, checksum

# The registry: one line a paper, its package, in the order of the book
PAPERS: tuple[str, ...] = (
    "triage",
    "pyramid",
    "compressing",
)

if TYPE_CHECKING:
    import pandas as pd

    from netpress.report.claims import Verdict


def get(paper: str) -> Paper:
    """A paper by its key; UserError for an unknown one."""
    known(paper, PAPERS, "paper")
    return import_module(f"netpress.papers.{paper}").PAPER


def grid(paper: str, edition: str, datasets: tuple[str, ...] = (), seeds: tuple[int, ...] = ()) -> tuple[Run, ...]:
    """All runs of a paper in an edition, needs first; of some data sets or seeds alone where these are given.

    Without `seeds` those of the edition: the pilot's and the fresh ones.

    Raises UserError for a data set that the paper does not use in this edition.
    """
    one = get(paper)
    chosen = editions.settings(edition, paper)
    for dataset in datasets:
        known(dataset, chosen.datasets, f"data set of {paper} in edition {edition}")
    planned = {dataset: seeds or editions.seeds(edition, paper, dataset) for dataset in chosen.datasets}
    every = tuple(sorted({seed for one in planned.values() for seed in one}))
    runs = one.grid(edition, every)
    return tuple(run for run in runs if (not datasets or run.dataset in datasets) and run.seed in planned[run.dataset])


def grids(names: Sequence[str], edition: str) -> tuple[Run, ...]:
    """All runs of some papers in an edition."""
    return tuple(run for name in names for run in grid(name, edition))


def check_changes(edition: str, grid: Callable[[str], tuple[Run, ...]]) -> None:
    """Raise UserError for a changed setting that does nothing: with another value the same runs come out.

    `grid`: all runs of an edition. One command may do a part of them, and the next one the rest.
    """
    base, changes = editions.parse(edition)
    found = {(run.name, run.fingerprint) for run in grid(edition)} if changes else set()
    for name, value in changes.items():
        others = changes | {name: editions.other(name, value)}
        other = grid("+".join([base, *(f"{key}={editions.shown(held)}" for key, held in others.items())]))
        if {(run.name, run.fingerprint) for run in other} == found:
            papers = ", ".join(dict.fromkeys(run.paper for run in other))
            raise UserError(
                f"The setting {name}={editions.shown(value)} changes no run of {papers}: leave it out, or see with "
                "`netpress editions` which settings a paper has."
            )


def uses(paper: str, edition: str, dataset: str) -> bool:
    """Whether a paper uses a data set in an edition."""
    return dataset in editions.settings(edition, paper).datasets


def using(datasets: tuple[str, ...], edition: str) -> tuple[str, ...]:
    """The papers that use any of the data sets in an edition; all where none is named.

    Raises UserError for a data set that no paper uses in this edition.
    """
    used = sorted({dataset for paper in PAPERS for dataset in editions.settings(edition, paper).datasets})
    for dataset in datasets:
        known(dataset, used, f"data set in edition {edition}")
    return tuple(p for p in PAPERS if not datasets or any(uses(p, edition, dataset) for dataset in datasets))


def judged(paper: str, edition: str, results: Path | None = None) -> tuple[tuple[Run, ...], bool]:
    """The runs that claims are judged on, and whether that is provisional.

    Those with fresh seeds, where the edition has any; until all of these have a result, those before them: what the
    rules say of runs that were known when they were stated is no decision.
    """
    runs, now = grid(paper, edition), shown(paper, edition, results)
    known = tuple(run for run in now if run.seed < FRESH)
    if known and len(now) < len(runs):  # fresh seeds are planned and not shown yet: some of their runs lack a result
        return known, True
    return tuple(run for run in runs if run.seed >= FRESH) or runs, False


def shown(paper: str, edition: str, results: Path | None = None) -> tuple[Run, ...]:
    """The runs that tables and figures show: all, once the last fresh one is there; the pilot's until then, so that
    nobody looks at fresh seeds before the number that was planned is reached."""
    found = states(paper, edition, results)
    pilot = tuple(run for run in found if run.seed < FRESH)
    return pilot if pilot and not set(found.values()) <= set(records.RESULTS) else tuple(found)


def states(paper: str, edition: str, results: Path | None = None) -> dict[Run, str]:
    """The state of every run of a paper, as in `netpress.runs.records.state`; looked at once in a process, until a
    record or the source of a data set changes."""
    return dict(_states_once(paper, edition, results, signature(paper, edition, results)))


def signature(paper: str, edition: str, results: Path | None = None) -> str:
    """Another one as soon as something changes that the states of a paper's runs depend on: a record, or from which
    source a data set would be loaded, which is a part of every fingerprint."""
    folder = os.environ.get("NETPRESS_DATA")
    sources = [checksum(dataset, folder) for dataset in editions.settings(edition, paper).datasets]
    return " ".join([records.signature((results or env.results_dir()) / edition / paper), *sources])


@lru_cache(maxsize=16)
def _states_once(paper: str, edition: str, results: Path | None, _key: str) -> tuple[tuple[Run, str], ...]:
    return tuple((run, records.state(run, edition, results)) for run in grid(paper, edition))


def matching(runs: tuple[Run, ...], pattern: str) -> tuple[Run, ...]:
    """The runs whose name, or a part of it, matches the glob; UserError where none does."""
    found = tuple(run for run in runs if fnmatchcase(run.name, pattern) or fnmatchcase(run.label, pattern))
    if not found:
        raise UserError(f"No run matches --only {pattern!r}: see their names with `netpress plan`.")
    return found


def frame(runs: tuple[Run, ...], edition: str, results: Path | None = None) -> "pd.DataFrame":
    """One row a run of one paper, with the paper's own columns."""
    return get(runs[0].paper).tidy(records.frame(runs, edition, results), results)


def verdicts(paper: str, edition: str, results: Path | None = None) -> "list[Verdict]":
    """Every claim of a paper, judged on `judged` runs; once, until a record or the source of a data set changes."""
    return list(_judged_once(paper, edition, results, signature(paper, edition, results)))


@lru_cache(maxsize=16)
def _judged_once(paper: str, edition: str, results: Path | None, _key: str) -> "tuple[Verdict, ...]":
    runs, provisional = judged(paper, edition, results)
    return tuple(verdicts_on(runs, edition, results, provisional))


def verdicts_on(
    runs: tuple[Run, ...], edition: str, results: Path | None = None, provisional: bool = False
) -> "list[Verdict]":
    """Every claim of a paper, judged on some runs of it."""
    from netpress.report.claims import judge_all

    return judge_all(get(runs[0].paper).claims, frame(runs, edition, results), provisional)
