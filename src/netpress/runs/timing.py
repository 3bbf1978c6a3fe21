"""How long networks take to classify, measured in turns, and the record of it.

Time does not depend on what a network has learnt, so networks are timed with weights as drawn. To be measured alone:
nothing else may compute meanwhile.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from netpress import nets
from netpress.files import write_atomic
from netpress.nets.network import Network
from netpress.runs import records
from netpress.training.compute import ComputeConfig

PASSES = 5
Key = TypeVar("Key")


def blank(model: str, px: int, width: float, classes: int, config: ComputeConfig) -> Network:
    """A network with weights as drawn, in eval mode on the device."""
    torch.manual_seed(0)
    network = nets.build(model, px, classes, width).requires_grad_(False).eval()
    config.place(network)
    return network


def in_turns(work: Mapping[Key, Callable[[], object]], config: ComputeConfig) -> dict[Key, list[float]]:
    """Seconds of each work, PASSES numbers after a warm-up that is not counted.

    They take turns in every pass, so that a slow moment of the machine meets all alike.
    """
    found: dict[Key, list[float]] = {key: [] for key in work}
    for counted in (False, *(True,) * PASSES):
        for key, do in work.items():
            seconds = timed(do, config)
            if counted:
                found[key].append(seconds)
    return found


def classify(network: Network, batches: Sequence[Tensor], config: ComputeConfig) -> list[Tensor]:
    """The class of every image: one tensor (N,) a batch."""
    with torch.inference_mode(), config.autocast():
        return [network(batch).argmax(1) for batch in batches]


def timed(work: Callable[[], object], config: ComputeConfig) -> float:
    """Seconds until the device has done its work."""
    wait(config)
    began = time.perf_counter()
    work()
    wait(config)
    return time.perf_counter() - began


def wait(config: ComputeConfig) -> None:
    """Wait for a GPU, which works on while Python goes ahead."""
    kind = config.device.split(":")[0]
    if kind in ("cuda", "mps"):
        getattr(torch, kind).synchronize()


def write(path: Path, record: dict[str, Any], config: ComputeConfig) -> Path:
    """Put the record of a measurement in its place; a new one replaces the old. Returns its path."""
    whole = {"status": "done", "passes": PASSES} | record | {"made": records.made(config)}
    write_atomic(path, records.encode(whole))
    return path
