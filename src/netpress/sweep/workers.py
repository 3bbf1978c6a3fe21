"""Runs in worker processes of one thread each, which keep data and caches from one run to the next."""

import contextlib
import faulthandler
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Self

from netpress import limits, surroundings
from netpress.atomic import temporary_folder
from netpress.errors import UserError
from netpress.sweep import gpu
from netpress.sweep.executors import end_of
from netpress.sweep.jobs import End, Job, Tell, WorkerDied
from netpress.sweep.signals import PATIENCE, Interrupted, interruptible

if TYPE_CHECKING:
    from netpress.runs.perform import Progress
    from netpress.runs.workspace import Workspace

WRITING = 60.0  # seconds that a worker without work may take for its last weights


@dataclass
class Worker:
    """A process, our end of its pipe, the file for its last words, and the job that it does now."""

    process: BaseProcess
    pipe: Connection
    log: Path
    job: Job | None = None


def default_workers(width: float = 1.0) -> int:
    """One per core that this process may use on a CPU; on a CUDA GPU as many as networks of this width fill it; one
    elsewhere. The device is that of `NETPRESS_DEVICE` where it is set."""
    kind = device().split(":")[0]
    if kind == "cuda":
        return gpu.at_once(width)
    return limits.cores() if kind == "cpu" else 1


def device() -> str:
    """Where runs of this machine are done."""
    from netpress.training import compute

    return surroundings.device() or compute.best_device()


@contextlib.contextmanager
def slots(asked: int | None, width: float, most: int) -> Iterator[int]:
    """Inside, so many runs may go on at once: as many as were asked for, or what suits device and width; `most` at
    most."""
    chosen = device()
    if chosen.startswith("cuda"):
        with gpu.shared(chosen, asked, width, most) as count:
            yield count
    else:
        yield min(asked or default_workers(width), most)


class Processes:
    """Up to `slots` worker processes, started when there is work for them."""

    one_store = True

    def __init__(self, slots: int, tell: Tell):
        self.slots, self.tell = slots, tell
        self.workers: list[Worker] = []
        self.kept = contextlib.ExitStack()
        self.logs = self.kept.enter_context(temporary_folder())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        stop(self.workers, patiently=kind is None)
        self.kept.close()

    def start(self, job: Job) -> None:
        """Give the job to a worker that has none."""
        worker = next((worker for worker in self.workers if worker.job is None), None) or self.hired()
        worker.job = job
        with contextlib.suppress(OSError):  # it died just now: `ended` tells
            worker.pipe.send(job)

    def hired(self) -> Worker:
        """A new worker."""
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        log = self.logs / f"{len(list(self.logs.iterdir()))}.log"
        log.touch()
        process = context.Process(target=serve, args=(theirs, str(log), 1 / self.slots), daemon=True)
        process.start()
        theirs.close()
        self.workers.append(Worker(process, ours, log))
        return self.workers[-1]

    def ended(self, timeout: float) -> list[tuple[Job, End]]:
        """What has ended; tells of progress meanwhile."""
        ready = connection.wait([worker.pipe for worker in self.workers], timeout)
        found = []
        for worker in [worker for worker in self.workers if worker.pipe in ready]:
            job = worker.job
            for end in self.heard(worker):
                if job:
                    found.append((job, end))
                    worker.job = None
        return found

    def heard(self, worker: Worker) -> list[End]:
        """What a worker says: how far it is, or how its run ended. A pipe that breaks is a worker that died."""
        try:
            while worker.pipe.poll():
                message: Any = worker.pipe.recv()
                if isinstance(message, UserError):
                    raise message
                if isinstance(message, End):
                    return [message]
                if worker.job:
                    self.tell(worker.job.run, message)
        except (EOFError, OSError):
            self.workers.remove(worker)
            worker.process.join(PATIENCE)
            return [WorkerDied(last_words(worker))] if worker.job else []
        return []


def last_words(worker: Worker) -> str:
    """Why a worker died, as far as it can be known."""
    code = worker.process.exitcode
    how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with status {code}"
    hint = " (the system does so when memory runs out)" if code == -signal.SIGKILL else ""
    return f"{worker.log.read_text(errors='replace')[-1500:]}\nthe worker process {how}{hint}".strip()


def stop(workers: list[Worker], patiently: bool) -> None:
    """End all workers: those without work when they have written their last weights, others when they have written
    their checkpoint. Raises CannotWrite where weights could not be written."""
    troubles = []
    for worker in workers:
        if patiently:
            with contextlib.suppress(OSError):
                worker.pipe.send(None)
        else:
            worker.process.terminate()
            worker.pipe.close()
    for worker in workers:
        worker.process.join(WRITING if patiently else PATIENCE)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        if patiently:
            troubles += troubles_of(worker)
    if troubles:
        raise troubles[0]


def troubles_of(worker: Worker) -> list[UserError]:
    """What a worker that has ended said last."""
    found = []
    with contextlib.suppress(EOFError, OSError), worker.pipe:
        while worker.pipe.poll():
            message = worker.pipe.recv()
            found += [message] if isinstance(message, UserError) else []
    return found


def serve(pipe: Connection, log: str, share: float) -> None:
    """The main function of a worker: do the runs that come through the pipe until it is closed."""
    with contextlib.suppress(BrokenPipeError):
        try:
            with interruptible(), Path(log).open("w") as last:
                faulthandler.enable(last)
                Thread(target=end_with_parent, daemon=True).start()
                work(pipe, share)
        except Interrupted as interrupted:
            interrupted.end()


def work(pipe: Connection, share: float) -> None:
    """Do what comes, with one thread: as fast as two here, and the same bits for any number of workers."""
    import torch

    from netpress.runs.workspace import new_workspace

    torch.set_num_threads(1)
    workspace = new_workspace(share)

    def tell(progress: "Progress") -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: we are about to be ended
            pipe.send(progress)

    try:
        with contextlib.suppress(EOFError):
            while job := pipe.recv():
                try:
                    pipe.send(end_of(job, workspace, tell))
                except UserError as error:
                    pipe.send(error)
    finally:
        last_weights(pipe, workspace)


def last_weights(pipe: Connection, workspace: "Workspace") -> None:
    """Write what is still to be written, and tell if it cannot be."""
    try:
        workspace.store.wait()
    except UserError as error:
        with contextlib.suppress(OSError):
            pipe.send(error)


def end_with_parent() -> None:
    """End this worker when its sweep was killed, so that the next sweep finds the run free."""
    parent = parent_process()
    if parent:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
