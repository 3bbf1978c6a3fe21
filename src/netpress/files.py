"""Files: written whole or not at all, locked, sealed by their SHA-256."""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from netpress.errors import explained

SEAL = hashlib.sha256().digest_size


def write_atomic(path: str | os.PathLike[str], content: bytes) -> None:
    """Put `content` at `path` so that a reader sees the old file or the new one, never a part.

    Missing folders are made. Raises CannotWrite, with the path and the bytes needed, when the disk is full or writing
    is not allowed; the old file stays then as it was.
    """
    target = Path(path)
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        with explained(target, len(content)):
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def temporary_file(folder: Path) -> Iterator[None]:
    """Check that `folder` can be written to: inside, a file lies in it. Makes the folder. Raises CannotWrite."""
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


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_of_files(files: Iterable[Path], root: Path) -> str:
    """SHA-256, in hexadecimal, of the contents of `files` and of their paths from `root` on, in whatever order."""
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(os.fsencode(file.relative_to(root)) + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def digest_of_folder(root: Path, endings: tuple[str, ...] | None = None) -> str:
    """The same of all files below `root`, or of those alone whose names end like this."""
    found = (file for file in root.rglob("*") if file.is_file())
    return digest_of_files((file for file in found if endings is None or file.suffix in endings), root)


def seal(body: bytes) -> bytes:
    """Append the SHA-256 of `body`."""
    return body + hashlib.sha256(body).digest()


def read_sealed(path: Path) -> bytes | None:
    """The body of a sealed file; None where there is none. A damaged one is set aside as `.corrupt`."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    body = content[:-SEAL]
    if hashlib.sha256(body).digest() == content[-SEAL:]:
        return body
    set_aside(path)
    return None
