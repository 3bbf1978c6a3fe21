"""What only a GPU shows: the share of its matrix products that a full step reaches, the grid at full width on the
clock, and several networks at once."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

import torch

from netpress import data, nets, paths
from netpress.benchmarks import results
from netpress.data import Images
from netpress.data.views import normalise_of
from netpress.nets.describe import describe
from netpress.training.cache import Cache
from netpress.training.compute import ComputeConfig, choose
from netpress.training.feed import Feed, TrainTestData
from netpress.training.loop import make_optimiser, set_modes, step_of, thaw
from netpress.training.stage import Stage

SIDE = 8192  # of the matrices
SHARE = 0.4
STEPS = 50
SIZES = ((32, 128), (32, 512), (224, 64))  # pixels, batch; the first is that of the edition large
WORKERS = (1, 2, 4)


def measure() -> dict[str, Any]:
    """The record: images a second and share of the matrix products' rate for full VGG16, captured and eager; seconds
    of a small grid with several worker processes."""
    config = choose()
    rate = matrix_rate()
    rows = [step_row(size, replace(config, capture=capture), rate) for size in SIZES for capture in (True, False)]
    bars = [
        results.bar("full-step", f"VGG16, {row['px']} px, batch {row['batch']}, {row['how']}: share of matrix products",
                    [row["share"]], least=SHARE if i == 0 else None)
        for i, row in enumerate(rows)
    ]  # fmt: skip
    bars += [
        results.bar("full-step", f"seconds of the demo's triage grid with {n} processes", [grid_seconds("demo", n)])
        for n in WORKERS
    ]
    if data.available("cifar10"):
        whole = grid_seconds("large+parent_epochs=10", 1, ("cifar10",))
        bars.append(results.bar("full-step", "seconds of 31 networks x 10 epochs x 50,000 images", [whole], most=90.0))
    settings = {"matrix": SIDE, "matrix_flops": rate, "precision": config.precision}
    return results.content("full-step", config, bars, settings, steps=rows)


def matrix_rate() -> float:
    """Floating-point operations a second of a bf16 product of 8192 x 8192 matrices: two per multiply-add."""
    one, other = (torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return 2 * SIDE**3 / per_call(lambda: one @ other)


def per_call(work: Callable[[], Any]) -> float:
    """Seconds of one call, the median of five rounds after a warm-up, with the device waited for."""
    found = []
    for _ in range(6):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(STEPS):
            work()
        torch.cuda.synchronize()
        found.append((time.perf_counter() - began) / STEPS)
    return sorted(found[1:])[2]


def step_row(size: tuple[int, int], config: ComputeConfig, rate: float) -> dict[str, Any]:
    """Steps of the whole network, all of it training, on random images."""
    px, batch = size
    network = config.place(nets.build("vgg16", px, 10, 1.0))
    stage = Stage("train", batch_size=batch)
    feed = Feed(stage, network, None, noise(px, 4 * batch, config), config, Cache(config.cache_bytes))
    parameters = thaw(network, ())
    optimiser = make_optimiser(stage, parameters)
    set_modes(network, ())
    advance = config.captured(step_of(feed, optimiser, parameters, config), optimiser)
    batches = list(feed.batches(batch, 0, 0))
    seconds = per_call(lambda: advance(batches[0]))
    flops = 6 * describe(network, px).multiply_adds * batch / seconds
    how = "captured" if config.capture else "eager"
    return {
        "px": px, "batch": batch, "how": how, "seconds": seconds, "images_per_second": batch / seconds,
        "share": flops / rate,
    }  # fmt: skip


def noise(px: int, count: int, config: ComputeConfig) -> TrainTestData:
    """Random images on the device."""
    x = torch.randint(0, 256, (count, 3, px, px), dtype=torch.uint8).to(config.device)
    y = torch.randint(0, 10, (count,)).to(config.device)
    images = Images(x, y, tuple(map(str, range(10))), "noise", "train", "random numbers", f"noise {px} {count}")
    return TrainTestData(images, images, normalise_of(images))


def grid_seconds(edition: str, workers: int, datasets: tuple[str, ...] = ()) -> float:
    """Seconds on the clock of one seed of the triage grid in a new process, with so many networks at once."""
    words = ["run", "triage", "--edition", edition, "--seeds", "0", "--workers", str(workers)]
    words += [word for name in datasets for word in ("--dataset", name)]
    with TemporaryDirectory() as folder:
        own = {"NETPRESS_CACHE": folder, "NETPRESS_RESULTS": folder, "NETPRESS_DATA": str(paths.data_folder())}
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "netpress.cli", *words], env=os.environ | own, check=True)
        return time.perf_counter() - began
