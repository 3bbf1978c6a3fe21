"""How alike two networks are inside: filters matched one to one, and representations (linear CKA)."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def matched_cosine(filters: Tensor, others: Tensor) -> float:
    """Mean cosine over the best one-to-one matching of two sets of filters, each (C, inputs, 3, 3).

    The order of filters is arbitrary, so each is paired with one of the other set such that the sum of cosines is
    largest (Hungarian method). 1: the same filters. Random filters do not reach 0, as the matching picks the best.
    """
    a, b = (torch.nn.functional.normalize(f.detach().double().flatten(1).cpu(), dim=1) for f in (filters, others))
    cosines = (a @ b.T).numpy()
    return float(cosines[linear_sum_assignment(cosines, maximize=True)].mean())


def linear_cka(x: Tensor, y: Tensor) -> float:
    """Linear centred kernel alignment of two representations of the same N images, (N, ...) each: 0 to 1.

    `|X'Y|^2 / (|X'X| |Y'Y|)` for centred columns (Kornblith et al. 2019, eq. 3), worked out through the N x N kernels.
    """
    k, m = (centred_kernel(z) for z in (x, y))
    return float((k * m).sum() / (k.norm() * m.norm()).clamp_min(1e-300))


def centred_kernel(x: Tensor) -> Tensor:
    """X X' of the centred (N, ...) tensor, in float64."""
    rows = x.detach().double().flatten(1).cpu()
    rows = rows - rows.mean(0)
    return rows @ rows.T
