"""Every surgery that a run may contain, as data. Importing this needs no torch, so that a grid is listed at once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netpress.compress.prune import Prune
from netpress.compress.quantise import ShareWeights
from netpress.errors import UserError

if TYPE_CHECKING:
    from netpress.nets.network import Network

# An edit that overwrites tensors without reading them says so in `fills(network, needs)`, a set of their names: what
# the first edits of a run fill need not be drawn before.

__all__ = ["Inherit", "Mean", "Pretrained", "Prune", "Random", "ShareWeights"]


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

    def fills(self, network: "Network", needs: "dict[str, Network]") -> set[str]:
        """What agrees in name and shape."""
        from netpress.nets.network import agreeing

        return set(agreeing(network.state_dict(), needed(needs, self.role).state_dict()))


@dataclass(frozen=True)
class Pretrained:
    """Loads the weights that torchvision or timm publish for `model`; UserError where they cannot be had."""

    model: str

    def apply(self, network: "Network", needs: "dict[str, Network]") -> "Network":
        from netpress import nets

        nets.pretrained(network, self.model)
        return network

    def check(self) -> None:
        """Raise UserError, before any work is spent, where the weights cannot be had."""
        from netpress import nets

        nets.check_pretrained(self.model)


@dataclass(frozen=True)
class Random:
    """Glorot uniform weights, zero biases and a fresh BatchNorm in one block (triage, section 2.3.1)."""

    block: str

    def apply(self, network: "Network", needs: "dict[str, Network]") -> "Network":
        from netpress.compress.initialise import glorot

        glorot(network[self.block])
        return network

    def fills(self, network: "Network", needs: "dict[str, Network]") -> set[str]:
        """All of the block, where it is made of layers that are drawn anew."""
        from netpress.compress.initialise import drawn_by_glorot

        return drawn_by_glorot(network, self.block)


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
        from netpress.compress.initialise import load_mean

        load_mean(network, self.block, needed(needs, self.role))
        return network

    def fills(self, network: "Network", needs: "dict[str, Network]") -> set[str]:
        """The block's one layer but for BatchNorm's count."""
        from netpress.compress.initialise import loaded_by_mean

        return loaded_by_mean(network, self.block)


def needed(needs: "dict[str, Network]", role: str) -> "Network":
    """The network in a role; UserError where the run has none."""
    if role not in needs:
        known = ", ".join(needs) or "none"
        raise UserError(f"This run needs a network in the role {role!r}; its roles are: {known}.")
    return needs[role]
