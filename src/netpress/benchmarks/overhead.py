"""Host time per step around a network that does nothing: what the loop itself costs."""

import time
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from netpress.benchmarks import results
from netpress.benchmarks.arms import pictures
from netpress.data.views import normalise_of
from netpress.nets.network import Network
from netpress.training.cache import Cache
from netpress.training.compute import ComputeConfig, choose
from netpress.training.feed import Feed, TrainTestData
from netpress.training.loop import forget_gradients, make_optimiser, thaw, train
from netpress.training.stage import Stage

MOST = 50.0  # microseconds
STEPS = 500
ROUNDS = 15


class Nothing(nn.Module):
    """Logits that depend on no image: ten parameters, (N, ...) -> (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(1, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.logits.expand(len(x), -1)


def measure() -> dict[str, Any]:
    """The record: microseconds per step of the whole loop, of forward, loss and backward alone, and the difference,
    which is data, learning rate, precision, gradients, optimiser and accuracy; the optimiser's part by itself."""
    config = choose()
    train_test = tiny(config)
    network = Network({"nothing": nn.Identity()}, Nothing()).to(config.device)
    rounds = [one_round(network, train_test, config) for _ in range(ROUNDS + 1)][1:]
    around = [row["whole"] - row["bare"] for row in rounds]
    optimiser = [row["stepped"] - row["bare"] for row in rounds]
    bars = [
        results.bar("step-overhead", "microseconds around forward, loss and backward", around, most=MOST),
        results.bar("step-overhead", "microseconds of them in the optimiser", optimiser),
        results.bar("step-overhead", "microseconds in all", [row["whole"] for row in rounds]),
    ]
    settings = {"steps": STEPS, "batch": 64, "px": 2}
    return results.content("step-overhead", config, bars, settings, why=why(bars[0], bars[1]))


def one_round(network: Network, train_test: TrainTestData, config: ComputeConfig) -> dict[str, float]:
    """Microseconds per step: the whole loop; forward, loss and backward; these with the optimiser's step."""
    return {
        "whole": whole(network, train_test, config),
        "bare": alone(network, train_test, config, stepped=False),
        "stepped": alone(network, train_test, config, stepped=True),
    }


def why(around: dict[str, Any], optimiser: dict[str, Any]) -> str | None:
    """What keeps it up, where the bar is missed."""
    if around["met"] is not False:
        return None
    rest = around["measured"] - optimiser["measured"]
    return (
        f"PyTorch's own optimiser takes {optimiser['measured']:.0f} microseconds of them for a network of ten numbers, "
        f"most of it in Python before its kernel is called; {rest:.0f} are the batch, the learning rate, the change of "
        "precision, loss and hits."
    )


def tiny(config: ComputeConfig) -> TrainTestData:
    """So many batches of 2 x 2 pixels, and one batch of test images."""
    some = pictures(64, config).train
    many = replace(
        some, x=some.x[:, :, :2, :2].repeat(STEPS, 1, 1, 1).contiguous(), y=some.y.repeat(STEPS), checksum="tiny"
    )
    test = replace(many, x=many.x[:64], y=many.y[:64], checksum="one tiny batch")
    return TrainTestData(many, test, normalise_of(many))


def whole(network: Network, train_test: TrainTestData, config: ComputeConfig) -> float:
    """Microseconds per step of an epoch, its evaluation included."""
    stage = Stage("nothing")
    feed = Feed(stage, network, None, train_test, config, Cache(config.cache_bytes))
    return per_step(lambda: train(stage, network, feed, config, seed=0))


def alone(network: Network, train_test: TrainTestData, config: ComputeConfig, stepped: bool) -> float:
    """Microseconds of forward, loss and backward on one batch, and of the optimiser's step where `stepped`."""
    stage = Stage("nothing")
    feed = Feed(stage, network, None, train_test, config, Cache(config.cache_bytes))
    batch = next(feed.batches(64, 0, 0))
    parameters = thaw(network, ())
    optimiser = make_optimiser(stage, parameters)

    def again() -> None:
        for _ in range(STEPS):
            with config.autocast():
                output = feed.forward(batch)
            forget_gradients(parameters)
            feed.loss(output, batch).backward()
            if stepped:
                optimiser.step()

    return per_step(again)


def per_step(work: Any) -> float:
    """Microseconds of the processor for each step."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / STEPS * 1e6
