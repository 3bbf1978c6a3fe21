"""How long every network of a grid takes for one image, measured: float32 on one CPU core, as on a small device.

Zeros that pruning leaves are multiplied like other numbers, so a pruned network takes as long as its parent.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from statistics import median

from netpress import data, env, papers
from netpress.runs import records
from netpress.runs.run import Run

IMAGES = 10  # per pass, one after the other
KIND = "latency"

Key = tuple[str, int, float, int]  # model, px, width, classes


def key(run: Run) -> Key:
    """What a network's time depends on."""
    return (run.model, run.px, run.width, data.classes(run.dataset))


def path_of(paper: str, edition: str, results: Path | None = None) -> Path:
    """results/<edition>/<paper>/latency.json"""
    return (results or env.results_dir()) / edition / paper / f"{KIND}.json"


def read(paper: str, edition: str, results: Path | None = None) -> dict[Key, float]:
    """Milliseconds for one image, median over the passes; empty where nothing was measured."""
    record = records.read(path_of(paper, edition, results))
    return {tuple(row["key"]): 1000 * median(row["seconds"]) for row in record["networks"]} if record else {}


def ensure(paper: str, edition: str, dataset: str, results: Path | None = None) -> bool:
    """Measure the networks of a paper on a data set unless each has its time; whether it measured."""
    wanted = {key(run) for run in papers.shown(paper, edition) if run.dataset == dataset}
    if not wanted - read(paper, edition, results).keys():
        return False
    measure(paper, edition, wanted, results)
    return True


def measure(paper: str, edition: str, keys: Iterable[Key], results: Path | None = None) -> Path:
    """Measure networks on this machine's CPU and write the record; returns its path. A new one replaces the old.

    In every pass each network takes IMAGES images one by one, as `runs.timing` does it.
    """
    import torch

    from netpress.runs import timing
    from netpress.training import compute

    config = compute.plain()
    work = {}
    for one in sorted(keys):
        model, px, width, classes = one
        network, image = timing.blank(model, px, width, classes, config), torch.zeros(1, 3, px, px)
        work[one] = partial(timing.classify, network, [image] * IMAGES, config)
    with compute.one_thread():
        times = timing.in_turns(work, config)
        networks = [{"key": list(one), "seconds": [s / IMAGES for s in times[one]]} for one in work]
        record = {"name": KIND, "edition": edition, "images": IMAGES, "networks": networks}
        return timing.write(path_of(paper, edition, results), record, config)


def conditions(paper: str, edition: str, results: Path | None = None) -> str:
    """How the times were measured, as words; "" where they were not."""
    record = records.read(path_of(paper, edition, results))
    if record is None:
        return ""
    made = record["made"]
    return f"{made['device']}, one core, {made['precision']}, torch {made['torch']}"
