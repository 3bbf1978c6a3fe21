"""The share of a GPU's matrix products that a step of full VGG16 reaches, captured and eager."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from netpress import nets
from netpress.benchmarks import results
from netpress.data import Images
from netpress.data.views import normalise_of
from netpress.nets.describe import describe
from netpress.training.cache import Cache
from netpress.training.compute import ComputeConfig, choose
from netpress.training.feed import Feed, TrainTestData
from netpress.training.loop import make_optimiser, set_modes, step_of, thaw
from netpress.training.stage import Stage

LEAST = {512: 0.4}  # batch: share of the matrix products
ROUNDS = 5


class Size:
    """How much is computed."""

    side, width, steps = 8192, 1.0, 50  # of the matrices; of the network; in a round


class Tried(Size):
    """Next to nothing, to see whether it works."""

    side, width, steps = 64, 1 / 16, 2


def measure(name: str, batch: int, px: int, quick: bool = False) -> dict[str, Any]:
    """The record: images a second, and the share of the rate of the matrix products. `quick`: next to nothing is
    computed, and nothing judged."""
    config, size = choose(), Tried if quick else Size
    batch, least = (4, None) if quick else (batch, LEAST.get(batch))
    rate = matrix_rate(config, size)
    arms = (True, False) if config.capture else (False,)
    rows = [row_of(batch, px, replace(config, capture=capture), size) for capture in arms]
    rows = [row | {"share": row["flops"] / rate} for row in rows]
    bars = [
        results.bar(name, f"VGG16, {px} px, batch {batch}, {row['how']}: share of matrix products", [row["share"]],
                    least=least if row is rows[0] else None)
        for row in rows
    ]  # fmt: skip
    settings = {"matrix": size.side, "matrix_flops": rate, "precision": config.precision, "batch": batch, "px": px}
    return results.content(name, config, bars, settings, steps=rows)


def matrix_rate(config: ComputeConfig, size: type[Size]) -> float:
    """Floating-point operations a second of a bf16 product of square matrices: two per multiply-add."""
    sides = size.side, size.side
    one, other = (torch.randn(sides, device=config.device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size.side**3 / per_call(lambda: one @ other, config, size)


def per_call(work: Callable[[], object], config: ComputeConfig, size: type[Size]) -> float:
    """Seconds of one call, the median of the rounds after a warm-up, with the device waited for."""
    found = []
    for _ in range(ROUNDS + 1):
        wait(config)
        began = time.perf_counter()
        for _ in range(size.steps):
            work()
        wait(config)
        found.append((time.perf_counter() - began) / size.steps)
    return sorted(found[1:])[ROUNDS // 2]


def wait(config: ComputeConfig) -> None:
    """Until the device has done all."""
    if config.kind == "cuda":
        torch.cuda.synchronize()


def row_of(batch: int, px: int, config: ComputeConfig, size: type[Size]) -> dict[str, Any]:
    """Steps of the whole network, all of it training, on random images."""
    network = config.place(nets.build("vgg16", px, 10, size.width))
    stage = Stage("train", batch_size=batch)
    feed = Feed(stage, network, None, noise(px, 4 * batch, config), config, Cache(config.cache_bytes))
    parameters = thaw(network, ())
    optimiser = make_optimiser(stage, parameters)
    set_modes(network, ())
    advance = config.captured(step_of(feed, optimiser, parameters, config), optimiser)
    batches = list(feed.batches(batch, 0, 0))
    seconds = per_call(lambda: advance(batches[0]), config, size)
    done = 6 * describe(network, px).multiply_adds * batch
    how = "captured" if config.capture else "eager"
    return {"how": how, "seconds": seconds, "images_per_second": batch / seconds, "flops": done / seconds}


def noise(px: int, count: int, config: ComputeConfig) -> TrainTestData:
    """Random images on the device."""
    x = torch.randint(0, 256, (count, 3, px, px), dtype=torch.uint8).to(config.device)
    y = torch.randint(0, 10, (count,)).to(config.device)
    images = Images(x, y, tuple(map(str, range(10))), "noise", "train", "random numbers", f"noise {px} {count}")
    return TrainTestData(images, images, normalise_of(images))
