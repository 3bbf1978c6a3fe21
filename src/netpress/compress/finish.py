"""A network without the scaffolding of its compression."""

from typing import TypeVar

from torch import nn
from torch.nn.utils import parametrize, prune

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)


def finished(network: AnyNetwork) -> AnyNetwork:
    """Make masks and shared weights permanent: afterwards its tensors are those of a plain network. In place."""
    for module in network.modules():
        for name in list(getattr(module, "_parameters", {})):
            if name.endswith("_orig") and prune.is_pruned(module):
                prune.remove(module, name.removesuffix("_orig"))
        if parametrize.is_parametrized(module):
            _give_own_class(module)
            for name in list(module.parametrizations):  # type: ignore[arg-type]
                module.parametrizations[name].original.grad = None  # type: ignore[union-attr,index]  # of another shape
                parametrize.remove_parametrizations(module, name)
    return network


def _give_own_class(module: nn.Module) -> None:
    """A parametrised module has a class made for it, which its deep copies share: removing from one breaks all."""
    shared = type(module)
    module.__class__ = type(shared.__name__, shared.__bases__, dict(vars(shared)))
