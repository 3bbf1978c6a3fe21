"""How long VGG19 and every level take to classify images (paper: Figure 3), measured at the paper's own size.

Time does not depend on what a network has learnt, so every edition measures networks of width 1 at 96 px with weights
as drawn. To be measured alone: nothing else may compute meanwhile.
"""

from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from netpress import editions, env
from netpress.nets import levels

if TYPE_CHECKING:
    import pandas as pd

    from netpress.training.compute import ComputeConfig

PX, CLASSES, WIDTH = 96, 10, 1.0  # STL10's; the paper: "13000 [96x96] images"
COUNT = 13_000
MODELS = (levels.TOP, *levels.MODELS)
KIND = "pyramid-speed"
COLUMNS = (
    "model", "level", "direction", "parameters", "multiply_adds", "seconds_13000", "seconds_fastest", "seconds_slowest",
    "passes_13000", "latency", "latency_fastest", "latency_slowest",
)  # fmt: skip


def path_of(edition: str, results: Path | None = None) -> Path:
    """results/<edition>/pyramid/speed.json"""
    return (results or env.results_dir()) / edition / "pyramid" / "speed.json"


def measure_speed(edition: str, results: Path | None = None, config: "ComputeConfig | None" = None) -> Path:
    """Measure all networks on this machine and write the record; returns its path. A new measurement replaces the old.

    Each network classifies the edition's `timed_images` in batches, and one image alone, as `runs.timing`
    does it.
    """
    import torch

    from netpress.nets.describe import describe
    from netpress.runs import timing
    from netpress.training import compute

    chosen = editions.settings(edition, "pyramid")
    config = config or compute.choose()
    networks = {model: timing.blank(model, PX, WIDTH, CLASSES, config) for model in MODELS}
    images = torch.randn(chosen.timed_images, 3, PX, PX, generator=torch.Generator().manual_seed(0))
    batches = [config.place(batch) for batch in images.split(chosen.timed_batch)]

    def seconds(parts: list[torch.Tensor]) -> dict[str, list[float]]:
        return timing.in_turns({m: partial(timing.classify, net, parts, config) for m, net in networks.items()}, config)

    whole, single = seconds(batches), seconds([config.place(images[:1])])
    rows = []
    for model, network in networks.items():
        size = describe(network, PX)
        facts = {"model": model, "parameters": size.parameters, "multiply_adds": size.multiply_adds}
        rows.append(facts | {"seconds": whole[model], "single_seconds": single[model]})
    record = {
        "name": KIND, "edition": edition, "px": PX, "classes": CLASSES, "width": WIDTH,
        "images": chosen.timed_images, "batch": chosen.timed_batch, "networks": rows,
    }  # fmt: skip
    return timing.write(path_of(edition, results), record, config)


def ensure(edition: str, results: Path | None = None) -> None:
    """Measure where there is no record yet."""
    if read(edition, results) is None:
        measure_speed(edition, results)


def read(edition: str, results: Path | None = None) -> dict[str, Any] | None:
    """The record, None where nothing was measured."""
    from netpress.runs import records

    return records.read(path_of(edition, results))


def frame(edition: str, results: Path | None = None) -> "pd.DataFrame":
    """One row a network: model, level, direction, parameters, multiply_adds, seconds_13000 and latency (one image, ms).

    Both are medians over the passes, with the fastest and the slowest one; passes_13000 lists all. Seconds are scaled
    from the images that were timed to 13,000. Empty where nothing was measured.
    """
    import pandas as pd

    record = read(edition, results)
    rows = [row_of(record, network) for network in record["networks"]] if record else []
    return pd.DataFrame(rows, columns=[*COLUMNS])


def row_of(record: dict[str, Any], network: dict[str, Any]) -> dict[str, Any]:
    """One row of `frame`."""
    level, direction = levels.place(network["model"])
    whole = [seconds * COUNT / record["images"] for seconds in network["seconds"]]
    single = [seconds * 1000 for seconds in network["single_seconds"]]
    return {
        "model": network["model"], "level": level, "direction": direction,
        "parameters": network["parameters"], "multiply_adds": network["multiply_adds"],
        "seconds_13000": median(whole), "seconds_fastest": min(whole), "seconds_slowest": max(whole),
        "passes_13000": whole,
        "latency": median(single), "latency_fastest": min(single), "latency_slowest": max(single),
    }  # fmt: skip


def conditions(edition: str, results: Path | None = None) -> str:
    """How the times were measured, as a sentence."""
    record = read(edition, results)
    if record is None:
        return f"Nothing was measured yet for the edition {edition}: `netpress book` does."
    made, threads = record["made"], record["made"]["threads"]
    scaled = "" if record["images"] == COUNT else f", scaled from {record['images']:,} to {COUNT:,} images"
    return (
        f"{made['device']}, {threads} thread{'' if threads == 1 else 's'}, {made['precision']}, torch {made['torch']}; "
        f"batches of {record['batch']}, median of {record['passes']} passes after a warm-up{scaled}."
    )
