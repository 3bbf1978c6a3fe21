"""Likeness of filters and representations, against calculations by hand."""

import itertools

import numpy as np
import torch

from netpress.training.evaluate import cka, matched_cosine


def test_permuted_and_scaled_filters_are_the_same_filters():
    filters = torch.randn(7, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    order = torch.tensor([3, 1, 6, 0, 2, 5, 4])
    assert abs(matched_cosine(filters, 2.5 * filters[order]) - 1) < 1e-12


def test_matching_is_the_best_of_all_orders():
    g = torch.Generator().manual_seed(1)
    a, b = torch.randn(5, 2, 3, 3, generator=g), torch.randn(5, 2, 3, 3, generator=g)
    x, y = a.double().flatten(1).numpy(), b.double().flatten(1).numpy()
    cosines = [[float(u @ v / np.sqrt(u @ u) / np.sqrt(v @ v)) for v in y] for u in x]
    best = max(np.mean([cosines[i][p[i]] for i in range(5)]) for p in itertools.permutations(range(5)))
    assert abs(matched_cosine(a, b) - best) < 1e-12


def test_cka_against_its_formula_over_features():
    g = torch.Generator().manual_seed(2)
    x, y = torch.randn(40, 3, 2, 2, generator=g), torch.randn(40, 5, generator=g)
    a, b = x.double().flatten(1).numpy(), y.double().numpy()
    a, b = a - a.mean(0), b - b.mean(0)
    norm = np.linalg.norm
    expected = norm(b.T @ a) ** 2 / (norm(a.T @ a) * norm(b.T @ b))
    assert abs(cka(x, y) - expected) < 1e-10


def test_cka_ignores_rotation_and_scale_and_is_low_for_noise():
    g = torch.Generator().manual_seed(3)
    x = torch.randn(200, 6, generator=g).double()
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=g).double())[0]
    assert abs(cka(x, 3 * x @ rotation + 1) - 1) < 1e-10
    assert cka(x, torch.randn(200, 6, generator=g).double()) < 0.15
