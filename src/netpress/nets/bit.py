"""BiT ResNets (Kolesnikov et al. 2020; Beyer et al. 2022) through timm, as blocks stem, stage1 ... stage4.

Pre-activation bottlenecks with GroupNorm and standardised weights.
"""

import math
from collections import OrderedDict
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from netpress.compat import import_torchvision
from netpress.errors import UserError
from netpress.nets.network import Network

# bottlenecks per stage, and how often the channels of ResNet-50 are taken. The last two are ours: the same
# family, small enough to be trained here.
LAYERS: dict[str, tuple[tuple[int, int, int, int], int]] = {
    "bit-r101x3": ((3, 4, 23, 3), 3),
    "bit-r50x1": ((3, 4, 6, 3), 1),
    "bit-r26x1": ((2, 2, 2, 2), 1),
    "bit-r14x1": ((1, 1, 1, 1), 1),
}
MODELS: tuple[str, ...] = tuple(LAYERS)
GROUPS = 32
SMALLEST = 16  # px
FULL_STEM = 128  # px from which the stem is BiT's own
STRIDED_STEM = 48  # px from which a smaller stem halves the image


def build(model: str, px: int, classes: int, width: float = 1.0) -> Network:
    """One of MODELS, initialised as timm does from torch's global generator. UserError below 16 px.

    From 128 px it is timm's network. Below, BiT's stem (7x7 convolution with stride 2, then a pool) would
    leave the stages next to nothing, so it is a 3x3 convolution, with stride 2 from 48 px and 1 below,
    without a pool (ours).
    """
    if px < SMALLEST:
        raise UserError(f"{model} needs images of at least {SMALLEST} px, not {px}.")
    import_torchvision()  # timm imports it
    from timm.layers import StdConv2d
    from timm.models.resnetv2 import ResNetV2

    layers, factor = LAYERS[model]
    theirs = ResNetV2(
        layers=list(layers),
        width_factor=factor * width,  # type: ignore[arg-type]
        num_classes=classes,
        stem_type="fixed",
        conv_layer=partial(StdConv2d, eps=1e-8),
        norm_layer=_group_norm,
    )
    if px >= FULL_STEM:
        return as_network(theirs, theirs.stem)
    own: Any = theirs.stem.conv
    stride = 2 if px >= STRIDED_STEM else 1
    small = StdConv2d(own.in_channels, own.out_channels, kernel_size=3, stride=stride, padding=1, eps=1e-8)
    nn.init.kaiming_normal_(small.weight, mode="fan_out", nonlinearity="relu")
    return as_network(theirs, nn.Sequential(OrderedDict(conv=small)))


def as_network(theirs: Any, stem: nn.Module) -> Network:
    """timm's ResNetV2 as named blocks, with this stem."""
    blocks = {"stem": stem, **{f"stage{i}": stage for i, stage in enumerate(theirs.stages, start=1)}}
    return Network(blocks, nn.Sequential(OrderedDict(norm=theirs.norm, classifier=theirs.head)))


def _group_norm(channels: int, **options: Any) -> nn.Module:
    """BiT's 32 groups, or fewer, each of two channels: with one it would be instance normalisation.

    In float32 also under autocast on a CPU, as autocast has it on a GPU: half the time of a step in bfloat16.
    """
    from timm.layers import GroupNormAct

    class GroupNorm(GroupNormAct):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.float() if x.dtype == torch.bfloat16 else x)

    return GroupNorm(channels, num_groups=math.gcd(GROUPS, channels // 2), **options)
