"""Verdicts that were judged before, kept for other processes: each page of a paper shows some of the same ones.

Always safe to delete.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import netpress
from netpress import digests, paths, sealed
from netpress.atomic import write_atomic
from netpress.errors import UserError
from netpress.report.claims import Claim, Verdict
from netpress.report.comparisons import LargestT
from netpress.report.evidence import TestResult
from netpress.report.labels import Label
from netpress.report.planning import Needed

HOME = Path(netpress.__file__).parent
JUDGES = ("numpy", "pandas", "scipy")  # with another version, the last digits of a verdict may be others


def verdicts(
    name: str, signature: str, claims: Sequence[Claim], judge: Callable[[], Sequence[Verdict]]
) -> tuple[Verdict, ...]:
    """What `judge` says of the claims, unless that is known from the same records, code and libraries.

    `name`: of the one file that is kept, such as "small-triage"; `signature`: of the records and the data's sources.
    Where the code is not known (see `digests.of_code`), nothing is read or kept.
    """
    if not (code := digests.of_code(HOME)):
        return tuple(judge())
    path = paths.cache_dir() / "verdicts" / f"{name}.json"
    key = hashlib.sha256(" ".join([signature, code, *map(version, JUDGES)]).encode()).hexdigest()
    known = _read(path)
    if known.get("key") == key and len(known["verdicts"]) == len(claims):
        return tuple(restored(claim, row) for claim, row in zip(claims, known["verdicts"], strict=True))
    found = tuple(judge())
    with suppress(UserError):  # a full disk costs time later, no verdict now
        write_atomic(path, sealed.seal(json.dumps({"key": key, "verdicts": [plain(each) for each in found]}).encode()))
    return found


def plain(verdict: Verdict) -> dict[str, Any]:
    """The fields of a verdict without its claim, as JSON has them; infinities stay what they are."""
    return {
        "result": asdict(verdict.result), "verdict": verdict.verdict, "p": verdict.p, "needed": asdict(verdict.needed),
        "edition": verdict.edition,
    }  # fmt: skip


def restored(claim: Claim, row: dict[str, Any]) -> Verdict:
    """A verdict from what was kept of it."""
    result, label = row["result"], row["result"]["decided_by"]
    part = Label(label["text"], tuple(label["places"]), tuple(label["pair"]), label["against"])
    largest_t = LargestT(**result["largest_t"]) if result["largest_t"] else None
    found = TestResult(**result | {"decided_by": part, "holds": tuple(result["holds"]), "largest_t": largest_t})
    return Verdict(claim, found, row["verdict"], row["p"], Needed(**row["needed"]), row["edition"])


def _read(path: Path) -> dict[str, Any]:
    try:
        content = sealed.read(path, sealed.unseal)
    except OSError:
        return {}
    return json.loads(content) if content else {}
