"""The digest of files: the same as long as none of them was changed, added, renamed or removed."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def of_files(files: Iterable[Path], root: Path) -> str:
    """SHA-256, in hex, of the contents of files and of their paths from `root` on, in whatever order they come."""
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(f"{file.relative_to(root)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def of_folder(root: Path, endings: tuple[str, ...] | None = None) -> str:
    """The same of all files below a folder, or of those alone whose names end like this."""
    found = (file for file in root.rglob("*") if file.is_file())
    return of_files((file for file in found if endings is None or file.suffix in endings), root)
