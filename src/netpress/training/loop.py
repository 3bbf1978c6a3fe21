"""THE training loop: the only one in the package.

A stage is data (`stage.py`). `losses.py` says what each named loss compares, `feed.py` brings the batches (live or
cached), `compute.py` decides device and precision. The loop below only goes through them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi
from typing import Any

import torch
from torch import Tensor, nn

from netpress.errors import UserError
from netpress.nets.network import Network
from netpress.training.compute import ComputeConfig
from netpress.training.feed import Feed
from netpress.training.stage import Stage


class Diverged(Exception):
    """The loss of a step was not finite."""

    def __init__(self, stage: str, epoch: int, step: int):
        super().__init__(f"the loss was not finite in stage {stage}, epoch {epoch}, step {step}")


@dataclass(frozen=True)
class TrainState:
    """Where an interrupted stage goes on: epochs done, the history so far, and the optimiser's state."""

    epochs: int
    history: list[dict[str, Any]]
    optimiser: dict[str, Any]


def train(
    stage: Stage,
    network: Network,
    feed: Feed,
    config: ComputeConfig,
    seed: int,
    after_epoch: Callable[[TrainState], None] = lambda _: None,
    begin: TrainState | None = None,
) -> list[dict[str, Any]]:
    """Train `network` in place through one stage.

    Returns one row per epoch: stage, epoch (from 1), train_loss, train_accuracy, test_loss, test_accuracy; accuracies
    are fractions, None where the loss does not see the logits; where the stage asks for them also looks, pairs of steps
    done and test accuracy. The last incomplete batch of an epoch is left out: the order is new in every epoch. Raises
    `Diverged` at the end of an epoch in which a loss was not finite, and UserError where there is no whole batch.
    """
    if feed.count < stage.batch_size:
        raise UserError(f"{feed.count} training images are no whole batch of {stage.batch_size}: use more images.")
    parameters = thaw(network, stage.trains)
    optimiser = make_optimiser(stage, parameters)
    steps = feed.count // stage.batch_size
    rates = learning_rates(stage, steps * stage.epochs)
    history = list(begin.history) if begin else []
    if begin:
        optimiser.load_state_dict(begin.optimiser)
    advance = config.captured(step_of(feed, optimiser, parameters, config), optimiser)
    piece = config.captured(feed.piece)
    for epoch in range(begin.epochs if begin else 0, stage.epochs):
        set_modes(network, stage.trains)
        steps_done, looks = [], []
        for step, batch in enumerate(feed.batches(stage.batch_size, seed, epoch), epoch * steps):
            config.set_lr(optimiser, rates[step])
            steps_done.append(advance(batch))
            if step + 1 in stage.looks:
                network.eval()
                looks.append([step + 1, feed.evaluate(piece)["test_accuracy"]])
                set_modes(network, stage.trains)
        losses, hits = (torch.stack(values) for values in zip(*steps_done, strict=True))
        bad = (~torch.isfinite(losses)).nonzero()  # the one look at the losses in an epoch
        if len(bad):
            raise Diverged(stage.name, epoch + 1, int(bad[0]) + 1)
        accuracy = hits.sum().item() / (steps * stage.batch_size) if stage.sees_logits else None
        row = {"stage": stage.name, "epoch": epoch + 1, "train_loss": losses.mean().item(), "train_accuracy": accuracy}
        network.eval()
        row |= feed.evaluate(piece)
        if stage.looks:
            row["looks"] = [*looks, [(epoch + 1) * steps, row["test_accuracy"]]]
        history.append(row)
        after_epoch(TrainState(epoch + 1, history, optimiser.state_dict()))
    forget_gradients(parameters)
    return history


def step_of(
    feed: Feed, optimiser: torch.optim.Optimizer, parameters: list[nn.Parameter], config: ComputeConfig
) -> Callable[[Any], tuple[Tensor, Tensor]]:
    """One step of the optimiser on one batch, as a function that never waits for the device: loss and hits."""

    def step(batch: Any) -> tuple[Tensor, Tensor]:
        with config.autocast():
            output = feed.forward(batch)
        loss = feed.objective.loss(*output, batch.y, feed.stage)
        forget_gradients(parameters)
        loss.backward()
        optimiser.step()
        if not feed.stage.sees_logits:
            return loss.detach(), torch.zeros((), device=loss.device)
        return loss.detach(), (output[0].argmax(1) == batch.y).sum()

    return step


def forget_gradients(parameters: list[nn.Parameter]) -> None:
    """The next backward pass writes new ones. (`zero_grad` does the same in a tenth of the speed.)"""
    for parameter in parameters:
        parameter.grad = None


def thaw(network: Network, trains: tuple[str, ...]) -> list[nn.Parameter]:
    """Let exactly the named blocks train (() = all); returns their parameters."""
    network.requires_grad_(False)
    for name in trains or network.names:
        network[name].requires_grad_(True)
    return [p for p in network.parameters() if p.requires_grad]


def set_modes(network: Network, trains: tuple[str, ...]) -> None:
    """Train mode for what trains; eval mode, BatchNorm statistics included, for what is frozen (our reading)."""
    network.eval()
    for name in trains or network.names:
        network[name].train()


def make_optimiser(stage: Stage, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """SGD with Nesterov's momentum, or Adam, all parameters in one kernel: half the time of the loop over them. On a
    GPU Adam is `capturable`, which a captured step needs."""
    lr, decay = stage.lr, stage.weight_decay
    if stage.optimiser == "adam":
        return torch.optim.Adam(parameters, lr, weight_decay=decay, capturable=parameters[0].is_cuda, fused=True)
    return torch.optim.SGD(
        parameters, lr, momentum=stage.momentum, nesterov=stage.momentum > 0, weight_decay=decay, fused=True
    )


def learning_rates(stage: Stage, steps: int) -> list[float]:
    """The learning rate of every step.

    "constant"; "cosine" to zero; "one-cycle": cosine up over the first 30 % from 1/25 of the peak, cosine down to zero;
    "three-phase" (Smith 2018): up over 40 %, down to 1/25 of the peak over 40 %, to zero over the last fifth, in which
    a network settles.
    """
    if stage.schedule == "constant":
        return [stage.lr] * steps
    if stage.schedule == "cosine":
        return falling(stage.lr, steps)
    if stage.schedule == "one-cycle":
        up = max(1, round(0.3 * steps))
        return rising(stage.lr, up) + falling(stage.lr, steps - up)
    up = max(1, round(0.4 * steps))
    down = [stage.lr, *rising(stage.lr, up)[:0:-1]]
    return rising(stage.lr, up) + down + falling(stage.lr / 25, steps - 2 * up)


def rising(peak: float, steps: int) -> list[float]:
    """Cosine from 1/25 of the peak up to just below it."""
    return [peak * (1 - 0.96 * (1 + cos(pi * i / steps)) / 2) for i in range(steps)]


def falling(peak: float, steps: int) -> list[float]:
    """Cosine from the peak down to just above zero."""
    return [peak * (1 + cos(pi * i / steps)) / 2 for i in range(steps)]
