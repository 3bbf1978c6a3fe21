"""VGG with BatchNorm (Simonyan & Zisserman 2014) as named blocks, and its compressed forms."""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from netpress.errors import UserError
from netpress.nets.levels import MODELS as SVGG
from netpress.nets.levels import compressed
from netpress.nets.network import HEAD, ConvLayer, Network, copy_tensors, initialise, scaled

SMALLEST = 32  # px: five max pools leave one pixel


@dataclass(frozen=True)
class Block:
    """Convolutions between pools: `groups` are their output channels, each group ending in a 2x2 max pool.

    `number` is VGG's number of the first group: conv3_1 is the first convolution of group 3.
    """

    name: str
    number: int
    groups: tuple[tuple[int, ...], ...]

    @property
    def outputs(self) -> int:
        return self.groups[-1][-1]


VGG16 = (
    Block("block1", 1, ((64, 64),)),
    Block("block2", 2, ((128, 128),)),
    Block("block3", 3, ((256, 256, 256),)),
    Block("block4", 4, ((512, 512, 512),)),
    Block("block5", 5, ((512, 512, 512),)),
)
# The pyramid's sets: C1 spans a pool
VGG19 = (
    Block("C1", 1, ((64, 64), (128, 128))),
    Block("C2", 3, ((256, 256, 256, 256),)),
    Block("C3", 4, ((512, 512, 512, 512),)),
    Block("C4", 5, ((512, 512, 512, 512),)),
)
HIDDEN16 = 4096
HIDDEN19 = 1536  # ours: with it VGG19 has the text's 30 M parameters at 96 px

DROPOUT = 0.5  # at full width; as much at a quarter of it would leave too few units to learn with

VGG16_MODELS: dict[str, tuple[str, ...]] = {"vgg16": (), **{f"vgg16-{b.name}": (b.name,) for b in VGG16}}
MODELS: tuple[str, ...] = (*VGG16_MODELS, "vgg19", *SVGG)


def build(model: str, px: int, classes: int, width: float = 1.0) -> Network:
    """One of MODELS for images of px x px, drawn from torch's global generator. UserError below 32 px."""
    if px < SMALLEST:
        raise UserError(f"{model} needs images of at least {SMALLEST} px, not {px}: five pools halve them.")
    if model in VGG16_MODELS:
        network = _network(VGG16, VGG16_MODELS[model], HIDDEN16, (px, classes, width))
    else:
        network = _network(VGG19, compressed(model), HIDDEN19, (px, classes, width))
    initialise(network, classifier=network.head[-1])  # type: ignore[index]
    return network


def _network(
    blocks: tuple[Block, ...], replaced: Collection[str], hidden: int, size: tuple[int, int, float]
) -> Network:
    px, classes, width = size
    modules: dict[str, nn.Module] = {}
    for inputs, block in zip((3, *(scaled(b.outputs, width) for b in blocks)), blocks, strict=False):
        make = replacement if block.name in replaced else convolutions
        modules[block.name] = make(block, inputs, width)
    features = scaled(blocks[-1].outputs, width) * (px // 2**5) ** 2
    if "F" in replaced:  # the pyramid's compressed head: one fully connected layer
        layers = OrderedDict(flatten=nn.Flatten(), replacement=nn.Linear(features, classes))
        return Network(modules, nn.Sequential(layers))
    return Network(modules, three_layers(features, scaled(hidden, width), classes, DROPOUT * min(width, 1.0)))


def convolutions(block: Block, inputs: int, width: float = 1.0) -> nn.Sequential:
    """The block as in VGG: (N, inputs, h, w) -> (N, outputs, h/2, w/2), or h/4 and w/4 with two pools."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, group in enumerate(block.groups, start=block.number):
        channels = (inputs, *(scaled(c, width) for c in group))
        for i, (before, after) in enumerate(pairwise(channels), start=1):
            layers[f"conv{number}_{i}"] = ConvLayer(before, after)
        layers[f"pool{number}"] = nn.MaxPool2d(2)
        inputs = channels[-1]
    return nn.Sequential(layers)


def replacement(block: Block, inputs: int, width: float = 1.0) -> nn.Sequential:
    """Structural compression: one convolution with the block's input and output channels, then its pools.

    Its layer has a name of its own, "replacement": where its shape is that of the block's first
    convolution, nothing is inherited by accident ("all the layers except the ones that are in C", pyramid,
    section 4).
    """
    layer = ConvLayer(inputs, scaled(block.outputs, width))
    layers: OrderedDict[str, nn.Module] = OrderedDict(replacement=layer)
    for number, _ in enumerate(block.groups, start=block.number):
        layers[f"pool{number}"] = nn.MaxPool2d(2)
    return nn.Sequential(layers)


def three_layers(features: int, hidden: int, classes: int, dropout: float) -> nn.Sequential:
    """VGG's head: (N, c, h, w) with c h w = features -> logits (N, classes). `dropout`: the share of units left out.

    torchvision pools to 7x7 before it, which is the identity at 224 px; here the last map is flattened at
    any size.
    """
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            fc1=nn.Linear(features, hidden),
            relu1=nn.ReLU(),
            dropout1=nn.Dropout(dropout),
            fc2=nn.Linear(hidden, hidden),
            relu2=nn.ReLU(),
            dropout2=nn.Dropout(dropout),
            fc3=nn.Linear(hidden, classes),
        )
    )


def conv_layers(module: nn.Module) -> tuple[ConvLayer, ...]:
    """The convolution layers of a block or network, in order."""
    return tuple(layer for layer in module.modules() if isinstance(layer, ConvLayer))


@torch.no_grad()
def load_mean(network: Network, block: str, parent: Network) -> None:
    """Load the mean of the parent's layers into the one layer of `block`, in place.

    One 3x3 kernel for convolution weights, one number for all else; BatchNorm's count of batches is left as it is.
    """
    layers, targets = conv_layers(parent[block]), conv_layers(network[block])
    if len(targets) != 1 or not layers:
        raise UserError(f"Mean initialisation: {block!r} must be one layer, not {len(targets)}.")
    states = [layer.state_dict() for layer in layers]
    for name, tensor in targets[0].state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.cat([state[name].reshape(-1, *tensor.shape[2:]) for state in states]).mean(dim=0))


def first_and_last(block: nn.Sequential, x: Tensor) -> tuple[Tensor, Tensor]:
    """The outputs of a set's first and last layer, of which the Gram matrix is made (pyramid, section 4.1).

    x is what enters the set, (N, c, h, w). The first output is that of the first convolution; the last is
    what enters the set's last max pool. A single layer is its own first and last. C1 spans a pool, and its
    replacement's first output has other channels than conv1_1's: there the set's input x stands for the
    first output (ours), in teacher and student alike, and the replacement's last output is taken after its
    first pool. So shapes agree.
    """
    layers = list(block)
    pools = [i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    if not pools:
        raise UserError("The Gram matrix is defined for sets of convolutions, not for the head.")
    spans_a_pool = len(pools) > 1
    first = last = x if spans_a_pool else layers[0](x)
    for layer in layers[0 if spans_a_pool else 1 : pools[-1]]:
        last = layer(last)
    return first, last


def from_torchvision(network: Network, theirs: Any) -> tuple[str, ...]:
    """Copies torchvision's vgg16_bn or vgg19_bn into `network`; returns the names of the tensors copied.

    The convolutions and their BatchNorm must all agree (width 1, nothing compressed), else UserError; of
    the head, those layers are taken whose weights agree in shape.
    """
    # both are in the order of the layers, and a layer's tensors are in the same order
    features = _renamed(network.blocks, theirs.features)
    if not features or len(features) != len(network.blocks.state_dict()):
        raise UserError("Pretrained VGG weights need a whole network, width 1: set width=1 or weights=scratch.")
    head = _renamed(network.head, theirs.classifier)
    # a bias may agree where its weights do not
    fits = {name for name in head if name.rpartition(".")[0] + ".weight" in head}
    copy_tensors(network.blocks, features)
    copy_tensors(network.head, {name: head[name] for name in fits})
    return (*(f"blocks.{name}" for name in features), *(f"{HEAD}.{name}" for name in head if name in fits))


def _renamed(mine: nn.Module, theirs: nn.Module) -> dict[str, Tensor]:
    """Their tensors under our names, one by one, where the shapes agree; none if the numbers differ."""
    own, other = mine.state_dict(), theirs.state_dict()
    if len(own) != len(other):
        return {}
    pairs = zip(own.items(), other.values(), strict=True)
    return {name: value for (name, tensor), value in pairs if tensor.shape == value.shape}
