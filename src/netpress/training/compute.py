"""Where and how to compute: device, precision, memory layout, captured steps. Every fast path has a plain twin."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

from netpress import env

T = TypeVar("T", bound=nn.Module | torch.Tensor)


@dataclass(frozen=True)
class ComputeConfig:
    """How the loop computes. `choose()` is the fast one for this machine, `plain()` the one without any shortcut."""

    device: str = "cpu"
    precision: str = "fp32"  # "bf16": autocast; parameters, sums and the optimiser stay in fp32
    channels_last: bool = False
    caching: bool = False  # frozen prefixes and teachers' outputs computed once
    capture: bool = False  # CUDA: the whole step as one graph
    cache_bytes: int = 2 * 2**30

    @property
    def kind(self) -> str:
        """ "cuda", "mps" or "cpu"."""
        return self.device.split(":")[0]

    def autocast(self) -> AbstractContextManager:
        """The precision of a forward pass. Cast weights are not kept where steps are captured: such a copy would
        belong to the graph."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.kind, torch.bfloat16, cache_enabled=not self.capture)

    def place(self, thing: T) -> T:
        """A network or a batch of images, on the device and in the layout."""
        there: Any = thing
        if self.channels_last and (isinstance(thing, nn.Module) or thing.dim() == 4):
            return there.to(self.device, memory_format=torch.channels_last)
        return there.to(self.device)

    def evaluated_at_once(self, px: int) -> int:
        """Images in one piece of an evaluation."""
        return self.at_once(2500, px) if self.kind == "cuda" else 500

    def cached_at_once(self, px: int) -> int:
        """Images in one forward pass while a cache is filled."""
        return self.at_once(2048, px) if self.kind == "cuda" else 256

    def at_once(self, most: int, px: int) -> int:
        """So many images of 32 px, and of larger ones as many as have the same pixels, but 64."""
        return max(64, most * 32**2 // max(px, 32) ** 2)

    def set_lr(self, optimiser: torch.optim.Optimizer, lr: float) -> None:
        """Set the learning rate of the next step; in place where a captured graph reads it."""
        for group in optimiser.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(lr)
            else:
                group["lr"] = lr

    def captured(
        self, step: Callable[[Any], Any], optimiser: torch.optim.Optimizer | None = None
    ) -> Callable[[Any], Any]:
        """A step, or a piece of an evaluation, as one CUDA graph where `capture` is set; itself everywhere else."""
        if not self.capture:
            return step
        from netpress.training.capture import Captured

        return Captured(step, optimiser)


def choose(share: float = 1.0) -> ComputeConfig:
    """The fast configuration on this machine: CUDA, then MPS, then CPU (`NETPRESS_DEVICE` overrides).

    `share`: the part of the machine, 0 to 1, that this process has. On a CPU, bf16 is used if the processor multiplies
    it natively (then 2.0-2.2x as fast; otherwise bf16 is slower than fp32); `NETPRESS_PRECISION` overrides.

    Raises UserError where `NETPRESS_DEVICE` names a device that is not here.
    """
    device = env.get("NETPRESS_DEVICE")
    if device:
        check_device(device)
    else:
        device = best_device()
    kind, _, number = device.partition(":")
    if number:
        torch.cuda.set_device(device)  # streams, graphs and generators are those of the current device
    on_cpu = "bf16" if kind == "cpu" and cpu_has_bf16() else "fp32"
    precision = env.get("NETPRESS_PRECISION") or {"cuda": "bf16"}.get(kind, on_cpu)
    return ComputeConfig(
        device,
        precision,
        channels_last=kind == "cpu" or precision == "bf16",
        caching=True,
        capture=kind == "cuda",
        cache_bytes=cache_budget(device, share),
    )


def check_device(device: str) -> None:
    """Raise UserError, naming the variable, for a device that is not here."""
    kind, _, number = device.partition(":")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise env.wrong("NETPRESS_DEVICE", f"torch sees {torch.cuda.device_count() or 'no'} CUDA devices")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise env.wrong("NETPRESS_DEVICE", "torch sees no MPS")


def cache_budget(device: str, share: float = 1.0) -> int:
    """Bytes that the caches of one process may take on a device, as "cuda:1" (`NETPRESS_CACHE_GB` overrides).

    On a GPU: the process's share of half its free memory. Elsewhere: of a quarter of what it may use, at most 2 GiB.
    """
    wanted = env.get("NETPRESS_CACHE_GB")
    if wanted is not None:
        return int(wanted * 2**30)
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0] * share / 2)
    return min(2 * 2**30, int(env.memory() * share / 4))


def plain(device: str = "cpu") -> ComputeConfig:
    """fp32, no caches, no capture, default layout: what every fast path must agree with."""
    return ComputeConfig(device)


def best_device() -> str:
    """CUDA, then MPS, then CPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread inside: two give other bits, and runs side by side are as fast with one each."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cpu_has_bf16() -> bool:
    """Whether the processor has AVX512-BF16 or AMX instructions."""
    cpu = torch.cpu
    probes = (getattr(cpu, "_is_avx512_bf16_supported", None), getattr(cpu, "_is_amx_tile_supported", None))
    return any(probe() for probe in probes if probe)
