"""How alike two networks are inside: filters matched one to one, and representations (linear CKA)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

COLUMNS = 2048  # multiplied at once in float32


def matched_cosine(filters: Tensor, others: Tensor) -> float:
    """Mean cosine over the best one-to-one matching of two sets of filters, each (C, inputs, 3, 3).

    The order of filters is arbitrary, so each is paired with one of the other set such that the sum of cosines is
    largest (Hungarian method). 1: the same filters. Random filters do not reach 0, as the matching picks the best.
    """
    a, b = (torch.nn.functional.normalize(f.detach().double().flatten(1).cpu(), dim=1) for f in (filters, others))
    cosines = (a @ b.T).numpy()
    return float(cosines[linear_sum_assignment(cosines, maximize=True)].mean())


def cka_of_kernels(k: Tensor, m: Tensor) -> float:
    """Linear centred kernel alignment of two representations of the same N images: 0 to 1.

    `|X'Y|^2 / (|X'X| |Y'Y|)` for centred columns (Kornblith et al. 2019, eq. 3), from the kernels, float64 (N, N) each.
    """
    return float((k * m).sum() / (k.norm() * m.norm()).clamp_min(1e-300))


def centred_kernel(x: Tensor) -> Tensor:
    """X X' of the centred (N, ...) tensor, float64 (N, N) on the CPU.

    On a CPU it is all done in float64. Elsewhere float64 is slow or missing: products of COLUMNS columns at a time are
    taken in float32 on the device, and added up in float64. The CKA of two such kernels agrees to 1e-4.
    """
    rows = x.detach().flatten(1)
    if x.device.type == "cpu":
        rows = rows.double()
        rows = rows - rows.mean(0)
        return rows @ rows.T
    return in_pieces(rows)


def in_pieces(rows: Tensor) -> Tensor:
    """The kernel of (N, columns) in float32, in pieces that are added up in float64 on the CPU."""
    rows = rows.float()
    rows = rows - rows.mean(0)
    with exact_products(rows.device.type):
        products = torch.stack([piece @ piece.T for piece in rows.split(COLUMNS, dim=1)])
    return products.cpu().double().sum(0)


@contextmanager
def exact_products(kind: str) -> Iterator[None]:
    """Inside, a GPU multiplies float32 as it says, without TF32."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = before and kind != "cuda"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
