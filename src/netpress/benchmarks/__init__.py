"""`netpress bench`: what the engine gains beside a plain loop, whether records can be made again, what the rules miss.

On a CPU the processor's seconds are counted (user and system, child processes included), with one thread, since other
people's work would spoil a measurement by the clock. On a GPU the clock is used, after the device has finished.
"""

from importlib import import_module
from pathlib import Path

from netpress import console
from netpress.errors import UserError, known

# Name -> the module that has its `measure()`, and what it says
MEASUREMENTS = {
    "triage-grid": ("arms", "the triage grid of one data set, width 1/4: plain loops / ours"),
    "step-128": ("step", "a step of full VGG16 on a GPU, batch 128, against its matrix products"),
    "rebuild": ("rebuild", "the site and every table from records, without training"),
    "remade": ("remade", "records chosen at random and made again"),
    "rules": ("rules", "how often the rules of the claims decide wrongly, and at all, on drawn numbers"),
    "shrink": ("shrink", "`netpress shrink` beside torch-pruning and FastNAS; hours, and goes on if stopped"),
}
LONG = ("shrink",)  # measured only where it is asked for
ON_GPU = ("step-128",)  # says nothing without one
ON_PICTURES = ("triage-grid", "shrink")  # on a GPU measured on CIFAR-10 and on nothing smaller


def listed() -> str:
    """Every measurement with what it says, a line each."""
    width = max(map(len, MEASUREMENTS))
    return "\n".join(f"{name:{width}}  {says}" for name, (_, says) in MEASUREMENTS.items())


def command(name: str = "", as_json: bool = False, results: Path | None = None) -> None:
    """Measure one thing, or all that this machine can, write the records and print them."""
    from netpress.benchmarks.results import write
    from netpress.training.compute import one_thread

    if name and (reason := refusal(known(name, tuple(MEASUREMENTS), "measurement"))):
        raise UserError(reason)
    found = []
    for each in [name] if name else [each for each in MEASUREMENTS if each not in LONG and not refusal(each)]:
        with one_thread():
            record = import_module(f"netpress.benchmarks.{MEASUREMENTS[each][0]}").measure()
        found.append(write(record, results))
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
