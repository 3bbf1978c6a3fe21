"""The demo's triage grid on a GPU with several networks at once, as worker processes."""

from typing import Any

from netpress.benchmarks import results
from netpress.benchmarks.whole import grid_seconds
from netpress.training.compute import choose

WORKERS = (1, 2, 4)


def measure() -> dict[str, Any]:
    """The record: seconds on the clock for each number of worker processes."""
    bars = [results.bar("together", f"seconds with {n} worker processes", [grid_seconds("demo", n)]) for n in WORKERS]
    return results.content("together", choose(), bars, {"edition": "demo"})
