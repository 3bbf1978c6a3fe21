"""What a run costs beside its training, at full width: the network it begins from, hashes, weights, and how alike it is
to its parent.

Both arms do the same runs, whose stage has no epochs, in turns: one with a workspace of its own for every run, which
waits until the weights are written; ours as a sweep does it, where the next run trains meanwhile.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from netpress import data, papers
from netpress.benchmarks import results
from netpress.data.views import normalise_of
from netpress.runs.measures import COMPARED_IMAGES
from netpress.runs.perform import perform
from netpress.runs.run import Run
from netpress.runs.weights import WeightStore
from netpress.runs.workspace import Workspace
from netpress.training.compute import ComputeConfig, choose
from netpress.training.feed import TrainTestData
from netpress.training.similarity import centred_kernel, cka_of_kernels
from netpress.training.stage import Stage

MOST = 0.5  # seconds a run
ROUNDS = 3
WIDTH = 1.0
CHOSEN = "*block?-*-frozen-s0"
# The outputs of VGG16's blocks at 32 px, on the test images that are compared
COMPARED = {"block1": (64, 16), "block2": (128, 8), "block3": (256, 4), "block4": (512, 2), "block5": (512, 1)}


def measure() -> dict[str, Any]:
    """The record: per round the host's seconds for a run in both arms, and their ratio."""
    config = choose()
    train_test, runs = few(config), untrained(WIDTH)
    with TemporaryDirectory() as name:
        rounds = [one_round(runs, Bare(config, Path(name) / str(n), train_test)) for n in range(ROUNDS)]
    both = {arm: [row[arm] for row in rounds] for arm in ("alone", "ours")}
    bars = [
        results.bar("host-work", f"seconds a run, width {WIDTH:g}, as in a sweep", both["ours"], most=MOST),
        results.bar("host-work", f"seconds a run, width {WIDTH:g}, each for itself", both["alone"]),
        results.bar("host-work", "ratio", [row["alone"] / row["ours"] for row in rounds]),
    ]
    return results.content("host-work", config, bars, {"runs": len(runs), "rounds": ROUNDS}, rounds=rounds)


def untrained(width: float) -> tuple[Run, ...]:
    """The parent and its networks of one kind of retraining, each with a stage of no epochs and no measures."""
    edition = f"demo+images=64+width={width}+parent_epochs=1+epochs=1+imitation_epochs=1"

    def still(run: Run) -> Run:
        steps = tuple(replace(step, epochs=0, shared=False) if isinstance(step, Stage) else step for step in run.steps)
        needs = tuple((role, still(need)) for role, need in run.needs)
        return replace(run, steps=steps, needs=needs, measures=())

    chosen = papers.matching(papers.grid("triage", edition), CHOSEN)
    return (still(chosen[0].needs[0][1]), *map(still, chosen))


def few(config: ComputeConfig) -> TrainTestData:
    """A batch of training images and eight test images, so that hardly anything is computed."""
    train, test = data.load("digits", "train", images=64, px=32), data.load("digits", "test", px=32)
    test = replace(test, x=test.x[:8], y=test.y[:8], checksum="eight")
    there = [replace(part, x=part.x.to(config.device), y=part.y.to(config.device)) for part in (train, test)]
    return TrainTestData(there[0], there[1], normalise_of(train))


class Bare:
    """Workspaces in a folder, with the images at hand."""

    def __init__(self, config: ComputeConfig, folder: Path, train_test: TrainTestData):
        self.config, self.folder, self.given = config, folder, train_test

    def workspace(self) -> Workspace:
        """A new one on the same store of weights."""
        made = Workspace(self.config, WeightStore(self.folder))
        made.train_test = lambda run: self.given  # type: ignore[method-assign]
        return made


def one_round(runs: tuple[Run, ...], bare: Bare) -> dict[str, float]:
    """Mean seconds of a run in both arms, the parent left out: it comes first and serves all."""
    parent, *others = runs
    kept = bare.workspace()
    perform(parent, kept)
    kept.store.wait()
    spent = {"alone": 0.0, "ours": 0.0}
    for run in others:
        spent["alone"] += seconds(lambda run=run: alone(run, bare), bare.config)  # type: ignore[misc]
        spent["ours"] += seconds(lambda run=run: as_in_a_sweep(run, kept), bare.config)  # type: ignore[misc]
        kept.store.wait()  # what the next run's training hides
    return {arm: round(total / len(others), 4) for arm, total in spent.items()}


def alone(run: Run, bare: Bare) -> None:
    """Nothing is kept from another run."""
    workspace = bare.workspace()
    must_be_done(perform(run, workspace))
    workspace.store.wait()
    x = representation(run, bare.config)
    cka_of_kernels(centred_kernel(x), centred_kernel(x))


def as_in_a_sweep(run: Run, workspace: Workspace) -> None:
    """What is the same in every run is at hand."""
    must_be_done(perform(run, workspace))
    x = representation(run, workspace.config)
    parents = workspace.measured.get(("host-work", x.shape), lambda: centred_kernel(x))
    cka_of_kernels(centred_kernel(x), parents)


def representation(run: Run, config: ComputeConfig) -> torch.Tensor:
    """As large as what is compared of a run."""
    channels, side = COMPARED[dict(run.factors)["block"]]
    return torch.ones(COMPARED_IMAGES, channels, side, side, device=config.device)


def must_be_done(content: dict[str, Any]) -> None:
    """A run that failed would be a fast one."""
    if content["status"] != "done":
        raise RuntimeError(content["reason"])


def seconds(work: Callable[[], object], config: ComputeConfig) -> float:
    """Of this thread, on a CPU; on the clock elsewhere, where waiting for the disk is part of it."""
    now = time.thread_time if config.kind == "cpu" else time.perf_counter
    began = now()
    work()
    return now() - began
