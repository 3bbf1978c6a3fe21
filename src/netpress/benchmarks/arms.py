"""`triage-grid`: the 31 networks of one data set, trained by the engine and by a loop as it is written in an afternoon.

Three arms take turns at every network, from the same weights and for the same steps: ours, as a sweep does it, the
filling of its caches included; baselines/plain.py as it stands; and the same loop with our memory layout and precision
and without loader processes ("fair": what a reader of PyTorch's documentation adds in three lines).

512 images, 4 epochs for the parent, 2 to retrain and 1 to imitate, where the edition small has 10,000 images and 24, 4
and 3 epochs. What a network costs beside its epochs weighs more here than there, in each arm.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from netpress import data, env, papers
from netpress.benchmarks import bar, content, place
from netpress.data.views import normalise_of
from netpress.errors import UserError
from netpress.nets.network import Network
from netpress.runs.perform import Workspace, perform
from netpress.runs.run import Run, fingerprint
from netpress.runs.store import WeightStore
from netpress.training.compute import ComputeConfig, choose
from netpress.training.feed import TrainTestData
from netpress.training.stage import Stage

NAME, WIDTH = "triage-grid", 1 / 4
IMAGES = {"cpu": 512, "cuda": 10_000, "mps": 1_000}
ROUNDS = {"cpu": 3, "cuda": 1, "mps": 2}
LEAST = {"cpu": 3.5, "cpu-fp32": 2.2, "cuda": 20.0}  # plain / ours, by place
ARMS = ("plain", "fair")


def measure() -> dict[str, Any]:
    """The record: per round the cost of all networks in each arm; per network its costs and accuracies."""
    config = choose()
    images = IMAGES[config.kind]
    runs = grid(images, WIDTH)
    with TemporaryDirectory() as folder:
        plain = Plain(pictures(images, config), config, WIDTH, Path(folder))
        try:
            one_round(runs[:1], plain)  # what happens once in a process is not counted
            rounds = [one_round(runs, plain) for _ in range(ROUNDS[config.kind])]
        finally:
            plain.end()
    least = LEAST.get(place(config.kind, config.precision))
    kinds = ("all", "thawed", "frozen")
    of_kind = {kind: [[row for row in rows if kind in ("all", row["regime"])] for rows in rounds] for kind in kinds}
    bars = [
        ratio(of_kind[kind], f"{kind} networks, width {WIDTH:g}, {arm} / ours", arm, least if first else None)
        for arm in ARMS
        for kind in kinds
        for first in [(arm, kind) == ("plain", "all")]
    ]
    networks = [
        rows[-1] | {arm: round(mean(row[arm] for row in rows), 4) for arm in ("ours", *ARMS)}
        for rows in zip(*rounds, strict=True)
    ]
    totals = [{arm: round(sum(row[arm] for row in rows), 3) for arm in ("ours", *ARMS)} for rows in rounds]
    settings = {"dataset": source(), "images": images, "batch": 64, "epochs": [4, 2, 1], "networks": len(runs)}
    widths = [{"width": WIDTH, "rounds": totals, "networks": networks}]
    return content(NAME, config, bars, settings, widths=widths)


def source() -> str:
    """The data set that is measured on."""
    return "cifar10" if data.available("cifar10") else "digits"


def pictures(count: int, config: ComputeConfig) -> TrainTestData:
    """As many training as test images, at 32 px: CIFAR-10's where it is at hand, digits elsewhere."""
    train, test = data.load(source(), "train", images=count, px=32), data.load(source(), "test", px=32)
    test = replace(test, x=test.x[:count], y=test.y[:count], checksum=f"{test.checksum}, the first {count}")
    there = [replace(part, x=part.x.to(config.device), y=part.y.to(config.device)) for part in (train, test)]
    return TrainTestData(there[0], there[1], normalise_of(train))


def grid(images: int, width: float) -> tuple[Run, ...]:
    """The parent and the 30 networks with a block replaced, without the measures that a record takes besides."""
    edition = "small" if source() == "cifar10" else "demo"
    changes = f"+epochs=2+imitation_epochs=1+parent_epochs=4+parent_schedule=one-cycle+images={images}+width={width}"
    runs = papers.grid("triage", edition + changes, (source(),), (0,))
    return tuple(
        replace(run, measures=()) for run in runs
        if run.method == "parent" or ({("retraining", "one-cycle")} <= {*run.factors} and "block" in dict(run.factors))
    )  # fmt: skip


class Plain:
    """baselines/plain.py as a process that does job after job on these images."""

    def __init__(self, train_test: TrainTestData, config: ComputeConfig, width: float, folder: Path):
        self.train_test, self.config, self.folder = train_test, config, folder
        script = env.root() / "baselines" / "plain.py"
        if not script.is_file():
            raise UserError("baselines/plain.py, to compare with, is not here: run this in a checkout of netpress.")
        train, test = train_test.train, train_test.test
        pixels = {name: part.x.permute(0, 2, 3, 1).cpu().numpy() for name, part in (("x", train), ("test_x", test))}
        np.savez(folder / "images.npz", y=train.y.cpu().numpy(), test_y=test.y.cpu().numpy(), **pixels)  # type: ignore[arg-type]
        self.common = {
            "images": str(folder / "images.npz"), "px": train.x.shape[-1], "classes": len(train.classes),
            "mean": train_test.normalise.mean, "std": train_test.normalise.std, "width": width, "device": config.device,
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def train(
        self, stage: Stage, model: str, network: Network, teacher: Network | None = None, fair: bool = False
    ) -> dict[str, Any]:
        """Train a network's weights through one stage there: {"history": rows, "cost": seconds}."""
        job = self.common | {
            "task": "imitate" if teacher else "train", "model": model, "weights": self.written("network", network),
            "trains": list(stage.trains), "at": stage.at, "epochs": stage.epochs, "batch": stage.batch_size,
            "rate": stage.lr, "optimiser": stage.optimiser, "view": stage.view,
        }  # fmt: skip
        if teacher:
            job |= {"teacher": "vgg16", "taught": self.written("teacher", teacher)}
        if fair:
            cuda = self.config.kind == "cuda"
            job |= {"channels_last": self.config.channels_last, "precision": self.config.precision}
            job |= {"loaders": 2 if cuda else 0}
        assert self.process.stdin and self.process.stdout
        print(json.dumps(job), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("the plain loop ended early: its message is above")
        done = json.loads(answer)
        return done | {"cost": done["cpu" if self.config.device == "cpu" else "wall"]}

    def written(self, name: str, network: Network) -> str:
        """A file with a network's tensors, numbered in order."""
        path = self.folder / f"{name}.safetensors"
        state = network.state_dict().values()
        save_file({f"{i:04}": t.detach().cpu().contiguous().clone() for i, t in enumerate(state)}, path)
        return str(path)

    def end(self) -> None:
        """Let it go."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def one_round(runs: tuple[Run, ...], plain: Plain) -> list[dict[str, Any]]:
    """Every network once in each arm, in turns. A beginning that two networks share is trained once in each."""
    with TemporaryDirectory() as folder:
        workspace = Workspace(plain.config, WeightStore(Path(folder)))
        workspace.train_test = lambda run: plain.train_test  # type: ignore[method-assign]
        seen, rows = set[str](), []
        for run in runs:
            began = reading(plain.config)
            record = perform(run, workspace)
            if record["status"] != "done":
                raise RuntimeError(record["reason"])
            row: dict[str, Any] = {"name": run.label, "regime": dict(run.factors).get("regime", "")}
            row |= {"ours": reading(plain.config) - began, "ours_accuracy": record["last"]} | dict.fromkeys(ARMS, 0.0)
            for key, stage, network in beginnings(run, workspace):
                if key in seen:
                    continue
                seen.add(key)
                teacher = workspace.finished(dict(run.needs)[stage.teacher]) if stage.teacher else None
                for arm in ARMS:
                    answer = plain.train(stage, run.model, network, teacher, fair=arm == "fair")
                    row[arm] += answer["cost"]
                    row[f"{arm}_accuracy"] = answer["history"][-1].get("test_accuracy")
            rows.append(row)
        return rows


def beginnings(run: Run, workspace: Workspace) -> Iterator[tuple[str, Stage, Network]]:
    """Each stage of a run that has been done, with the weights it begins from."""
    needs = {role: workspace.finished(need) for role, need in run.needs}
    network = workspace.blank(run)
    for position, step in enumerate(run.steps):
        torch.manual_seed(run.seed_of("step", position))
        if not isinstance(step, Stage):
            network = workspace.config.place(step.apply(network, needs))
            continue
        key = fingerprint(run, position + 1)
        yield key + ("" if step.shared else run.method), step, network
        if step.shared:
            network.load_state_dict(workspace.store.load(key)[0])


def reading(config: ComputeConfig) -> float:
    """Seconds of the processor (user and system, children included) on a CPU; elsewhere the clock, the device waited
    for."""
    if config.device == "cpu":
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(each.ru_utime + each.ru_stime for each in used)
    if config.kind == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def ratio(rounds: list[list[dict]], what: str, arm: str, least: float | None) -> dict[str, Any]:
    """How many times as long an arm takes as ours."""
    ratios = [sum(row[arm] for row in rows) / sum(row["ours"] for row in rows) for rows in rounds]
    return bar(NAME, f"{len(rounds[0])} {what}", ratios, least=least)
