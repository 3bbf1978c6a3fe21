"""Workarounds for combinations of packages, in one place."""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

NMS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
SCHEMAS: "list[torch.library.Library]" = []  # kept: they die with their Library


def import_torchvision() -> ModuleType:
    """Import torchvision also where its binary part does not fit torch; return the module.

    PyPI's torchvision beside a CPU-only torch cannot load its compiled operators and stops with "operator
    torchvision::nms does not exist", and takes timm with it. Its models, data sets and transforms need no
    operator, only the schemas: they are defined if, and only if, they turn out to be missing.
    Call this before the first import of torchvision or timm.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for name in [m for m in sys.modules if m.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # half-imported: a second import must begin from nothing
    import torch

    for name in ("nms", "qnms"):
        SCHEMAS.append(torch.library.Library("torchvision", "FRAGMENT"))
        SCHEMAS[-1].define(name + NMS)
    return importlib.import_module("torchvision")
