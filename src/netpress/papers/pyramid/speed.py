"""How long VGG19 and every level take to classify images (paper: Figure 3), measured at the paper's own size.

Time does not depend on what a network has learnt, so every edition measures networks of width 1 at 96 px with weights
as drawn. To be measured alone: nothing else may compute meanwhile.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from netpress import editions, paths
from netpress.nets import levels

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

    from netpress.training.compute import Speed

PX, CLASSES, WIDTH = 96, 10, 1.0  # STL10's; the paper: "13000 [96x96] images"
COUNT = 13_000
PASSES = 5
MODELS = (levels.TOP, *levels.MODELS)
KIND = "pyramid-speed"
COLUMNS = (
    "model", "level", "direction", "parameters", "multiply_adds", "seconds_13000", "seconds_fastest", "seconds_slowest",
    "passes_13000", "latency", "latency_fastest", "latency_slowest",
)  # fmt: skip


def path_of(edition: str, results: Path | None = None) -> Path:
    """results/<edition>/pyramid/speed.json"""
    return (results or paths.results_dir()) / edition / "pyramid" / "speed.json"


def measure_speed(edition: str, results: Path | None = None, how: "Speed | None" = None) -> Path:
    """Measure all networks on this machine and write the record; returns its path. A new measurement replaces the old.

    Each network classifies the edition's `timed_images` in batches, and one image alone, PASSES times after a warm-up;
    the networks take turns in every pass, so that a slow moment of the machine meets all alike.
    """
    import torch

    from netpress.atomic import write_atomic
    from netpress.nets.describe import describe
    from netpress.runs import machine, records
    from netpress.training import compute

    chosen = editions.settings(edition, "pyramid")
    how = how or compute.choose()
    networks = {model: blank(model, how) for model in MODELS}
    images = torch.randn(chosen.timed_images, 3, PX, PX, generator=torch.Generator().manual_seed(0))
    batches = [how.place(batch) for batch in images.split(chosen.timed_batch)]
    whole = rounds(networks, batches, how)
    single = rounds(networks, [how.place(images[:1])], how)
    rows = []
    for model, network in networks.items():
        size = describe(network, PX)  # type: ignore[arg-type]
        told = {"model": model, "parameters": size.parameters, "multiply_adds": size.multiply_adds}
        rows.append(told | {"seconds": whole[model], "single_seconds": single[model]})
    record = {
        "name": KIND, "status": "done", "edition": edition, "px": PX, "classes": CLASSES, "width": WIDTH,
        "images": chosen.timed_images, "batch": chosen.timed_batch, "passes": PASSES, "networks": rows,
        "made": machine.made(how),
    }  # fmt: skip
    write_atomic(path_of(edition, results), records.encode(record))
    return path_of(edition, results)


def ensure(edition: str, results: Path | None = None) -> None:
    """Measure where there is no record yet."""
    if read(edition, results) is None:
        measure_speed(edition, results)


def blank(model: str, how: "Speed") -> "nn.Module":
    """A network of the paper's size with weights as drawn, in eval mode on the device."""
    import torch

    from netpress import nets

    torch.manual_seed(0)
    return how.place(nets.build(model, PX, CLASSES, WIDTH)).requires_grad_(False).eval()


def rounds(networks: "dict[str, nn.Module]", batches: "list[Tensor]", how: "Speed") -> dict[str, list[float]]:
    """Seconds of every network for all batches, one number a pass, after a warm-up that is not counted."""
    found: dict[str, list[float]] = {model: [] for model in networks}
    for counted in (False, *(True,) * PASSES):
        for model, network in networks.items():
            seconds = timed(partial(classify, network, batches, how), how)
            if counted:
                found[model].append(seconds)
    return found


def classify(network: "nn.Module", batches: "list[Tensor]", how: "Speed") -> "list[Tensor]":
    """The class of every image."""
    import torch

    with torch.inference_mode(), how.autocast():
        return [network(batch).argmax(1) for batch in batches]


def timed(work: Callable[[], Any], how: "Speed") -> float:
    """Seconds until the device has done its work."""
    wait(how)
    began = time.perf_counter()
    work()
    wait(how)
    return time.perf_counter() - began


def wait(how: "Speed") -> None:
    """Wait for a GPU, which works on while Python goes ahead."""
    import torch

    kind = how.device.split(":")[0]
    if kind in ("cuda", "mps"):
        getattr(torch, kind).synchronize()


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
    level, _, direction = network["model"].partition("-")
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
        return f"Nothing was measured yet for the edition {edition}: `netpress bench pyramid-speed` does."
    made, threads = record["made"], record["made"]["threads"]
    scaled = "" if record["images"] == COUNT else f", scaled from {record['images']:,} to {COUNT:,} images"
    return (
        f"{made['device']}, {threads} thread{'' if threads == 1 else 's'}, {made['precision']}, torch {made['torch']}; "
        f"batches of {record['batch']}, median of {record['passes']} passes after a warm-up{scaled}."
    )
