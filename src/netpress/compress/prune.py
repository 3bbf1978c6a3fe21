"""Magnitude pruning: which weights are the smallest, how they are held at zero, and how that is made permanent.

The smallest are found by `torch.nn.utils.prune.L1Unstructured`. The mask is held by
`torch.nn.utils.parametrize`, not by the hook of `torch.nn.utils.prune`: with that hook a network cannot be
copied after a forward pass (its `weight` is then no leaf of the graph), and `weight` lags a step behind the
optimiser.
"""

from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune

from netpress.errors import UserError

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)


class Mask(nn.Module):
    """Parametrisation: the original, but zero where pruned. `kept` is boolean, of the weight's shape.

    The zeros are +0.0 whatever the original has become, and no gradient reaches the original there.
    """

    kept: Tensor

    def __init__(self, kept: Tensor) -> None:
        super().__init__()
        self.register_buffer("kept", kept)

    def forward(self, original: Tensor) -> Tensor:
        return original.masked_fill(~self.kept, 0.0)


def weight_layers(network: nn.Module) -> dict[str, Any]:
    """Every convolution and linear layer by name, in order: the layers that are pruned and quantised."""
    return {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}


@torch.no_grad()
def sparsity(network: nn.Module) -> float:
    """The part of all convolution and linear weights that is exactly zero, 0..1."""
    weights = [layer.weight for layer in weight_layers(network).values()]
    return sum(int((w == 0).sum()) for w in weights) / max(1, sum(w.numel() for w in weights))


@torch.no_grad()
def empty_layers(network: nn.Module) -> list[str]:
    """The names of layers without any weight that is not zero: whatever goes in, the same comes out."""
    return [name for name, layer in weight_layers(network).items() if not bool(layer.weight.any())]


def mask_smallest(network: nn.Module, ratio: float, layer_by_layer: bool) -> None:
    """Mask the smallest weights, in place, until all weights / weights left is `ratio`, rounded to a weight.

    The weights are ranked together, or within each layer. Weights that are masked already stay masked.
    UserError where there is nothing to prune, or where more is pruned already.
    """
    layers = list(weight_layers(network).values())
    if not layers:
        raise UserError("There is nothing to prune: the network has no convolution and no linear layer.")
    for group in [[layer] for layer in layers] if layer_by_layer else [layers]:
        _mask_group(group, ratio)


@torch.no_grad()
def _mask_group(layers: list[Any], ratio: float) -> None:
    kept = torch.cat([_kept(layer).flatten() for layer in layers])
    sizes = torch.cat([layer.weight.flatten() for layer in layers])[kept]
    more = round(len(kept) * (1.0 - 1.0 / ratio)) - (len(kept) - len(sizes))
    if more < 0:
        raise UserError(f"A ratio of {ratio} would bring pruned weights back: a later Prune needs a larger one.")
    smallest = prune.L1Unstructured(amount=more).compute_mask(sizes, torch.ones_like(sizes))
    kept[kept.clone()] = smallest.bool()
    for layer, part in zip(layers, kept.split([layer.weight.numel() for layer in layers]), strict=True):
        mask = part.view(layer.weight.shape).clone()
        if parametrize.is_parametrized(layer, "weight"):
            layer.parametrizations.weight[0].kept = mask
        else:
            parametrize.register_parametrization(layer, "weight", Mask(mask))


def _kept(layer: Any) -> Tensor:
    """The layer's mask; all true before the first pruning."""
    if not parametrize.is_parametrized(layer, "weight"):
        return torch.ones_like(layer.weight, dtype=torch.bool)
    (held,) = layer.parametrizations.weight
    if not isinstance(held, Mask):
        raise UserError("Weights that share values cannot be pruned: put Prune before ShareWeights.")
    return held.kept


def finished(network: AnyNetwork) -> AnyNetwork:
    """Make masks and shared weights permanent: afterwards its tensors are those of a plain network. In place."""
    for module in network.modules():
        if parametrize.is_parametrized(module):
            # it has a class made for it, which its deep copies share: removing from one would break all
            shared = type(module)
            module.__class__ = type(shared.__name__, shared.__bases__, dict(vars(shared)))
            for name in list(module.parametrizations):  # type: ignore[arg-type]
                module.parametrizations[name].original.grad = None  # type: ignore[union-attr,index]  # of another shape
                parametrize.remove_parametrizations(module, name)
    return network
