"""BatchNorm that does not change, as part of the convolution before it."""

from collections import OrderedDict

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from netpress.nets.network import ConvLayer, Network


def folded(module: nn.Module) -> nn.Module:
    """The same function in eval mode, equal to rounding, with one convolution for each convolution and BatchNorm.

    Layers without BatchNorm, and convolutions whose weights are made anew in every pass (pruned, shared), are the very
    same modules. What is folded is a copy: it does not follow when the network trains on.
    """
    if isinstance(module, ConvLayer):
        return nn.Sequential(fuse_conv_bn_eval(module.conv, module.bn), module.relu) if can_be(module) else module
    if type(module) is nn.Sequential:
        return nn.Sequential(OrderedDict((name, folded(child)) for name, child in module.named_children()))
    return module


def folded_network(network: Network) -> Network:
    """The same of a whole network that is frozen. One of the user's own stays as it is: its blocks are graphs."""
    if type(network) is not Network:
        return network
    return Network({name: folded(block) for name, block in network.blocks.items()}, folded(network.head))


def can_be(layer: ConvLayer) -> bool:
    """Whether the convolution's weights are plain parameters, and BatchNorm uses its running statistics."""
    conv, bn = layer.conv, layer.bn
    return type(conv) is nn.Conv2d and not conv._forward_pre_hooks and not (conv.training or bn.training)
