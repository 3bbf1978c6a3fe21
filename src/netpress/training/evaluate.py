"""A finished network's answers."""

import torch
from torch import Tensor, nn

from netpress.data import Images
from netpress.data.views import Normalise
from netpress.training.compute import ComputeConfig


def logits_of(network: nn.Module, images: Images, normalise: Normalise, config: ComputeConfig) -> Tensor:
    """Logits of all images in the fixed view, float32 (N, classes), in eval mode."""
    network.eval()
    found = []
    for x in images.x.split(config.evaluated_at_once(images.x.shape[-1])):
        with torch.no_grad(), config.autocast():
            found.append(network(config.place(normalise(x))).float())
    return torch.cat(found)


def accuracy(network: nn.Module, images: Images, normalise: Normalise, config: ComputeConfig) -> float:
    """Share of images classified correctly, 0 to 1."""
    hits = (logits_of(network, images, normalise, config).argmax(1) == images.y).sum()
    return hits.item() / len(images.y)
