"""The multiply-adds that a stage needs, in the plain loop and in ours: what no engine can save.

Of convolutions and linear layers, for one image trained on and one evaluated. Views, normalisation, losses and
optimisers are not counted, and neither is filling a cache, which is done once for all epochs and networks.
"""

from dataclasses import dataclass

from netpress.nets.describe import describe
from netpress.nets.network import Network
from netpress.training.stage import Stage


@dataclass(frozen=True)
class Work:
    """Multiply-adds of both arms."""

    plain: float = 0
    ours: float = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(self.plain + other.plain, self.ours + other.ours)

    def __mul__(self, times: float) -> "Work":
        return Work(self.plain * times, self.ours * times)

    @property
    def ratio(self) -> float:
        """How many times as many the plain loop does."""
        return self.plain / self.ours


def of_stage(stage: Stage, network: Network, px: int, teacher: Network | None = None) -> Work:
    """A stage of a triage. The plain loop passes every image through what is frozen, and through the teacher up to
    the block that is imitated; ours begins behind what is cached, and imitation is not evaluated."""
    layers = layers_of(network, px)
    if not stage.trains:
        return Work(*[trained(layers) + total(layers)] * 2)
    first = next(i for i, (block, _) in enumerate(layers) if block in stage.trains)
    before, behind = total(layers[:first]), layers[first:]
    if teacher is None or stage.at is None:
        own = total([layer for layer in behind if layer[0] in stage.trains])
        ours = trained(behind) + own  # no gradient of the weights that are frozen, but an evaluation
        return Work(ours + 2 * before, ours)
    own = trained([layer for layer in behind if layer[0] == stage.at])
    return Work(own + before + up_to(teacher, stage.at, px), own)


def layers_of(network: Network, px: int) -> list[tuple[str, int]]:
    """Every layer that multiplies: its block and its multiply-adds."""
    rows = [row for row in describe(network, px).layers if row.multiply_adds]
    names = sorted(network.names, key=len, reverse=True)  # a block may be called as another begins
    return [(next(n for n in names if f"{row.name}.".startswith(f"{n}.")), row.multiply_adds) for row in rows]


def trained(layers: list[tuple[str, int]]) -> int:
    """Forwards, the gradient of every weight, and that of every input but the first layer's."""
    return 3 * total(layers) - layers[0][1]


def up_to(network: Network, last: str, px: int) -> int:
    """Forwards up to the end of a block."""
    names = network.names[: network.names.index(last) + 1]
    return total([layer for layer in layers_of(network, px) if layer[0] in names])


def total(layers: list[tuple[str, int]]) -> int:
    """Their multiply-adds."""
    return sum(count for _, count in layers)
