"""Batches for the loop: from the images, or from outputs of frozen parts that are computed once.

A frozen prefix in eval mode, or a teacher, gives the same output for the same image in every epoch, as long as the
image is seen in a fixed view. That output is kept as one tensor per split and indexed like the images themselves.
The same means to the bit, but for bf16 on processors with AMX, which now and then round an image's output by its place
in the batch. Entries are keyed by the hash of weights, view, precision and data, and shared by all runs of a process.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from netpress.data import Images
from netpress.data.views import VIEWS, Normalise, moved
from netpress.nets.network import Network
from netpress.seeds import generator
from netpress.training.compute import ComputeConfig
from netpress.training.losses import OBJECTIVES, Function, between
from netpress.training.stage import Stage

FIXED = "plain"  # the only view that is the same in every epoch


@dataclass(frozen=True)
class Rows:
    """One value per image. Maps are held as (N, H, W, C), so that a batch of them comes out channels last."""

    held: Tensor
    maps: bool

    def __getitem__(self, index: Tensor) -> Tensor:
        rows = self.held.index_select(0, index)
        return rows.permute(0, 3, 1, 2) if self.maps else rows


class Cache:
    """Store of `Rows` under a budget in bytes, the least recently used dropped first.

    What a stage holds counts as used until the next one begins, so that the budget is what is really held.
    """

    def __init__(self, budget: int):
        self.budget = budget
        self.entries: OrderedDict[str, Rows] = OrderedDict()
        self.held: set[str] = set()

    def rows(
        self, key: str, count: int, batch: Callable[[Tensor], Tensor], config: ComputeConfig, px: int = 32
    ) -> Rows | None:
        """The output of `batch(index)` for all `count` images of px x px, or None where it would exceed the budget."""
        if key not in self.entries:
            images = torch.arange(count, device=config.device)
            with torch.no_grad(), config.autocast():
                one = batch(images[:1])  # tells how much it is: a first piece may be too large itself
            if not self.make_room(one.nbytes * count):
                return None
            maps = config.channels_last and one.dim() == 4
            order = (0, 2, 3, 1) if maps else tuple(range(one.dim()))
            held = torch.empty((count, *one.permute(order).shape[1:]), dtype=one.dtype, device=one.device)
            for index, part in zip(*(t.split(config.cached_at_once(px)) for t in (images, held)), strict=True):
                with torch.no_grad(), config.autocast():
                    part.copy_(batch(index).permute(order))
            self.entries[key] = Rows(held, maps)
        self.entries.move_to_end(key)
        self.held.add(key)
        return self.entries[key]

    def make_room(self, needed: int) -> bool:
        """Drop the least recently used entries until `needed` bytes fit; False where they cannot."""
        sizes = {key: rows.held.nbytes for key, rows in self.entries.items()}
        if sum(sizes[key] for key in self.held) + needed > self.budget:
            return False
        for key in [key for key in sizes if key not in self.held]:
            if sum(sizes.values()) + needed > self.budget:
                del self.entries[key], sizes[key]
        return True


def weights_hash(module: nn.Module) -> str:
    """SHA-256 of all parameters and buffers, names included."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


class Batch(NamedTuple):
    """Input of the network (or of its part behind a cached prefix), labels, and the teacher's side if it was cached."""

    x: Tensor
    y: Tensor
    target: Tensor | None


Piece = Callable[[Batch], tuple[Tensor, Tensor]]  # the sum of the losses, and the hits


@dataclass(frozen=True)
class TrainTestData:
    """The images of a run on their device, as uint8 (N, 3, px, px), and how they are normalised."""

    train: Images
    test: Images
    normalise: Normalise

    def images(self, split: str) -> Images:
        """ "train" or "test"."""
        return self.train if split == "train" else self.test


class Feed:
    """What one stage trains on. Everything fixed is cached where `config` allows; the rest is computed live."""

    def __init__(
        self,
        stage: Stage,
        network: Network,
        teacher: Network | None,
        train_test: TrainTestData,
        config: ComputeConfig,
        cache: Cache,
    ):
        self.stage, self.train_test, self.config, self.cache = stage, train_test, config, cache
        cache.held.clear()  # the stage before has ended
        self.objective = OBJECTIVES[stage.loss]
        self.count = len(train_test.train.y)
        self.first = next(name for name in network.names if name in (stage.trains or network.names))
        self.prefix = network.before(self.first).eval()
        self.student = self.objective.side(network, self.first, stage)
        self.body = between(network, self.first, None)
        self.judged: nn.Module = self.body
        self.target: Function | None = None
        if teacher:
            self.target = self.objective.side(teacher.eval(), teacher.names[0], stage)
        self.prefix_hash = weights_hash(self.prefix) if config.caching else ""
        self.x = self.cached_inputs("train") if stage.view == FIXED else None
        self.targets = self.cached_targets(teacher) if teacher and config.caching else None

    def cached_inputs(self, split: str) -> Rows | None:
        """The output of the frozen prefix for a whole split in the fixed view."""
        if not self.config.caching:
            return None
        return self.cached(f"{self.prefix_hash} inputs", split, lambda i: self.prefix(self.pixels(split, i)))

    def cached_targets(self, teacher: Network) -> Rows | None:
        """The teacher's side of the loss for the whole training set, where the teacher's view is fixed."""
        if (self.stage.teacher_view or self.stage.view) != FIXED:
            return None
        what = f"{weights_hash(teacher)} {self.stage.loss} {self.stage.at} targets"
        inputs, target = self.x, self.target
        # where the frozen prefix is the teacher's own, the teacher begins behind it too
        if inputs and self.first in teacher.names and weights_hash(teacher.before(self.first)) == self.prefix_hash:
            behind = self.objective.side(teacher, self.first, self.stage)
            return self.cached(what, "train", lambda i: behind(inputs[i]))
        return self.cached(what, "train", lambda i: target(self.pixels("train", i)))  # type: ignore[misc]

    def cached(self, what: str, split: str, batch: Callable[[Tensor], Tensor]) -> Rows | None:
        """The output of `batch` for a whole split; the key says all that it depends on."""
        images, view = self.train_test.images(split), self.train_test.normalise
        key = f"{what} {images.checksum} {view} {self.config.precision} {self.config.channels_last}"
        return self.cache.rows(key, len(images.y), batch, self.config, images.x.shape[-1])

    def pixels(self, split: str, index: Tensor) -> Tensor:
        """Normalised images in the fixed view, float32 (len(index), 3, px, px)."""
        return self.config.place(self.train_test.normalise(self.train_test.images(split).x[index]))

    def viewed(self, index: Tensor, view: str, random: torch.Generator) -> Tensor:
        """Normalised training images in a view."""
        seen = VIEWS[view](self.train_test.train.x[index], random)
        return self.config.place(self.train_test.normalise(seen))

    def batches(self, size: int, seed: int, epoch: int) -> Iterator[Batch]:
        """One epoch in a random order that depends on seed and epoch alone; the last incomplete batch is left out."""
        random = generator(seed, "order", epoch)
        labels = self.train_test.train.y
        order = moved(torch.randperm(self.count, generator=random)[: self.count // size * size], labels)
        for index in order.split(size):
            x = self.x[index] if self.x else self.viewed(index, self.stage.view, random)
            target = self.targets[index] if self.targets else self.own_target(index, random)
            yield Batch(x, labels.index_select(0, index), target)

    def own_target(self, index: Tensor, random: torch.Generator) -> Tensor | None:
        """The teacher's side where it is not cached and the student's input is not what the teacher sees: it has a
        view of its own, or the student begins behind a cached prefix."""
        if not self.target or (self.stage.teacher_view is None and not self.x):
            return None
        view = self.stage.teacher_view or self.stage.view
        with torch.no_grad(), self.config.autocast():
            return self.target(self.viewed(index, view, random))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """The student's and the teacher's side of the loss."""
        target, x = batch.target, batch.x
        with torch.no_grad():
            if self.target and target is None:
                target = self.target(x)
            if not self.x:
                x = self.prefix(x)
        return self.student(x), target

    def evaluate(self, piece: Piece) -> dict[str, float | None]:
        """Loss (cross-entropy) and accuracy on the test images; None where the loss sees no logits. `piece`: the method
        of that name, which may be captured."""
        if not self.stage.sees_logits:
            return {"test_loss": None, "test_accuracy": None}
        inputs, images = self.cached_inputs("test"), self.train_test.test
        body, y, device = self.body.eval(), images.y, self.config.device
        self.judged = body if inputs else nn.Sequential(self.prefix, body)
        loss, hits = torch.zeros((), device=device), torch.zeros((), device=device)
        for index in torch.arange(len(y), device=device).split(self.config.evaluated_at_once(images.x.shape[-1])):
            found = piece(Batch(inputs[index] if inputs else self.pixels("test", index), y[index], None))
            loss += found[0]
            hits += found[1]
        return {"test_loss": (loss / len(y)).item(), "test_accuracy": hits.item() / len(y)}

    def piece(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The sum of the losses, and the hits, on some test images."""
        with torch.inference_mode(), self.config.autocast():
            output = self.judged(batch.x).float()
        loss = functional.cross_entropy(output, batch.y, reduction="sum")
        return loss, (output.argmax(1) == batch.y).sum()
