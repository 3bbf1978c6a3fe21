"""The same plain loop for torchvision's ResNet-18 with the stem for 32 px, some layers replaced by one convolution.

Jobs come as for `plain.py`; a model is "resnet18+layer3". Tensors are numbered in the order of their sorted names.
"""

import plain
import torch
from safetensors.torch import load_file
from torch import nn
from torchvision.models import resnet18

CHANNELS = {"layer1": (64, 64, 1), "layer2": (64, 128, 2), "layer3": (128, 256, 2), "layer4": (256, 512, 2)}


class ResNet18(nn.Module):
    """Blocks and a head, as the loop asks for."""

    def __init__(self, replaced: list[str], classes: int):
        super().__init__()
        whole = resnet18(num_classes=classes)
        stem = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), whole.bn1, nn.ReLU(inplace=True))
        self.blocks = nn.ModuleDict({"conv1": stem} | {name: getattr(whole, name) for name in CHANNELS})
        for name in replaced:
            inputs, outputs, stride = CHANNELS[name]
            conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.blocks[name] = nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), whole.fc)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for module in self.blocks.values():
            x = module(x)
        return self.head(x)

    upto = plain.VGG.upto


def network_of(job: dict, model: str, weights: str) -> ResNet18:
    """A network with the weights of a file."""
    network = ResNet18(model.split("+")[1:], job["classes"])
    given = load_file(weights)
    network.load_state_dict({name: given[f"{i:04}"] for i, name in enumerate(sorted(network.state_dict()))})
    return network.to(job["device"])


if __name__ == "__main__":
    plain.network_of = network_of
    plain.main(plain.TASKS)
