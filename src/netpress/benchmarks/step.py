"""`step-128`: the share of a GPU's matrix products that a step of full VGG16 reaches, captured and eager."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from netpress import nets
from netpress.benchmarks import bar, content
from netpress.data import Images
from netpress.data.views import normalise_of
from netpress.nets.describe import describe
from netpress.training.compute import ComputeConfig, choose
from netpress.training.feed import Cache, Feed, TrainTestData
from netpress.training.loop import make_optimiser, set_modes, step_of, thaw
from netpress.training.stage import Stage

NAME, BATCH, PX = "step-128", 128, 32  # as the edition large trains
LEAST = 0.25  # of the matrix products
ROUNDS, STEPS = 5, 50


def measure(width: float = 1.0, side: int = 8192) -> dict[str, Any]:
    """The record: images a second, and the share of the rate of products of `side` x `side` matrices in bf16."""
    config = choose()
    one, other = (torch.randn(side, side, device=config.device, dtype=torch.bfloat16) for _ in range(2))
    rate = 2 * side**3 / seconds_of(lambda: one @ other)
    rows: list[dict[str, Any]] = []
    for capture in (True, False) if config.capture else (False,):
        seconds, flops = step(replace(config, capture=capture), width)
        row = {"how": "captured" if capture else "eager", "seconds": seconds, "images_per_second": BATCH / seconds}
        rows.append(row | {"share": flops / seconds / rate})
    what = f"VGG16, {PX} px, batch {BATCH}"
    bars = [
        bar(NAME, f"{what}, {row['how']}: share of matrix products", [row["share"]], least=least)
        for row, least in zip(rows, (LEAST, None), strict=False)
    ]
    settings = {"matrix": side, "matrix_flops": rate, "precision": config.precision, "batch": BATCH, "px": PX}
    return content(NAME, config, bars, settings, steps=rows)


def step(config: ComputeConfig, width: float) -> tuple[float, int]:
    """Seconds and floating-point operations of a step of the whole network, all of it training, on random images."""
    network = config.place(nets.build("vgg16", PX, 10, width))
    x = torch.randint(0, 256, (4 * BATCH, 3, PX, PX), dtype=torch.uint8).to(config.device)
    y = torch.randint(0, 10, (4 * BATCH,)).to(config.device)
    images = Images(x, y, tuple("0123456789"), "noise", "train", "random numbers", "noise")
    stage = Stage("train", batch_size=BATCH)
    train_test = TrainTestData(images, images, normalise_of(images))
    feed = Feed(stage, network, None, train_test, config, Cache(config.cache_bytes))
    parameters = thaw(network, ())
    optimiser = make_optimiser(stage, parameters)
    set_modes(network, ())
    advance = config.captured(step_of(feed, optimiser, parameters, config), optimiser)
    batch = next(feed.batches(BATCH, 0, 0))
    return seconds_of(lambda: advance(batch)), 6 * describe(network, PX).multiply_adds * BATCH


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds of one call, the median of the rounds after a warm-up, with the device waited for."""
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    found = []
    for _ in range(ROUNDS + 1):
        wait()
        began = time.perf_counter()
        for _ in range(STEPS):
            work()
        wait()
        found.append((time.perf_counter() - began) / STEPS)
    return sorted(found[1:])[ROUNDS // 2]
