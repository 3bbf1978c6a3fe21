"""What a measurement leaves: one record per place and name, results/bench/<place>/<name>.json."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from netpress import paths
from netpress.atomic import write_atomic
from netpress.runs import machine, records
from netpress.training.compute import ComputeConfig

T = TypeVar("T")
QUICK = "quick"  # the folder of what was tried and not measured
PLACES = {"cpu": "CPU with bf16", "cpu-fp32": "CPU, fp32", "cuda": "CUDA", "mps": "MPS"}
LIMIT = 240.0  # seconds on a GPU's clock after which no further round begins: a measurement is to end in eight minutes


def place(kind: str, precision: str) -> str:
    """Where a measurement belongs, one of PLACES: a CPU that computes in fp32 is a machine of its own."""
    return "cpu-fp32" if (kind, precision) == ("cpu", "fp32") else kind


def path_of(where: str, name: str, results: Path | None = None) -> Path:
    """The file of a record; `where` is one of PLACES, or QUICK."""
    return (results or paths.results_dir()) / "bench" / where / f"{name}.json"


def write(record: dict[str, Any], results: Path | None = None, quick: bool = False) -> dict[str, Any]:
    """Put a record in its place; a new measurement replaces the old. What was only tried is kept apart."""
    made = record["made"]
    where = QUICK if quick else place(made["kind"], made["precision"])
    write_atomic(path_of(where, record["name"], results), records.encode(record))
    return record


def read(where: str, name: str, results: Path | None = None) -> dict[str, Any] | None:
    """A record; None where nothing was measured."""
    return records.read(path_of(where, name, results))


def first(name: str) -> dict[str, Any] | None:
    """A record of the first of PLACES that has one; None where nothing was measured."""
    return next((found for where in PLACES if (found := read(where, name))), None)


def bar(name: str, what: str, values: Sequence[float], least: float | None = None, most: float | None = None) -> dict:
    """One line of a measurement: the median of its rounds with the lowest and the highest, and whether a bar is met
    (`least`: at least so much, `most`: at most; neither: measured only)."""
    middle = median(values)
    met = None if least is None and most is None else middle >= (least or 0) and middle <= (most or float("inf"))
    aim = f"at least {least:g}" if least is not None else f"at most {most:g}" if most is not None else None
    numbers = {"measured": rounded(middle), "low": rounded(min(values)), "high": rounded(max(values))}
    return {"name": name, "what": what, **numbers, "bar": aim, "met": met}


def rounds(work: Callable[[], T], most: int, config: ComputeConfig) -> list[T]:
    """What some rounds give: `most`, on a GPU no more than end within LIMIT, but one."""
    began, found = time.perf_counter(), [work()]
    while len(found) < most:
        spent = time.perf_counter() - began
        if config.kind == "cuda" and spent * (len(found) + 1) / len(found) > LIMIT:
            break
        found.append(work())
    return found


def rounded(value: float) -> float:
    """Four digits."""
    return float(f"{value:.4g}")


def content(
    name: str, config: ComputeConfig, bars: list[dict], settings: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """A measurement's record."""
    unit = "seconds of the processor" if config.device == "cpu" else "seconds"
    return {
        "name": name, "status": "done", "unit": unit, "bars": bars, "settings": settings, **more,
        "made": machine.made(config),
    }  # fmt: skip
