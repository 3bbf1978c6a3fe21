"""What finished networks answer, and how alike two of them are inside."""

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


def matched_cosine(filters: Tensor, others: Tensor) -> float:
    """Mean cosine over the best one-to-one matching of two sets of filters, each (C, inputs, 3, 3).

    The order of filters is arbitrary, so each is paired with one of the other set such that the sum of cosines is
    largest (Hungarian method). 1: the same filters. Random filters do not reach 0, as the matching picks the best.
    """
    from scipy.optimize import linear_sum_assignment

    a, b = (nn.functional.normalize(f.detach().double().flatten(1).cpu(), dim=1) for f in (filters, others))
    cosines = (a @ b.T).numpy()
    return float(cosines[linear_sum_assignment(cosines, maximize=True)].mean())


def cka(x: Tensor, y: Tensor) -> float:
    """Linear centred kernel alignment of two representations of the same N images, (N, ...) each: 0 to 1.

    `|X'Y|^2 / (|X'X| |Y'Y|)` for centred columns (Kornblith et al. 2019, eq. 3), from the kernels X X' and Y Y', in
    float64 on the CPU.
    """
    rows = (t.detach().flatten(1).cpu().double() for t in (x, y))
    k, m = (centred @ centred.T for centred in (t - t.mean(0) for t in rows))
    return float((k * m).sum() / (k.norm() * m.norm()).clamp_min(1e-300))
