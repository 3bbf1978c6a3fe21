"""What the runs of one process share: data on the device, caches, the shelf of trained weights, checkpoints."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from netpress import data, nets, paths
from netpress.data.views import normalise_of
from netpress.nets.network import Network
from netpress.runs.run import Run
from netpress.runs.weights import Shelf
from netpress.seeds import seed_of
from netpress.training.cache import Cache
from netpress.training.checkpoint import Checkpoints
from netpress.training.compute import Speed, choose
from netpress.training.feed import Material


@dataclass(frozen=True)
class Subject:
    """What measures look at: a finished run with its network, the networks it began from, and the images."""

    run: Run
    network: Network
    needs: dict[str, Network]
    material: Material
    speed: Speed


class Bench:
    """One per process. `checkpoints` is the folder for them; None: do without."""

    def __init__(self, speed: Speed, shelf: Shelf, checkpoints: Path | None = None):
        self.speed, self.shelf, self.checkpoint_folder = speed, shelf, checkpoints
        self.cache = Cache(speed.cache_bytes)
        self.materials: dict[tuple, Material] = {}

    def material(self, run: Run) -> Material:
        """The images of a run; the last data set used is kept."""
        key = (run.dataset, run.images, run.px, run.judged_on)
        if key not in self.materials:
            learn, judge = ("train", "test") if run.judged_on == "test" else ("fit", "validation")
            images = data.load(run.dataset, learn, images=run.images, px=run.px)
            test = data.load(run.dataset, judge, px=run.px)
            self.materials = {key: Material(self.there(images), self.there(test), normalise_of(images))}
        return self.materials[key]

    def there(self, images: data.Images) -> data.Images:
        """The images on the device."""
        return replace(images, x=images.x.to(self.speed.device), y=images.y.to(self.speed.device))

    def blank(self, run: Run) -> Network:
        """The run's network with the weights that its seed draws."""
        torch.manual_seed(seed_of(run.seed, "network"))
        network = nets.build(run.model, run.px, data.classes(run.dataset), run.width)
        self.speed.place(network)
        return network

    def finished(self, run: Run) -> Network:
        """A finished run's network, frozen and in eval mode. Raises MissingWeights."""
        with torch.device("meta"):  # no weights are drawn that are replaced at once
            network = nets.build(run.model, run.px, data.classes(run.dataset), run.width)
        network.load_state_dict(self.shelf.load(run.fingerprint)[0], assign=True)
        self.speed.place(network)
        network.requires_grad_(False).eval()
        return network

    def checkpoints(self, run: Run) -> Checkpoints | None:
        """The two generations of a run's checkpoint."""
        return Checkpoints(self.checkpoint_folder, run.fingerprint) if self.checkpoint_folder else None


def new_bench(share: float = 1.0) -> Bench:
    """The bench of a process that has this share of the machine; the cache folder is everybody's."""
    return Bench(choose(share), Shelf(), paths.checkpoints_dir())
