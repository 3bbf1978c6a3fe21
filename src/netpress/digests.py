"""The digest of files: the same as long as none of them was changed, added, renamed or removed."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import netpress


def of_files(files: Iterable[Path], root: Path) -> str:
    """SHA-256, in hex, of the contents of files and of their paths from `root` on, in whatever order they come."""
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(os.fsencode(file.relative_to(root)) + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def of_folder(root: Path, endings: tuple[str, ...] | None = None) -> str:
    """The same of all files below a folder, or of those alone whose names end like this."""
    found = (file for file in root.rglob("*") if file.is_file())
    return of_files((file for file in found if endings is None or file.suffix in endings), root)


def of_code(root: Path) -> str:
    """The same of the Python files below a folder; "" where one was changed after this process began, as by `git pull`
    beside an open notebook: then it is not known which of them run here."""
    newer = any(file.stat().st_mtime > netpress.BEGAN for file in root.rglob("*.py"))
    return "" if newer else of_folder(root, (".py",))
