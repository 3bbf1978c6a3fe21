"""What every executor of runs offers, and the simplest of them, which does them in this process."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from netpress import surroundings
from netpress.sweep.jobs import End, Finished, Job, MissingInput, Tell

if TYPE_CHECKING:
    from netpress.runs import perform
    from netpress.runs.workspace import Workspace


class Executor(Protocol):
    """Does runs. Used as a context manager, which at its end stops what is under way.

    `slots`: how many runs it takes at a time. `one_store`: whether its workers share one store of weights; then they
    wait for each other where runs share a beginning.
    """

    @property
    def slots(self) -> int: ...

    one_store: bool

    def start(self, job: Job) -> None:
        """Take a job."""

    def ended(self, timeout: float) -> list[tuple[Job, End]]:
        """The jobs that have ended; waits `timeout` seconds for the first. Raises CannotWrite."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Here:
    """One run after the other in this process, with one thread, as worker processes have."""

    slots, one_store = 1, True

    def __init__(self, tell: Tell):
        from netpress.runs.workspace import new_workspace
        from netpress.training.threads import single

        self.tell, self.workspace = tell, new_workspace()
        self.done: list[tuple[Job, End]] = []
        self.threads = single()

    def __enter__(self) -> Self:
        self.threads.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.threads.__exit__(None, None, None)
        self.workspace.store.wait()

    def start(self, job: Job) -> None:
        """Do it now."""
        self.done.append((job, end_of(job, self.workspace, lambda progress: self.tell(job.run, progress))))

    def ended(self, timeout: float) -> list[tuple[Job, End]]:
        """What has ended since the last call."""
        if not self.done:
            time.sleep(timeout)
        done, self.done = self.done, []
        return done


def end_of(job: Job, workspace: "Workspace", tell: "perform.Tell") -> End:
    """Do one run. Weights that another run waits for are on the disk afterwards; others are written while the next run
    trains, or not at all where `NETPRESS_WEIGHTS` is "needed"."""
    from netpress.runs.perform import perform
    from netpress.runs.weights import MissingWeights

    try:
        end = Finished(perform(job.run, workspace, tell, keep=job.awaited or keeps_all()))
        if job.awaited:
            workspace.store.wait()
        return end
    except MissingWeights as error:
        return MissingInput(error.fingerprint)


def keeps_all() -> bool:
    """Whether weights are kept that no run of the sweep needs (`NETPRESS_WEIGHTS`: all or needed)."""
    return surroundings.weights() == "all"
