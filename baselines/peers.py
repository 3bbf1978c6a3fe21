"""The baseline for distillation, in the shape of the loops of RepDistiller and mdistiller.

Teacher and student are run whole, their features come back as a list, the teacher is live, and loss, top-1 and top-5
go into meters after every step: batch 64, float32. Jobs come as for `plain.py`, with the task "distil".
"""

import torch
from plain import VGG, freeze, loaders, main, network_of, optimiser_of, train_mode
from torch import nn
from torch.nn import functional as F

Features = dict[str, tuple[torch.Tensor, torch.Tensor]]


def with_features(network: VGG, x: torch.Tensor) -> tuple[Features, torch.Tensor]:
    """The first and the last map of every block, and the logits. A block over two pools begins with its input."""
    found = {}
    for name, module in network.blocks.items():
        pools = [i for i, layer in enumerate(module) if isinstance(layer, nn.MaxPool2d)]
        first = last = x if len(pools) > 1 else module[0](x)
        for layer in module[0 if len(pools) > 1 else 1 : pools[-1]]:
            last = layer(last)
        found[name] = (first, last)
        x = module[-1](last)
    return found, network.head(x)


class Meter:
    """A running mean."""

    def __init__(self) -> None:
        self.sum, self.count = 0.0, 0

    def update(self, value: float, n: int) -> None:
        self.sum, self.count = self.sum + value * n, self.count + n

    @property
    def mean(self) -> float:
        return self.sum / max(1, self.count)


def topk(logits: torch.Tensor, y: torch.Tensor, ks: tuple[int, ...] = (1, 5)) -> list[float]:
    """Shares of images whose class is among the k best."""
    best = logits.topk(max(ks), 1).indices.t()
    right = best.eq(y.view(1, -1).expand_as(best))
    return [right[:k].reshape(-1).float().sum().item() / len(y) for k in ks]


def gram(first: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    """The matrix of Yim et al. (2017): (N, m, h, w), (N, n, h, w) -> (N, m, n)."""
    side = min(first.shape[2], last.shape[2])
    one, two = (F.adaptive_max_pool2d(x, side).flatten(2) for x in (first, last))
    return one @ two.transpose(1, 2) / side**2


def soft_loss(job: dict, student: tuple, teacher: tuple, y: torch.Tensor) -> torch.Tensor:
    t, alpha = job["temperature"], job["alpha"]
    soft = -(F.softmax(teacher[1] / t, 1) * F.log_softmax(student[1] / t, 1)).sum(1).mean()
    return alpha * soft + (1 - alpha) * F.cross_entropy(student[1], y)


def l2_loss(job: dict, student: tuple, teacher: tuple, y: torch.Tensor) -> torch.Tensor:
    one, other = ((s[1] if job["at"] == "head" else s[0][job["at"]][1]) for s in (student, teacher))
    return (one - other).flatten(1).square().sum(1).mean()


def gram_loss(job: dict, student: tuple, teacher: tuple, y: torch.Tensor) -> torch.Tensor:
    pairs = zip(student[0].values(), teacher[0].values(), strict=True)
    return sum((gram(*s) - gram(*t)).flatten(1).square().sum(1).mean() for s, t in pairs)


LOSSES = {"distillation": soft_loss, "set-l2": l2_loss, "all-grams": gram_loss}


def distil(job: dict) -> list[dict]:
    """One student, one loss, a live teacher."""
    student, teacher = network_of(job, job["model"], job["weights"]), network_of(job, job["teacher"], job["taught"])
    teacher.requires_grad_(False).eval()
    loader, _ = loaders(job)
    optimiser, _ = optimiser_of(job, freeze(student, job["trains"]), 0)
    history = []
    for _ in range(job["epochs"]):
        train_mode(student, job["trains"])
        losses, top1, top5 = Meter(), Meter(), Meter()
        for x, y in loader:
            x, y = x.to(job["device"], non_blocking=True), y.to(job["device"], non_blocking=True)
            given = with_features(student, x)
            with torch.no_grad():
                wanted = with_features(teacher, x)
            loss = LOSSES[job["loss"]](job, given, wanted, y)
            first, five = topk(given[1], y)
            losses.update(loss.item(), len(x))
            top1.update(first, len(x))
            top5.update(five, len(x))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        history.append({"train_loss": losses.mean, "train_accuracy": top1.mean, "top5": top5.mean})
    return history


if __name__ == "__main__":
    main({"distil": distil})
