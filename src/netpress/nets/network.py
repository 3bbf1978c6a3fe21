"""A network is an ordered list of named blocks and a head, so prefix, block and suffix are slices."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from netpress.errors import UserError

HEAD = "head"


class ConvLayer(nn.Sequential):
    """3x3 convolution (padding 1, with bias), BatchNorm, ReLU: (N, inputs, h, w) -> (N, outputs, h, w).

    The bias is superfluous before BatchNorm, but torchvision's VGG has it and its weights are to fit.
    """

    conv: nn.Conv2d
    bn: nn.BatchNorm2d
    relu: nn.ReLU

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(inputs, outputs, kernel_size=3, padding=1),
                bn=nn.BatchNorm2d(outputs),
                relu=nn.ReLU(inplace=True),  # exact: BatchNorm's gradient needs its input alone
            )
        )


class Network(nn.Module):
    """Blocks in order, then the head: images (N, 3, px, px) -> logits (N, classes).

    The slices `before` and `upto` are views: they hold the same modules, so training a slice trains the network, and
    `.eval()` on a slice puts those modules of the network in eval mode.
    """

    def __init__(self, blocks: dict[str, nn.Module], head: nn.Module) -> None:
        super().__init__()
        if not blocks or HEAD in blocks:
            raise ValueError(f"a network needs at least one block, and none may be called {HEAD!r}")
        self.blocks = nn.ModuleDict(blocks)
        self.head = head

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the blocks in order, and "head"."""
        return (*self.blocks, HEAD)

    def __getitem__(self, name: str) -> nn.Module:
        return self.head if self._index(name) == len(self.blocks) else self.blocks[name]

    def before(self, name: str) -> nn.Sequential:
        """Everything before `name`: images -> what enters `name`."""
        return self._slice(0, self._index(name))

    def upto(self, name: str) -> nn.Sequential:
        """Everything up to and including `name`: images -> what leaves `name`."""
        return self._slice(0, self._index(name) + 1)

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for block in self.blocks.values():
            x = block(x)
        return self.head(x)

    def _index(self, name: str) -> int:
        if name not in self.names:
            raise UserError(f"This network has no block {name!r}: choose one of {', '.join(self.names)}.")
        return self.names.index(name)

    def _slice(self, start: int, stop: int) -> nn.Sequential:
        return nn.Sequential(OrderedDict((name, self[name]) for name in self.names[start:stop]))


def initialise(module: nn.Module, classifier: nn.Linear | None = None) -> None:
    """He et al. (2015) normal weights, zero biases, fresh BatchNorm, from torch's global generator.

    Convolutions by fan-out as torchvision's VGG. Linear layers by fan-in, where torchvision draws all from
    N(0, 0.01^2): that suits 4096 units and starves a narrow head (VGG19 at width 1/8 hardly learns with it). The
    `classifier` keeps 0.01, so that a network begins with small logits.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
    if classifier is not None:
        nn.init.normal_(classifier.weight, std=0.01)


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


class Undrawn(TorchFunctionMode):
    """Inside, random weights are not drawn: on the meta device it would only cost a second of imports."""

    DRAWS = ("normal_", "uniform_", "kaiming_normal_", "kaiming_uniform_", "xavier_uniform_", "trunc_normal_")

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if getattr(func, "__name__", "") in self.DRAWS:  # torch's, and those of nn.init
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def scaled(channels: int, width: float) -> int:
    """So many channels at this width: at least one."""
    return max(1, round(channels * width))


@torch.no_grad()
def copy_tensors(target: nn.Module, source: dict[str, Tensor]) -> tuple[str, ...]:
    """Copies every tensor of `source` whose name and shape agree with one of `target`; returns the names."""
    own = target.state_dict()
    names = tuple(name for name in own if name in source and own[name].shape == source[name].shape)
    for name in names:
        own[name].copy_(source[name])
    return names
