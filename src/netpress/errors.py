"""What users are told: an exception for wrong input, a sentence for what the machine says, and how a command ends."""

import difflib
import errno
import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import Any, NoReturn

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
OTHER_PLACE = "Choose a place that can be written to."
ADVICE = {
    errno.EACCES: "Change its permissions or choose another place.",
    errno.EPERM: "Change its permissions or choose another place.",
    errno.EROFS: OTHER_PLACE,
    errno.ENOTDIR: OTHER_PLACE,
    errno.ENOENT: "Make it, or choose another place.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EMFILE: "Let more files be open at once (`ulimit -n`), or use fewer workers.",
    errno.ENOLCK: "Its file system locks no files, as NFS does without its lock service: choose a folder on another.",
}
EXTRAS = {"ray": "cluster"}  # all other packages that may be missing belong to the extra `book`
PATIENCE = 3.5  # seconds from a signal to the end, whatever hangs


class UserError(Exception):
    """Wrong input, in one sentence: what was wrong, what was expected, what to do. Never shown with a traceback."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it: the sentence alone."""
        return [f"netpress: {self}"]


class CannotWrite(UserError):
    """The disk is full, or the system refuses a file. That is no fault of a run, so a sweep stops there."""


def known(word: str, words: Collection[str], what: str) -> str:
    """Return `word`. Raises UserError unless it is one of `words`, naming the nearest one, or all where none is."""
    if word in words:
        return word
    near = nearest(word, words)
    hint = f"did you mean {near!r}?" if near else f"choose one of {', '.join(words)}."
    raise UserError(f"Unknown {what} {word!r}: {hint}")


def nearest(word: str, words: Collection[str]) -> str:
    """The word that was probably meant; "" where none is like it."""
    return next(iter(difflib.get_close_matches(str(word), words, n=1)), "")


def refused(error: OSError, path: object = None, size: int = 0) -> str:
    """What the system refused, and what to do, in one or two sentences. `size`: bytes that were to be written."""
    named = error.filename if path is None else path
    if named is None:
        return f"The output cannot be written ({error.strerror or error}): send it elsewhere."
    name = os.fsdecode(named) if isinstance(named, bytes) else str(named)
    if error.errno in FULL:
        needed = f": {size:,} bytes are needed" if size else ""
        return f"No space to write {name}{needed}. Free some space and run again; what was there before is untouched."
    reason = f"Cannot use {name[:200]} ({error.strerror or error})"
    return f"{reason}: {ADVICE.get(error.errno or 0, 'Mend that, or choose another place.')}"


@contextmanager
def explained(path: Path, size: int = 0) -> Iterator[None]:
    """Raise CannotWrite, naming `path`, for any OSError inside."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(refused(error, path, size)) from error


def sentence_of(error: Exception) -> str | None:
    """What to tell a user of an error; None for a mistake of ours, which is shown with a traceback."""
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
        return refused(error)
    return "Memory ran out: use fewer workers, or smaller settings." if is_out_of_memory(error) else None


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on the device or on the host. While a step is captured it shows as another error."""
    found: BaseException | None = error
    while found:
        named = isinstance(found, MemoryError) or type(found).__name__ == "OutOfMemoryError"  # torch's, of a GPU
        if named or "can't allocate memory" in str(found):
            return True
        found = found.__cause__ or found.__context__
    return False


def plain(text: str) -> str:
    """A text from a file or a user, safe to print: control characters, escape codes among them, are written out."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def say(sentence: str) -> None:
    """Print one sentence on stderr."""
    with suppress(OSError):
        print(plain(f"netpress: {sentence}"), file=sys.stderr)


def run(command: Callable[[], Any]) -> NoReturn:
    """Do a command and end the process: 0 well, 1 a run failed, 2 wrong usage or surroundings, 130 Ctrl-C."""
    status: object = 0
    try:
        try:
            status = command() or 0
            sys.stdout.flush()
        except SystemExit as end:
            if isinstance(end.__context__, BrokenPipeError):  # typer makes this of it
                raise end.__context__ from None
            status = end.code
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
    sys.exit(status)  # type: ignore[arg-type]


def mute() -> None:
    """Throw away what was not printed: Python would try once more at its end."""
    with suppress(OSError, AttributeError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# --- SIGINT and SIGTERM: stop soon, with what was reached on disk


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
        timers.append(Timer(PATIENCE, os._exit, [128 + number]))
        timers[0].daemon = True
        timers[0].start()
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


@contextmanager
def stoppable(hint: str) -> Iterator[None]:
    """Inside, SIGINT and SIGTERM end the command within seconds, after every process that it has started.

    `hint`: what the user may do next, as the end of a sentence.
    """
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


def end_children() -> None:
    """End every process that this one has started, and those that they have started: kernels are in groups of their
    own, which Ctrl-C does not reach. For a process that is about to end itself."""
    try:
        import psutil
    except ModuleNotFoundError:  # it comes with the book's tools: without them there are no kernels
        return
    for _ in range(3):  # one may just have started another
        found = psutil.Process().children(recursive=True)
        for process in found:
            with suppress(psutil.Error):  # it is gone
                if "resource_tracker" not in " ".join(process.cmdline()):  # that one ends by itself, and complains
                    process.kill()
        psutil.wait_procs(found, timeout=0.5)
