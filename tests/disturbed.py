"""Sweeps for tests, each in a process of its own, and sweeps that are killed.

python tests/disturbed.py sweep RUNS WORKERS                     `grid(RUNS)`, as `netpress run` does a paper's
python tests/disturbed.py kills EPOCHS TIMES FOLDER              kill sweeps, which are forked, inside their runs
python tests/disturbed.py ray SIZE NODES AFTER                   a Ray cluster of which a node is killed
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sweeps import EDITION, environment, found, grid, intricate

from netpress.errors import interruptible
from netpress.runs import ray, records, sweep
from netpress.runs.run import Run


@contextlib.contextmanager
def forked(runs: tuple[Run, ...], folder: Path, workers: int = 1) -> Iterator[int]:
    """A sweep in a forked process, which has everything imported at once; gives its process id."""
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(BaseException):
            os.environ |= environment(folder)
            sys.stderr = (folder / "log").open("a")
            sweep.ensure(runs, EDITION, workers=workers)
            code = 0
        os._exit(code)
    try:
        yield pid
    finally:
        with contextlib.suppress(ChildProcessError):  # it has ended and was waited for: its number may be another's now
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def ended(pid: int, within: float, before: Callable[[], Any] = lambda: False) -> bool:
    """Whether a forked process ends within so many seconds and before something is so; it must end well."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and not before():
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            assert status == 0, f"a sweep ended with {status}"
            return True
        time.sleep(0.01)
    return False


def reference(runs: tuple[Run, ...], folder: Path) -> dict[str, dict[str, Any]]:
    """The records of an undisturbed sweep."""
    folder.mkdir(parents=True, exist_ok=True)
    with forked(runs, folder) as pid:
        assert ended(pid, 600), "the undisturbed sweep takes too long"
    return found(folder / "results")


def warm_up() -> None:
    """Import here what forked processes need, so that they are killed at work and not while they import."""
    import torch

    from netpress import data

    data.load("digits", "test")
    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])  # a first optimiser imports half of PyTorch


def kills(runs: tuple[Run, ...], folder: Path, times: int) -> dict[str, int]:
    """Kill a sweep of `runs` so many times, at random moments and, every other time, as soon as there is a checkpoint;
    then let it end. Whenever it has ended before, everything is begun anew. Counts what was lost or different,
    and after how many kills there was a checkpoint to go on from."""
    warm_up()
    began, expected = time.monotonic(), reference(runs, folder / "reference")
    chance, longest = random.Random(1), (time.monotonic() - began) * 0.7
    place, done, counts = folder / "killed", 0, {"kills": 0, "lost": 0, "different": 0, "resumed": 0}

    def checkpoints() -> list[Path]:
        return list((place / "cache").rglob("*.checkpoint"))

    while True:
        place.mkdir(parents=True, exist_ok=True)
        last = counts["kills"] >= times
        random_moment = counts["kills"] % 2 == 1
        with forked(runs, place) as pid:
            if last:
                assert ended(pid, 600), "the last sweep takes too long"
            elif not (ended(pid, chance.uniform(0, longest)) if random_moment else ended(pid, 600, checkpoints)):
                counts["kills"] += 1
        now = found(place / "results") if (place / "results").exists() else {}
        counts["lost"] += max(0, done - len(now))
        counts["different"] += sum(record != expected[name] for name, record in now.items())
        counts["resumed"] += bool(checkpoints())
        done = len(now)
        if done == len(expected):
            if last:
                return counts
            shutil.rmtree(place)
            done = 0


def do_sweep(runs: str, workers: str) -> dict[str, int]:
    """`grid(runs)`, as a sweep beside others."""
    with interruptible():
        summary = sweep.ensure(grid(int(runs)), EDITION, workers=int(workers))
    elsewhere = sum(outcome.earlier for outcome in summary.outcomes)
    return {"done": summary.done, "elsewhere": elsewhere, "before": summary.before, "failed": len(summary.failures)}


def do_kills(epochs: str, times: str, folder: str) -> dict[str, int]:
    """`kills` of `intricate(epochs)`."""
    return kills(intricate(int(epochs)), Path(folder), int(times))


def do_ray(size: str, nodes: str, killed: str) -> dict[str, Any]:
    """`intricate` and `grid(size)` on a Ray cluster of so many nodes with one core each, beside the driver's, which has
    none; after as many outcomes as `killed` says, a node is killed. Shared folders are not used by the nodes."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "600", "HOME": str(Path.cwd())}
    from ray.cluster_utils import Cluster

    del os.environ["NETPRESS_CACHE"], os.environ["NETPRESS_RESULTS"]
    folder = Path.cwd()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    others = [cluster.add_node(num_cpus=1) for _ in range(int(nodes))]
    os.environ |= {"NETPRESS_CACHE": str(folder / "cache"), "NETPRESS_RESULTS": str(folder / "results")}
    runs, told = (*grid(int(size)), *intricate(2)), []
    place = records.folder_of(EDITION, folder / "results")
    jobs, _ = sweep.planned(runs, place)
    from netpress.runs.store import WeightStore

    began, store = time.monotonic(), WeightStore()
    with contextlib.closing(sweep.Locks()) as locks, ray.Remote(store, cluster.address) as executor:
        for outcome in sweep.Schedule(jobs, executor, locks, store, place).outcomes():
            told.append(outcome.status)
            if len(told) == int(killed):
                cluster.remove_node(others.pop(), allow_graceful=False)
    seconds = time.monotonic() - began
    cluster.shutdown()
    return {"done": told.count("done"), "others": len(told) - told.count("done"), "seconds": round(seconds, 1)}


if __name__ == "__main__":
    print(json.dumps({"sweep": do_sweep, "kills": do_kills, "ray": do_ray}[sys.argv[1]](*sys.argv[2:])), flush=True)
