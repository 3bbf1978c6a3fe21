"""How much faster a sweep is with more workers: the same independent runs with 1, 2 and 4, in processes and on Ray.

The clock on the wall decides here, so the machine must have nothing else to do; the processor's seconds beside it say
how much work the further workers add (imports, a cache each, cores that share memory).
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from netpress.benchmarks import results
from netpress.runs.run import Run
from netpress.training.stage import Stage

RUNS = 16
EPOCHS = 6
WIDTH = 1 / 8
IMAGES = 512
WORKERS = (1, 2, 4)
ROUNDS = 2


def measure() -> dict[str, Any]:
    """The record: per executor and number of workers the seconds of a whole sweep, its start included."""
    from netpress.training.compute import choose

    kinds = ("processes", "ray") if has_ray() else ("processes",)
    rounds = [[one_sweep(kind, workers) for kind in kinds for workers in WORKERS] for _ in range(ROUNDS)]
    rows = [merged([each[i] for each in rounds]) for i in range(len(rounds[0]))]
    alone = {row["executor"]: row for row in rows if row["workers"] == 1}
    rows = [row | compared(row, alone[row["executor"]]) for row in rows]
    bars = [
        results.bar("sweep-scaling", f"{row['executor']}, {row['workers']} workers: speed-up", [row["speed_up"]])
        for row in rows
        if row["workers"] > 1
    ]
    settings = {"runs": RUNS, "epochs": EPOCHS, "width": WIDTH, "images": IMAGES, "cores": os.cpu_count()}
    return results.content("sweep-scaling", choose(), bars, settings | {"load": os.getloadavg()[0]}, rows=rows)


def has_ray() -> bool:
    """Whether Ray is installed."""
    from importlib.util import find_spec

    return find_spec("ray") is not None


def independent() -> tuple[Run, ...]:
    """Runs that do not wait for each other."""
    train = Stage("train", epochs=EPOCHS, lr=0.1, view="crop")
    return tuple(
        Run("triage", "digits", "vgg16", "parent", seed, 32, WIDTH, IMAGES, (train,)) for seed in range(RUNS)
    )  # fmt: skip


def one_sweep(kind: str, workers: int) -> dict[str, Any]:
    """One sweep in a process of its own; its seconds on the wall, and of the processor with all that it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with TemporaryDirectory() as folder:
        own = {"NETPRESS_CACHE": folder, "NETPRESS_RESULTS": folder, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "netpress.benchmarks.scaling", kind, str(workers)],
            env=os.environ | own, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
        )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"executor": kind, "workers": workers, "processor": used} | json.loads(done.stdout.splitlines()[-1])


def merged(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of the rounds. Of Ray there is no processor time: its processes are no children of the driver."""
    numbers = {key: round(median(row[key] for row in rows), 2) for key in ("seconds", "training", "processor")}
    facts = {key: rows[0][key] for key in ("executor", "workers")} | numbers
    return facts if facts["executor"] == "processes" else facts | {"processor": None}


def compared(row: dict[str, Any], alone: dict[str, Any]) -> dict[str, Any]:
    """Beside one worker: the speed-up, and the efficiency that it means."""
    gain = alone["seconds"] / row["seconds"]
    return {"speed_up": round(gain, 3), "efficiency": round(gain / row["workers"], 3)}


def sweep_here(kind: str, workers: int) -> dict[str, float]:
    """What the process of its own does: seconds of the sweep, and the sum of those that its runs trained for."""
    from netpress import sweep
    from netpress.runs import records
    from netpress.sweep.workers import Processes

    runs, folder = independent(), Path(os.environ["NETPRESS_RESULTS"])
    cluster = sweep.Cluster("local", cpus=workers) if kind == "ray" else None
    began = time.perf_counter()
    if workers == 1 and not cluster:  # a worker process too, and not this one
        one(Processes, runs, folder)
    else:
        sweep.ensure(runs, "demo", folder, workers, cluster=cluster)
    seconds = time.perf_counter() - began
    found = records.fresh(runs, "demo", folder).values()
    assert len(found) == len(runs)
    return {"seconds": seconds, "training": sum(stage["seconds"] for record in found for stage in record["stages"])}


def one(executor: Any, runs: tuple[Run, ...], folder: Path) -> None:
    """A sweep with one worker process."""
    from netpress import sweep
    from netpress.runs.weights import WeightStore
    from netpress.sweep.leases import Leases

    jobs, _ = sweep.planned(runs, "demo", folder)
    with Leases("demo", folder) as leases, executor(1, leases.tell) as chosen:
        list(sweep.Schedule(jobs, chosen, leases, WeightStore()).outcomes())


if __name__ == "__main__":
    print(json.dumps(sweep_here(sys.argv[1], int(sys.argv[2]))))
