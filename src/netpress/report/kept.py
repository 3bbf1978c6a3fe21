"""Verdicts that were judged before, kept for other processes: each page of a paper shows some of the same ones.

Always safe to delete.
"""

import hashlib
import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

import netpress
from netpress import paths, sealed
from netpress.atomic import write_atomic
from netpress.errors import UserError
from netpress.report.claims import Claim, Verdict

JUDGES = ("numpy", "pandas", "scipy")  # with another version, the last digits of a verdict may be others


def verdicts(
    name: str, signature: str, claims: Sequence[Claim], judge: Callable[[], Sequence[Verdict]]
) -> tuple[Verdict, ...]:
    """What `judge` says of the claims, unless that is known from the same records, code and libraries.

    `name`: of the one file that is kept, such as "small-triage"; `signature`: of the records.
    """
    path = paths.cache_dir() / "verdicts" / f"{name}.pickle"
    key = hashlib.sha256(f"{signature} {made_by()}".encode()).digest()
    if (known := _read(path, key)) and len(known) == len(claims):
        return tuple(replace(verdict, claim=claim) for verdict, claim in zip(known, claims, strict=True))
    found = tuple(judge())
    without = [replace(verdict, claim=None) for verdict in found]  # type: ignore[arg-type]  # it is put back
    with suppress(UserError):  # a full disk costs time later, no verdict now
        write_atomic(path, sealed.seal(key + pickle.dumps(without)))
    return found


def _read(path: Path, key: bytes) -> list[Verdict] | None:
    try:
        content = sealed.read(path, sealed.unseal)
    except OSError:
        return None
    return pickle.loads(content[len(key) :]) if content and content.startswith(key) else None


@cache
def made_by() -> str:
    """SHA-256 of the package's code and of the versions of what it computes verdicts with."""
    found = hashlib.sha256(" ".join(map(version, JUDGES)).encode())
    for file in sorted(Path(netpress.__file__).parent.rglob("*.py")):
        found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()
