"""`netpress bench`: what the engine gains, measured side by side with what a good engineer writes in an afternoon.

Both arms train the same networks from the same weights for the same number of steps, in one run, in turns. On a CPU
the processor's seconds are counted (user and system, loaders included), with one thread, since other people's work
would spoil a measurement by the clock. On a GPU the clock is used, after the device has finished.
"""

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from netpress import console
from netpress.errors import UserError, known


@dataclass(frozen=True)
class Measurement:
    """The module that measures it, what it says, and with which arguments its `measure` is called.

    `pictures`: on a GPU it is measured on CIFAR-10 and on nothing smaller. `gpu`: it says nothing without a GPU.
    `quick`: `measure` takes `quick=True`, a moment of it.
    """

    module: str
    says: str
    arguments: dict[str, Any] = field(default_factory=dict)
    pictures: bool = False
    gpu: bool = False
    quick: bool = False


def a_step(name: str, batch: int, px: int) -> Measurement:
    """The share of its matrix products that a step of full VGG16 reaches."""
    says = f"a step of full VGG16 on a GPU, {px} px, batch {batch}, against its matrix products"
    return Measurement("step", says, {"name": name, "batch": batch, "px": px}, gpu=True, quick=True)


FULL = {"name": "triage-grid-full", "width": 1.0}
MEASUREMENTS = {
    "triage-grid": Measurement(
        "grid", "the triage grid of one data set, width 1/4: plain / ours", pictures=True, quick=True
    ),
    "triage-grid-full": Measurement("grid", "the same at full width, on a GPU", FULL, True, True, True),
    "frozen-ratio": Measurement("frozen", "one more frozen network against one more thawed", pictures=True),
    "student-teacher": Measurement("imitation", "a student-teacher stage: plain / ours", pictures=True),
    "distillation": Measurement("distillation", "a distillation step: peer-shaped / ours", pictures=True),
    "step-overhead": Measurement("overhead", "host time per step around a network that does nothing"),
    "rebuild": Measurement("rebuild", "the site and every table from records, without training"),
    "pyramid-speed": Measurement("levels", "the time in which the pyramid's levels classify images"),
    "rules": Measurement("rules", "how often the rules of the claims decide wrongly, and at all, on drawn numbers"),
    "remade": Measurement("remade", "records chosen at random and made again"),
    "shrink": Measurement(
        "shrink", "`netpress shrink` beside torch-pruning and FastNAS; hours, and goes on if stopped", pictures=True
    ),
    "step-128": a_step("step-128", 128, 32),
    "step-512": a_step("step-512", 512, 32),
    "step-224": a_step("step-224", 64, 224),
    "whole-grid": Measurement(
        "whole", "31 networks x 10 epochs x 50,000 images at full width, on the clock of a GPU", pictures=True, gpu=True
    ),
    "together": Measurement("together", "the demo's triage grid on a GPU with 1, 2 and 4 networks at once", gpu=True),
}  # fmt: skip


LONG = ("shrink",)  # measured only where it is asked for


def listed() -> str:
    """Every measurement with what it says, a line each."""
    width = max(map(len, MEASUREMENTS))
    return "\n".join(f"{name:{width}}  {one.says}" for name, one in MEASUREMENTS.items())


def command(name: str = "", as_json: bool = False, results: Path | None = None, quick: bool = False) -> None:
    """Measure one thing, or all, write the records and print them. `quick`: only see whether it works."""
    if name:
        known(name, tuple(MEASUREMENTS), "measurement")
    if quick and not (name and MEASUREMENTS[name].quick):
        able = ", ".join(key for key, one in MEASUREMENTS.items() if one.quick)
        raise UserError(f"--quick belongs to one of {able}: name one, or leave --quick out.")
    chosen = [name] if name else [each for each in MEASUREMENTS if not refusal(each) and each not in LONG]
    found = [measured(each, results, quick) for each in chosen]
    tell(found, as_json)


def refusal(name: str) -> str:
    """Why this machine cannot measure it; "" where it can."""
    from netpress import data
    from netpress.training.compute import choose

    wanted, kind = MEASUREMENTS[name], choose().kind
    if wanted.gpu and kind != "cuda":
        return f"{name} is measured on a CUDA GPU, and there is none here: measure something else."
    if wanted.pictures and kind == "cuda" and not (found := data.available("cifar10")):
        return (
            f"On a GPU {name} is measured on CIFAR-10, beside which the digits say nothing of it ({found.reason}): "
            "put CIFAR-10 into the data folder."
        )
    return ""


def measured(name: str, results: Path | None = None, quick: bool = False) -> dict[str, Any]:
    """Measure one thing and write its record. Raises UserError where this machine cannot."""
    if not quick and (reason := refusal(name)):
        raise UserError(reason)
    from netpress.benchmarks import results as written
    from netpress.training.compute import one_thread

    wanted = MEASUREMENTS[name]
    arguments = wanted.arguments | ({"quick": True} if quick else {})
    with one_thread():
        record = import_module(f"netpress.benchmarks.{wanted.module}").measure(**arguments)
    return written.write(record, results, quick)


def tell(records: list[dict[str, Any]], as_json: bool) -> None:
    """Print what was measured."""
    if as_json:
        return console.print_json(records[0] if len(records) == 1 else records)
    rows = [row for record in records for row in record["bars"]]
    console.print_table(rows, ("name", "what", "measured", "low", "high", "bar", "met"))
    for record in records:
        if record.get("why"):
            print(f"{record['name']}: {record['why']}")
