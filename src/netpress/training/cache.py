"""Outputs of frozen parts, computed once: the only place that knows of caches.

A frozen prefix in eval mode, or a teacher, gives the same output for the same image in every epoch, as long as the
image is seen in a fixed view. That output is kept as one tensor per split and indexed like the images themselves.
The same means to the bit, but for bf16 on processors with AMX, which now and then round an image's output by its place
in the batch.
Entries are keyed by the hash of weights, view, precision and data, shared by all runs of a process, and dropped least
recently used first when the budget is full.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from netpress.nets.network import Network
from netpress.training.compute import ComputeConfig


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

    One stage trains at a time: what it holds counts as used until the next one begins, so that the budget is what is
    really held. What does not fit is declined: `declined` says what, by key, as a sentence.
    """

    def __init__(self, budget: int):
        self.budget = budget
        self.entries: OrderedDict[str, Rows] = OrderedDict()
        self.held: set[str] = set()
        self.declined: dict[str, str] = {}
        self.hashes: WeakKeyDictionary[nn.Module, dict[str, tuple[tuple, str]]] = WeakKeyDictionary()

    def hash_of(self, network: Network, before: str = "") -> str:
        """`weights_hash` of a network, or of what lies before one of its blocks, worked out once for as long as the
        network stays as it is: teachers serve many stages."""
        part = network.before(before) if before else network
        # torch counts the changes in place of each tensor
        now = tuple((tensor.data_ptr(), tensor._version) for tensor in part.state_dict().values())
        known = self.hashes.setdefault(network, {})
        if before not in known or known[before][0] != now:
            known[before] = now, weights_hash(part)
        return known[before][1]

    @property
    def used(self) -> int:
        """Bytes held now."""
        return sum(rows.held.nbytes for rows in self.entries.values())

    def begin_stage(self) -> None:
        """The stage before has ended: nothing is in use any more, and what was declined is tried again."""
        self.held.clear()
        self.declined.clear()

    def rows(
        self, key: str, count: int, batch: Callable[[Tensor], Tensor], config: ComputeConfig, px: int = 32
    ) -> Rows | None:
        """The output of `batch(index)` for all `count` images of px x px, or None where it would exceed the budget.

        One image tells how much that is: a first piece of what cannot be held may be too large itself.
        """
        if key in self.declined:
            return None
        if key not in self.entries:
            images = torch.arange(count, device=config.device)
            with torch.no_grad(), config.autocast():
                one = batch(images[:1])
            if not self.make_room(one.nbytes * count, key):
                return None
            pieces = self.pieces(images.split(config.cached_at_once(px)), batch, config)
            first = next(pieces)
            self.entries[key] = collect(first, pieces, count, config.channels_last and first.dim() == 4)
        self.entries.move_to_end(key)
        self.held.add(key)
        return self.entries[key]

    def pieces(
        self, chunks: Iterable[Tensor], batch: Callable[[Tensor], Tensor], config: ComputeConfig
    ) -> Iterator[Tensor]:
        """The outputs, chunk after chunk, without gradients."""
        for index in chunks:
            with torch.no_grad(), config.autocast():
                yield batch(index)

    def make_room(self, needed: int, key: str) -> bool:
        """Drop the least recently used entries until `needed` bytes fit, unless they cannot."""
        in_use = sum(rows.held.nbytes for name, rows in self.entries.items() if name in self.held)
        if in_use + needed > self.budget:
            self.declined[key] = f"{mib(needed)} needed beside {mib(in_use)} in use, {mib(self.budget)} allowed"
            return False
        while self.used + needed > self.budget:
            del self.entries[next(name for name in self.entries if name not in self.held)]
        return True


def mib(size: int) -> str:
    """Bytes as MiB."""
    return f"{size / 2**20:,.1f} MiB"


def collect(first: Tensor, rest: Iterable[Tensor], count: int, maps: bool) -> Rows:
    """All chunks in one tensor, filled in place so that memory never holds them twice."""
    turn = (lambda t: t.permute(0, 2, 3, 1)) if maps else (lambda t: t)
    held = torch.empty((count, *turn(first).shape[1:]), dtype=first.dtype, device=first.device)
    held[: len(first)] = turn(first)
    done = len(first)
    for piece in rest:
        held[done : done + len(piece)] = turn(piece)
        done += len(piece)
    return Rows(held, maps)


def weights_hash(module: nn.Module) -> str:
    """SHA-256 of all parameters and buffers, names included."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
