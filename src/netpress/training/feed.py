"""Batches for the loop: from the images or from caches, with the same result."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from netpress.data import Images
from netpress.data.views import VIEWS, Normalise, moved
from netpress.nets.network import Network
from netpress.seeds import generator
from netpress.training.cache import Cache, Rows, weights_hash
from netpress.training.compute import ComputeConfig
from netpress.training.objectives import OBJECTIVES, Function, between
from netpress.training.stage import Stage

FIXED = "plain"  # the only view that is the same in every epoch


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
    """What one stage trains on. Everything fixed is cached where `config` allows; the rest is computed live.

    `declined` says what could have been cached, had the memory allowed by `config` sufficed.
    """

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
        cache.begin_stage()
        self.declined: dict[str, str] = {}
        self.objective = OBJECTIVES[stage.loss]
        self.sees_logits = stage.sees_logits
        self.count = len(train_test.train.y)
        trains = stage.trains or network.names
        self.first = next(name for name in network.names if name in trains)
        self.prefix = network.before(self.first).eval()
        self.student = self.objective.student(network, self.first, stage)
        self.body = between(network, self.first, None)
        self.judged: nn.Module = self.body
        self.teacher = teacher.eval() if teacher else None
        self.target: Function | None = None
        if teacher and self.objective.target:
            self.target = self.objective.target(teacher, stage)
        self.prefix_hash = weights_hash(self.prefix) if config.caching else ""
        self.x = self.cached_inputs("train") if stage.view == FIXED else None
        self.targets = self.cached_targets()

    def cached_inputs(self, split: str) -> Rows | None:
        """The output of the frozen prefix for a whole split in the fixed view."""
        if not self.config.caching:
            return None
        return self.cached(f"{self.prefix_hash} inputs", split, lambda i: self.prefix(self.pixels(split, i)))

    def cached_targets(self) -> Rows | None:
        """The teacher's side of the loss for the whole training set, where the teacher's view is fixed."""
        fixed = (self.stage.teacher_view or self.stage.view) == FIXED
        if not (self.config.caching and fixed and self.target and self.teacher):
            return None
        target, inputs = self.target, self.x
        what = f"{self.cache.hash_of(self.teacher)} {self.stage.loss} {self.stage.at} targets"
        if inputs and self.begins_like_teacher(self.teacher):
            behind = self.objective.student(self.teacher, self.first, self.stage)
            return self.cached(what, "train", lambda i: behind(inputs[i]))
        return self.cached(what, "train", lambda i: target(self.pixels("train", i)))

    def begins_like_teacher(self, teacher: Network) -> bool:
        """Whether the frozen prefix is the teacher's own, so that the teacher may begin behind it too."""
        return self.first in teacher.names and self.cache.hash_of(teacher, self.first) == self.prefix_hash

    def cached(self, what: str, split: str, batch: Callable[[Tensor], Tensor]) -> Rows | None:
        """The output of `batch` for a whole split; the key says all that it depends on."""
        images, view = self.train_test.images(split), self.train_test.normalise
        key = f"{what} {images.checksum} {view} {self.config.precision} {self.config.channels_last}"
        rows = self.cache.rows(key, len(images.y), batch, self.config, images.x.shape[-1])
        if rows is None:
            self.declined[f"{split} {what.split()[-1]}"] = self.cache.declined[key]
        return rows

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
        order = moved(
            torch.randperm(self.count, generator=random)[: self.count // size * size], self.train_test.train.y
        )
        view = partial(self.viewed, view=self.stage.view, random=random)
        for index in order.split(size):
            y = self.train_test.train.y.index_select(0, index)
            x = self.x[index] if self.x else view(index)
            yield Batch(x, y, self.targets[index] if self.targets else self.own_target(index, random))

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

    def loss(self, output: tuple[Tensor, Tensor | None], batch: Batch) -> Tensor:
        """The loss of one batch, a scalar."""
        return self.objective.loss(*output, batch.y, self.stage)

    def hits(self, output: tuple[Tensor, Any], batch: Batch) -> Tensor:
        """How many images of the batch are classified correctly; nothing to count where the loss sees no logits."""
        if not self.sees_logits:
            return torch.zeros((), device=batch.y.device)
        return (output[0].argmax(1) == batch.y).sum()

    def evaluate(self, piece: Piece | None = None) -> dict[str, float | None]:
        """Loss (cross-entropy) and accuracy on the test images; None where the loss sees no logits. `piece`: what
        `pieces` gives."""
        if not self.sees_logits:
            return {"test_loss": None, "test_accuracy": None}
        inputs = self.cached_inputs("test")
        body, config, y = self.body.eval(), self.config, self.train_test.test.y
        self.judged = body if inputs else nn.Sequential(self.prefix, body)
        loss = torch.zeros((), device=config.device)
        hits = torch.zeros((), device=config.device)
        for index in torch.arange(len(y), device=config.device).split(self.evaluated_at_once):
            batch = Batch(inputs[index] if inputs else self.pixels("test", index), y[index], None)
            found = (piece or self.piece)(batch)
            loss += found[0]
            hits += found[1]
        return {"test_loss": (loss / len(y)).item(), "test_accuracy": hits.item() / len(y)}

    def pieces(self) -> Piece:
        """`piece`, captured where steps are. It is for one stage, and not kept here: it keeps this feed."""
        return self.config.captured(self.piece)

    def piece(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The sum of the losses, and the hits, on some test images."""
        with torch.inference_mode(), self.config.autocast():
            output = self.judged(batch.x).float()
        loss = functional.cross_entropy(output, batch.y, reduction="sum")
        return loss, (output.argmax(1) == batch.y).sum()

    @property
    def evaluated_at_once(self) -> int:
        """Test images in one piece."""
        return self.config.evaluated_at_once(self.train_test.test.x.shape[-1])
