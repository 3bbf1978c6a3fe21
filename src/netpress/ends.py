"""How a command ends: with what it printed, or with one sentence on stderr, and an exit status. Never a traceback for
what a user, a file or the machine did wrong."""

import errno
import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from netpress.errors import UserError
from netpress.words import plain

EXTRAS = {"ray": "cluster"}  # all other packages that may be missing belong to the extra `book`
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Closed:
    """Stands for standard output in a process that was started without one: writing to it is an error."""

    encoding, errors = "utf-8", "strict"

    def write(self, text: str) -> int:
        """Refuse."""
        raise OSError(errno.EBADF, "standard output is closed")

    def flush(self) -> None:
        """Nothing was written."""

    def isatty(self) -> bool:
        """Never."""
        return False

    def fileno(self) -> int:
        """There is none."""
        raise OSError(errno.EBADF, "standard output is closed")


def open_what_is_closed() -> None:
    """Give a process that was started with closed descriptors (`>&-`) something in their places.

    Else the next file that is opened becomes standard output.
    """
    missing = [number for number in (0, 1, 2) if not is_open(number)]
    for _ in missing:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115 - open as long as the process lives
    if sys.stdout is None:
        sys.stdout = Closed()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115


def is_open(number: int) -> bool:
    """Whether a file descriptor is in use."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def run(command: Callable[[], Any]) -> NoReturn:
    """Do a command and end the process: 0 well, 1 a run failed, 2 wrong usage or surroundings, 130 Ctrl-C."""
    open_what_is_closed()
    status = 0
    try:
        try:
            status = command() or 0
            sys.stdout.flush()
        except SystemExit as end:
            if isinstance(end.__context__, BrokenPipeError):  # typer makes this of it
                raise end.__context__ from None
            status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough
        status = 0
        mute()
    except KeyboardInterrupt as stopped:
        status = getattr(stopped, "code", 130)
        say(f"{stopped or 'stopped by SIGINT'}.")
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        status = getattr(error, "exit_code", 2)
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message(), file=sys.stderr)  # type: ignore[attr-defined]
        else:
            say(sentence)
        if isinstance(error, OSError):
            mute()
    gc.freeze()  # the end takes all of it anyway: to look through PyTorch's objects first takes up to a second
    sys.exit(status)


def say(sentence: str) -> None:
    """One sentence on stderr."""
    with suppress(OSError):
        print(plain(f"netpress: {sentence}"), file=sys.stderr)


def mute() -> None:
    """Throw away what was not printed: Python would try once more at its end."""
    with suppress(OSError, AttributeError, ValueError):
        number = os.open(os.devnull, os.O_WRONLY)
        os.dup2(number, sys.stdout.fileno())
        os.close(number)


def sentence_of(error: Exception) -> str | None:
    """What to tell a user of an error; None for a mistake of ours, which is told with a traceback."""
    if isinstance(error, UserError):
        return str(error)
    if hasattr(error, "format_message"):  # wrong usage, as typer tells it
        context = getattr(error, "ctx", None)
        hint = f" Try `{context.command_path} --help`." if context else ""
        return error.format_message() + hint
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("netpress"):
        package = error.name.split(".")[0]
        if package in sys.stdlib_module_names:
            return None
        extra = EXTRAS.get(package, "book")
        return f"This needs the package {package}: install it with `pip install 'netpress[{extra}]'`."
    if isinstance(error, OSError) and error.errno is not None:
        return sentence_of_system(error)
    return "Memory ran out: use fewer workers, or smaller settings." if isinstance(error, MemoryError) else None


def sentence_of_system(error: OSError) -> str:
    """What the system refused, and what to do."""
    reason = error.strerror or type(error).__name__
    if error.filename is None:
        return f"The output cannot be written ({reason}): send it elsewhere."
    advice = {
        errno.ENAMETOOLONG: "choose a shorter name",
        errno.EACCES: "change its permissions or choose another place",
        errno.EPERM: "change its permissions or choose another place",
        errno.EROFS: "choose a place that can be written to",
        errno.ENOENT: "make it, or choose another place",
    } | dict.fromkeys(FULL, "free some space")
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    return f"{name[:200]} cannot be used ({reason}): {advice.get(error.errno or 0, 'choose another place')}."


@contextmanager
def stoppable(hint: str) -> Iterator[None]:
    """Inside, SIGINT and SIGTERM end the command within seconds, after every process that it has started.

    `hint`: what the user may do next, as the end of a sentence.
    """
    from netpress.sweep.signals import Interrupted, end_children, interruptible

    try:
        with interruptible():
            try:
                yield
            except Interrupted:
                end_children()
                raise
    except Interrupted as stopped:
        say(f"{stopped}; {hint}.")
        stopped.end()
