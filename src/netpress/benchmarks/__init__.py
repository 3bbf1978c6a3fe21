"""`netpress bench`: what the engine gains beside a plain loop, whether records can be made again, what the rules miss.

On a CPU the processor's seconds are counted (user and system, child processes included), with one thread, since other
people's work would spoil a measurement by the clock. On a GPU the clock is used, after the device has finished.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from netpress import console, env
from netpress.errors import UserError, known
from netpress.files import write_atomic
from netpress.runs import records

if TYPE_CHECKING:
    from netpress.training.compute import ComputeConfig

# Name -> the module that has its `measure()`, and what it says
MEASUREMENTS = {
    "triage-grid": ("arms", "the triage grid of one data set, width 1/4: plain loops / ours"),
    "step-128": ("step", "a step of full VGG16 on a GPU, batch 128, against its matrix products"),
    "remade": ("remade", "records chosen at random and made again"),
    "rules": ("rules", "how often the rules of the claims decide wrongly, and at all, on drawn numbers"),
    "shrink": ("shrink", "`netpress shrink` beside torch-pruning and FastNAS; hours, and goes on if stopped"),
}
LONG = ("shrink",)  # measured only where it is asked for
ON_GPU = ("step-128",)  # says nothing without one
ON_PICTURES = ("triage-grid", "shrink")  # on a GPU measured on CIFAR-10 and on nothing smaller


def command(name: str = "", as_json: bool = False, results: Path | None = None) -> None:
    """Measure one thing, or all that this machine can; a record is results/bench/<place>/<name>.json, the last one."""
    from netpress.training.compute import one_thread

    if name and (reason := refusal(known(name, tuple(MEASUREMENTS), "measurement"))):
        raise UserError(reason)
    found = []
    for each in [name] if name else [each for each in MEASUREMENTS if each not in LONG and not refusal(each)]:
        with one_thread():
            found.append(import_module(f"netpress.benchmarks.{MEASUREMENTS[each][0]}").measure())
        where = place(found[-1]["made"]["kind"], found[-1]["made"]["precision"])
        write_atomic((results or env.results_dir()) / "bench" / where / f"{each}.json", records.encode(found[-1]))
    if as_json:
        return console.print_json(found[0] if len(found) == 1 else found)
    rows = [row for record in found for row in record["bars"]]
    console.print_table(rows, ("name", "what", "measured", "low", "high", "bar", "met"))


def refusal(name: str) -> str:
    """Why this machine cannot measure it; "" where it can."""
    from netpress import data
    from netpress.training.compute import choose

    kind = choose().kind
    if name in ON_GPU and kind != "cuda":
        return f"{name} is measured on a CUDA GPU, and there is none here: measure something else."
    if name in ON_PICTURES and kind == "cuda" and not (found := data.available("cifar10")):
        return (
            f"On a GPU {name} is measured on CIFAR-10, beside which the digits say nothing of it ({found.reason}): "
            "put CIFAR-10 into the data folder."
        )
    return ""


def place(kind: str, precision: str) -> str:
    """Where a measurement belongs: a CPU that computes in fp32 is a machine of its own, "cpu-fp32"."""
    return "cpu-fp32" if (kind, precision) == ("cpu", "fp32") else kind


def bar(name: str, what: str, values: Sequence[float], least: float | None = None, most: float | None = None) -> dict:
    """One line of a measurement: the median of its rounds with the lowest and the highest, and whether a bar is met
    (`least`: at least so much, `most`: at most; neither: measured only)."""
    middle = median(values)
    met = None if least is None and most is None else middle >= (least or 0) and middle <= (most or float("inf"))
    aim = f"at least {least:g}" if least is not None else f"at most {most:g}" if most is not None else None
    numbers = {"measured": middle, "low": min(values), "high": max(values)}
    return {"name": name, "what": what, **{k: float(f"{v:.4g}") for k, v in numbers.items()}, "bar": aim, "met": met}


def content(
    name: str, config: "ComputeConfig", bars: list[dict], settings: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """A measurement's record."""
    unit = "seconds of the processor" if config.device == "cpu" else "seconds"
    return {
        "name": name, "status": "done", "unit": unit, "bars": bars, "settings": settings, **more,
        "made": records.made(config),
    }  # fmt: skip
