"""An old name of `files`."""

from collections.abc import Callable
from pathlib import Path

from netpress.files import SEAL as SIZE
from netpress.files import digest, read_sealed, seal, unseal


def read(path: Path, opened: Callable[[bytes], bytes | None]) -> bytes | None:
    """`read_sealed`."""
    return read_sealed(path)


__all__ = ["SIZE", "digest", "read", "seal", "unseal"]
