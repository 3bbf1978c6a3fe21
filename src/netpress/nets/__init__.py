"""Networks as named blocks and a head. Importing this package needs no torch, names are checked at once."""

import importlib
from typing import TYPE_CHECKING

from netpress.editions import MOST_WIDTH
from netpress.errors import UserError, known
from netpress.nets import levels

if TYPE_CHECKING:
    from netpress.nets.network import Network

FAMILIES: dict[str, tuple[str, ...]] = {
    "vgg": ("vgg16", *(f"vgg16-block{i}" for i in range(1, 6)), "vgg19", *levels.MODELS),
    "small": ("cnn-256-512", "cnn-16-32", "six-layer"),
    "bit": ("bit-r101x3", "bit-r50x1", "bit-r26x1", "bit-r14x1"),
}
MODELS: tuple[str, ...] = tuple(model for models in FAMILIES.values() for model in models)


def build(model: str, px: int, classes: int, width: float = 1.0) -> "Network":
    """The network `model` (one of MODELS) for images (N, 3, px, px), with `classes` outputs.

    `width` multiplies the channels. Weights are drawn from torch's global generator. UserError for an unknown
    model, or a size, width or number of classes with which it cannot be built.
    """
    family = family_of(model)
    if classes < 2:
        raise UserError(f"A classifier needs at least 2 classes, not {classes}.")
    if not 0 < width <= MOST_WIDTH:
        raise UserError(f"The width multiplies all channels: it must be above 0 and at most {MOST_WIDTH}, not {width}.")
    return importlib.import_module(f"netpress.nets.{family}").build(model, px, classes, width)


def outline(model: str, px: int, classes: int, width: float = 1.0) -> "Network":
    """Like `build` without memory for weights: on torch's meta device, and nothing is drawn."""
    import torch

    from netpress.nets.network import Undrawn

    with torch.device("meta"), Undrawn():
        return build(model, px, classes, width)


def family_of(model: str) -> str:
    """The module of this package that builds `model`; UserError with the nearest name for an unknown one."""
    known(model, MODELS, "model")
    return next(family for family, models in FAMILIES.items() if model in models)
