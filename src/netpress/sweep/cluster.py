"""Runs on a Ray cluster: tasks on other machines, weights through the object store, records written by the driver.

No shared file system is needed. A run whose worker or node dies is begun again elsewhere; nothing else is lost, because
weights come back to the driver as soon as a run has ended. Ray is imported where it is used (extra `cluster`).
"""

import os
import signal
import socket
import tempfile
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from netpress import paths, surroundings
from netpress.errors import UserError
from netpress.sweep.executors import end_of
from netpress.sweep.jobs import End, Finished, Job, Tell, WorkerDied
from netpress.sweep.signals import Interrupted

if TYPE_CHECKING:
    from netpress.runs import perform
    from netpress.runs.perform import Progress
    from netpress.runs.weights import WeightStore
    from netpress.runs.workspace import Workspace

PATIENCE = 10  # seconds in which a cluster answers
SETTINGS = 4  # the first frame of HTTP/2, by its type
KEPT = 32  # weights of so many runs stay in the object store for runs that need them
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}

Files = dict[str, tuple[bytes, bytes]]  # what a store holds, by fingerprint: weights and the note beside them


@dataclass(frozen=True)
class Cluster:
    """Where Ray is: an address, or "local" for one on this machine with `cpus`; and how much of a GPU a run takes."""

    address: str
    gpus_per_run: float = 0.0
    cpus: int | None = None


class Remote:
    """Ray tasks. A task takes a core, and part of a GPU where `gpus_per_run` says so."""

    one_store = False

    def __init__(self, cluster: Cluster, tell: Tell, store: "WeightStore"):
        self.cluster, self.tell, self.store = cluster, tell, store
        self.jobs: dict[Any, Job] = {}  # by the reference to a task's result
        self.stored: OrderedDict[str, Any] = OrderedDict()

    def __enter__(self) -> Self:
        self.ray = connect(self.cluster)
        try:
            self.prepare()
        except Exception as error:
            self.ray.shutdown()
            raise error if isinstance(error, UserError) else absent(self.cluster.address, error) from None
        return self

    def prepare(self) -> None:
        """An actor for progress, and the task. Raises UserError where the cluster cannot do a single run."""
        self.check()
        here = self.ray.get_runtime_context().get_node_id()
        stay = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
        self.actor = self.ray.remote(ProgressActor).options(num_cpus=0, scheduling_strategy=stay).remote()
        self.asked = self.actor.take.remote()
        own = {"num_cpus": 1, "num_gpus": self.cluster.gpus_per_run, "max_retries": 0}
        self.task = self.ray.remote(run_there).options(**own, scheduling_strategy="SPREAD")

    def check(self) -> None:
        """Raise UserError where no machine of the cluster has what a run takes: Ray would wait for one for ever."""
        gpus = self.cluster.gpus_per_run
        if gpus > 1 and gpus != int(gpus):
            raise UserError(f"--gpus-per-run {gpus:g}: a part of one GPU, such as 0.5, or a whole number is expected.")
        nodes = [node["Resources"] for node in self.ray.nodes() if node.get("Alive")]
        if not any(node.get("GPU", 0) >= gpus and node.get("CPU", 0) >= 1 for node in nodes):
            most = max((node.get("GPU", 0) for node in nodes), default=0)
            raise UserError(
                f"--gpus-per-run {gpus:g}: no machine of {self.cluster.address!r} has a core and so many "
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
        gpus = self.cluster.gpus_per_run
        capacity = min(there.get("CPU", 0), there.get("GPU", 0) / gpus if gpus else float("inf"))
        return 2 * max(1, int(capacity))

    def start(self, job: Job) -> None:
        """Hand the run to Ray, with the weights that it needs."""
        wanted = [key for key in (*job.needs, *job.beginnings) if self.store.has(key)]
        there = [self.reference(key) for key in wanted]
        reference = self.task.remote(job, self.cluster.gpus_per_run, self.actor, wanted, *there)
        self.jobs[reference] = job

    def reference(self, key: str) -> Any:
        """Weights in the object store, put there from this machine, which outlives the others."""
        if key not in self.stored:
            self.stored[key] = self.ray.put(self.store.files(key))
        self.stored.move_to_end(key)
        if len(self.stored) > KEPT:
            self.stored.popitem(last=False)
        return self.stored[key]

    def ended(self, timeout: float) -> list[tuple[Job, End]]:
        """What has ended; tells of progress meanwhile."""
        self.listen()
        if not self.jobs:
            return []
        ready, _ = self.ray.wait(list(self.jobs), num_returns=1, timeout=timeout)
        return [(job, self.end(reference)) for reference in ready for job in [self.jobs.pop(reference)]]

    def end(self, reference: Any) -> End:
        """How a task ended; the weights that it made are put into the store here."""
        try:
            end, made = self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            if isinstance(cause := getattr(error, "cause", None), UserError):
                raise cause from None
            node = isinstance(error, self.ray.exceptions.NodeDiedError)
            return WorkerDied(f"on the cluster: {error}", blame=not node)
        for key, (weights, note) in made.items():
            self.store.put(key, weights, note)
        return end

    def listen(self) -> None:
        """Pass on how far the runs are."""
        done, _ = self.ray.wait([self.asked], timeout=0)
        if done:
            runs = {job.key: job.run for job in self.jobs.values()}
            with suppress(self.ray.exceptions.RayError):
                for key, progress in self.ray.get(self.asked).items():
                    if key in runs:
                        self.tell(runs[key], progress)
            self.asked = self.actor.take.remote()


class ProgressActor:
    """An actor on the driver's machine: workers report to it how far they are, the driver asks it."""

    def __init__(self) -> None:
        self.latest: dict[str, Progress] = {}

    def tell(self, key: str, progress: "Progress") -> None:
        """Report the progress of one run."""
        self.latest[key] = progress

    def take(self) -> "dict[str, Progress]":
        """All reports since the last call."""
        latest, self.latest = self.latest, {}
        return latest


def connect(cluster: Cluster) -> Any:
    """Ray, connected. Raises UserError where it is not installed or not there."""
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError:
        raise UserError("--ray needs Ray: install it with `pip install 'netpress[cluster]'`.") from None
    reachable(cluster.address)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
    try:
        if cluster.address == "local":
            ray.init("local", num_cpus=cluster.cpus, _temp_dir=own_folder(), **quiet)
        else:
            del quiet["include_dashboard"]
            ray.init(cluster.address, **quiet)
    except (Exception, SystemExit) as error:  # whatever Ray raises, of which it promises nothing
        with suppress(Exception):
            ray.shutdown()
        if isinstance(error, SystemExit) and error.code == signal.SIGTERM:  # what its own handler makes of it
            raise Interrupted(signal.SIGTERM) from None
        raise absent(cluster.address, error) from None
    finally:
        with suppress(ValueError):  # not the main thread
            for number, handler in before.items():  # Ray sets its own for SIGTERM
                signal.signal(number, handler)
    return ray


def own_folder() -> str | None:
    """A short folder for Ray's sockets, where TMPDIR is too long for them; None where Ray's own choice will do."""
    short = paths.short_folder()
    return None if str(short) == tempfile.gettempdir() else str(short / "ray")


def reachable(address: str) -> None:
    """Raise UserError at once where nobody listens, or something that is no Ray: Ray itself would wait for minutes."""
    host, colon, port = address.removeprefix("ray://").partition(":")
    if colon and not (host and port.isdecimal()):
        raise absent(address, ValueError("HOST:PORT is expected"))
    if not port:
        return
    try:
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as there:
            if os.environ.get("RAY_USE_TLS", "0") == "0" and not speaks_http2(there):
                raise ConnectionError("something else listens there")
    except (OSError, ValueError) as error:
        raise absent(address, error) from None


def speaks_http2(there: socket.socket) -> bool:
    """Whether whoever listens answers as a server of HTTP/2 does, which Ray's gRPC goes over (RFC 9113, 3.4)."""
    there.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, SETTINGS, 0, 0, 0, 0, 0)))
    answer = b""
    while len(answer) < 9 and (more := there.recv(9 - len(answer))):
        answer += more
    return len(answer) == 9 and answer[3] == SETTINGS


def absent(address: str, error: BaseException) -> UserError:
    """What to tell where there is no cluster."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return UserError(f"No Ray cluster at {address!r} ({reason}): start one with `ray start`, or use --ray local.")


def run_there(job: Job, gpus: float, actor: Any, keys: list[str], *weights: tuple[bytes, bytes]) -> tuple[End, Files]:
    """The task: do a run with these weights in the store; how it ended, and the weights that it made."""
    import torch

    from netpress.runs.weights import MemoryStore

    torch.set_num_threads(1)
    own = workspace(gpus)
    own.store = MemoryStore(dict(zip(keys, weights, strict=True)))
    end = end_of(job, own, telling(actor, job.key))
    points = own.checkpoints(job.run)
    if isinstance(end, Finished) and points:
        points.remove()
    return end, own.store.made


def telling(actor: Any, key: str) -> "perform.Tell":
    """A function that tells the actor how far a run is."""

    def tell(progress: "Progress") -> None:
        actor.tell.remote(key, progress)

    return tell


@cache
def workspace(gpus: float) -> "Workspace":
    """The workspace of this worker process, which Ray keeps for further tasks.

    It has checkpoints only where a folder for them is named, which may be one that all nodes see.
    """
    from netpress.runs.weights import MemoryStore
    from netpress.runs.workspace import Workspace
    from netpress.training import compute

    if not gpus:
        os.environ.setdefault("NETPRESS_DEVICE", "cpu")
    folder = paths.checkpoints_dir() if surroundings.value("NETPRESS_CACHE") else None
    return Workspace(compute.choose(min(1.0, gpus) or 1.0), MemoryStore({}), folder)
