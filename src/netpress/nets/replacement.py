"""What takes the place of a block: one convolution with its input and output, BatchNorm, and ReLU where it ends so."""

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from netpress.errors import UserError
from netpress.nets.network import HEAD
from netpress.nets.slicing import Shape, SlicedNetwork

LARGEST_KERNEL = 15


@dataclass(frozen=True)
class Geometry:
    """Kernel, stride and padding of a convolution."""

    kernel: int
    stride: int
    padding: int


def geometry(before: int, after: int) -> Geometry | None:
    """The convolution that makes maps of side `after` out of `before`: the smallest odd kernel from 3 on that does.

    It is no smaller than the stride, so that no pixel is passed over. None where none does, as where maps grow. The
    stride is the one nearest to before / after.
    """
    if not 0 < after <= before:
        return None
    strides = sorted({max(1, before // after), -(-before // after)}, key=lambda s: abs(before / after - s))
    for stride in strides:
        for kernel in range(3, LARGEST_KERNEL + 1, 2):
            for padding in range(kernel // 2, -1, -1):
                fits = before + 2 * padding >= kernel and (before + 2 * padding - kernel) // stride + 1 == after
                if fits and kernel >= stride:
                    return Geometry(kernel, stride, padding)
    return None


def replacement(shape: Shape) -> nn.Sequential | None:
    """(N, inputs, before, before) -> (N, outputs, after, after); None where no single convolution does that.

    Without a bias, which BatchNorm would take away. Where the block's output may be negative there is no ReLU.
    """
    found = geometry(shape.before, shape.after)
    if found is None:
        return None
    layers = OrderedDict[str, nn.Module](
        conv=nn.Conv2d(shape.inputs, shape.outputs, found.kernel, found.stride, found.padding, bias=False),
        bn=nn.BatchNorm2d(shape.outputs),
    )
    if shape.nonnegative:
        layers["relu"] = nn.ReLU()
    # under a name of its own, so that nothing is inherited by accident from a layer that is called so too
    return nn.Sequential(OrderedDict(replacement=nn.Sequential(layers)))


def short_head(channels: int, classes: int) -> nn.Sequential:
    """The shortest head: the mean of each map, and one linear layer. (N, channels, h, h) -> logits (N, classes)."""
    return nn.Sequential(
        OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), replacement=nn.Linear(channels, classes))
    )


def replacement_for(network: SlicedNetwork, name: str, classes: int) -> nn.Module | None:
    """What can take the place of a block or of the head; None where nothing can."""
    if name == HEAD:
        return short_head(network.shapes[network.names[-2]].outputs, classes)
    network[name]  # UserError for an unknown one
    return replacement(network.shapes[name])


def put_replacement(network: SlicedNetwork, name: str, classes: int) -> None:
    """Put one layer in the place of a block or of the head. UserError where no single convolution fits."""
    module = replacement_for(network, name, classes)
    if module is None:
        shape = network.shapes[name]
        raise UserError(
            f"{name} cannot be replaced: no single convolution makes maps of {shape.after} x {shape.after} out of "
            f"{shape.before} x {shape.before}."
        )
    network.put(name, module)
