"""Files of known content: checked before anything parses them, and downloaded where that is possible."""

import contextlib
import hashlib
import io
import socket
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock

from netpress.compat import import_torchvision
from netpress.errors import UserError

PATIENCE = 60.0  # seconds without a byte before a download is given up


@dataclass(frozen=True)
class File:
    """One file: path inside the data folder, digest as "sha256:..." or the publisher's "md5:...".

    `size` in bytes is None where only a digest is published; `url` is empty where nothing can be downloaded.
    `unpacked`: the file or folder that torchvision and people leave in its place, with the digest of a file; what is
    in a folder is checked by its decoder.
    """

    path: str
    digest: str
    size: int | None = None
    url: str = ""
    unpacked: str = ""
    unpacked_digest: str = ""

    def place(self, folder: Path) -> Path:
        """Where it lies in a folder: as it was published, else unpacked, else where it should be."""
        whole, loose = folder / self.path, folder / self.unpacked
        return loose if self.unpacked and not whole.exists() and loose.exists() else whole


def _what_to_do(file: File, path: Path) -> str:
    if file.url:
        return f"Put the original from {file.url} at {path}."
    return f"Put an unaltered copy at {path}, or set NETPRESS_DATA to a folder that holds {file.path}."


def _expected(file: File) -> str:
    algorithm, _, digest = file.digest.partition(":")
    size = f"{file.size:,} bytes with " if file.size is not None else "a file with "
    return f"{size}{algorithm.upper()} {digest}"


def check(file: File, handle: BinaryIO, path: Path) -> None:
    """Compare size and digest with what is known, and rewind. Raises UserError naming the file."""
    size = handle.seek(0, 2)
    handle.seek(0)
    if handle.read(512).lstrip()[:1] == b"<":
        raise UserError(f"{path} is a web page: expected {_expected(file)}. {_what_to_do(file, path)}")
    if file.size is not None and size != file.size:
        state = "cut short" if size < file.size else "too long"
        raise UserError(
            f"{path} is {state}: it has {size:,} bytes, expected {_expected(file)}. {_what_to_do(file, path)}"
        )
    handle.seek(0)
    algorithm, _, digest = file.digest.partition(":")
    found = hashlib.file_digest(handle, algorithm).hexdigest()  # type: ignore[arg-type]
    if found != digest:
        raise UserError(
            f"{path} is altered: its {algorithm.upper()} is {found}, expected {_expected(file)}. "
            f"{_what_to_do(file, path)}"
        )
    handle.seek(0)


@contextlib.contextmanager
def checked(folder: Path, files: tuple[File, ...]) -> Iterator[dict[str, BinaryIO]]:
    """Open files by their path in the folder, every one of them checked, rewound and ready to parse.

    Raises UserError naming the first file that is missing, unreadable, truncated or altered.
    """
    with contextlib.ExitStack() as stack:
        handles: dict[str, BinaryIO] = {}
        for file in files:
            path = file.place(folder)
            try:
                original = path == folder / file.path
                unpacked_folder = path.is_dir() and not original
                handle = stack.enter_context(packed(path) if unpacked_folder else path.open("rb"))
                if original:
                    check(file, handle, path)
                elif file.unpacked_digest:
                    check(File(file.unpacked, file.unpacked_digest), handle, path)
            except OSError as error:
                gone = isinstance(error, FileNotFoundError)
                state = "missing" if gone else f"unreadable ({error.strerror})"
                raise UserError(f"{path} is {state}: expected {_expected(file)}. {_what_to_do(file, path)}") from error
            handles[file.path] = handle
        yield handles


def packed(folder: Path) -> BinaryIO:
    """An archive, in memory, of the regular files of an unpacked one."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for path in sorted(folder.iterdir()):
            if path.is_file():
                archive.add(path.resolve(), f"{folder.name}/{path.name}")
    held.seek(0)
    return held


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _download(file: File, folder: Path) -> None:
    """Fetch one file with torchvision's downloader beside its place; move it there once it is checked."""
    download_url = import_torchvision().datasets.utils.download_url
    target, partial = folder / file.path, folder / "partial"
    algorithm, _, digest = file.digest.partition(":")
    (partial / target.name).unlink(missing_ok=True)  # what an interrupted download may have left
    with _impatient():
        download_url(file.url, str(partial), target.name, md5=digest if algorithm == "md5" else None)
    with (partial / target.name).open("rb") as handle:
        check(file, handle, target)
    target.parent.mkdir(parents=True, exist_ok=True)
    (partial / target.name).replace(target)


def fetch(files: tuple[File, ...], folder: Path, title: str) -> None:
    """Download whichever of the files are not in the folder yet; one process at a time.

    Raises UserError saying where to put them by hand when that fails.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".download.lock"):
            for file in files:
                if not (folder / file.path).exists():
                    _download(file, folder)
    except (OSError, RuntimeError) as error:  # no network, no space, wrong checksum after the download
        wanted = ", ".join(f"{file.path} (from {file.url})" for file in files)
        raise UserError(
            f"{title} is not in the data folder and could not be downloaded ({error}). "
            f"Put these files into {folder}: {wanted}; or choose another data set."
        ) from error
