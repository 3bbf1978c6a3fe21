"""The triage grid at full width on a GPU as a user runs it, on the clock."""

import os
import subprocess
import sys
import time
from tempfile import TemporaryDirectory
from typing import Any

from netpress import paths
from netpress.benchmarks import results
from netpress.training.compute import choose

MOST = 120.0  # seconds
EDITION = "large+parent_epochs=10"


def measure() -> dict[str, Any]:
    """The record: seconds from the command to the last record, imports included."""
    seconds = grid_seconds(EDITION, datasets=("cifar10",))
    what = "seconds of 31 networks x 10 epochs x 50,000 images"
    bars = [results.bar("whole-grid", what, [seconds], most=MOST)]
    return results.content("whole-grid", choose(), bars, {"dataset": "cifar10", "images": 50_000, "edition": EDITION})


def grid_seconds(edition: str, workers: int | None = None, datasets: tuple[str, ...] = ()) -> float:
    """Seconds on the clock of one seed of the triage grid in a new process, with so many networks at once (as many as
    `netpress run` chooses where none is said)."""
    words = ["run", "triage", "--edition", edition, "--seeds", "0"]
    words += ["--workers", str(workers)] if workers else []
    words += [word for name in datasets for word in ("--dataset", name)]
    with TemporaryDirectory() as folder:
        own = {"NETPRESS_CACHE": folder, "NETPRESS_RESULTS": folder, "NETPRESS_DATA": str(paths.data_folder())}
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "netpress.cli", *words], env=os.environ | own, check=True)
        return time.perf_counter() - began
