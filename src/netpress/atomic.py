"""Write a whole file or nothing."""

import contextlib
import errno
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from netpress.errors import UserError


class CannotWrite(UserError):
    """The disk is full, or may not be written to. That is no fault of a run, so a sweep stops there."""


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system can open a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _explain(path: Path, size: int, error: OSError) -> CannotWrite:
    if error.errno in FULL:
        return CannotWrite(
            f"No space to write {path}: {size:,} bytes are needed. "
            "Free some space and run again; what was there before is untouched."
        )
    return CannotWrite(
        f"Cannot write {path} ({error.strerror or error}): a folder that can be written to is needed. "
        "Change its permissions or choose another folder."
    )


@contextlib.contextmanager
def explained(path: Path, size: int = 4096) -> Iterator[None]:
    """Inside, an OSError becomes a CannotWrite that names the path and the bytes needed."""
    try:
        yield
    except OSError as error:
        raise _explain(path, size, error) from error


def write_atomic(path: str | os.PathLike[str], content: bytes) -> None:
    """Put `content` at `path` so that a reader sees the old file or the new one, never a part.

    Missing folders are made. A temporary file in the same folder is written, synced and renamed; if anything
    goes wrong it is removed and the old file stays as it was.

    Raises CannotWrite, a UserError, with the path and the bytes needed when the disk is full, or when writing is
    not allowed.
    """
    target = Path(path)
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        with explained(target, len(content)):
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_synced(temporary, content)
            temporary.replace(target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


@contextlib.contextmanager
def temporary_file(folder: Path) -> Iterator[None]:
    """Check that a folder can be written to: inside, a file lies in it. A missing folder is made.

    Raises CannotWrite.
    """
    path = folder / f".{secrets.token_hex(8)}.tmp"
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        path.touch()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def set_aside(path: Path) -> None:
    """Rename a damaged file to `<name>.corrupt`, so that nothing reads it again and somebody may look at it."""
    with contextlib.suppress(OSError):  # another process was faster, or the folder is read-only
        path.replace(path.with_name(path.name + ".corrupt"))


def sweep_away(folder: Path, older: float = 3600.0) -> None:
    """Remove temporary files that processes killed in mid-write have left in a folder, once they are an hour old."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > older:
                path.unlink()


PREFIX, HELD = "netpress-", "held"  # of temporary folders, and the lock in each of them
_own: dict[Path, tuple[int, FileLock]] = {}  # those that are in use: the process that made each, and its lock


@contextlib.contextmanager
def temporary_folder(within: Path | None = None) -> Iterator[Path]:
    """A temporary folder, removed at the end; those that killed processes have left are removed first.

    Its maker holds a lock in it, which ends with the process, whatever happens to it.
    """
    place = within or Path(tempfile.gettempdir())
    remove_abandoned(place)
    with explained(place):
        folder, lock = _held(place)
    _own[folder] = os.getpid(), lock
    try:
        yield folder
    finally:
        _remove(folder)


def remove_own() -> None:
    """Remove the temporary folders of this process, which is about to end in the midst of using them."""
    for folder, (process, _) in list(_own.items()):
        if process == os.getpid():  # not those of the process that this one was forked from
            _remove(folder)


def _remove(folder: Path) -> None:
    _, lock = _own.pop(folder, (0, None))  # a process that ends may be about to remove it too
    if lock:
        lock.release()
    shutil.rmtree(folder, ignore_errors=True)


def _held(place: Path) -> tuple[Path, FileLock]:
    """A new folder and its lock. Whoever looks for abandoned ones may take it for one until the lock is held: then
    another is made."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        lock = FileLock(folder / HELD)
        try:
            lock.acquire()
        except FileNotFoundError:
            if place.is_dir():
                continue
            raise
        if (folder / HELD).exists():
            folder.chmod(0o700)  # a lock makes the folder that it lacks, which others may read
            return folder, lock
        lock.release()


def remove_abandoned(place: Path) -> None:
    """Remove the temporary folders whose makers are gone."""
    for folder in place.glob(f"{PREFIX}*"):
        held = folder / HELD
        with contextlib.suppress(OSError, Timeout):  # another user's, or in use
            if held.is_file() and not held.is_symlink():
                with FileLock(held, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)
