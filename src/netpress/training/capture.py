"""A training step, or a piece of an evaluation, as a CUDA graph."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from weakref import ref

import torch


class Captured:
    """A training step (with its optimiser) or a piece of an evaluation (without), recorded once as a CUDA graph and
    replayed for every batch of the same shape.

    As CUDA graphs ask for (PyTorch, "CUDA semantics"): the first three batches are computed eagerly on a side stream,
    where the optimiser makes its state; the fourth is recorded on that stream. Batches are copied into the recorded
    inputs, the learning rate is a number on the device that the graph reads, gradients are made by the recorded
    backward pass in the graph's own memory, and dropout draws from the default generator, which the graph moves on. A
    batch of another shape than the first is computed eagerly.

    cuBLAS keeps a workspace for each stream, so all steps of a process share one, and all evaluations another. When a
    graph is destroyed, torch 2.11 and later free the workspace of its stream, which other graphs of that stream still
    use (github.com/pytorch/pytorch/issues/193402). So no two graphs of a stream are alive: a new `Captured` takes the
    place of the last.
    """

    warm_up = 3

    def __init__(self, step: Callable[[Any], Any], optimiser: torch.optim.Optimizer | None = None):
        self.step, self.seen = step, 0
        self.stream = side_stream(torch.cuda.current_device(), trains=optimiser is not None)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.shapes: list[torch.Size | None] = []
        for group in optimiser.param_groups if optimiser else ():
            group["lr"] = torch.tensor(float(group["lr"]), device=group["params"][0].device)
        take_place(self)

    def __call__(self, batch: Any) -> Any:
        self.shapes = self.shapes or shapes_of(batch)
        if shapes_of(batch) != self.shapes:
            return self.beside(batch)
        self.seen += 1
        if self.seen <= self.warm_up:
            return self.beside(batch)
        if self.graph is None:
            self.record(batch)
        for held, new in zip(self.batch, batch, strict=True):
            if held is not None:
                held.copy_(new)
        self.graph.replay()  # type: ignore[union-attr]
        return tuple(value.clone() for value in self.result)

    def beside(self, batch: Any) -> Any:
        """One eager step on the side stream."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream), fastest_convolutions():
            result = self.step(batch)
        torch.cuda.current_stream().wait_stream(self.stream)
        return result

    def record(self, batch: Any) -> None:
        """Record the step; recording computes nothing, the first replay does."""
        self.batch = type(batch)(*(None if t is None else t.clone() for t in batch))
        self.graph = torch.cuda.CUDAGraph()
        with fastest_convolutions(), torch.cuda.graph(self.graph, stream=self.stream):
            self.result = self.step(self.batch)


LATEST: dict[Any, "ref[Captured]"] = {}  # of each stream


def take_place(new: Captured) -> None:
    """Destroy the graph that was recorded last on the stream of this one."""
    last = LATEST.get(new.stream, lambda: None)()
    if last is not None and last.graph is not None:
        last.graph.reset()
        last.graph = None
    LATEST[new.stream] = ref(new)


def shapes_of(batch: Any) -> list[torch.Size | None]:
    """The shapes of a batch's tensors."""
    return [None if tensor is None else tensor.shape for tensor in batch]


@cache
def side_stream(device: int, trains: bool) -> Any:
    """The stream beside the default one on which this process warms up and records steps, or evaluations."""
    return torch.cuda.Stream(device)


@contextmanager
def fastest_convolutions() -> Iterator[None]:
    """Inside, cuDNN tries its algorithms at each new shape; recording takes those that the warm-up found. Not where it
    is told to be deterministic: which one is the fastest may change."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.deterministic
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
