"""How a compressed network gets its first weights: random, or the mean of what it replaces."""

import torch
from torch import Tensor, nn

from netpress.errors import UserError
from netpress.nets.network import ConvLayer, Network
from netpress.nets.vgg import conv_layers


def glorot(block: nn.Module) -> None:
    """Glorot uniform weights, zero biases and a fresh BatchNorm in one block, in place.

    Uniform in +-sqrt(6 / (fan_in + fan_out)), Glorot & Bengio (2010), from torch's global generator.
    """
    for layer in block.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()


@torch.no_grad()
def load_mean(network: Network, block: str, parent: Network) -> None:
    """Load the mean of the parent's layers into the one layer of `block`, in place."""
    layers, targets = conv_layers(parent[block]), conv_layers(network[block])
    if len(targets) != 1 or not layers:
        raise UserError(f"Mean initialisation: {block!r} must be one layer, not {len(targets)}.")
    for name, tensor in _coefficients(targets[0]).items():
        tensor.copy_(mean(name, tensor.shape[2:], layers))


def mean(name: str, kernel: torch.Size, layers: tuple[ConvLayer, ...]) -> Tensor:
    """One 3x3 kernel for convolution weights, one number for all else; broadcasts to the target's shape."""
    return torch.cat([_coefficients(layer)[name].reshape(-1, *kernel) for layer in layers]).mean(dim=0)


def _coefficients(layer: ConvLayer) -> dict[str, Tensor]:
    """Everything that is averaged: all but BatchNorm's count of batches."""
    return {name: tensor for name, tensor in layer.state_dict().items() if tensor.is_floating_point()}
