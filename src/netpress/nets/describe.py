"""What a network consists of: layers, output shapes, parameters, multiply-adds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from netpress.nets.network import Network


@dataclass(frozen=True)
class LayerRow:
    """One layer: its output's shape without the batch, its parameters, its multiply-adds for one image."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Description:
    """All layers that have parameters, and the pools.

    `multiply_adds` are those of convolutions and linear layers alone, for one image: additions of biases,
    normalisation, activations and pools are not counted.
    """

    layers: tuple[LayerRow, ...]
    parameters: int
    multiply_adds: int

    def of_block(self, name: str) -> int:
        """The multiply-adds of a block, or of the head."""
        return sum(row.multiply_adds for row in self.layers if row.name == name or row.name.startswith(f"{name}."))


def describe(network: Network, px: int) -> Description:
    """Describes a network for images (3, px, px). Nothing is computed: shapes alone pass through it."""
    rows: list[LayerRow] = []
    state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in state.items()}
    with _watched(network, rows), _evaluated(network), torch.no_grad(), _ShapesAlone():
        functional_call(network, shapes, (torch.empty(1, 3, px, px, device="meta"),))
    return Description(
        layers=tuple(rows),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        multiply_adds=sum(row.multiply_adds for row in rows),
    )


class _ShapesAlone(TorchFunctionMode):
    """Inside, some functions give an empty output of the right shape on the meta device: torch's own way costs a second
    of imports."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (functional.batch_norm, functional.group_norm, functional.relu) and args[0].is_meta:
            return torch.empty_like(args[0])
        if func is functional.linear and args[0].is_meta:
            return args[0].new_empty((*args[0].shape[:-1], args[1].shape[0]))
        return func(*args, **(kwargs or {}))


@contextmanager
def _watched(network: Network, rows: list[LayerRow]) -> Iterator[None]:
    """Each layer that passes on an output adds its row."""

    def watch(name: str, layer: nn.Module) -> torch.utils.hooks.RemovableHandle:
        return layer.register_forward_hook(lambda _layer, _in, output: rows.append(_row(name, layer, output)))

    layers = [
        (f"{block}.{name}" if name else block, layer)
        for block in network.names
        for name, layer in network[block].named_modules()
        if _is_shown(layer)
    ]
    handles = [watch(name, layer) for name, layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _evaluated(network: Network) -> Iterator[None]:
    """Eval mode within; afterwards each module is in the mode it had."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _is_shown(layer: nn.Module) -> bool:
    pools = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
    return isinstance(layer, pools) or next(layer.parameters(recurse=False), None) is not None


def _row(name: str, layer: nn.Module, output: Tensor) -> LayerRow:
    shape = tuple(output.shape[1:])
    own = sum(parameter.numel() for parameter in layer.parameters(recurse=False))
    return LayerRow(name, _kind(layer), shape, own, _multiply_adds(layer, output))


def _kind(layer: nn.Module) -> str:
    """The layer's kind in words; a class of ours or timm's goes by the torch class it extends."""
    if isinstance(layer, nn.Conv2d):
        stride = f", stride {layer.stride[0]}" if layer.stride[0] > 1 else ""
        return f"convolution {layer.kernel_size[0]}x{layer.kernel_size[1]}{stride}"
    names = {
        nn.Linear: "fully connected",
        nn.BatchNorm2d: "BatchNorm",
        nn.GroupNorm: "GroupNorm",
        nn.MaxPool2d: "max pool",
        nn.AvgPool2d: "average pool",
        nn.AdaptiveAvgPool2d: "average pool",
    }
    return next((word for kind, word in names.items() if isinstance(layer, kind)), type(layer).__name__)


def _multiply_adds(layer: nn.Module, output: Tensor) -> int:
    """One per weight and place of the output at which it is used."""
    if isinstance(layer, nn.Conv2d):
        height, width = layer.kernel_size
        return output[0].numel() * layer.in_channels // layer.groups * height * width
    if isinstance(layer, nn.Linear):
        return output[0].numel() * layer.in_features
    return 0
