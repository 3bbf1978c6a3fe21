"""Kernels that begin warm: forked from a process that has imported what chapters use, which takes longer than most
chapters do."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import connection, get_context, parent_process, resource_tracker, util
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Empty
from threading import Lock, RLock, Thread
from typing import Any, cast

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Type

from netpress import paths
from netpress.atomic import temporary_folder
from netpress.surroundings import changed

SAME = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}  # of every kernel, so that a page comes out the same
PATIENCE = 60.0  # seconds for a kernel to begin or to end

_begun = False


def begin() -> None:
    """Have the kernels of this process begin warm, where the system can fork, and import what for meanwhile."""
    global _begun
    if _begun or sys.platform == "win32":
        return
    from multiprocessing import forkserver  # where there is one

    get_context("forkserver").set_forkserver_preload(["netpress.book.warmed"])
    resource_tracker.ensure_running()  # else the server begins it, and with it lets SIGINT through again
    kept = contextlib.ExitStack()
    before = tempfile.tempdir
    tempfile.tempdir = str(kept.enter_context(temporary_folder(paths.short_folder())))  # a socket is made there
    util.Finalize(None, kept.close, exitpriority=-200)  # after multiprocessing has removed its own folder in it
    try:
        with changed(SAME), held_back(signal.SIGINT):
            forkserver.ensure_running()
    finally:
        tempfile.tempdir = before
    _begun = True


@contextlib.contextmanager
def held_back(number: signal.Signals) -> Iterator[None]:
    """Processes that begin inside do not get a signal, such as the SIGINT that a terminal sends to all: the one that
    began them ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def options() -> dict[str, Any]:
    """What papermill is told so that kernels begin warm; nothing where they do not."""
    return {"kernel_manager_class": WarmManager} if _begun else {}


class Forked:
    """A forked process with the methods of a `subprocess.Popen` that a provisioner uses.

    Several threads have one each, and `multiprocessing` looks at all of them whenever another one begins: hence a lock.
    """

    stdin = stdout = stderr = None
    _lock = Lock()

    def __init__(self, process: BaseProcess):
        with self._lock:
            process.start()
        self.process = process
        self.pid = process.pid

    def poll(self) -> int | None:
        """The exit status; None while the process runs."""
        with self._lock:
            return self.process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        """The same, once the process has ended."""
        connection.wait([self.process.sentinel], timeout)
        return self.poll()

    def send_signal(self, number: int) -> None:
        """A signal for the process; nothing where it has ended."""
        if self.pid and self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process."""
        self.send_signal(signal.SIGKILL)


class WarmProvisioner(LocalProvisioner):
    """Starts a kernel by forking."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """As its base class, which executes `cmd`."""
        folder = str(kwargs.get("cwd") or Path.cwd())
        process = get_context("forkserver").Process(target=kernel, args=(cmd[cmd.index("-f") :], kwargs["env"], folder))
        self.process = cast(Any, Forked(process))
        self.pid = self.pgid = process.pid
        return self.connection_info

    async def kill(self, restart: bool = False) -> None:
        """As its base class, and until the kernel has ended: whoever asked would look for that ten times a second."""
        await super().kill(restart)
        if self.process:
            await asyncio.to_thread(self.process.wait, PATIENCE)


class WarmClient(AsyncKernelClient):
    """Talks to one such kernel."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """As its base class, which then listens for another fifth of a second for what nobody waits for."""
        end = time.monotonic() + (timeout or PATIENCE)
        while time.monotonic() < end and await self.is_alive():
            self.kernel_info()
            with contextlib.suppress(Empty):
                await self.get_shell_msg(timeout=1)
                await self.get_iopub_msg(timeout=0.2)  # else it is not connected yet
                return
        raise RuntimeError("The kernel did not answer.")


class WarmManager(AsyncKernelManager):
    """Manages one such kernel."""

    client_factory = Type(WarmClient)

    async def start_kernel(self, **kwargs: Any) -> None:  # type: ignore[override]  # its base class says so too
        """Start it."""
        self.provisioner = WarmProvisioner(kernel_spec=self.kernel_spec, parent=self)
        await super().start_kernel(**kwargs)


def kernel(arguments: list[str], environment: dict[str, str], folder: str) -> None:
    """What the forked process does: it leads a group of its own, as kernels do, and ends when its parent has."""
    from ipykernel.kernelapp import IPKernelApp
    from tqdm import tqdm

    Thread(target=end_with_parent, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # which interrupts a cell
    tqdm.set_lock(RLock())  # its own is the system's, and a kernel that is killed would leave it behind
    os.setsid()
    os.environ.clear()
    os.environ.update(environment | {"JPY_PARENT_PID": str(os.getppid())})
    os.chdir(folder)
    sys.argv = [sys.argv[0], *arguments]
    IPKernelApp.launch_instance(argv=arguments)


def end_with_parent() -> None:
    """End this process as soon as the one that asked for it has ended, however that came: the server lives on as long
    as one of its processes does, and a kernel by itself would wait for the server."""
    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)
