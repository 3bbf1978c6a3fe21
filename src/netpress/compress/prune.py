"""Magnitude pruning: the smallest weights are set to zero and stay zero while the rest is retrained.

Sources: Han et al., "Learning both weights and connections", NIPS 2015; Han et al., "Deep Compression",
ICLR 2016, section 2; Zhu & Gupta, "To prune, or not to prune", 2017, equation 1 (gradual pruning).
Importing this needs no torch; the work is done in masks.py.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netpress.errors import UserError

if TYPE_CHECKING:
    from netpress.nets.network import Network

SCOPES = ("global", "layer")


@dataclass(frozen=True)
class Prune:
    """Sets the smallest weights to zero, so that of `ratio` weights one is left, and holds them at zero.

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
        from netpress.compress import masks

        masks.mask_smallest(network, self.ratio, layer_by_layer=self.scope == "layer")
        return network


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
