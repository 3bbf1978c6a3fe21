"""The site and every table rebuilt from the records at hand, in empty folders and a process of its own: no training."""

import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from netpress import editions, papers, paths
from netpress.benchmarks import results
from netpress.errors import UserError
from netpress.runs import records
from netpress.training.compute import choose

ROUNDS = 3
ADOPTS = sys.platform == "linux"
PR_SET_CHILD_SUBREAPER = 36  # of Linux's prctl
MOST = {"cpu": 45.0, "cpu-fp32": 90.0}  # seconds, by place
DEMO = "demo"  # what it lacks the book would train
TRAINED = ("weights", "live")  # folders of the cache: what is not made from records
SOURCES = ("_toc.yml", "_config.yml", "_static", "_ext", "chapters")  # of the book


def measure() -> dict[str, Any]:
    """The record: seconds on the clock of `netpress book` for every edition that has records."""
    paths.needs_checkout("netpress bench rebuild")
    if not complete(DEMO):
        raise UserError("The demo lacks records: run `netpress book` first.")
    cores = os.cpu_count() or 1
    seconds, spent = zip(*(built() for _ in range(ROUNDS)), strict=True)
    config = choose()
    most = MOST.get(results.place(config.kind, config.precision))
    bars = [results.bar("rebuild", "seconds for the site and every table, from records", seconds, most=most)]
    if ADOPTS:
        bars.append(results.bar("rebuild", "the same, had no core ever waited", [each / cores for each in spent]))
    shown = [edition for edition in editions.EDITIONS if count(edition)]
    settings = {"editions": shown, "records": sum(count(edition) for edition in shown), "cores": cores}
    return results.content("rebuild", config, bars, settings, why=why(bars, cores))


def built() -> tuple[float, float]:
    """Seconds on the clock and of the processor that the whole book takes once, in a folder of its own."""
    with TemporaryDirectory() as folder, adopting():
        before = processor()
        seconds = timed(copied(Path(folder)))
        return seconds, processor() - before


def why(bars: list[dict[str, Any]], cores: int) -> str | None:
    """What explains an aim that was missed."""
    if bars[0]["met"] is not False or len(bars) == 1:
        return None
    return (
        f"the work itself is {bars[1]['measured']:.0f} seconds of {cores} cores; what is more is spent where a core "
        "waits: what comes before the first page, and the end of Sphinx's work, have but one process."
    )


def complete(edition: str) -> bool:
    """Whether nothing of an edition would have to be trained."""
    runs = [run for paper in papers.PAPERS for run in papers.grid(paper, edition)]
    return all(records.state(run, edition) in records.FINISHED for run in runs)


@contextmanager
def adopting() -> Iterator[None]:
    """While it lasts, processes whose parents have ended become ours, so that their time is known: pages' kernels."""
    system = ctypes.CDLL(None) if ADOPTS else None
    if system:
        system.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        if system:
            system.prctl(PR_SET_CHILD_SUBREAPER, 0)


def processor() -> float:
    """Processor seconds of all children so far, once all have ended."""
    with suppress(ChildProcessError):
        while ADOPTS:
            os.wait()
    used = os.times()
    return used.children_user + used.children_system


def copied(folder: Path) -> Path:
    """The book's sources in a folder of their own, where nothing was built yet."""
    for name in SOURCES:
        source = paths.root() / name
        if not source.exists():
            raise UserError(f"{name} is not here: run this in a checkout of netpress.")
        if source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy(source, folder / name)
    return folder


def timed(project: Path) -> float:
    """Seconds that the whole book takes there, with the records from here and what was trained for pages."""
    here = {"NETPRESS_RESULTS": str(paths.results_dir()), "NETPRESS_DATA": str(paths.data_folder())}
    cache = project / ".cache"
    cache.mkdir()
    for name in TRAINED:
        (cache / name).symlink_to(paths.cache_dir().absolute() / name, target_is_directory=True)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "netpress.cli", "book"], cwd=project, capture_output=True, text=True,
        env=os.environ | here | {"NETPRESS_CACHE": str(cache)},
    )  # fmt: skip
    if done.returncode:
        raise UserError(f"The book cannot be built, so nothing was measured: {done.stderr.strip().splitlines()[-1]}")
    return time.perf_counter() - began


def count(edition: str) -> int:
    """How many records an edition has."""
    return sum(1 for _ in (paths.results_dir() / edition).rglob("*.json"))
