"""How long every network of a grid takes for one image, measured: float32 on one CPU core, as on a small device.

Time does not depend on what a network has learnt, so the networks have weights as drawn. Zeros that pruning leaves are
multiplied like other numbers, so a pruned network takes as long as its parent.
"""

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from netpress import data, papers, paths
from netpress.runs.run import Run

if TYPE_CHECKING:
    from netpress.nets.network import Network

PASSES = 5
IMAGES = 10  # per pass, one after the other
KIND = "latency"

Key = tuple[str, int, float, int]  # model, px, width, classes


def key(run: Run) -> Key:
    """What a network's time depends on."""
    return (run.model, run.px, run.width, data.classes(run.dataset))


def path_of(paper: str, edition: str, results: Path | None = None) -> Path:
    """results/<edition>/<paper>/latency.json"""
    return (results or paths.results_dir()) / edition / paper / f"{KIND}.json"


def read(paper: str, edition: str, results: Path | None = None) -> dict[Key, float]:
    """Milliseconds for one image, median over the passes; empty where nothing was measured."""
    from netpress.runs import records

    record = records.read(path_of(paper, edition, results))
    return {tuple(row["key"]): 1000 * median(row["seconds"]) for row in record["networks"]} if record else {}


def ensure(paper: str, edition: str, dataset: str, results: Path | None = None) -> bool:
    """Measure the networks of a paper on a data set unless each has its time; whether it measured."""
    wanted = {key(run) for run in papers.grid(paper, edition) if run.dataset == dataset}
    if not wanted - read(paper, edition, results).keys():
        return False
    measure(paper, edition, wanted, results)
    return True


def measure(paper: str, edition: str, keys: Iterable[Key], results: Path | None = None) -> Path:
    """Measure networks on this machine's CPU and write the record; returns its path. A new one replaces the old.

    In every pass each network takes IMAGES images one by one; the networks take turns, so that a slow moment of the
    machine meets all alike. The first pass does not count. Nothing else should compute meanwhile.
    """
    from netpress.atomic import write_atomic
    from netpress.runs import machine, records
    from netpress.training import compute, threads

    how = compute.plain()
    networks = {one: blank(one) for one in sorted(keys)}
    with threads.single():
        times, made = rounds(networks), machine.made(how)
    record = {
        "name": KIND, "status": "done", "edition": edition, "images": IMAGES, "passes": PASSES,
        "networks": [{"key": list(one), "seconds": times[one]} for one in networks], "made": made,
    }  # fmt: skip
    path = path_of(paper, edition, results)
    write_atomic(path, records.encode(record))
    return path


def blank(one: Key) -> "Network":
    """A network with weights as drawn, ready to classify."""
    import torch

    from netpress import nets

    torch.manual_seed(0)
    model, px, width, classes = one
    return nets.build(model, px, classes, width).requires_grad_(False).eval()


def rounds(networks: "dict[Key, Network]") -> dict[Key, list[float]]:
    """Seconds for one image of every network, one number a pass."""
    import time

    import torch

    found: dict[Key, list[float]] = {one: [] for one in networks}
    for counted in (False, *(True,) * PASSES):
        for one, network in networks.items():
            image = torch.zeros(1, 3, one[1], one[1])
            began = time.perf_counter()
            with torch.inference_mode():
                for _ in range(IMAGES):
                    network(image)
            if counted:
                found[one].append((time.perf_counter() - began) / IMAGES)
    return found


def conditions(paper: str, edition: str, results: Path | None = None) -> str:
    """How the times were measured, as words; "" where they were not."""
    from netpress.runs import records

    record = records.read(path_of(paper, edition, results))
    if record is None:
        return ""
    made = record["made"]
    return f"{made['device']}, one core, {made['precision']}, torch {made['torch']}"
