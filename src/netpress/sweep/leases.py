"""Leases: a file `<label>.lease` beside the record says which sweep does a run now, and how far it is.

A lease names its owner and has a count that a thread raises every two seconds. An owner on this machine is dead as soon
as its process is gone. An owner on another machine counts as dead when the count stands still for eight seconds.
Whoever takes a lease, a dead owner's too, holds the folder's lock meanwhile, so that two never take the same one.
"""

import json
import os
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from netpress.atomic import explained
from netpress.runs import records
from netpress.runs.run import Run

if TYPE_CHECKING:
    from netpress.runs.perform import Progress

BEAT = 2.0  # seconds between two signs of life
PATIENCE = 8.0  # seconds without one after which an owner on another machine counts as dead

Lease = dict[str, Any]


def path_of(run: Run, edition: str, results: Path) -> Path:
    """Beside the record."""
    return records.path_of(run, edition, results).with_suffix(".lease")


def read(path: Path) -> Lease | None:
    """The lease in a file; None where there is none, or none that can be read."""
    with suppress(OSError, ValueError, RecursionError, records.Unusable):
        lease = json.loads(records.content_of(path))
        kinds = {"host": str, "pid": int, "started": str, "beat": int}
        if isinstance(lease, dict) and all(isinstance(lease.get(key), kind) for key, kind in kinds.items()):
            return lease
    return None


@cache
def host() -> str:
    """This machine; containers that share its name but not its processes are others."""
    with suppress(OSError):
        return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"
    return socket.gethostname()


def started(pid: int) -> str | None:
    """When a process was started, in the system's own unit; None if it is gone, "" if the system does not say."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        return None if state in "ZX" else fields[18]
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""


def is_here(lease: Lease) -> bool:
    """Whether the owner's process can be looked up from here."""
    return lease["host"] == host() and bool(started(os.getpid()))


def is_alive_here(lease: Lease) -> bool:
    """Whether the owner's process runs on this machine: that number, and started at that time."""
    return started(lease["pid"]) == lease["started"]


def is_alive(path: Path, lease: Lease) -> bool:
    """Whether an owner seems alive, without waiting: elsewhere the file must have changed in the last half minute."""
    if is_here(lease):
        return is_alive_here(lease)
    with suppress(OSError):
        return time.time() - path.stat().st_mtime < 30
    return False


class Leases:
    """The leases of one sweep. Used as a context manager: gives signs of life, and at the end releases all."""

    def __init__(self, edition: str, results: Path):
        self.edition, self.results = edition, results
        pid, now = os.getpid(), datetime.now(UTC).isoformat(timespec="seconds")
        self.owner = {"host": host(), "pid": pid, "started": started(pid), "token": secrets.token_hex(8), "time": now}
        self.mine: dict[Run, Lease] = {}
        self.seen: dict[Path, tuple[Any, float]] = {}  # the last sign of life of others, and when we saw it
        self.guard, self.over = Lock(), Event()
        self.thread = Thread(target=self.beat, daemon=True)
        folder = results / edition
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(folder / ".leases.lock")

    def __enter__(self) -> "Leases":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
        for run in list(self.mine):
            self.release(run)

    def path(self, run: Run) -> Path:
        """Where the lease on a run lies."""
        return path_of(run, self.edition, self.results)

    def take(self, run: Run) -> bool:
        """Take a run; False where a living owner has it."""
        path = self.path(run)
        if self.holder(path):
            return False
        with explained(path), self.lock:
            if self.holder(path):
                return False
            lease = self.owner | {"beat": 0}
            write(path, lease)
        with self.guard:
            self.mine[run] = lease
        return True

    def holder(self, path: Path) -> Lease | None:
        """The lease of another living owner on a run."""
        lease = read(path)
        if lease is None:
            return None
        return lease if (is_alive_here(lease) if is_here(lease) else self.beats(path, lease)) else None

    def beats(self, path: Path, lease: Lease) -> bool:
        """Whether an owner elsewhere has given a sign of life in the last seconds, by our clock."""
        sign, now = (lease.get("token"), lease["beat"]), time.monotonic()
        if path not in self.seen or self.seen[path][0] != sign:
            self.seen[path] = sign, now
        return now - self.seen[path][1] < PATIENCE

    def is_mine(self, run: Run) -> bool:
        """Whether the lease is still ours: a sweep that was stopped for a while may have lost it."""
        lease = read(self.path(run))
        return lease is not None and lease.get("token") == self.owner["token"]

    def tell(self, run: Run, progress: "Progress") -> None:
        """Say how far a run is, with the next sign of life."""
        with self.guard:
            if run in self.mine:
                self.mine[run] |= asdict(progress)

    def release(self, run: Run) -> None:
        """Let go of a run: its record is written, or it is not done now."""
        with self.guard:
            self.mine.pop(run, None)
        if self.is_mine(run):
            with suppress(OSError):  # read-only by now: whoever is told so reads of the record, and we are dead soon
                self.path(run).unlink(missing_ok=True)

    def beat(self) -> None:
        """Sign of life on every lease, again and again."""
        while not self.over.wait(BEAT):
            with self.guard:
                for run, lease in self.mine.items():
                    lease["beat"] += 1
                    with suppress(OSError):  # a full disk is told where something is lost by it
                        if self.is_mine(run):
                            write(self.path(run), lease)


def write(path: Path, lease: Lease) -> None:
    """Write a lease, whole or not at all, without waiting for the disk: no lease outlives a crash of the machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        temporary.write_bytes(json.dumps(lease).encode())
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
