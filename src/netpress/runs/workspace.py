"""What the runs of one process share: data on the device, caches, the store of trained weights, checkpoints."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from netpress import data, nets, paths
from netpress.data.views import normalise_of
from netpress.nets.network import Network
from netpress.runs.run import Run
from netpress.runs.weights import MissingWeights, WeightStore
from netpress.training.cache import Cache
from netpress.training.checkpoint import Checkpoints
from netpress.training.compute import ComputeConfig, choose
from netpress.training.feed import TrainTestData


@dataclass(frozen=True)
class FinishedRun:
    """What measures look at: a finished run with its network, the networks it began from, and the images."""

    run: Run
    network: Network
    needs: dict[str, Network]
    train_test: TrainTestData
    config: ComputeConfig


class Workspace:
    """One per process. `checkpoints` is the folder for them; None: do without."""

    def __init__(self, config: ComputeConfig, store: WeightStore, checkpoints: Path | None = None):
        self.config, self.store, self.checkpoint_folder = config, store, checkpoints
        self.cache = Cache(config.cache_bytes)
        self.loaded: dict[tuple, TrainTestData] = {}

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

    def blank(self, run: Run) -> Network:
        """The run's network with the weights that its seed draws."""
        torch.manual_seed(run.seed_of("network"))
        network = nets.build(run.model, run.px, data.classes(run.dataset), run.width)
        self.config.place(network)
        return network

    def finished(self, run: Run) -> Network:
        """A finished run's network, frozen and in eval mode. Raises MissingWeights."""
        with torch.device("meta"):  # no weights are drawn that are replaced at once
            network = nets.build(run.model, run.px, data.classes(run.dataset), run.width)
        try:
            network.load_state_dict(self.store.load(run.fingerprint)[0], assign=True)
        except RuntimeError:  # whole, but another network's
            self.store.set_aside(run.fingerprint)
            raise MissingWeights(run.fingerprint) from None
        self.config.place(network)
        network.requires_grad_(False).eval()
        return network

    def checkpoints(self, run: Run) -> Checkpoints | None:
        """The two generations of a run's checkpoint."""
        return Checkpoints(self.checkpoint_folder, run.fingerprint) if self.checkpoint_folder else None


def new_workspace(share: float = 1.0) -> Workspace:
    """The workspace of a process that has this share of the machine; the cache folder is everybody's."""
    return Workspace(choose(share), WeightStore(), paths.checkpoints_dir())
