"""Runs on a Ray cluster: tasks on other machines, weights through the object store, records written by the driver.

No shared file system is needed. A run whose worker or node dies is begun again elsewhere; nothing else is lost, because
weights come back to the driver as soon as a run has ended. Ray is imported where it is used (extra `cluster`).
"""

import os
import signal
import socket
import tempfile
import time
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from netpress import env
from netpress.errors import Interrupted, UserError
from netpress.runs.sweep import Died, Job, do

if TYPE_CHECKING:
    from netpress.runs.perform import Workspace
    from netpress.runs.store import WeightStore

PATIENCE = 10  # seconds in which a cluster answers
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}

Files = dict[str, tuple[bytes, bytes]]  # what a store holds, by fingerprint: weights and the note beside them


class Remote:
    """Ray tasks, at `address`, or "local" for a cluster on this machine with `cpus` cores.

    A task takes a core, and part of a GPU where `gpus_per_run` says so.
    """

    def __init__(self, store: "WeightStore", address: str, gpus_per_run: float = 0.0, cpus: int | None = None):
        self.store, self.address, self.gpus, self.cpus = store, address, gpus_per_run, cpus
        self.jobs: dict[Any, Job] = {}  # by the reference to a task's result
        self.stored: dict[str, Any] = {}  # weights in the object store, by fingerprint

    def __enter__(self) -> Self:
        self.ray = connect(self.address, self.cpus)
        try:
            self.check()
        except UserError:
            self.ray.shutdown()
            raise
        own = {"num_cpus": 1, "num_gpus": self.gpus, "max_retries": 0}
        self.task = self.ray.remote(run_there).options(**own, scheduling_strategy="SPREAD")
        return self

    def check(self) -> None:
        """Raise UserError where no machine of the cluster has what a run takes: Ray would wait for one for ever."""
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise UserError(
                f"--gpus-per-run {self.gpus:g}: a part of one GPU, such as 0.5, or a whole number is expected."
            )
        nodes = [node["Resources"] for node in self.ray.nodes() if node.get("Alive")]
        if not any(node.get("GPU", 0) >= self.gpus and node.get("CPU", 0) >= 1 for node in nodes):
            most = max((node.get("GPU", 0) for node in nodes), default=0)
            raise UserError(
                f"--gpus-per-run {self.gpus:g}: no machine of {self.address!r} has a core and so many "
                f"GPUs (the most is {most:g}): ask for less."
            )

    def __exit__(self, *_: object) -> None:
        for reference in self.jobs:
            self.ray.cancel(reference, force=True)
        self.ray.shutdown()

    @property
    def slots(self) -> int:
        """Twice what the cluster can do at a time, so that no core waits for the driver."""
        there = self.ray.cluster_resources()
        capacity = min(there.get("CPU", 0), there.get("GPU", 0) / self.gpus if self.gpus else float("inf"))
        return 2 * max(1, int(capacity))

    def start(self, job: Job) -> None:
        """Hand the run to Ray, with the weights that it needs."""
        needs = [need.fingerprint for _, need in job.run.needs]
        wanted = [key for key in (*needs, *job.beginnings) if self.store.has(key)]
        for key in wanted:  # from this machine, which outlives the others
            if key not in self.stored:
                self.stored[key] = self.ray.put(self.store.files(key))
        self.jobs[self.task.remote(job, self.gpus, wanted, *(self.stored[key] for key in wanted))] = job

    def ended(self, timeout: float) -> list[tuple[Job, Any]]:
        """What has ended."""
        if not self.jobs:
            time.sleep(timeout)
            return []
        ready, _ = self.ray.wait(list(self.jobs), num_returns=1, timeout=timeout)
        return [(self.jobs.pop(reference), self.end(reference)) for reference in ready]

    def end(self, reference: Any) -> Any:
        """How a task ended; the weights that it made are put into the store here."""
        try:
            end, made = self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            if isinstance(cause := getattr(error, "cause", None), UserError):
                raise cause from None
            node = isinstance(error, self.ray.exceptions.NodeDiedError)
            return Died(f"on the cluster: {error}", blame=not node)
        for key, (weights, note) in made.items():
            self.store.put(key, weights, note)
        return end


def connect(address: str, cpus: int | None = None) -> Any:
    """Ray, connected. Raises UserError where it is not installed or not there."""
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    try:
        import ray
    except ImportError:
        raise UserError("--ray needs Ray: install it with `pip install 'netpress[cluster]'`.") from None
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        short = env.short_folder()  # TMPDIR may be too long for Ray's sockets
        folder = None if str(short) == tempfile.gettempdir() else str(short / "ray")
        options |= {"num_cpus": cpus, "_temp_dir": folder, "include_dashboard": False}
    try:
        reachable(address)
        ray.init(address, **options)
    except (Exception, SystemExit) as error:  # whatever Ray raises, of which it promises nothing
        with suppress(Exception):
            ray.shutdown()
        if isinstance(error, SystemExit) and error.code == signal.SIGTERM:  # what its own handler makes of it
            raise Interrupted(signal.SIGTERM) from None
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if address == "local":
            raise UserError(
                f"Ray does not start on this machine ({reason}): try again when it is less busy, or use --workers."
            ) from None
        raise UserError(
            f"No Ray cluster at {address!r} ({reason}): start one with `ray start`, or use --ray local."
        ) from None
    finally:
        with suppress(ValueError):  # not the main thread
            for number, handler in before.items():  # Ray sets its own for SIGTERM
                signal.signal(number, handler)
    return ray


def reachable(address: str) -> None:
    """Raise ValueError or OSError at once where nobody listens: Ray itself would wait for minutes."""
    host, colon, port = address.removeprefix("ray://").partition(":")
    if colon and not (host and port.isdecimal() and int(port) < 2**16):
        raise ValueError("HOST:PORT is expected")
    if port:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()


def run_there(job: Job, gpus: float, keys: list[str], *weights: tuple[bytes, bytes]) -> tuple[Any, Files]:
    """The task: do a run with these weights in the store; how it ended, and the weights that it made."""
    import torch

    from netpress.runs.store import MemoryStore

    torch.set_num_threads(1)
    own = workspace(gpus)
    own.store = store = MemoryStore(dict(zip(keys, weights, strict=True)))
    end = do(job, own, lambda progress: None)
    if isinstance(end, dict) and own.checkpoints:
        (own.checkpoints / f"{job.key}.checkpoint").unlink(missing_ok=True)
    return end, store.made


@cache
def workspace(gpus: float) -> "Workspace":
    """The workspace of this worker process, which Ray keeps for further tasks.

    It has checkpoints only where a folder for them is named, which may be one that all nodes see.
    """
    from netpress.runs.perform import Workspace
    from netpress.runs.store import MemoryStore
    from netpress.training import compute

    if not gpus:
        os.environ.setdefault("NETPRESS_DEVICE", "cpu")
    folder = env.checkpoints_dir() if env.get("NETPRESS_CACHE") else None
    return Workspace(compute.choose(min(1.0, gpus) or 1.0), MemoryStore({}), folder)
