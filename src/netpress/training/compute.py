"""Where and how to compute: device, precision, memory layout, captured steps. Every fast path has a plain twin."""

import contextlib
import ctypes
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

T = TypeVar("T", nn.Module, torch.Tensor)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from malloc.h


@dataclass(frozen=True)
class Speed:
    """How the loop computes. `choose()` gives the fast one for this machine, `plain()` the twin without any of it."""

    device: str = "cpu"
    precision: str = "fp32"  # "bf16": autocast; parameters, sums and the optimiser stay in fp32
    channels_last: bool = False
    caching: bool = False  # frozen prefixes and teachers' outputs computed once
    capture: bool = False  # CUDA: the whole step as one graph
    cache_bytes: int = 2 * 2**30

    def autocast(self) -> AbstractContextManager:
        """The precision of a forward pass. Cast weights are not kept where steps are captured: such a copy would
        belong to the graph."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.split(":")[0], torch.bfloat16, cache_enabled=not self.capture)

    def place(self, thing: T) -> T:
        """A network or a batch of images, on the device and in the layout."""
        is_maps = isinstance(thing, nn.Module) or thing.dim() == 4
        if self.channels_last and is_maps:
            return thing.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return thing.to(self.device)

    def set_rate(self, optimiser: torch.optim.Optimizer, rate: float) -> None:
        """Set the learning rate of the next step; in place where a captured graph reads it."""
        for group in optimiser.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def captured(self, step: Callable[[Any], Any], optimiser: torch.optim.Optimizer) -> Callable[[Any], Any]:
        """The step as one CUDA graph where `capture` is set; the step itself everywhere else."""
        return Captured(step, optimiser) if self.capture else step


def choose(share: float = 1.0) -> Speed:
    """The fast way on this machine: CUDA, then MPS, then CPU (`NETPRESS_DEVICE` overrides), for a process that
    has this share of it.

    On a CPU, bf16 and channels_last are used where the processor multiplies bf16 natively (2.0-2.2x there; slower
    than fp32 elsewhere), and freed memory is kept.
    """
    keep_memory()
    device = os.environ.get("NETPRESS_DEVICE") or best_device()
    kind = device.split(":")[0]
    bf16 = {"cuda": True, "mps": False}.get(kind, cpu_has_bf16())
    return Speed(device, "bf16" if bf16 else "fp32", bf16, True, kind == "cuda", cache_budget(kind, share))


def plain(device: str = "cpu") -> Speed:
    """fp32, no caches, no capture, default layout: what every fast path must agree with."""
    return Speed(device)


def keep_memory() -> None:
    """Let glibc keep freed memory for the next batch: to give large maps back to the system and have them zeroed anew
    costs a quarter of an evaluation. Maps above 128 MiB, which caches hold, are still given back."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 2**27)
        libc.mallopt(M_TRIM_THRESHOLD, 2**30)


def best_device() -> str:
    """CUDA, then MPS, then CPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def cpu_has_bf16() -> bool:
    """Whether the processor has AVX512-BF16 or AMX instructions."""
    cpu = torch.cpu
    probes = (getattr(cpu, "_is_avx512_bf16_supported", None), getattr(cpu, "_is_amx_tile_supported", None))
    return any(probe() for probe in probes if probe)


def cache_budget(kind: str, share: float = 1.0) -> int:
    """Bytes that the caches of one process may take (`NETPRESS_CACHE_GB` overrides): its share of half the free memory
    of a GPU, or of a quarter of the machine's memory, there at most 2 GiB."""
    if "NETPRESS_CACHE_GB" in os.environ:
        return int(float(os.environ["NETPRESS_CACHE_GB"]) * 2**30)
    if kind == "cuda":
        return int(torch.cuda.mem_get_info()[0] * share / 2)
    return min(2 * 2**30, int(machine_memory() * share / 4))


def machine_memory() -> int:
    """Bytes of the machine's memory; 8 GiB where it does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 * 2**30


class Captured:
    """A training step recorded once as a CUDA graph and replayed for every batch of the same shape.

    As CUDA graphs ask for (PyTorch, "CUDA semantics"): the first three batches train eagerly on a side stream, where
    the optimiser makes its state; the fourth is recorded on that stream. Batches are copied into the recorded inputs,
    the learning rate is a number on the device that the graph reads, gradients are made by the recorded backward pass
    in the graph's own memory, and dropout draws from the default generator, which the graph moves on.
    """

    warm_up = 3

    def __init__(self, step: Callable[[Any], Any], optimiser: torch.optim.Optimizer):
        self.step, self.seen = step, 0
        self.stream = torch.cuda.Stream()
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
        with torch.cuda.stream(self.stream):
            result = self.step(batch)
        torch.cuda.current_stream().wait_stream(self.stream)
        return result

    def record(self, batch: Any) -> None:
        """Record the step; recording computes nothing, the first replay does."""
        self.batch = type(batch)(*(None if t is None else t.clone() for t in batch))
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=self.stream):
            self.result = self.step(self.batch)
