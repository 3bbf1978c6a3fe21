"""What each named loss compares: the student's side, the teacher's side, and the loss between them, as data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from netpress.nets.network import Network
from netpress.nets.vgg import first_and_last
from netpress.training import losses

Function = Callable[[Tensor], Tensor]


class Terms(Protocol):
    """The settings of a stage that a loss may use."""

    at: str | None
    temperature: float
    alpha: float
    scaled: bool


@dataclass(frozen=True)
class Objective:
    """`student(network, first, terms)` maps the input of block `first` to what is compared; `target(teacher, terms)`
    maps images to what it is compared with (None: labels alone); `loss(output, target, labels, terms)` is a scalar."""

    student: Callable[[Network, str, Any], Function]
    target: Callable[[Network, Any], Function] | None
    loss: Callable[[Tensor, Any, Tensor, Any], Tensor]


def between(network: Network, first: str, stop: str | None) -> nn.Sequential:
    """The slices from `first` up to, but not including, `stop` (None: up to the end, the head included)."""
    names = network.names
    end = names.index(stop) if stop else len(names)
    return nn.Sequential(*(network[name] for name in names[names.index(first) : end]))


def layers_of(network: Network, name: str) -> nn.Sequential:
    """A block of VGG, whose layers are in order."""
    return cast(nn.Sequential, network[name])


def logits(network: Network, first: str, terms: Any) -> Function:
    """The network's logits, from the input of block `first`."""
    return between(network, first, None)


def block_output(network: Network, first: str, terms: Any) -> Function:
    """The output of the block `at`, its max pool included (triage, section 2.3.5)."""
    return nn.Sequential(between(network, first, terms.at), network[terms.at])


def set_output(network: Network, first: str, terms: Any) -> Function:
    """The last output of the set `at` (pyramid 4.1): what enters its last max pool; the logits where it is the head."""
    if terms.at == "head":
        return logits(network, first, terms)
    before, module = between(network, first, terms.at), layers_of(network, terms.at)
    return lambda x: first_and_last(module, before(x))[1]


def gram_at(network: Network, first: str, terms: Any) -> Function:
    """The Gram matrix of the set `at`, (N, m, n): of its first and its last layer's outputs (pyramid 4.1)."""
    before, module = between(network, first, terms.at), layers_of(network, terms.at)
    return lambda x: losses.gram(*first_and_last(module, before(x)))


def all_grams(network: Network, first: str, terms: Any) -> Function:
    """The Gram matrices of every set of convolutions, one after the other, (N, sum of m * n) (Yim et al. 2017)."""
    sets = [layers_of(network, name) for name in network.names[network.names.index(first) :] if name != "head"]

    def grams(x: Tensor) -> Tensor:
        found = []
        for module in sets:
            one, last = first_and_last(module, x)
            found.append(losses.gram(one, last).flatten(1))
            x = module[-1](last)  # its last max pool: each layer is passed once, so BatchNorm counts a batch once
        return torch.cat(found, 1)

    return grams


def of_teacher(side: Callable[[Network, str, Any], Function]) -> Callable[[Network, Any], Function]:
    """The teacher's side: the same function of the teacher, from the image on."""
    return lambda teacher, terms: side(teacher, teacher.names[0], terms)


def matched(side: Callable[[Network, str, Any], Function]) -> Objective:
    """Squared L2 distance between the student's and the teacher's side, averaged over the batch."""
    return Objective(side, of_teacher(side), lambda o, t, y, s: losses.squared_l2(o, t))


OBJECTIVES: dict[str, Objective] = {
    "cross-entropy": Objective(logits, None, lambda o, t, y, s: losses.cross_entropy(o, y)),
    "block-l2": matched(block_output),
    "set-l2": matched(set_output),
    "hint": Objective(set_output, of_teacher(set_output), lambda o, t, y, s: losses.hint(o, t)),
    "gram": matched(gram_at),
    "all-grams": matched(all_grams),
    "distillation": Objective(
        logits,
        of_teacher(logits),
        lambda o, t, y, s: losses.distillation(o, t, y, s.temperature, s.alpha, s.scaled),
    ),
    "labels-and-soft-targets": Objective(
        logits,
        of_teacher(logits),
        lambda o, t, y, s: losses.labels_and_soft_targets(o, t, y, s.temperature, s.alpha),
    ),
    "function-matching": Objective(logits, of_teacher(logits), lambda o, t, y, s: losses.function_matching(o, t)),
}
