"""What several tests of networks share."""

import torch
from torch import Tensor, nn

from netpress import nets
from netpress.compat import import_torchvision
from netpress.nets.network import Network

torchvision = import_torchvision()


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def on_meta(model: str, px: int, classes: int, width: float = 1.0) -> Network:
    with torch.device("meta"):
        return nets.build(model, px, classes, width)


def images(n: int, px: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 3, px, px, generator=torch.Generator().manual_seed(seed))


def conv(inputs: int, outputs: int) -> int:
    """3x3 kernels, biases, and BatchNorm's two coefficients a channel."""
    return 9 * inputs * outputs + outputs + 2 * outputs
