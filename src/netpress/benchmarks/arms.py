"""The two arms: the plain loop of baselines/plain.py in a process of its own, and the package's own engine."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from netpress import data, nets, paths
from netpress.data.views import normalise_of
from netpress.errors import UserError
from netpress.nets.network import Network
from netpress.training.cache import Cache
from netpress.training.compute import ComputeConfig, choose
from netpress.training.feed import Feed, TrainTestData
from netpress.training.loop import train
from netpress.training.stage import Stage


class Plain:
    """A script of the folder baselines as a process that does job after job."""

    def __init__(self, script: str, common: dict[str, Any], folder: Path):
        place = paths.root() / "baselines" / script
        if not place.is_file():
            raise UserError(f"The loop to compare with, baselines/{script}, is not here: run this in a checkout.")
        self.common, self.folder, self.count = common, folder, 0
        self.process = subprocess.Popen(
            [sys.executable, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def do(self, **job: Any) -> dict[str, Any]:
        """One job; networks in it are handed over as files."""
        own = {key: self.handed(value) if isinstance(value, nn.Module) else value for key, value in job.items()}
        assert self.process.stdin and self.process.stdout
        print(json.dumps(self.common | own), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("the plain loop ended early: its message is above")
        return json.loads(answer)

    def handed(self, network: nn.Module) -> str:
        """A file with a network's tensors, numbered in order."""
        self.count += 1
        path = self.folder / f"{self.count % 8}.safetensors"
        state = network.state_dict().values()
        save_file({f"{i:04}": t.detach().cpu().contiguous().clone() for i, t in enumerate(state)}, path)
        return str(path)

    def end(self) -> None:
        """Let it go."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


@dataclass(frozen=True)
class Arms:
    """Both arms on the same images: the plain loop as a process, and the engine here."""

    plain: Plain
    config: ComputeConfig
    train_test: TrainTestData
    width: float
    folder: Path

    @property
    def classes(self) -> int:
        return len(self.train_test.train.classes)

    def network(self, model: str, parent: Network | None = None, seed: int = 0) -> Network:
        """A network as drawn, with its parent's layers where they agree."""
        torch.manual_seed(seed)
        network = nets.build(model, self.train_test.train.x.shape[-1], self.classes, self.width)
        if parent:
            from netpress.compress.edits import Inherit

            network = Inherit().apply(network, {"parent": parent})
        return self.config.place(network)

    def ours(self, stage: Stage, network: Network, teacher: Network | None = None, cache: Cache | None = None) -> float:
        """Train through one stage with the engine; what it cost, filling of caches included."""
        store = cache or Cache(self.config.cache_bytes)
        return self.timed(lambda: train(stage, network, self.feed(stage, network, teacher, store), self.config, seed=0))

    def feed(self, stage: Stage, network: Network, teacher: Network | None, cache: Cache) -> Feed:
        """What the stage trains on."""
        return Feed(stage, network, teacher, self.train_test, self.config, cache)

    def timed(self, work: Callable[[], object]) -> float:
        """Seconds of the processor on a CPU, on the clock with the device waited for otherwise."""
        before = reading(self.config)
        work()
        return reading(self.config) - before

    def theirs(self, task: str, model: str, stage: Stage, network: Network, **more: Any) -> dict[str, Any]:
        """The same stage in the plain loop: its answer, with what it cost as "cost"."""
        answer = self.plain.do(
            task=task, model=model, weights=network, trains=list(stage.trains), at=stage.at, loss=stage.loss,
            epochs=stage.epochs, batch=stage.batch_size, rate=stage.lr, optimiser=stage.optimiser, view=stage.view,
            temperature=stage.temperature, alpha=stage.alpha, **more,
        )  # fmt: skip
        return answer | {"cost": answer["cpu" if self.config.device == "cpu" else "wall"]}


def reading(config: ComputeConfig) -> float:
    """The meter: see `Arms.timed`."""
    if config.device == "cpu":
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(each.ru_utime + each.ru_stime for each in used)
    if config.device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter()


@contextmanager
def arms(script: str, images: int, width: float) -> Iterator[Arms]:
    """Both arms, warm: each has trained a little, so that what happens once in a process is not counted."""
    config = choose()
    train_test = pictures(images, config)
    with TemporaryDirectory() as name:
        folder = Path(name)
        common = {"width": width, "device": config.device, **written(train_test, folder / "images.npz")}
        plain = Plain(script, common, folder)
        both = Arms(plain, config, train_test, width, folder)
        try:
            warm_up(both, "distil" if script == "peers.py" else "train")
            yield both
        finally:
            plain.end()


def warm_up(both: Arms, task: str) -> None:
    """Train a little in both arms."""
    model = "vgg19" if task == "distil" else "vgg16"
    loss, teacher = ("distillation", both.network(model)) if task == "distil" else ("cross-entropy", None)
    stage = Stage("warm-up", loss=loss, epochs=1)
    taught = {"teacher": model, "taught": teacher} if teacher else {}
    both.theirs(task, model, stage, both.network(model), **taught)
    both.ours(stage, both.network(model), teacher)


def pictures(count: int, config: ComputeConfig) -> TrainTestData:
    """As many training as test images, at 32 px: CIFAR-10's where it is at hand, digits elsewhere."""
    dataset = source()
    train, test = data.load(dataset, "train", images=count, px=32), data.load(dataset, "test", px=32)
    test = replace(test, x=test.x[:count], y=test.y[:count], checksum=f"{test.checksum}, the first {count}")
    there = [replace(part, x=part.x.to(config.device), y=part.y.to(config.device)) for part in (train, test)]
    return TrainTestData(there[0], there[1], normalise_of(train))


def source() -> str:
    """The data set that is measured on."""
    return "cifar10" if data.available("cifar10") else "digits"


def written(train_test: TrainTestData, path: Path) -> dict[str, Any]:
    """The images as a file for the plain loop, and what it must know of them."""
    train, test = train_test.train, train_test.test
    pixels = {name: part.x.permute(0, 2, 3, 1).cpu().numpy() for name, part in (("x", train), ("test_x", test))}
    np.savez(path, y=train.y.cpu().numpy(), test_y=test.y.cpu().numpy(), **pixels)  # type: ignore[arg-type]
    view = {"mean": train_test.normalise.mean, "std": train_test.normalise.std}
    return {"images": str(path), "px": train.x.shape[-1], "classes": len(train.classes), **view}
