"""What several tests of the pyramid share: names, runs of the demo, invented accuracies."""

import invented
import pandas as pd
import torch
from torch import Tensor, nn

from netpress import nets, papers
from netpress.runs.run import Run
from netpress.seeds import seed_of
from netpress.training.stage import Stage

DEMO = papers.grid("pyramid", "demo")
SLICES = ("C1", "C2", "C3", "C4", "head")
FORWARD = ("svgg17-forward", "svgg14-forward", "svgg11-forward", "svgg8-forward", "svgg5-forward")
BACKWARD = ("svgg17-backward", "svgg14-backward", "svgg11-backward", "svgg8-backward", "svgg5-backward")


def run_named(label: str) -> Run:
    (found,) = (run for run in DEMO if run.label == label)
    return found


REPLACED = dict(zip(FORWARD, SLICES[::-1], strict=True)) | dict(zip(BACKWARD, SLICES, strict=True))


def trained(stage: Stage) -> tuple[str, ...]:
    return stage.trains or SLICES


def small(model: str, seed: int) -> nn.Module:
    """A narrow network whose BatchNorm has seen something."""
    torch.manual_seed(seed)
    network = nets.build(model, 32, 10, 1 / 16)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.1)  # type: ignore[arg-type]
            nn.init.uniform_(layer.running_var, 0.5, 1.5)  # type: ignore[arg-type]
            nn.init.uniform_(layer.weight, 0.5, 1.5)
    return network


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def frame(accuracy: dict[tuple[str, str], float], edition: str = "small", seeds: int = 3) -> pd.DataFrame:
    """Runs of an edition with made-up accuracies: by (model, method), 50 % elsewhere, a little noise over seeds."""
    rows = []
    for run in papers.grid("pyramid", edition, seeds=tuple(range(seeds))):
        best = accuracy.get((run.model, run.method), 0.5) + 0.001 * (seed_of(run.name) % 100) / 100
        rows.append(invented.row(run, edition, best, best - 0.01))
    return pd.DataFrame(rows)
