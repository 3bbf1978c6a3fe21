"""Which run is done next: a run waits for those it needs, and is left out if one of them went wrong or if another sweep
does it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netpress import paths
from netpress.atomic import explained
from netpress.runs import records
from netpress.runs.run import Run
from netpress.sweep.executors import Executor
from netpress.sweep.jobs import End, Finished, Job, MissingInput, WorkerDied
from netpress.sweep.leases import Leases
from netpress.words import plain

if TYPE_CHECKING:
    from netpress.runs.weights import WeightStore

TICK = 0.5  # seconds between two looks at what other sweeps do
TRIES = 3  # so often is a run begun whose process died or whose needs were damaged


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `earlier`: this sweep did not do it, but an earlier one or another at the same time did.

    `notes`: what a user may want to change. `remade`: there is a record, only the weights were made again.
    """

    run: Run
    status: str
    reason: str = ""
    best: float | None = None
    seconds: float = 0.0
    earlier: bool = False
    notes: tuple[str, ...] = ()
    remade: bool = False

    @property
    def line(self) -> str:
        """One line that names the run and why it is not done."""
        reason = (self.reason.strip().splitlines() or ["no reason is known"])[-1]
        return plain(f"{self.run.name}: {self.status}: {reason}")


class Schedule:
    """The jobs of one sweep on their way through an executor. `outcomes` yields how each ended, as they end."""

    def __init__(self, jobs: list[Job], executor: Executor, leases: Leases, store: "WeightStore"):
        self.waiting = {job.key: job for job in jobs}
        self.under_way: dict[str, Job] = {}
        self.executor, self.leases, self.store = executor, leases, store
        self.ended: dict[str, str] = {}
        self.tries: Counter[str] = Counter()

    @property
    def left(self) -> int:
        """How many have not ended."""
        return len(self.waiting) + len(self.under_way)

    def outcomes(self) -> Iterator[Outcome]:
        """Do everything."""
        while self.left:
            yield from self.hand_out()
            for job, end in self.executor.ended(TICK if self.left else 0):
                yield from self.settle(job, end)

    def hand_out(self) -> Iterator[Outcome]:
        """Start what can be started, in order; yields what turns out to be blocked or done by another sweep."""
        for job in self.in_order():
            if len(self.under_way) >= self.executor.slots:
                return
            if job.needs & self.waiting.keys() or job.needs & self.under_way.keys():
                continue
            if reason := self.blocked(job):
                yield self.leave(job, Outcome(job.run, "blocked", reason))
            elif not self.lacking(job) and self.leases.take(job.run):
                if outcome := self.done_elsewhere(job):
                    self.leases.release(job.run)
                    yield self.leave(job, outcome)
                else:
                    self.under_way[job.key] = self.waiting.pop(job.key)
                    self.executor.start(job)

    def in_order(self) -> Iterator[Job]:
        """The waiting jobs; those that share a beginning with a job under way come last, as they would wait for it."""
        jobs = list(self.waiting.values())
        later: list[Job] = []
        for job in jobs:
            if job.beginnings and any(job.beginnings & other.beginnings for other in self.under_way.values()):
                later.append(job)
            else:
                yield job
        if self.executor.one_store:
            yield from later

    def blocked(self, job: Job) -> str | None:
        """What keeps a job from being done: a needed run that did not end well."""
        for _, need in job.run.needs:
            key = need.fingerprint
            if self.ended.get(key) != "done":
                status = self.ended.get(key) or records.state(need, self.leases.edition, self.leases.results)
                if status != "done":
                    return f"needs {need.name}, which is {status}"
                self.ended[key] = status
        return None

    def lacking(self, job: Job) -> bool:
        """Whether weights of needed runs are missing; those are made again first."""
        lacking = [need for _, need in job.run.needs if not self.store.has(need.fingerprint)]
        self.remake(lacking)
        return bool(lacking)

    def remake(self, runs: list[Run]) -> None:
        """Put runs whose weights are missing before everything else."""
        jobs = [Job(run, remake=True, awaited=True) for run in runs if run.fingerprint not in self.under_way]
        self.waiting = {job.key: job for job in jobs} | self.waiting

    def done_elsewhere(self, job: Job) -> Outcome | None:
        """Whether another sweep has done the run since this one was planned."""
        if job.remake:
            return Outcome(job.run, "done", earlier=True) if self.store.has(job.key) else None
        path = records.path_of(job.run, self.leases.edition, self.leases.results)
        seen = records.header(path)
        if seen is None or seen.digest == job.digest or seen.fingerprint != job.key:
            return None
        record = records.read(path) or {}
        return Outcome(job.run, seen.status, record.get("reason", ""), record.get("best"), earlier=True)

    def leave(self, job: Job, outcome: Outcome) -> Outcome:
        """A job ends."""
        self.waiting.pop(job.key, None)
        self.ended[job.key] = outcome.status
        return outcome

    def settle(self, job: Job, end: End) -> Iterator[Outcome]:
        """A job came back from the executor."""
        del self.under_way[job.key]
        if not isinstance(end, Finished):
            self.tries[job.key] += not isinstance(end, WorkerDied) or end.blame
            if self.tries[job.key] < TRIES:
                self.again(job, end)
                return
            end = Finished(given_up(end))
        if not self.leases.is_mine(job.run):  # we were stopped for so long that another sweep has taken over
            self.waiting[job.key] = job
            return
        if not job.remake:
            records.write(job.run, self.leases.edition, end.content, self.leases.results)
        for left in paths.checkpoints_dir().glob(f"{job.key}.*.checkpoint"):
            with explained(left):
                left.unlink(missing_ok=True)
        self.leases.release(job.run)
        yield self.leave(job, outcome_of(job, end.content))

    def again(self, job: Job, end: End) -> None:
        """Try once more, before everything else; what it lacked comes first."""
        self.leases.release(job.run)
        self.waiting = {job.key: job} | self.waiting
        if isinstance(end, MissingInput):
            self.remake([need for _, need in job.run.needs if need.fingerprint == end.fingerprint])


def outcome_of(job: Job, content: dict[str, Any]) -> Outcome:
    """The outcome of a run that this sweep did, from the content of its record."""
    reason, best, seconds = content.get("reason", ""), content.get("best"), content["made"]["seconds"]
    return Outcome(job.run, content["status"], reason, best, seconds, notes=notes_on(content), remade=job.remake)


def notes_on(content: dict[str, Any]) -> tuple[str, ...]:
    """Layers that were pruned away; what did not fit into the caches and was computed again in every epoch: slower,
    with the same result."""
    empty = ", ".join(content.get("empty_layers", []))
    notes = (f"no weight is left in {empty}: it answers the same whatever it sees",) if empty else ()
    return notes + tuple(
        f"stage {stage['stage']}: {what} not cached: {why} (NETPRESS_CACHE_GB sets it)"
        for stage in content.get("stages", [])
        for what, why in stage.get("declined", {}).items()
    )


def given_up(end: End) -> dict[str, Any]:
    """The record of a run whose process died again and again."""
    from netpress.runs import machine
    from netpress.training import compute

    reason = end.reason if isinstance(end, WorkerDied) else "the weights of a needed run are damaged again and again"
    made = machine.made(compute.choose()) | {"seconds": 0.0}
    return {"status": "failed", "reason": machine.without_paths(reason), "peak_memory": 0, "made": made}
