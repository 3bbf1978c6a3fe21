"""The small networks of the third paper: the distilled CNNs of Table I and the six layers that are pruned."""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F

from netpress.errors import UserError
from netpress.nets.network import ConvLayer, Network, glorot, initialise, scaled

CNN: dict[str, tuple[int, int]] = {"cnn-256-512": (256, 512), "cnn-16-32": (16, 32)}
SIX_LAYER = (32, 32, 64, 64)
SIX_LAYER_HIDDEN = 128
MODELS: tuple[str, ...] = (*CNN, "six-layer")
SMALLEST = 8  # px


def build(model: str, px: int, classes: int, width: float = 1.0) -> Network:
    """One of MODELS for images of px x px, drawn from torch's global generator. UserError below 8 px."""
    if px < SMALLEST:
        raise UserError(f"{model} needs images of at least {SMALLEST} px, not {px}.")
    return _cnn(CNN[model], px, classes, width) if model in CNN else _six_layer(px, classes, width)


class SameConv(nn.Conv2d):
    """3x3 convolution, stride 2, Keras's "same" padding: (N, c, h, w) -> (N, outputs, ceil(h/2), ceil(w/2)).

    An even side is padded by one pixel at its end only, an odd one at both.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        top, left = x.shape[2] % 2, x.shape[3] % 2
        return super().forward(F.pad(x, (left, 1, top, 1)))


class SamePool(nn.MaxPool2d):
    """2x2 max pool with stride 1 that keeps the size: padded at the end of each side, as Keras's "same"."""

    def __init__(self) -> None:
        super().__init__(kernel_size=2, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (0, 1, 0, 1), value=float("-inf")))


def _cnn(channels: tuple[int, int], px: int, classes: int, width: float) -> Network:
    """Two strided convolutions and a dense layer, as in Keras's knowledge distillation example.

    Ours: the paper names only "layers (256, 512)" and "(16, 32)". Glorot uniform weights, zero biases.
    """
    one, two = (scaled(c, width) for c in channels)
    side = -(-px // 4)  # halved twice, rounded up
    network = Network(
        {
            "conv1": nn.Sequential(OrderedDict(conv=SameConv(3, one), relu=nn.LeakyReLU(0.2), pool=SamePool())),
            "conv2": nn.Sequential(OrderedDict(conv=SameConv(one, two))),
        },
        nn.Sequential(OrderedDict(flatten=nn.Flatten(), fc=nn.Linear(two * side**2, classes))),
    )
    glorot(network)
    return network


def _six_layer(px: int, classes: int, width: float) -> Network:
    """Four convolutions with BatchNorm, a pool after every second, and two fully connected layers.

    Ours: the paper says "a small neural network that consists of six layers" and no more.
    """
    channels = (3, *(scaled(c, width) for c in SIX_LAYER))
    blocks: dict[str, nn.Module] = {}
    for i in range(1, len(channels)):
        layers: OrderedDict[str, nn.Module] = OrderedDict(layer=ConvLayer(channels[i - 1], channels[i]))
        if i % 2 == 0:
            layers["pool"] = nn.MaxPool2d(2)
        blocks[f"conv{i}"] = nn.Sequential(layers)
    hidden = scaled(SIX_LAYER_HIDDEN, width)
    head = nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            fc1=nn.Linear(channels[-1] * (px // 4) ** 2, hidden),
            relu1=nn.ReLU(),
            fc2=nn.Linear(hidden, classes),
        )
    )
    network = Network(blocks, head)
    initialise(network, classifier=head.fc2)  # type: ignore[arg-type]
    return network
