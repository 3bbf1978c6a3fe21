"""What a measurement leaves: one record per place and name, results/bench/<place>/<name>.json."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from netpress import env
from netpress.files import write_atomic
from netpress.runs import records
from netpress.training.compute import ComputeConfig

PLACES = {"cpu": "CPU with bf16", "cpu-fp32": "CPU, fp32", "cuda": "CUDA", "mps": "MPS"}


def place(kind: str, precision: str) -> str:
    """Where a measurement belongs, one of PLACES: a CPU that computes in fp32 is a machine of its own."""
    return "cpu-fp32" if (kind, precision) == ("cpu", "fp32") else kind


def path_of(where: str, name: str, results: Path | None = None) -> Path:
    """The file of a record; `where` is one of PLACES."""
    return (results or env.results_dir()) / "bench" / where / f"{name}.json"


def write(record: dict[str, Any], results: Path | None = None) -> dict[str, Any]:
    """Put a record in its place; a new measurement replaces the old."""
    made = record["made"]
    write_atomic(path_of(place(made["kind"], made["precision"]), record["name"], results), records.encode(record))
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
    numbers = {"measured": middle, "low": min(values), "high": max(values)}
    return {"name": name, "what": what, **{k: float(f"{v:.4g}") for k, v in numbers.items()}, "bar": aim, "met": met}


def content(
    name: str, config: ComputeConfig, bars: list[dict], settings: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """A measurement's record."""
    unit = "seconds of the processor" if config.device == "cpu" else "seconds"
    return {
        "name": name, "status": "done", "unit": unit, "bars": bars, "settings": settings, **more,
        "made": records.made(config),
    }  # fmt: skip
