"""Example networks to shrink, made as a user would make one: a function that is called with the number of classes."""

from collections.abc import Callable

from torch import Tensor, nn

from netpress.compat import import_torchvision


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut: (N, inputs, h, w) -> (N, outputs, h/stride, w/stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    """A stem and stages of residual blocks, for small images (He et al. 2016, section 4.2)."""

    def __init__(self, channels: tuple[int, ...], blocks: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels[0], 3, 1, 1, bias=False), nn.BatchNorm2d(channels[0]), nn.ReLU()
        )
        self.layers = nn.Sequential()
        inputs = channels[0]
        for i, outputs in enumerate(channels):
            stage = [Residual(inputs if j == 0 else outputs, outputs, 1 + (i > 0 and j == 0)) for j in range(blocks)]
            self.layers.append(nn.Sequential(*stage))
            inputs = outputs
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.pool(self.layers(self.stem(images))).flatten(1))


def small_resnet(classes: int) -> nn.Module:
    """The demo's network: a ResNet of 11 convolutions on the main path, 8 to 32 channels."""
    return ResNet((8, 16, 32), 2, classes)


def resnet18_32(classes: int) -> nn.Module:
    """torchvision's ResNet-18 with the stem that is usual for images of 32 px: 3x3, no stride, no pool."""
    net = import_torchvision().models.resnet18(weights=None, num_classes=classes)
    net.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    net.maxpool = nn.Identity()
    nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    return net


def resnet18_quarter(classes: int) -> nn.Module:
    """`resnet18_32` with a quarter of its channels, 16 to 128, as the edition `small` has every network of a paper."""
    return narrow(resnet18_32(classes), 4)


def vgg16_bn_quarter(classes: int) -> nn.Module:
    """torchvision's VGG16 with BatchNorm, and a quarter of its channels: 16 to 128, and 1,024 between linear layers."""
    return narrow(import_torchvision().models.vgg16_bn(weights=None, num_classes=classes), 4)


def mobilenet_v2_32(classes: int) -> nn.Module:
    """torchvision's MobileNetV2 with three strides less, for images of 32 px."""
    net = import_torchvision().models.mobilenet_v2(weights=None, num_classes=classes)
    for module in (net.features[0][0], net.features[2].conv[1][0], net.features[4].conv[1][0]):
        module.stride = (1, 1)
    return net


def narrow(net: nn.Module, times: int) -> nn.Module:
    """Make each layer anew with `times` fewer channels, but for the image's and the classes'. Weights are random:
    of convolutions as torchvision draws them, of linear layers as torch does.

    Works where every layer is a convolution in one group, a BatchNorm or linear, and the last linear layer comes last.
    """
    layers = [(name, layer) for name, layer in net.named_modules() if not list(layer.children())]
    last = [name for name, layer in layers if isinstance(layer, nn.Linear)][-1]
    for name, layer in layers:
        if isinstance(layer, nn.Conv2d):
            net.set_submodule(name, narrow_conv(layer, times))
        elif isinstance(layer, nn.BatchNorm2d):
            net.set_submodule(name, nn.BatchNorm2d(layer.num_features // times))
        elif isinstance(layer, nn.Linear):
            outputs = layer.out_features if name == last else layer.out_features // times
            net.set_submodule(name, nn.Linear(layer.in_features // times, outputs))
    return net


def narrow_conv(conv: nn.Conv2d, times: int) -> nn.Conv2d:
    """A convolution with `times` fewer channels, but for those of an image."""
    inputs = conv.in_channels if conv.in_channels == 3 else conv.in_channels // times
    bias = conv.bias is not None
    new = nn.Conv2d(inputs, conv.out_channels // times, conv.kernel_size, conv.stride, conv.padding, bias=bias)  # type: ignore[arg-type]
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    return new


EXAMPLES: dict[str, Callable[[int], nn.Module]] = {
    build.__name__: build for build in (small_resnet, resnet18_32, resnet18_quarter, vgg16_bn_quarter, mobilenet_v2_32)
}
