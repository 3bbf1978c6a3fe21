"""The triage of ResNet-18, a network of others, in both arms: ours as a sweep does it, and the plain loop."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors.torch import save_file
from torch import nn

from netpress.benchmarks import grid, results
from netpress.benchmarks.arms import Arms, Plain, pictures, source, written
from netpress.runs.run import Run
from netpress.training.compute import choose
from netpress.training.stage import Stage
from netpress.yours import grid as yours
from netpress.yours.grid import Task

MOST = 0.5  # ours / plain
MODEL = "netpress:resnet18_32"
BLOCKS = ("layer1", "layer2", "layer3", "layer4")
IMAGES = {"cpu": 256, "cuda": 10_000, "mps": 1_000}
ROUNDS = {"cpu": 1, "cuda": 3, "mps": 2}
EDITION = "small+epochs=2+imitation_epochs=1+parent_epochs=4"

# how tensors are called in baselines/resnet18.py
RENAMED = {
    r"\.conv1\.conv1\.": ".conv1.0.",
    r"\.conv1\.bn1\.": ".conv1.1.",
    r"\.replacement\.conv\.": ".0.",
    r"\.replacement\.bn\.": ".1.",
    r"^head\.fc\.": "head.2.",
}


class Named(Plain):
    """The plain loop of a network whose tensors are handed over by name."""

    def handed(self, network: nn.Module) -> str:
        self.count += 1
        path = self.folder / f"{self.count % 8}.safetensors"
        state = {their_name(name): t.detach().cpu().contiguous().clone() for name, t in network.state_dict().items()}
        save_file({f"{i:04}": state[name] for i, name in enumerate(sorted(state))}, path)
        return str(path)


def their_name(name: str) -> str:
    """A tensor's name in the plain loop's network."""
    for ours, theirs in RENAMED.items():
        name = re.sub(ours, theirs, name)
    return name


def measure() -> dict[str, Any]:
    """The record: per round the cost of all 18 networks in both arms."""
    kind = choose().device.split(":")[0]
    with resnets(IMAGES[kind]) as both:
        runs = networks(IMAGES[kind])
        rounds = [grid.one_round(both, runs) for _ in range(ROUNDS[kind])]
    ratios = [sum(row["ours"] for row in rows) / sum(row["plain"] for row in rows) for rows in rounds]
    bars = [results.bar("shrink-cost", f"triage of ResNet-18, {len(runs)} networks, ours / plain", ratios, most=MOST)]
    for what in yours.REGIMES:
        chosen = [[row for row in rows if row["regime"] == what] for rows in rounds]
        parts = [sum(row["ours"] for row in rows) / sum(row["plain"] for row in rows) for rows in chosen]
        bars.append(results.bar("shrink-cost", f"its {len(chosen[0])} {what} networks, ours / plain", parts))
    settings = {"dataset": source(), "images": IMAGES[kind], "batch": 64, "epochs": [4, 2, 1]}
    shown = {"networks": grid.table(rounds), "rounds": grid.totals(rounds)}
    return results.content("shrink-cost", both.config, bars, settings, **shown, why=why(rounds, bars[0]))


def networks(images: int) -> tuple[Run, ...]:
    """The triage of one seed, without the measures that a record takes beside its accuracy."""
    task = Task(MODEL, source(), 32, BLOCKS, f"{EDITION}+images={images}")
    runs = [replace(run, measures=()) for run in yours.triage(task, 0)]
    renewed = {run.name: run for run in runs}
    return tuple(replace(run, needs=tuple((role, renewed[n.name]) for role, n in run.needs)) for run in runs)


@contextmanager
def resnets(images: int) -> Iterator[Arms]:
    """Both arms, warm, on the same images."""
    config = choose()
    train_test = pictures(images, config)
    with TemporaryDirectory() as name:
        folder = Path(name)
        common = {"width": 1.0, "device": config.device, **written(train_test, folder / "images.npz")}
        plain = Named("resnet18.py", common, folder)
        both = Arms(plain, config, train_test, 1.0, folder)
        try:
            stage = Stage("warm-up", epochs=1)
            both.theirs("train", MODEL, stage, both.network(MODEL))
            both.ours(stage, both.network(MODEL))
            yield both
        finally:
            plain.end()


def why(rounds: list[list[dict]], bar: dict[str, Any]) -> str | None:
    """What keeps the cost up, where the bar is missed."""
    if bar["met"] is not False:
        return None
    share = sum(row["ours_work"] for row in rounds[0]) / sum(row["plain_work"] for row in rounds[0])
    return (
        f"of the plain loop's multiply-adds {share:.0%} remain: networks that train whole cannot be cached, so the "
        "gain there is that of the precision and the layout alone; the frozen networks of a ResNet, whose early layers "
        "are the costly ones, gain from the cache only behind them."
    )
