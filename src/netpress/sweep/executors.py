"""What is handed out and what comes back, and the plainest executor: this process."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

from netpress import paths
from netpress.runs.run import Run, fingerprint
from netpress.training.stage import Stage


@dataclass(frozen=True)
class Job:
    """A run to do. `remake`: only its weights are missing. `mark`: of the record that was there when it was planned."""

    run: Run
    remake: bool = False
    mark: str | None = None

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
class Died:
    """The process that did a run is gone. `blame`: perhaps through the run itself; a machine went down otherwise."""

    reason: str
    blame: bool = True


@dataclass(frozen=True)
class Lacks:
    """A run could not begin: the weights with this fingerprint are missing or damaged."""

    fingerprint: str


End = Finished | Died | Lacks
Tell = Callable[[Run, Any], None]  # a run, and its perform.Progress


class Executor(Protocol):
    """Does runs. Used as a context, which ends all that is under way. `slots`: how many it takes at a time;
    `one_shelf`: whether those who do runs see each other's weights, and so wait for a shared beginning themselves."""

    @property
    def slots(self) -> int: ...

    one_shelf: bool

    def start(self, job: Job) -> None:
        """Take a job."""

    def ended(self, timeout: float) -> list[tuple[Job, End]]:
        """What has ended, waiting so many seconds for the first. Raises CannotWrite."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: Any, error: Any, trace: Any, /) -> None: ...


class Here:
    """One run after the other in this process, with one thread, as worker processes have."""

    slots, one_shelf = 1, True

    def __init__(self, tell: Tell):
        from netpress.training.threads import single

        self.tell, self.bench = tell, new_bench()
        self.done: list[tuple[Job, End]] = []
        self.threads = single()

    def __enter__(self) -> Self:
        self.threads.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.threads.__exit__(None, None, None)

    def start(self, job: Job) -> None:
        """Do it now."""
        self.done.append((job, end_of(job.run, self.bench, lambda progress: self.tell(job.run, progress))))

    def ended(self, timeout: float) -> list[tuple[Job, End]]:
        """What has ended since the last call."""
        if not self.done:
            time.sleep(timeout)
        done, self.done = self.done, []
        return done


def new_bench(share: float = 1.0) -> Any:
    """The bench of a process that has this share of the machine; the cache folder is everybody's."""
    from netpress.runs.weights import Shelf
    from netpress.runs.workspace import Bench
    from netpress.training import compute

    return Bench(compute.choose(share), Shelf(), paths.checkpoints_dir())


def end_of(run: Run, bench: Any, tell: Callable[[Any], None]) -> End:
    """Do one run."""
    from netpress.runs.perform import perform
    from netpress.runs.weights import MissingWeights

    try:
        return Finished(perform(run, bench, tell))
    except MissingWeights as error:
        return Lacks(error.fingerprint)


def default_workers() -> int:
    """One per core on a CPU, one on a GPU."""
    from netpress.training import compute

    if compute.best_device() != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
