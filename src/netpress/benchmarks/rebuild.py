"""`rebuild`: the site and every table from the records at hand, in empty folders and a process of its own."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from netpress import editions, env, papers
from netpress.benchmarks import results
from netpress.errors import UserError
from netpress.runs import records
from netpress.training.compute import choose

ROUNDS = 3
MOST = 60.0  # seconds
TRAINED = ("weights", "live")  # folders of the cache: what is not made from records
SOURCES = ("_toc.yml", "_config.yml", "_static", "_ext", "chapters")  # of the book


def measure() -> dict[str, Any]:
    """The record: seconds on the clock of `netpress book` for every edition that has records."""
    env.needs_checkout("netpress bench rebuild")
    demo = [run for paper in papers.PAPERS for run in papers.grid(paper, "demo")]
    if len(records.fresh(demo, "demo")) < len(demo):  # what it lacks the book would train
        raise UserError("The demo lacks records: run `netpress book` first.")
    seconds = [built() for _ in range(ROUNDS)]
    bars = [results.bar("rebuild", "seconds for the site and every table, from records", seconds, most=MOST)]
    counts = {edition: len(list((env.results_dir() / edition).rglob("*.json"))) for edition in editions.EDITIONS}
    shown = {edition: count for edition, count in counts.items() if count}
    settings = {"editions": list(shown), "records": sum(shown.values()), "cores": os.cpu_count()}
    return results.content("rebuild", choose(), bars, settings)


def built() -> float:
    """Seconds that the whole book takes in a folder of its own, with the records from here and what was trained for
    pages."""
    with TemporaryDirectory() as folder:
        project, cache = Path(folder), Path(folder, ".cache")
        for name in SOURCES:
            source = env.root() / name
            if source.is_dir():
                shutil.copytree(source, project / name)
            else:
                shutil.copy(source, project / name)
        cache.mkdir()
        for name in TRAINED:
            (cache / name).symlink_to(env.cache_dir().absolute() / name, target_is_directory=True)
        here = {"NETPRESS_RESULTS": env.results_dir(), "NETPRESS_DATA": env.data_folder(), "NETPRESS_CACHE": cache}
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "netpress.cli", "book"], cwd=project, capture_output=True, text=True,
            env=os.environ | {name: str(path) for name, path in here.items()},
        )  # fmt: skip
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1]
            raise UserError(f"The book cannot be built, so nothing was measured: {last}")
        return time.perf_counter() - began
