"""SIGINT and SIGTERM: stop soon, with what was reached on disk."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import Any, NoReturn

PATIENCE = 3.5  # seconds from the signal to the end, whatever hangs


class Interrupted(KeyboardInterrupt):
    """The process was asked to end. What it has reached is on disk, so it may end at once."""

    def __init__(self, number: int):
        self.number = number
        super().__init__(f"stopped by {signal.Signals(number).name}")

    @property
    def code(self) -> int:
        """The exit status that shells expect: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.number

    def end(self) -> NoReturn:
        """End the process now."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.code)


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, the first SIGINT or SIGTERM raises `Interrupted`, and later ones are ignored.

    If the process has not ended `PATIENCE` seconds later, it is ended. For the main thread of a process that shall end.
    """
    timers: list[Timer] = []

    def stop(number: int, frame: object) -> None:
        for other in before:
            signal.signal(other, lambda *_: None)  # not SIG_IGN: one may be on its way already
        timer = Timer(PATIENCE, os._exit, [128 + number])
        timer.daemon = True
        timer.start()
        timers.append(timer)
        raise Interrupted(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def end_children() -> None:
    """End every process that this one has started, and those that they have started, and remove their folders.

    Kernels are in groups of their own, which Ctrl-C does not reach. For a process that is about to end itself.
    """
    try:
        import psutil
    except ModuleNotFoundError:  # it comes with the book's tools: without them there are no kernels
        return
    from netpress import paths
    from netpress.atomic import remove_abandoned, remove_own

    for _ in range(3):  # one may just have started another
        found = [one for one in psutil.Process().children(recursive=True) if not is_tracker(one)]
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        if not found:
            break
        psutil.wait_procs(found, timeout=0.5)
    remove_own()
    for place in {Path(tempfile.gettempdir()), paths.short_folder()}:
        remove_abandoned(place)


def is_tracker(process: Any) -> bool:
    """Whether a process is the one that cleans up after others: it ends by itself, and complains if it is killed."""
    try:
        return "resource_tracker" in " ".join(process.cmdline())
    except Exception:  # it is gone
        return True
