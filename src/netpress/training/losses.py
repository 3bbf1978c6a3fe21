"""Losses as free functions of tensors, and the table of what each compares in student and teacher.

A loss is a scalar, the mean over the batch, in float32 or better. Logits are (N, classes), labels int64 (N,), maps
(N, c, h, w). Half-precision inputs are summed in float32, since a sum of squares over a whole map leaves bfloat16 with
two digits. Nothing here waits for the device. Student and teacher have one shape, else UserError.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netpress.errors import UserError
from netpress.nets.network import Network
from netpress.nets.vgg import first_and_last


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(logits)[label]: the loss of hard targets."""
    return F.cross_entropy(_exact(logits), labels)


def squared_l2(student: Tensor, teacher: Tensor) -> Tensor:
    """(1/N) sum_n ||vec(student_n - teacher_n)||^2: triage, eq. 3; pyramid, section 4.1, "L2-loss".

    Both (N, ...) of one shape.
    """
    student, teacher = _alike(student, teacher)
    if student.dim() == 4 and student.is_contiguous(memory_format=torch.channels_last):
        student, teacher = student.permute(0, 2, 3, 1), teacher.permute(0, 2, 3, 1)  # as they lie in memory
    return F.mse_loss(student.flatten(), teacher.flatten(), reduction="sum") / len(student)


def hint(student: Tensor, teacher: Tensor) -> Tensor:
    """(1/N) sum_n 1/2 ||student_n - teacher_n||^2: FitNets, Romero et al. (2014), eq. 3.

    Without their regressor, which brings the student's map to the teacher's shape: here the shapes agree.
    """
    return 0.5 * squared_l2(student, teacher)


def gram(first: Tensor, last: Tensor) -> Tensor:
    """G[n,i,j] = sum over s,t of first[n,i,s,t] last[n,j,s,t] / (h w): pyramid, section 4.1.

    As Yim et al. (2017), eq. 1. (N, m, h, w), (N, c, h, w) -> (N, m, c). The larger map is max-pooled to the
    smaller one's size, as they do.
    """
    size = min(first.shape[2:], last.shape[2:])
    with torch.autocast(first.device.type, enabled=False):
        one, two = (_pixels(x, size) for x in (first, last))
        return one.mT @ two / (size[0] * size[1])


def soft_targets(logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """(1/N) sum_n -sum_i q_t,i log q_s,i with q = softmax(z / T): compressing, section III.B.

    T is the temperature (1 or more in practice); Hinton et al. (2015), eq. 1.
    """
    student, teacher = _alike(logits, teacher_logits)
    wanted = F.softmax(teacher / temperature, dim=1)
    return -(wanted * F.log_softmax(student / temperature, dim=1)).sum(dim=1).mean()


def distillation(
    logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    temperature: float,
    alpha: float,
    scaled: bool = False,
) -> Tensor:
    """alpha * soft targets + (1 - alpha) * hard targets: compressing, section III.B.

    `scaled` multiplies the soft part by T^2, which keeps its gradients' size as T grows: Hinton et al.
    (2015), section 2.
    """
    soft = soft_targets(logits, teacher_logits, temperature) * (temperature**2 if scaled else 1.0)
    return alpha * soft + (1 - alpha) * cross_entropy(logits, labels)


def labels_and_soft_targets(
    logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float, weight: float
) -> Tensor:
    """Hard targets + weight * soft targets: Romero et al. (2015), section 2.1, the second stage of FitNet.

    The labels' weight stays 1, so that FitNet can be trained at the learning rate of the other methods.
    """
    return cross_entropy(logits, labels) + weight * soft_targets(logits, teacher_logits, temperature)


def function_matching(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """(1/N) sum_n KL(p_t || p_s), KL = sum_i [-p_t,i log p_s,i + p_t,i log p_t,i].

    compressing, section III.B; Beyer et al. (2022), section 3.
    """
    student, teacher = (F.log_softmax(z, dim=1) for z in _alike(logits, teacher_logits))
    return (teacher.exp() * (teacher - student)).sum(dim=1).mean()


def _alike(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides in float32 or better. Raises UserError where their shapes differ: they would be broadcast, or compared
    number by number in the wrong order."""
    if student.shape != teacher.shape:
        raise UserError(
            f"A loss compares outputs of one shape, and the student's is {tuple(student.shape)} and the teacher's "
            f"{tuple(teacher.shape)}: let both be of the same layer and the same number of classes."
        )
    return _exact(student), _exact(teacher)


def _exact(x: Tensor) -> Tensor:
    """Half precision to float32; float32 and float64 as they are."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _pixels(x: Tensor, size: torch.Size) -> Tensor:
    """Maps max-pooled to a size that they were halved to before, as (N, h w, c).

    floor(H / floor(H/h)) = h for every such h. Nothing is copied where channels come last in memory.
    """
    kernel = (x.shape[2] // size[0], x.shape[3] // size[1])
    pooled = x if kernel == (1, 1) else F.max_pool2d(x, kernel)
    return _exact(pooled).permute(0, 2, 3, 1).flatten(1, 2)


# --- what each named loss compares

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """`side(network, first, stage)` maps the input of block `first` to what is compared, in student and teacher alike;
    `loss(output, target, labels, stage)` is a scalar. Where nobody teaches, the target is None."""

    side: Callable[[Network, str, Any], Function]
    loss: Callable[[Tensor, Any, Tensor, Any], Tensor]


def between(network: Network, first: str, stop: str | None) -> nn.Sequential:
    """The slices from `first` up to, but not including, `stop` (None: up to the end, the head included)."""
    names = network.names
    end = names.index(stop) if stop else len(names)
    return nn.Sequential(*(network[name] for name in names[names.index(first) : end]))


def layers_of(network: Network, name: str) -> nn.Sequential:
    """A block of VGG, whose layers are in order."""
    return cast(nn.Sequential, network[name])


def logits_from(network: Network, first: str, stage: Any) -> Function:
    """The network's logits, from the input of block `first`."""
    return between(network, first, None)


def block_output(network: Network, first: str, stage: Any) -> Function:
    """The output of the block `at`, its max pool included (triage, section 2.3.5)."""
    return nn.Sequential(between(network, first, stage.at), network[stage.at])


def set_output(network: Network, first: str, stage: Any) -> Function:
    """The last output of the set `at` (pyramid 4.1): what enters its last max pool; the logits where it is the head."""
    if stage.at == "head":
        return between(network, first, None)
    before, module = between(network, first, stage.at), layers_of(network, stage.at)
    return lambda x: first_and_last(module, before(x))[1]


def gram_at(network: Network, first: str, stage: Any) -> Function:
    """The Gram matrix of the set `at`, (N, m, n): of its first and its last layer's outputs (pyramid 4.1)."""
    before, module = between(network, first, stage.at), layers_of(network, stage.at)
    return lambda x: gram(*first_and_last(module, before(x)))


def all_grams(network: Network, first: str, stage: Any) -> Function:
    """The Gram matrices of every set of convolutions, one after the other, (N, sum of m * n) (Yim et al. 2017)."""
    sets = [layers_of(network, name) for name in network.names[network.names.index(first) :] if name != "head"]

    def grams(x: Tensor) -> Tensor:
        found = []
        for module in sets:
            one, last = first_and_last(module, x)
            found.append(gram(one, last).flatten(1))
            x = module[-1](last)  # its last max pool: each layer is passed once, so BatchNorm counts a batch once
        return torch.cat(found, 1)

    return grams


# output, target, labels, stage
OBJECTIVES: dict[str, Objective] = {
    "cross-entropy": Objective(logits_from, lambda o, t, y, s: cross_entropy(o, y)),
    "block-l2": Objective(block_output, lambda o, t, y, s: squared_l2(o, t)),
    "set-l2": Objective(set_output, lambda o, t, y, s: squared_l2(o, t)),
    "hint": Objective(set_output, lambda o, t, y, s: hint(o, t)),
    "gram": Objective(gram_at, lambda o, t, y, s: squared_l2(o, t)),
    "all-grams": Objective(all_grams, lambda o, t, y, s: squared_l2(o, t)),
    "distillation": Objective(logits_from, lambda o, t, y, s: distillation(o, t, y, s.temperature, s.alpha, s.scaled)),
    "labels-and-soft-targets": Objective(
        logits_from, lambda o, t, y, s: labels_and_soft_targets(o, t, y, s.temperature, s.alpha)
    ),
    "function-matching": Objective(logits_from, lambda o, t, y, s: function_matching(o, t)),
}
