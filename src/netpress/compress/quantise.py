"""Weight sharing: the weights of a layer take few values, its code book, which goes on training.

Source: Han et al., "Deep Compression", ICLR 2016, section 3: k-means in each layer with linear initialisation,
pruned zeros left out, and a centroid's gradient the sum of the gradients of its weights (equation 3).
Importing this needs no torch; the work is done in sharing.py. 8-bit integer inference is in integer.py.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netpress.errors import UserError

if TYPE_CHECKING:
    from netpress.nets.network import Network


@dataclass(frozen=True)
class ShareWeights:
    """k-means weight sharing: at most 2^bits values in each convolution and linear layer, and pruned zeros.

    bits: 1 to 8. Stages that follow train the centroids, biases and BatchNorm, until the end of
    the run makes the values permanent. Masks of `Prune` become part of the code book.
    """

    bits: int

    def __post_init__(self) -> None:
        if self.bits not in range(1, 9):
            raise UserError(f"Weights are shared with 1 to 8 bits, not {self.bits}.")

    def apply(self, network: "Network", needs: "dict[str, Network]") -> "Network":
        from netpress.compress import sharing

        sharing.share_weights(network, self.bits)
        return network
