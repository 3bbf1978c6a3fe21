"""What the runs of one process share: data on the device, caches, the store of trained weights, checkpoints."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from netpress import data, nets, paths
from netpress.data.views import normalise_of
from netpress.nets.network import Network
from netpress.runs.run import Run
from netpress.runs.weights import MissingWeights, WeightStore
from netpress.training.cache import Cache
from netpress.training.checkpoint import Checkpoints
from netpress.training.compute import ComputeConfig, choose
from netpress.training.feed import TrainTestData

T = TypeVar("T")


class Kept:
    """The last few results of some work, by key, so that the next run finds them."""

    def __init__(self, most: int):
        self.most, self.values = most, OrderedDict[Hashable, Any]()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was made for this key before, or what `make()` gives now."""
        if key not in self.values:
            self.values[key] = make()
        self.values.move_to_end(key)
        if len(self.values) > self.most:
            self.values.popitem(last=False)
        return self.values[key]


@dataclass(frozen=True)
class FinishedRun:
    """What measures look at: a finished run with its network, the networks it began from, and the images.

    `kept`: what measures of earlier runs left that this one may use again.
    """

    run: Run
    network: Network
    needs: dict[str, Network]
    train_test: TrainTestData
    config: ComputeConfig
    kept: Kept = field(default_factory=lambda: Kept(1))


class Workspace:
    """One per process. `checkpoints` is the folder for them; None: do without."""

    def __init__(self, config: ComputeConfig, store: WeightStore, checkpoints: Path | None = None):
        self.config, self.store, self.checkpoint_folder = config, store, checkpoints
        self.cache = Cache(config.cache_bytes)
        self.loaded: dict[tuple, TrainTestData] = {}
        self.networks, self.drawn, self.sizes, self.measured = Kept(3), Kept(8), Kept(64), Kept(16)

    def forget(self) -> None:
        """Let go of all that is kept for the next run: memory ran out."""
        self.cache.entries.clear()
        for kept in (self.networks, self.drawn, self.measured):
            kept.values.clear()

    def train_test(self, run: Run) -> TrainTestData:
        """The images of a run; the last data set used is kept."""
        key = (run.dataset, run.images, run.px, run.judged_on)
        if key not in self.loaded:
            learn, judge = ("train", "test") if run.judged_on == "test" else ("fit", "validation")
            images = data.load(run.dataset, learn, images=run.images, px=run.px)
            test = data.load(run.dataset, judge, px=run.px)
            self.loaded = {key: TrainTestData(self.there(images), self.there(test), normalise_of(images))}
        return self.loaded[key]

    def there(self, images: data.Images) -> data.Images:
        """The images on the device."""
        return replace(images, x=images.x.to(self.config.device), y=images.y.to(self.config.device))

    def blank(self, run: Run, needs: Mapping[str, Network] | None = None) -> Network:
        """The run's network with the weights that its seed draws.

        Given the networks that it needs, what its first edits write over is not drawn and is NaN until then. The rest
        is drawn once for all runs that begin alike, with the values that it has in the whole network.
        """
        if not needs:
            return self.config.place(self.whole(run))
        network = self.outline(run)
        names = network.state_dict().keys()
        filled = filled_by(run, network, needs)
        lacking = frozenset(names - filled)
        if not filled or {name for name, _ in network.named_buffers()} - names:
            return self.config.place(self.whole(run))
        key = run.model, run.px, data.classes(run.dataset), run.width, run.seed_of("network"), lacking
        drawn = self.drawn.get(key, lambda: self.of_whole(run, lacking)) if lacking else {}
        network.to_empty(device=self.config.device)
        with torch.no_grad():
            for name, tensor in network.state_dict().items():
                tensor.copy_(drawn[name]) if name in lacking else unknown(tensor)
        return self.config.place(network)

    def whole(self, run: Run) -> Network:
        """The run's network with everything drawn by its seed."""
        torch.manual_seed(run.seed_of("network"))
        return nets.build(run.model, run.px, data.classes(run.dataset), run.width)

    def of_whole(self, run: Run, names: frozenset[str]) -> dict[str, Tensor]:
        """Some tensors of the network that `whole` gives."""
        return {name: tensor.clone() for name, tensor in self.whole(run).state_dict().items() if name in names}

    def outline(self, run: Run) -> Network:
        """The run's network without memory."""
        return nets.outline(run.model, run.px, data.classes(run.dataset), run.width)

    def finished(self, run: Run) -> Network:
        """A finished run's network, frozen and in eval mode; the last few are kept. Raises MissingWeights."""
        return self.networks.get(run.fingerprint, lambda: self.loaded_network(run)).requires_grad_(False).eval()

    def loaded_network(self, run: Run) -> Network:
        """A finished run's network from the store."""
        network = self.outline(run)  # no weights are drawn that are replaced at once
        try:
            network.load_state_dict(self.store.load(run.fingerprint)[0], assign=True)
        except RuntimeError:  # whole, but another network's
            self.store.set_aside(run.fingerprint)
            raise MissingWeights(run.fingerprint) from None
        return self.config.place(network)

    def checkpoints(self, run: Run) -> Checkpoints | None:
        """The two generations of a run's checkpoint."""
        return Checkpoints(self.checkpoint_folder, run.fingerprint) if self.checkpoint_folder else None


def new_workspace(share: float = 1.0) -> Workspace:
    """The workspace of a process that has this share of the machine; the cache folder is everybody's."""
    return Workspace(choose(share), WeightStore(), paths.checkpoints_dir())


def filled_by(run: Run, network: Network, needs: Mapping[str, Network]) -> set[str]:
    """The names of the tensors that the run's first edits write over before anything reads them."""
    filled: set[str] = set()
    for step in run.steps:
        fills = getattr(step, "fills", None)
        if fills is None:
            break
        filled |= fills(network, needs)
    return filled


def unknown(tensor: Tensor) -> None:
    """Fill with NaN (with 0 where the type has none): whatever used it would be seen in the result."""
    tensor.fill_(float("nan") if tensor.is_floating_point() else 0)
