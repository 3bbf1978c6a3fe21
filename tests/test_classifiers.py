"""Forty classifiers of torchvision and timm: each is changed, and what comes out is a file that ONNX Runtime runs."""

from itertools import chain

import pytest
import torch

from netpress.compat import import_torchvision
from netpress.yours import cut, export, networks

TORCHVISION = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3",
    "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf",
    "resnet18", "resnet50", "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "vgg11", "vgg16_bn",
    "vit_b_16", "wide_resnet50_2",
)  # fmt: skip
TIMM = (
    "convnext_atto", "convmixer_768_32", "cspresnet50", "darknet53", "deit_tiny_patch16_224", "edgenext_xx_small",
    "efficientnet_lite0", "ghostnet_100", "hrnet_w18_small", "mixer_s16_224", "mobilevit_xxs", "mobileone_s0",
    "poolformer_s12", "repvgg_a0", "resnetv2_50", "resnest14d", "vit_tiny_patch16_224",
)  # fmt: skip
SIDES = {"inception_v3": 96, "swin_t": 64, "vit_b_16": 224, "alexnet": 96, "squeezenet1_1": 64}
ALL = [f"torchvision:{name}" for name in TORCHVISION] + [f"timm:{name}" for name in TIMM]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("label", ALL)
def test_classifiers_are_cut_and_exported(label: str, tmp_path) -> None:
    import_torchvision()
    name = label.partition(":")[2]
    px = SIDES.get(name, 224 if name.endswith("_224") else 64)
    net, example = networks.make(label, 10).eval(), torch.rand(2, 3, px, px)
    found = list(cut.blocks(net, example))
    possible = chain(cut.block_moves(net, found), cut.narrow_moves(net, example, found))
    tried = (cut.apply(net, move, example) for move in possible)
    changed = next(each for each in tried if each is not None and cut.size(each, example) < cut.size(net, example))
    export.write_float(changed.eval(), example, tmp_path / "network.onnx")
