"""What a paper is: the one object by which everything that goes over all papers knows it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netpress.runs.run import Run

if TYPE_CHECKING:
    import pandas as pd

    from netpress.report.claims import Claim

# Factor -> a value, several values of which any will do, or a predicate of it
Where = Mapping[str, object]
Kind = dict[str, Any]  # the same, to be joined with `|`

# Approaches: what a reader chooses between. A paper may have others of its own.
UNCOMPRESSED = "uncompressed"
BLOCK, PYRAMID, DIRECT, SMALL = "one block replaced", "pyramid", "straight from VGG19", "small from the start"
PRUNED, SHARED, INTEGERS, DISTILLED = "pruned", "weights shared", "8-bit integers", "distilled"


def as_in_code(run: Run) -> str:
    """A run's network and method, as the code has them."""
    return f"{run.model} {run.method}"


@dataclass(frozen=True)
class Paper:
    """A paper that is rerun.

    `key` is the name of its package under netpress.papers; `grid` gives its runs for an edition and seeds, needs first;
    `tidy` adds the paper's own columns to the frame of runs (runs.records.frame). `approaches`: approach -> the runs
    that stand for it. No run stands for two; one that stands for none is a step on the way or repeats another.
    `called`: what the network of a run is called where those of all papers stand side by side: another name for each
    that stands for an approach.
    """

    key: str
    title: str
    authors: str
    year: int
    grid: Callable[[str, tuple[int, ...]], tuple[Run, ...]]
    tidy: "Callable[[pd.DataFrame, Path | None], pd.DataFrame]"
    approaches: Mapping[str, tuple[Where, ...]]
    called: Callable[[Run], str] = as_in_code

    @property
    def claims(self) -> "Sequence[Claim]":
        """CLAIMS of the package's claims.py, which is imported now: it needs pandas."""
        return import_module(f"netpress.papers.{self.key}.claims").CLAIMS

    def approach(self, run: Run) -> str:
        """The approach by which a run's network was made small; "" where it stands for none."""
        facts = facts_of(run)
        found = (name for name, wheres in self.approaches.items() if any(meets(facts, where) for where in wheres))
        return next(found, "")


def facts_of(run: Run) -> dict[str, Any]:
    """The factors of a run, and its network and method."""
    return {"model": run.model, "method": run.method, **dict(run.factors)}


def meets(facts: Mapping[str, object], where: Where) -> bool:
    """Whether facts meet every condition; a fact that is missing meets none."""
    return all(name in facts and _is(facts[name], wanted) for name, wanted in where.items())


def _is(value: object, wanted: object) -> bool:
    if callable(wanted):
        return bool(wanted(value))
    return value in wanted if isinstance(wanted, tuple | list) else bool(value == wanted)
