"""Every surgery that a run may contain, as data. Importing this needs no torch, so that a grid is listed at once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netpress.errors import UserError

if TYPE_CHECKING:
    from netpress.nets.network import Network

SCOPES = ("global", "layer")  # of pruning


@dataclass(frozen=True)
class Inherit:
    """Copies every parameter and buffer whose name and shape agree from the network in the role `role`.

    A compressed block's layer is called "replacement", so it inherits nothing from the layers it stands
    for, but does inherit from a network in which the same block was compressed before (pyramid, section 4).
    """

    role: str = "parent"

    def apply(self, network: "Network", needs: "dict[str, Network]") -> "Network":
        from netpress.nets.network import copy_tensors

        copy_tensors(network, needed(needs, self.role).state_dict())
        return network


@dataclass(frozen=True)
class Pretrained:
    """Loads the weights that torchvision or timm publish for `model`; UserError where they cannot be had."""

    model: str

    def apply(self, network: "Network", needs: "dict[str, Network]") -> "Network":
        from netpress.nets import published

        published.load(network, self.model)
        return network

    def check(self) -> None:
        """Raise UserError, before any work is spent, where the weights cannot be had."""
        from netpress.nets import published

        published.check(self.model)


@dataclass(frozen=True)
class Random:
    """Glorot uniform weights, zero biases and a fresh BatchNorm in one block (triage, section 2.3.1)."""

    block: str

    def apply(self, network: "Network", needs: "dict[str, Network]") -> "Network":
        from netpress.nets.network import glorot

        glorot(network[self.block])
        return network


@dataclass(frozen=True)
class Mean:
    """The replacement begins as the mean of the layers it replaces in the network `role` (triage, 2.3.3, eq. 2).

    f_avg = (1/N) sum_i f_i over all 3x3 kernels f_i of the block (every layer, output and input
    channel) is loaded into each filter of the replacement; biases, and BatchNorm's weight, bias, running
    mean and running variance, are likewise each the one mean over all layers and channels of the block.
    """

    block: str
    role: str = "parent"

    def apply(self, network: "Network", needs: "dict[str, Network]") -> "Network":
        from netpress.nets.vgg import load_mean

        load_mean(network, self.block, needed(needs, self.role))
        return network


@dataclass(frozen=True)
class Prune:
    """Sets the smallest weights to zero, so that of `ratio` weights one is left, and holds them at zero.

    Han et al. (2015), "Learning both weights and connections"; "Deep Compression" (2016), section 2.

    ratio: all weights / weights left; 5.0 is "5x sparsity", 80 % zeros. scope: "global" ranks the weights of
    all convolution and linear layers together, "layer" gives each layer the same ratio. Biases and BatchNorm
    are left alone. A second Prune goes on from the first: what is pruned stays pruned, and its ratio counts
    from the whole network.
    """

    ratio: float
    scope: str = "global"

    def __post_init__(self) -> None:
        checked_ratio(self.ratio)
        if self.scope not in SCOPES:
            raise UserError(f"There is no pruning scope {self.scope!r}: choose {' or '.join(SCOPES)}.")

    def apply(self, network: "Network", needs: "dict[str, Network]") -> "Network":
        from netpress.compress.prune import mask_smallest

        mask_smallest(network, self.ratio, layer_by_layer=self.scope == "layer")
        return network


@dataclass(frozen=True)
class ShareWeights:
    """k-means weight sharing: at most 2^bits values in each convolution and linear layer, and pruned zeros.

    Han et al. (2016), "Deep Compression", section 3: linear initialisation, pruned zeros left out, a centroid's
    gradient the sum of the gradients of its weights (equation 3).

    bits: 1 to 8. Stages that follow train the centroids, biases and BatchNorm, until the end of
    the run makes the values permanent. Masks of `Prune` become part of the code book.
    """

    bits: int

    def __post_init__(self) -> None:
        if self.bits not in range(1, 9):
            raise UserError(f"Weights are shared with 1 to 8 bits, not {self.bits}.")

    def apply(self, network: "Network", needs: "dict[str, Network]") -> "Network":
        from netpress.compress.share import share_weights

        share_weights(network, self.bits)
        return network


def needed(needs: "dict[str, Network]", role: str) -> "Network":
    """The network in a role; UserError where the run has none."""
    if role not in needs:
        known = ", ".join(needs) or "none"
        raise UserError(f"This run needs a network in the role {role!r}; its roles are: {known}.")
    return needs[role]


def gradual(ratio: float, steps: int) -> tuple[float, ...]:
    """The ratios of `steps` pruning steps that end at `ratio`, by the cubic schedule of Zhu & Gupta, eq. 1.

    The sparsity after step t is s (1 - (1 - t / steps)^3): many weights at first, when many are redundant,
    few at last. Each is the ratio of one Prune, with a stage of retraining after it.
    """
    if steps < 1:
        raise UserError(f"Gradual pruning needs at least one step, not {steps}.")
    final = 1.0 - 1.0 / checked_ratio(ratio)
    sparsities = (final * (1.0 - (1.0 - step / steps) ** 3) for step in range(1, steps))
    return (*(1.0 / (1.0 - sparsity) for sparsity in sparsities), float(ratio))


def checked_ratio(ratio: float) -> float:
    """The ratio itself, if it is one."""
    if not 1.0 <= ratio < float("inf"):
        raise UserError(f"A pruning ratio is all weights / weights left, so at least 1 (5 = 80 % zeros), not {ratio}.")
    return float(ratio)
