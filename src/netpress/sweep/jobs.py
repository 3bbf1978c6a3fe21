"""What is handed to an executor, and what comes back."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from netpress.runs.run import Run, fingerprint
from netpress.training.stage import Stage

if TYPE_CHECKING:
    from netpress.runs.perform import Progress


@dataclass(frozen=True)
class Job:
    """A run to do. `remake`: only its weights are missing. `digest`: that of the record at the time of planning.

    `awaited`: another run of the sweep needs its weights, so it has ended only when they are written.
    """

    run: Run
    remake: bool = False
    digest: str | None = None
    awaited: bool = False

    @cached_property
    def key(self) -> str:
        """The run's fingerprint."""
        return self.run.fingerprint

    @cached_property
    def needs(self) -> frozenset[str]:
        """The fingerprints of the runs whose weights it begins from or is taught by."""
        return frozenset(need.fingerprint for _, need in self.run.needs)

    @cached_property
    def beginnings(self) -> frozenset[str]:
        """What it has in common with other runs, by fingerprint."""
        steps = enumerate(self.run.steps, 1)
        return frozenset(fingerprint(self.run, n) for n, step in steps if isinstance(step, Stage) and step.shared)


@dataclass(frozen=True)
class Finished:
    """A run came to its end, good or bad: the content of its record."""

    content: dict[str, Any]


@dataclass(frozen=True)
class WorkerDied:
    """The process that did a run is gone. `blame`: perhaps because of the run; False if its machine went down."""

    reason: str
    blame: bool = True


@dataclass(frozen=True)
class MissingInput:
    """A run could not begin: the weights with this fingerprint are missing or damaged."""

    fingerprint: str


End = Finished | WorkerDied | MissingInput
Tell = Callable[[Run, "Progress"], None]
