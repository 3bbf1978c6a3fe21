"""Code books on weights: k-means, and the layer whose weights are looked up in its centroids."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from netpress.compress.prune import finished, weight_layers

BINS = 2**15  # points that k-means sees of a large layer


class CodeBook(nn.Module):
    """Parametrisation: weight = centroids[index]. The centroids, shape (2^bits,), are what trains.

    index: int32, flat: 0 for a pruned weight, which is 0 and has no centroid, and i for centroid i - 1.
    """

    index: Tensor

    def __init__(self, index: Tensor, centroids: Tensor, shape: torch.Size) -> None:
        super().__init__()
        self.register_buffer("index", index)
        self.shape = shape
        self.found = centroids

    def forward(self, centroids: Tensor) -> Tensor:
        # Backwards, index_select adds up the gradients of a centroid's weights: Deep Compression, equation 3.
        values = torch.cat([centroids.new_zeros(1), centroids])
        return values.index_select(0, self.index).view(self.shape)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What k-means found: asked for once, when the code book is put on its layer."""
        return self.found


def share_weights(network: Any, bits: int) -> None:
    """Put a code book of 2^bits centroids on every convolution and linear layer, in place."""
    for layer in weight_layers(finished(network)).values():
        weight = layer.weight.detach()
        index, centroids = share(weight.cpu().numpy().ravel(), bits)
        # Always 2^bits long, so that a state fits whatever k-means found; a filler has no weight and no gradient.
        centroids = np.pad(centroids, (0, 2**bits - len(centroids)))
        book = CodeBook(
            torch.from_numpy(index).to(weight.device), torch.from_numpy(centroids).to(weight.device), weight.shape
        )
        parametrize.register_parametrization(layer, "weight", book)


def share(weights: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """k-means of those of the weights (n,) that are not zero: index (n,) int32, centroids float32, ascending.

    index is 0 where the weight is zero, else 1 + the number of the nearest centroid; a centroid is the mean of
    its weights. There are at most 2^bits, and fewer where there are fewer values to tell apart.
    """
    alive = np.flatnonzero(weights)
    values = weights[alive].astype(np.float64)
    index = np.zeros(weights.size, dtype=np.int32)
    if not len(alive):
        return index, np.zeros(0, dtype=np.float32)
    centroids = k_means(*points(values), 2**bits)
    nearest = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, values)
    _, members = np.unique(nearest, return_inverse=True)  # numbers those anew that have weights
    index[alive] = members + 1
    means = np.bincount(members, values) / np.bincount(members)
    return index, means.astype(np.float32)


def points(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What k-means sees: points, and how many weights each stands for. Exact up to BINS weights.

    A larger layer is summed up in BINS bins of equal width, each a point at the mean of its weights. A bin is a
    128th of the first spacing of 256 centroids, and k-means takes at most half a second at any size of layer.
    """
    if len(values) <= BINS:
        return np.unique(values, return_counts=True)
    edges = np.linspace(values.min(), values.max(), BINS + 1)
    counts, _ = np.histogram(values, edges)
    sums, _ = np.histogram(values, edges, weights=values)
    filled = counts > 0
    return sums[filled] / counts[filled], counts[filled]


def k_means(places: np.ndarray, counts: np.ndarray, clusters: int) -> np.ndarray:
    """Ascending centroids of weighted points, begun at equal distances from the smallest to the largest point.

    A centroid that loses all its weights is moved by scikit-learn to the point that is farthest from its own
    centroid, so that none is wasted (ours: Deep Compression does not say).
    """
    if len(places) <= clusters:
        return places
    from sklearn.cluster import KMeans

    begin = np.linspace(places[0], places[-1], clusters)[:, None]
    # Its usual tolerance of 1e-4 stops before the moved centroids have come to rest.
    found = KMeans(clusters, init=begin, n_init=1, tol=1e-6).fit(places[:, None], sample_weight=counts)
    return np.sort(found.cluster_centers_[:, 0])
