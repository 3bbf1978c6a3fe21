"""Records of all papers as sweeps would leave them, with numbers made up: each accuracy occurs once."""

from pathlib import Path
from typing import Any

from netpress import papers
from netpress.files import write_atomic
from netpress.runs import records
from netpress.runs.measures import Agreement, Filters, Integers, Similarity, StoredSize
from netpress.runs.run import Run

MADE = {
    "device": "a <b>processor</b> & more", "kind": "cpu", "precision": "bf16", "threads": 1, "torch": "2.13.0",
    "python": "3.11.7", "netpress": "0.1.0", "commit": "0123456789ab", "time": "2026-01-02T03:04:05+00:00",
    "seconds": 3.5,
}  # fmt: skip


def fill(results: Path, edition: str, names: tuple[str, ...] = papers.PAPERS, most: int | None = None) -> list[Run]:
    """Records for every run of some papers, or the first `most` of them, and the times of the pyramid's networks.

    Returns the runs.
    """
    runs = [run for paper in names for run in papers.grid(paper, edition)]
    for number, run in enumerate(runs[:most]):
        records.write(run, edition, content(run, accuracy(number, len(runs))), results)
    if "pyramid" in names:
        speeds(edition, results)
    return runs[:most]


def accuracy(number: int, count: int) -> float:
    """Between 0.9 and 0.7, each once, to five decimals."""
    return round(0.9 - 0.2 * number / count - number / 1e5, 5)


def content(run: Run, best: float) -> dict[str, Any]:
    """What a record holds beside the run."""
    size = 100_000 + 997 * sum(map(ord, run.model + run.method)) * (2 if "parent" in run.method else 1)
    stages = [{"stage": s.name, "epochs": s.epochs, "seconds": 2.0, "images_per_second": 10.0} for s in run.stages]
    return {
        "status": "done", "best": best, "last": round(best - 0.00347, 5), "epochs_to_99": 2 + size % 5,
        "parameters": size, "multiply_adds": 40 * size, "peak_memory": 10**8, "stages": stages,
        "history": history(run, best), "made": MADE, "measures": measures(run, size),
    }  # fmt: skip


def row(run: Run, edition: str, best: float, last: float) -> dict[str, Any]:
    """A row of the frame of runs: what `records.frame` makes of a run and the accuracies in its record."""
    named = {key: getattr(run, key) for key in ("paper", "dataset", "model", "method", "seed", "epochs", "name")}
    return named | dict(run.factors) | {"edition": edition, "status": "done", "best": best, "last": last}


def history(run: Run, best: float) -> list[dict[str, Any]]:
    """One row an epoch: accuracy rises to `best`."""
    return [
        {"stage": stage.name, "epoch": epoch, "train_loss": 1 / epoch,
         "train_accuracy": round(best + 0.01 - 0.3 / epoch, 5),
         "test_loss": 1.1 / epoch, "test_accuracy": round(best - 0.3 * (1 / epoch - 1 / stage.epochs), 5)}
        for stage in run.stages
        for epoch in range(1, stage.epochs + 1)
    ]  # fmt: skip


def measures(run: Run, size: int) -> dict[str, Any]:
    """What the run's measures would have found."""
    found: dict[str, Any] = {}
    for measure in run.measures:
        if isinstance(measure, Filters):
            found["filters"] = [
                [[[0.1 * (i + j), 0.2, -0.1 * i] for j in range(3)] for _ in range(3)] for i in range(8)
            ]
        elif isinstance(measure, Similarity):
            found |= {"filter_cosine": 0.3, "filter_cosine_untrained": 0.2, "cka": 0.9}
        elif isinstance(measure, Agreement):
            found |= {"agreement": 0.9, "divergence": 0.2, "train_accuracy": 0.95}
        elif isinstance(measure, StoredSize):
            share = {"dense32": 4.0, "sparse32": 1.2, "shared": 0.6, "shared+huffman": 0.5}
            found |= {f"bytes_{form}": int(size * share[form]) for form in measure.forms} | {"sparsity": 0.5}
        elif isinstance(measure, Integers):
            found |= {"int8_accuracy": 0.8, "bytes_int8": size}
    return found


def speeds(edition: str, results: Path) -> None:
    """The pyramid's times."""
    from netpress.papers import speed

    networks = [
        {"model": model, "parameters": 10**7 // (i + 1), "multiply_adds": 10**9 // (i + 1),
         "seconds": [2 / (i + 1)] * 5, "single_seconds": [0.02 / (i + 1)] * 5}
        for i, model in enumerate(speed.MODELS)
    ]  # fmt: skip
    record = {
        "name": "pyramid-speed", "status": "done", "edition": edition, "px": speed.PX, "classes": speed.CLASSES,
        "width": speed.WIDTH, "images": 8, "batch": 8, "passes": 5, "networks": networks, "made": MADE,
    }  # fmt: skip
    write_atomic(speed.path_of(speed.LEVELS, "pyramid", edition, results), records.encode(record))


def latencies(paper: str, edition: str, results: Path) -> None:
    """Times for one image of every network of a paper."""
    from netpress.papers import speed

    keys = sorted({speed.key(run) for run in papers.grid(paper, edition)})
    networks = [{"key": list(key), "seconds": [0.001 * (i + 1)] * 5} for i, key in enumerate(keys)]
    record = {
        "name": speed.LATENCY, "status": "done", "edition": edition, "images": 10, "passes": 5, "networks": networks,
        "made": MADE,
    }  # fmt: skip
    write_atomic(speed.path_of(speed.LATENCY, paper, edition, results), records.encode(record))
