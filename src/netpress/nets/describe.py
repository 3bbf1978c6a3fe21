"""What a network consists of: layers, output shapes, parameters, multiply-adds."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
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
    """Describes a network for images (3, px, px). Nothing is computed: shapes alone pass through a copy of it."""
    rows: list[LayerRow] = []
    outline = copy.deepcopy(network).to("meta").eval()

    def watch(name: str, layer: nn.Module) -> None:
        def note(_layer: nn.Module, _inputs: Any, output: Tensor) -> None:
            own = sum(parameter.numel() for parameter in layer.parameters(recurse=False))
            rows.append(LayerRow(name, _kind(layer), tuple(output.shape[1:]), own, _multiply_adds(layer, output)))

        layer.register_forward_hook(note)

    pools = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
    for block in outline.names:
        for name, layer in outline[block].named_modules():
            if isinstance(layer, pools) or next(layer.parameters(recurse=False), None) is not None:
                watch(f"{block}.{name}" if name else block, layer)
    with torch.no_grad(), _ShapesAlone():
        outline(torch.empty(1, 3, px, px, device="meta"))
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
