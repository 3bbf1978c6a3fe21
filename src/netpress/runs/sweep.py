"""Sweeps: do whatever of a grid is missing, each run once, whoever else is at it; and how far that is.

A run waits for those it needs and is left out where one of them went wrong. While a sweep does a run it holds the lock
`<label>.lock` beside the record, which ends with its process, whatever happens to it; `<label>.now` says how far the
run is.
"""

import faulthandler
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from graphlib import TopologicalSorter
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol, Self

from filelock import FileLock, Timeout

from netpress import data, env
from netpress.compress.edits import Pretrained
from netpress.errors import PATIENCE, Interrupted, UserError, explained, interruptible, known, plain
from netpress.runs import cost, records
from netpress.runs.run import Run, fingerprint, with_needs
from netpress.training.stage import Stage

if TYPE_CHECKING:
    from netpress.runs.perform import Progress, Workspace
    from netpress.runs.store import WeightStore

TICK = 0.5  # seconds between two looks at what other sweeps do
TRIES = 3  # so often is a run begun whose process died
RETRIED = {
    "failed": ("failed", "out-of-memory", "diverged"),
    "out-of-memory": ("out-of-memory",),
    "diverged": ("diverged",),
}
STATES = ("done", "running", "missing", "failed", "diverged", "out-of-memory", "stale", "unreadable", "blocked")
BAD = ("failed", "diverged", "out-of-memory", "blocked")
NAMED = (*BAD, "unreadable")  # each run in one of them is named
# Networks at once on a GPU, from this width on. Seen on an H100 with 16 cores: networks of width 1/4 came to about
# 4,000 steps a second together, 10 at once as well as 28; without NVIDIA's MPS, 2 take turns
AT_WIDTH = ((1.0, 2), (0.5, 4), (0.0, 8))
IN_TURNS = 2
OWN, AT_FULL_WIDTH = 2**30, 6 * 2**30  # bytes of a process: CUDA itself, and a network at full width with its cache


@dataclass(frozen=True)
class Job:
    """A run to do, whose record belongs at `path`.

    `remake`: only its weights are missing. `before`: the status of its record, which is to be tried again.
    """

    run: Run
    path: Path
    remake: bool = False
    before: str = ""

    @cached_property
    def key(self) -> str:
        """The run's fingerprint."""
        return self.run.fingerprint

    @cached_property
    def beginnings(self) -> tuple[str, ...]:
        """What it has in common with other runs, by fingerprint."""
        steps = enumerate(self.run.steps, 1)
        return tuple(fingerprint(self.run, n) for n, step in steps if isinstance(step, Stage) and step.shared)

    def tell(self) -> "Callable[[Progress], None]":
        """A function that notes how far the run is, at most once a second."""
        before = float("-inf")

        def note(progress: "Progress") -> None:
            nonlocal before
            if time.monotonic() - before > 1:
                before = time.monotonic()
                with suppress(OSError):  # a full disk is told where something is lost by it
                    self.path.with_suffix(".now").write_text(json.dumps(asdict(progress)))

        return note


@dataclass(frozen=True)
class Died:
    """The process that did a run is gone. `blame`: perhaps because of the run; False if its machine went down."""

    reason: str
    blame: bool = True


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `earlier`: this sweep did not do it, but an earlier one or another at the same time did.

    `note`: what a user may want to know. `remade`: there is a record, only the weights were made again.
    """

    run: Run
    status: str
    reason: str = ""
    earlier: bool = False
    note: str = ""
    remade: bool = False

    @property
    def line(self) -> str:
        """One line that names the run and why it is not done."""
        reason = (self.reason.strip().splitlines() or ["no reason is known"])[-1]
        return plain(f"{self.run.name}: {self.status}: {reason}")


@dataclass
class Summary:
    """What a sweep did. `before`: how many runs were done already; `outcomes`: how all others ended."""

    before: int = 0
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failures(self) -> list[Outcome]:
        """Runs that did not end well. A diverged run is a result, but is named too."""
        return [outcome for outcome in self.outcomes if outcome.status != "done"]

    @property
    def done(self) -> int:
        """Runs that this sweep did."""
        return sum(o.status == "done" and not o.earlier and not o.remade for o in self.outcomes)

    @property
    def remade(self) -> int:
        """Runs that had a record, and whose weights this sweep made again."""
        return sum(outcome.status == "done" and outcome.remade for outcome in self.outcomes)

    @property
    def lines(self) -> list[str]:
        """The summary as text: a line for each run that is not done, then the counts."""
        elsewhere = sum(outcome.status == "done" and outcome.earlier for outcome in self.outcomes)
        others = f"{elsewhere} done by another sweep, " if elsewhere else ""
        others += f"weights of {self.remade} made again, " if self.remade else ""
        counts = f"{self.done} done now, {others}{self.before} done before, {len(self.failures)} not done."
        again = any(outcome.status in RETRIED["failed"] for outcome in self.failures)
        hint = " --retry failed does them again." if again else ""
        return [*(outcome.line for outcome in self.failures), counts + hint]


class Executor(Protocol):
    """Does runs. Used as a context manager, which at its end stops what is under way.

    `slots`: how many runs it takes at a time.
    """

    @property
    def slots(self) -> int: ...

    def start(self, job: Job) -> None:
        """Take a job."""

    def ended(self, timeout: float) -> list[tuple[Job, Any]]:
        """The jobs that have ended, each with its record's content, or why there is none
        (`Died`, `MissingWeights`); waits `timeout` seconds for the first. Raises CannotWrite."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: Any) -> None: ...


def ensure(
    runs: Sequence[Run],
    edition: str,
    results: Path | None = None,
    workers: int | None = None,
    retry: tuple[str, ...] = (),
    cluster: "Callable[[WeightStore], Executor] | None" = None,
) -> Summary:
    """Do what is missing of `runs` and of all that they need, with progress on stderr.

    Runs with a fresh record are not done again, unless their status is in `retry` ("failed": whatever did not end
    well). If only the weights of a needed run are missing, they are remade and its record stays. Runs that another
    sweep is doing are left to it, and waited for. `cluster`: makes an executor on other machines, as `ray.Remote`.
    Raises UserError if data are missing or damaged, CannotWrite if the disk is full.
    """
    results, runs = results or env.results_dir(), with_needs(runs)
    folder = records.folder_of(edition, results)
    env.check()
    if not env.checkout() and results == env.home() / "results":
        print(f"netpress: no checkout is here; records go to {results} (--results chooses another).", file=sys.stderr)
    for word in retry:
        known(word, tuple(RETRIED), "status to retry")
    if not cluster:  # there each machine has its own data and its own device
        for dataset in sorted({run.dataset for run in runs if not (folder / records.file_of(run)).exists()}):
            data.fetch(dataset)  # first, as fingerprints hold the data's checksum
    jobs, summary = planned(runs, folder, retry)
    if not jobs:
        return summary
    check([job.run for job in jobs], with_data=not cluster)
    from netpress.runs.store import WeightStore

    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    store = WeightStore()
    count = 0 if cluster else workers_for(workers, max(job.run.width for job in jobs), len(jobs))
    chosen: Executor = cluster(store) if cluster else Processes(count) if count > 1 else Here()
    with closing(Locks()) as locks, chosen as executor:
        schedule = Schedule([*to_remake(jobs, folder, store), *jobs], executor, locks, store, folder)
        return Summary(summary.before, [*summary.outcomes, *progress(schedule)])


def check(runs: Sequence[Run], with_data: bool) -> None:
    """Before any work: are data there, can each run be done, can published weights be had?

    Raises UserError.
    """
    for dataset in dict.fromkeys(run.dataset for run in runs if with_data):
        if not (found := data.available(dataset)):
            raise UserError(f"{dataset}: {found.reason}. Restore the data, or name their folder in NETPRESS_DATA.")
    for run in runs:
        images, largest = cost.images_of(run)[0], max((stage.batch_size for stage in run.stages), default=1)
        if images < largest:
            raise UserError(
                f"{run.name}: {images:,} training images are no whole batch of {largest:,}: "
                "a smaller batch or more images are needed."
            )
        try:
            cost.sizes_of(run)
        except (RuntimeError, ValueError, ArithmeticError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{run.name}: {run.model} cannot be built for {run.px} px at width {run.width:g} ({reason}): "
                "other values of px and width are needed."
            ) from None
    for step in dict.fromkeys(step for run in runs for step in run.steps):
        if isinstance(step, Pretrained):
            step.check()


def workers_for(asked: int | None, width: float, most: int) -> int:
    """How many runs go on at once, `most` at most: as many as were asked for, or one per core on a CPU, as many
    networks of this width as fill a CUDA GPU, one elsewhere. Raises UserError for a device that is not here."""
    from joblib import cpu_count

    from netpress.training import compute

    device = env.get("NETPRESS_DEVICE") or compute.best_device()
    compute.check_device(device)
    count = cpu_count() if device == "cpu" else 1
    if device.startswith("cuda") and not asked and most > 1:
        import torch

        mps = "CUDA_MPS_PIPE_DIRECTORY" in os.environ or Path("/tmp/nvidia-mps").exists()  # the user has started it
        at_once = next(number for least, number in AT_WIDTH if width >= least) if mps else IN_TURNS
        room = torch.cuda.get_device_properties(device).total_memory // (OWN + AT_FULL_WIDTH * min(width, 1.0))
        count = max(1, min(cpu_count(), at_once, int(room)))
    return min(asked or count, most)


def planned(runs: Iterable[Run], folder: Path, retry: tuple[str, ...] = ()) -> tuple[list[Job], Summary]:
    """The jobs to do, in order, and what is finished already."""
    again = {status for word in retry for status in RETRIED[word]}
    jobs, summary = [], Summary()
    for run in runs:
        path = folder / records.file_of(run)
        try:
            seen = records.of_run(records.load(path))
        except FileNotFoundError:
            jobs.append(Job(run, path))
            continue
        except records.Unusable as trouble:
            if trouble.remake:
                jobs.append(Job(run, path))
            else:  # whoever put it there may need it
                reason = f"{path} {trouble}: move it away and run again"
                summary.outcomes.append(Outcome(run, records.UNREADABLE, reason, earlier=True))
            continue
        if seen["fingerprint"] != run.fingerprint:
            jobs.append(Job(run, path))
        elif seen["status"] in again:
            jobs.append(Job(run, path, before=seen["status"]))
        elif seen["status"] == "done":
            summary.before += 1
        else:
            summary.outcomes.append(Outcome(run, seen["status"], seen.get("reason", ""), earlier=True))
    return jobs, summary


def to_remake(jobs: list[Job], folder: Path, store: "WeightStore") -> list[Job]:
    """Jobs for the done runs that `jobs` need and whose weights are gone or damaged; needs first."""
    found, seen = list[Job](), {job.run for job in jobs}

    def visit(run: Run) -> None:
        for _, need in run.needs:
            if need not in seen:
                seen.add(need)
                path = folder / records.file_of(need)
                if store.find(need.fingerprint) is None and records.state_at(path, need.fingerprint) == "done":
                    visit(need)
                    found.append(Job(need, path, remake=True))

    for job in jobs:
        visit(job.run)
    return found


class Locks:
    """The locks that a sweep holds, one for each run that it does now."""

    def __init__(self) -> None:
        self.held: dict[Path, FileLock] = {}

    def take(self, job: Job) -> bool:
        """Take the lock of a run; False where another sweep has it."""
        lock = FileLock(job.path.with_suffix(".lock"), timeout=0)
        with explained(job.path):
            job.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire()
            except Timeout:
                return False
        self.held[job.path] = lock
        return True

    def release(self, path: Path) -> None:
        """Let go of a run: its record is written, or it is not done now."""
        with suppress(OSError):  # read-only by now
            path.with_suffix(".now").unlink(missing_ok=True)
            path.with_suffix(".lock").unlink(missing_ok=True)  # whoever waits for this very file looks again
        self.held.pop(path).release()

    def close(self) -> None:
        """Let go of all."""
        for path in list(self.held):
            self.release(path)


class Schedule:
    """The jobs of one sweep on their way through an executor. `outcomes` yields how each ended, as they end."""

    def __init__(self, jobs: list[Job], executor: Executor, locks: Locks, store: "WeightStore", folder: Path):
        self.jobs = {job.key: job for job in jobs}
        self.executor, self.locks, self.store, self.folder = executor, locks, store, folder
        self.statuses: dict[str, str] = {}  # by fingerprint: of those that have ended
        self.tries: Counter[str] = Counter()

    def outcomes(self) -> Iterator[Outcome]:
        """Do everything."""
        graph, ready, under_way = self.graph(), list[Job](), 0
        while graph.is_active():
            ready += map(self.jobs.__getitem__, graph.get_ready())
            ended: list[Outcome] = []
            for job in list(ready):
                if under_way >= self.executor.slots:
                    break
                begun = self.begin(job)
                if begun:
                    ready.remove(job)
                if isinstance(begun, Outcome):
                    ended.append(begun)
                else:
                    under_way += begun
            for job, end in self.executor.ended(0 if ended else TICK):
                under_way -= 1
                if outcome := self.settle(job, end):
                    ended.append(outcome)
                else:
                    ready.insert(0, job)
            for outcome in ended:
                self.statuses[outcome.run.fingerprint] = outcome.status
                graph.done(outcome.run.fingerprint)
                yield outcome

    def graph(self) -> TopologicalSorter:
        """What each job waits for: what it needs, and the first of those that begin as it does."""
        graph, first = TopologicalSorter[str](), dict[str, str]()
        for key, job in self.jobs.items():
            needs = [need.fingerprint for _, need in job.run.needs if need.fingerprint in self.jobs]
            graph.add(key, *needs, *(first[beginning] for beginning in job.beginnings if beginning in first))
            first = dict.fromkeys(job.beginnings, key) | first
        graph.prepare()
        return graph

    def begin(self, job: Job) -> Outcome | bool:
        """Start a job. False while another sweep does it; its outcome where there is nothing to do."""
        for _, need in job.run.needs:
            place, key = self.folder / records.file_of(need), need.fingerprint
            status = self.statuses.get(key) or records.state_at(place, key)
            if status != "done":
                return Outcome(job.run, "blocked", f"needs {need.name}, which is {status}")
        if not self.locks.take(job):
            return False
        if done := self.done_meanwhile(job):
            self.locks.release(job.path)
            return done
        self.executor.start(job)
        return True

    def done_meanwhile(self, job: Job) -> Outcome | None:
        """The outcome of a job that another sweep has done since it was planned."""
        if job.remake:
            return Outcome(job.run, "done", earlier=True) if self.store.has(job.key) else None
        seen = records.read(job.path, records.of_run)
        if seen is None or seen["fingerprint"] != job.key or seen["status"] == job.before:
            return None
        return Outcome(job.run, seen["status"], seen.get("reason", ""), earlier=True)

    def settle(self, job: Job, end: Any) -> Outcome | None:
        """What came of a job that has ended; None where it is to be tried again."""
        if not isinstance(end, dict):
            self.locks.release(job.path)
            if not isinstance(end, Died):
                return Outcome(job.run, "blocked", str(end))
            self.tries[job.key] += end.blame
            return Outcome(job.run, "killed", end.reason) if self.tries[job.key] >= TRIES else None
        if not job.remake:
            records.write(job.run, self.folder.name, end, self.folder.parent)
        for left in env.checkpoints_dir().glob(f"{job.key}*.checkpoint"):
            with explained(left):
                left.unlink(missing_ok=True)
        self.locks.release(job.path)
        empty = ", ".join(end.get("empty_layers", []))
        note = f"no weight is left in {empty}: it answers the same whatever it sees" if empty else ""
        return Outcome(job.run, end["status"], end.get("reason", ""), note=note, remade=job.remake)


def progress(schedule: Schedule) -> Iterator[Outcome]:
    """The outcomes, with a bar on stderr that counts networks, tells the time left and names the last one."""
    from tqdm import tqdm

    with tqdm(total=len(schedule.jobs), unit="network", file=sys.stderr, smoothing=0, dynamic_ncols=True) as bar:
        for outcome in schedule.outcomes():
            bar.update()
            bar.set_postfix_str(f"{outcome.run.name} {outcome.status}")
            if outcome.status != "done":
                bar.write(outcome.line, sys.stderr)
            if outcome.note:
                bar.write(f"{outcome.run.name}: {outcome.note}", sys.stderr)
            yield outcome


# --- executors: this process, worker processes (and ray.py)


def do(job: Job, workspace: "Workspace", tell: "Callable[[Progress], None]") -> Any:
    """Do one run: its record's content, or MissingWeights."""
    from netpress.runs.perform import perform
    from netpress.runs.store import MissingWeights

    try:
        return perform(job.run, workspace, tell)
    except MissingWeights as error:
        return error


class Here:
    """One run after the other in this process, with one thread, as worker processes have."""

    slots = 1

    def __enter__(self) -> Self:
        from netpress.runs.perform import new_workspace
        from netpress.training.compute import one_thread

        self.workspace, self.threads, self.done = new_workspace(), one_thread(), list[tuple[Job, Any]]()
        self.threads.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.threads.__exit__(None, None, None)

    def start(self, job: Job) -> None:
        """Do it now."""
        self.done.append((job, do(job, self.workspace, job.tell())))

    def ended(self, timeout: float) -> list[tuple[Job, Any]]:
        """What has ended since the last call."""
        if not self.done:
            time.sleep(timeout)
        done, self.done = self.done, []
        return done


@dataclass
class Worker:
    """A process, our end of its pipe, and the job that it does now."""

    process: BaseProcess
    pipe: Connection
    job: Job | None = None


class Processes:
    """Up to `slots` worker processes of one thread each, which keep data and caches from one run to the next."""

    def __init__(self, slots: int):
        self.slots = slots
        self.workers: list[Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for worker in self.workers:
            if kind:  # it writes its checkpoint
                worker.process.terminate()
            worker.pipe.close()
        for worker in self.workers:
            worker.process.join(PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()

    def start(self, job: Job) -> None:
        """Give the job to a worker that has none."""
        worker = next((worker for worker in self.workers if worker.job is None), None)
        if not worker:
            context = get_context("spawn")
            vars(sys.modules["__main__"]).setdefault("__spec__", None)  # a kernel that was reset has lost it
            ours, theirs = context.Pipe()
            worker = Worker(context.Process(target=serve, args=(theirs, 1 / self.slots), daemon=True), ours)
            worker.process.start()
            theirs.close()
            self.workers.append(worker)
        worker.job = job
        with suppress(OSError):  # it died just now: `ended` tells
            worker.pipe.send(job)

    def ended(self, timeout: float) -> list[tuple[Job, Any]]:
        """What has ended. A pipe that breaks is a worker that died."""
        ready = connection.wait([worker.pipe for worker in self.workers], timeout)
        found: list[tuple[Job, Any]] = []
        for worker in [worker for worker in self.workers if worker.pipe in ready]:
            try:
                end = worker.pipe.recv()
            except (EOFError, OSError):
                self.workers.remove(worker)
                end = Died(last_words(worker.process))
            if isinstance(end, UserError):
                raise end
            if worker.job:
                found.append((worker.job, end))
            worker.job = None
        return found


def last_words(process: BaseProcess) -> str:
    """Why a worker died, as far as it can be known."""
    process.join(PATIENCE)
    code = process.exitcode
    how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with status {code}"
    hint = " (the system does so when memory runs out: fewer workers need less)" if code == -signal.SIGKILL else ""
    return f"the worker process {how}{hint}"


def serve(pipe: Connection, share: float) -> None:
    """The main function of a worker: do the runs that come through the pipe until it is closed."""
    try:
        with interruptible(), suppress(EOFError, BrokenPipeError):
            faulthandler.enable()
            Thread(target=end_with_parent, daemon=True).start()
            import torch

            from netpress.runs.perform import new_workspace

            torch.set_num_threads(1)  # as fast as two here, and the same bits for any number of workers
            workspace = new_workspace(share)
            while True:
                job = pipe.recv()
                try:
                    pipe.send(do(job, workspace, job.tell()))
                except UserError as error:
                    pipe.send(error)
    except Interrupted as interrupted:
        interrupted.end()


def end_with_parent() -> None:
    """End this worker when its sweep was killed, so that nobody does its run beside the next sweep."""
    parent = parent_process()
    if parent:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


# --- how far a sweep is: needs no torch


@dataclass(frozen=True)
class Survey:
    """The state of every run, the progress of those under way, and the reasons of those that are blocked."""

    states: dict[str, str]  # by the run's name
    running: list[dict[str, Any]]
    blocked: dict[str, str]

    @property
    def counts(self) -> dict[str, int]:
        """How many runs, in all and in each state."""
        found = Counter(self.states.values())
        return {"total": len(self.states)} | {state: found[state] for state in STATES}

    def as_json(self, **about: str) -> dict[str, Any]:
        """Counts, and a list each of what runs now and of what went wrong."""
        bad = [{"name": n, "state": s, "by": self.blocked.get(n)} for n, s in self.states.items() if s in NAMED]
        return about | self.counts | {"now": self.running, "not_done": bad}


def survey(runs: Sequence[Run], edition: str, results: Path | None = None) -> Survey:
    """Look at all runs, needs first."""
    folder, found = records.folder_of(edition, results), Survey({}, [], {})
    for run in runs:
        path = folder / records.file_of(run)
        state = records.state_at(path, run.fingerprint)
        bad = [need.name for _, need in run.needs if found.states.get(need.name) in BAD]
        if path.with_suffix(".lock").exists() and is_held(path.with_suffix(".lock")):
            state = "running"
            found.running.append({"name": run.name} | noted(path.with_suffix(".now")))
        elif bad and state in ("missing", "stale"):
            found.blocked[run.name] = f"needs {bad[0]}, which is {found.states[bad[0]]}"
            state = "blocked" if state == "missing" else state
        found.states[run.name] = state
    return found


def is_held(path: Path) -> bool:
    """Whether a living process holds a lock."""
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a folder that may only be read
        return False


def noted(path: Path) -> dict[str, Any]:
    """How far a run under way is, as its `Progress` says; nothing before its first epoch is over."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):  # there is none, or it is being written
        return {}
