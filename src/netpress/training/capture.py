"""A training step as a CUDA graph."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch


class Captured:
    """A training step recorded once as a CUDA graph and replayed for every batch of the same shape.

    As CUDA graphs ask for (PyTorch, "CUDA semantics"): the first three batches train eagerly on a side stream, where
    the optimiser makes its state; the fourth is recorded on that stream. Batches are copied into the recorded inputs,
    the learning rate is a number on the device that the graph reads, gradients are made by the recorded backward pass
    in the graph's own memory, and dropout draws from the default generator, which the graph moves on. All steps of a
    process share one side stream, as cuBLAS keeps a workspace for each.
    """

    warm_up = 3

    def __init__(self, step: Callable[[Any], Any], optimiser: torch.optim.Optimizer):
        self.step, self.seen = step, 0
        self.stream = side_stream(torch.cuda.current_device())
        self.graph: torch.cuda.CUDAGraph | None = None
        for group in optimiser.param_groups:
            group["lr"] = torch.tensor(float(group["lr"]), device=group["params"][0].device)

    def __call__(self, batch: Any) -> Any:
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


@cache
def side_stream(device: int) -> Any:
    """The one stream beside the default one on which this process warms up and records."""
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
