"""The convolution's bias in front of BatchNorm, which BatchNorm takes away again: left out where that saves time.

On a GPU a bias costs two passes over the map that a convolution gives: one adds it, one sums up its gradient. The
network keeps the parameter, so that it is the one that was published and torchvision's weights fit.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from netpress.nets.network import ConvLayer, Network


@torch.no_grad()
def superfluous(network: Network, trains: tuple[str, ...]) -> tuple[nn.Conv2d, ...]:
    """The convolutions that are the same without their bias, which is zero.

    In blocks that train (`trains`) it is made so: with the statistics of a batch a bias changes nothing, and the mean
    that BatchNorm has gathered becomes less by as much, so that the network stays the same to rounding. Its gradient is
    zero, so it stays zero. Frozen layers stay as they are, to the bit.
    """
    found = []
    for name, block in network.blocks.items():
        for layer in (one for one in block.modules() if isinstance(one, ConvLayer)):
            bias, mean = layer.conv.bias, layer.bn.running_mean
            if bias is None or mean is None:
                continue
            if name in trains:
                mean -= bias
                bias.zero_()
            if not bias.any():
                found.append(layer.conv)
    return tuple(found)


@contextmanager
def without_biases(convolutions: tuple[nn.Conv2d, ...]) -> Iterator[None]:
    """Inside, these convolutions have no bias."""
    held = [conv.bias for conv in convolutions]
    for conv in convolutions:
        conv.bias = None
    try:
        yield
    finally:
        for conv, bias in zip(convolutions, held, strict=True):
            conv.bias = bias
