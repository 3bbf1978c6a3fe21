"""`netpress bench`: what the engine gains, measured side by side with what a good engineer writes in an afternoon.

Both arms train the same networks from the same weights for the same number of steps, in one run, in turns. On a CPU
the processor's seconds are counted (user and system, loaders included), with one thread, since other people's work
would spoil a measurement by the clock. On a GPU the clock is used, after the device has finished.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from netpress import console
from netpress.errors import UserError, known

# name: the module that measures it, what it says
MEASUREMENTS = {
    "triage-grid": ("grid", "the whole triage grid of one data set: plain / ours"),
    "frozen-ratio": ("frozen", "one more frozen network against one more thawed"),
    "student-teacher": ("imitation", "a student-teacher stage: plain / ours"),
    "distillation": ("distillation", "a distillation step: peer-shaped / ours"),
    "step-overhead": ("overhead", "host time per step around a network that does nothing"),
    "host-work": ("host", "seconds of a run beside its training, at full width"),
    "rebuild": ("rebuild", "the site and every table from records, without training"),
    "pyramid-speed": ("levels", "the time in which the pyramid's levels classify images"),
    "sweep-scaling": ("scaling", "a sweep with 1, 2 and 4 workers"),
    "rules": ("rules", "how often the rules of the claims decide wrongly, and at all, on drawn numbers"),
    "remade": ("remade", "records chosen at random and made again"),
    "shrink-cost": ("shrink_cost", "the triage of ResNet-18, a network of others: ours / plain"),
    "shrink": ("shrink", "what `netpress shrink` picks of three networks; hours on a CPU, and goes on if stopped"),
    "full-step": ("gpu", "full VGG16 step on a GPU, against its matrix products"),
}


LONG = ("shrink",)  # measured only where it is asked for


def command(name: str = "", as_json: bool = False, results: Path | None = None) -> None:
    """Measure one thing, or all, write the records and print them."""
    if name:
        known(name, tuple(MEASUREMENTS), "measurement")
    chosen = [name] if name else [each for each in MEASUREMENTS if possible(each) and each not in LONG]
    found = [measured(each, results) for each in chosen]
    tell(found, as_json)


def possible(name: str) -> bool:
    """Whether this machine can measure it."""
    from netpress.training.compute import best_device

    return name != "full-step" or best_device() == "cuda"


def measured(name: str, results: Path | None = None) -> dict[str, Any]:
    """Measure one thing and write its record."""
    if not possible(name):
        raise UserError(f"{name} is measured on a CUDA GPU, and there is none here: measure something else.")
    from netpress.benchmarks import results as written
    from netpress.training.threads import single

    with single():
        record = import_module(f"netpress.benchmarks.{MEASUREMENTS[name][0]}").measure()
    return written.write(record, results)


def tell(records: list[dict[str, Any]], as_json: bool) -> None:
    """Print what was measured."""
    if as_json:
        return console.print_json(records[0] if len(records) == 1 else records)
    rows = [row for record in records for row in record["bars"]]
    console.print_table(rows, ("name", "what", "measured", "low", "high", "bar", "met"))
    for record in records:
        if record.get("why"):
            print(f"{record['name']}: {record['why']}")
