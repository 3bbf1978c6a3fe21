"""How long networks take to classify images, measured, with weights as drawn: what was learnt takes no time.

The levels of the Pyramid at the paper's own size (its Figure 3), and a single image in float32 on one core, as on a
small device, for every network on the data set that the papers have in common. Zeros that pruning leaves are multiplied
like other numbers. To be measured alone: nothing else may compute meanwhile.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from netpress import data, editions, env, papers
from netpress.nets import levels
from netpress.runs import records
from netpress.runs.run import Run

if TYPE_CHECKING:
    import pandas as pd

    from netpress.training.compute import ComputeConfig

LEVELS, LATENCY = "speed", "latency"  # the two measurements, and the files of their records
PX, CLASSES, WIDTH = 96, 10, 1.0  # STL10's; the Pyramid: "13000 [96x96] images"
COUNT = 13_000
MODELS = (levels.TOP, *levels.MODELS)
COLUMNS = (
    "model", "level", "direction", "parameters", "multiply_adds", "seconds_13000", "seconds_fastest", "seconds_slowest",
    "passes_13000", "latency", "latency_fastest", "latency_slowest",
)  # fmt: skip
IMAGES = 10  # per pass of a latency, one after the other

Key = tuple[str, int, float, int]  # model, px, width, classes


def path_of(kind: str, paper: str, edition: str, results: Path | None = None) -> Path:
    """results/<edition>/<paper>/<kind>.json"""
    return (results or env.results_dir()) / edition / paper / f"{kind}.json"


def conditions(kind: str, shown: Mapping[str, str], results: Path | None = None) -> str:
    """How times were measured, as words; `shown`: paper -> edition."""
    texts = []
    for paper, edition in shown.items():
        if record := records.read(path_of(kind, paper, edition, results)):
            made, threads = record["made"], record["made"]["threads"]
            text = f"{made['device']}, {threads} thread{'' if threads == 1 else 's'}, {made['precision']}"
            text += f", torch {made['torch']}, median of {record['passes']} passes"
            text += f", batches of {record['batch']}" if "batch" in record else ""
            scaled = kind == LEVELS and record["images"] != COUNT
            texts.append(text + (f", scaled from {record['images']:,} to {COUNT:,} images" if scaled else ""))
    return "; ".join(dict.fromkeys(texts)) or "not measured yet"


# The levels of the Pyramid


def ensure_levels(edition: str, results: Path | None = None, config: "ComputeConfig | None" = None) -> None:
    """Measure VGG19 and every level on this machine, where an edition has no record yet.

    Each network classifies the edition's `timed_images` in batches, and one image alone, as `runs.timing` does it.
    """
    path = path_of(LEVELS, "pyramid", edition, results)
    if records.read(path) is not None:
        return
    import torch

    from netpress.nets.describe import describe
    from netpress.runs import timing
    from netpress.training import compute

    chosen = editions.settings(edition, "pyramid")
    config = config or compute.choose()
    networks = {model: timing.blank(model, PX, WIDTH, CLASSES, config) for model in MODELS}
    images = torch.randn(chosen.timed_images, 3, PX, PX, generator=torch.Generator().manual_seed(0))
    whole, single = (
        timing.in_turns({m: partial(timing.classify, net, parts, config) for m, net in networks.items()}, config)
        for parts in ([config.place(batch) for batch in images.split(chosen.timed_batch)], [config.place(images[:1])])
    )
    rows = []
    for model, network in networks.items():
        size = describe(network, PX)
        facts = {"model": model, "parameters": size.parameters, "multiply_adds": size.multiply_adds}
        rows.append(facts | {"seconds": whole[model], "single_seconds": single[model]})
    record = {
        "name": "pyramid-speed", "edition": edition, "px": PX, "classes": CLASSES, "width": WIDTH,
        "images": chosen.timed_images, "batch": chosen.timed_batch, "networks": rows,
    }  # fmt: skip
    timing.write(path, record, config)


def of_levels(edition: str, results: Path | None = None) -> "pd.DataFrame":
    """One row a network: model, level, direction, parameters, multiply_adds, seconds_13000 and latency (one image, ms).

    Both are medians over the passes, with the fastest and the slowest one; passes_13000 lists all. Seconds are scaled
    from the images that were timed to 13,000. Empty where nothing was measured.
    """
    import pandas as pd

    record = records.read(path_of(LEVELS, "pyramid", edition, results))
    if record is None:
        return pd.DataFrame(columns=[*COLUMNS])
    rows = []
    for network in record["networks"]:
        level, direction = levels.place(network["model"])
        whole = [seconds * COUNT / record["images"] for seconds in network["seconds"]]
        single = [seconds * 1000 for seconds in network["single_seconds"]]
        rows.append({
            "model": network["model"], "level": level, "direction": direction,
            "parameters": network["parameters"], "multiply_adds": network["multiply_adds"],
            "seconds_13000": median(whole), "seconds_fastest": min(whole), "seconds_slowest": max(whole),
            "passes_13000": whole,
            "latency": median(single), "latency_fastest": min(single), "latency_slowest": max(single),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=[*COLUMNS])


# A single image


def key(run: Run) -> Key:
    """What a network's time depends on."""
    return (run.model, run.px, run.width, data.classes(run.dataset))


def latencies(paper: str, edition: str, results: Path | None = None) -> dict[Key, float]:
    """Milliseconds for one image, median over the passes; empty where nothing was measured."""
    record = records.read(path_of(LATENCY, paper, edition, results))
    return {tuple(row["key"]): 1000 * median(row["seconds"]) for row in record["networks"]} if record else {}


def ensure_latencies(shown: Mapping[str, str], dataset: str, results: Path | None = None) -> None:
    """Measure the networks on a data set on this machine's CPU, of each paper anew unless each of them has its time.

    `shown`: paper -> edition.
    """
    import torch

    from netpress.runs import timing
    from netpress.training import compute

    config = compute.plain()
    for paper, edition in shown.items():
        wanted = {key(run) for run in papers.shown(paper, edition) if run.dataset == dataset}
        if wanted <= latencies(paper, edition, results).keys():
            continue
        work = {}
        for model, px, width, classes in sorted(wanted):  # each takes IMAGES images one by one in every pass
            network = timing.blank(model, px, width, classes, config)
            images = [torch.zeros(1, 3, px, px)] * IMAGES
            work[model, px, width, classes] = partial(timing.classify, network, images, config)
        with compute.one_thread():
            times = timing.in_turns(work, config)
            networks = [{"key": list(one), "seconds": [s / IMAGES for s in times[one]]} for one in work]
            record = {"name": LATENCY, "edition": edition, "images": IMAGES, "networks": networks}
            timing.write(path_of(LATENCY, paper, edition, results), record, config)
