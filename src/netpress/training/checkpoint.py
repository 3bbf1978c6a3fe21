"""Checkpoints: all that the next epoch of a stage depends on, so that an interrupted run ends with the same bits.

A checkpoint is one file: a line with the SHA-256 of the rest, a line of JSON, then tensors as safetensors. Two
generations are kept in turn, so that a damaged file costs one of them and a full disk none.
"""

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse
from safetensors.torch import save as serialise
from torch import Tensor

from netpress import surroundings
from netpress.atomic import set_aside, write_atomic
from netpress.nets.network import Network
from netpress.training.loop import TrainState

MARK = b"netpress checkpoint 1 "
SECONDS = 5.0  # at least so long between two checkpoints on disk (`NETPRESS_CHECKPOINT_SECONDS` overrides)
SHARE = 20  # and so many times what writing the last one took: never more than a twentieth of the time


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and what JSON can hold. `order` says which of two is newer."""

    tensors: dict[str, Tensor]
    metadata: dict[str, Any]

    @property
    def order(self) -> tuple[int, int]:
        """Steps of the run that were done, and epochs of the stage that follows them."""
        return self.metadata["done"], self.metadata["epochs"]

    def network(self) -> dict[str, Tensor]:
        """The network's state."""
        return {n.removeprefix("network."): t for n, t in self.tensors.items() if n.startswith("network.")}

    def train_state(self, history: list[dict[str, Any]]) -> TrainState:
        """Where the stage goes on; `history` are its rows."""
        optimiser: dict[int, dict[str, Tensor]] = {}
        for name, tensor in self.tensors.items():
            kind, *parts = name.split(".", 2)
            if kind == "optimiser":
                optimiser.setdefault(int(parts[0]), {})[parts[1]] = tensor
        return TrainState(
            self.metadata["epochs"], history, {"state": optimiser, "param_groups": self.metadata["groups"]}
        )

    def restore_random(self) -> None:
        """Set torch's global generators as they were."""
        torch.set_rng_state(self.tensors["random.cpu"].cpu())
        if "random.cuda" in self.tensors:
            torch.cuda.set_rng_state(self.tensors["random.cuda"].cpu())


def capture(network: Network, state: TrainState, metadata: dict[str, Any]) -> Checkpoint:
    """A copy of the state at the end of an epoch, left on the device: writing it may wait, or never be needed."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for index, held in state.optimiser["state"].items():
        tensors |= {f"optimiser.{index}.{key}": t for key, t in held.items() if isinstance(t, Tensor)}
    tensors["random.cpu"] = torch.get_rng_state()
    if next(network.parameters()).is_cuda:
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    groups = [
        {key: v.item() if isinstance(v, Tensor) else v for key, v in group.items()}
        for group in state.optimiser["param_groups"]
    ]
    copies = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    return Checkpoint(copies, metadata | {"epochs": state.epochs, "groups": groups})


def encode(checkpoint: Checkpoint) -> bytes:
    """A checkpoint as the bytes of its file."""
    tensors = {name: tensor.cpu() for name, tensor in checkpoint.tensors.items()}
    metadata = checkpoint.metadata | {
        "channels_last": [name for name, tensor in tensors.items() if is_channels_last(tensor)]
    }
    body = json.dumps(metadata).encode() + b"\n" + serialise({name: t.contiguous() for name, t in tensors.items()})
    return MARK + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def decode(content: bytes) -> Checkpoint | None:
    """The checkpoint in a file's bytes; None where they are cut or altered."""
    head, _, body = content.partition(b"\n")
    if head != MARK + hashlib.sha256(body).hexdigest().encode():
        return None
    text, _, packed = body.partition(b"\n")
    metadata = json.loads(text)
    tensors = parse(packed)
    # The layout decides in which order elements are summed and fused: it comes back as it was.
    for name in metadata.pop("channels_last"):
        tensors[name] = tensors[name].contiguous(memory_format=torch.channels_last)
    return Checkpoint(tensors, metadata)


def is_channels_last(tensor: Tensor) -> bool:
    """Whether a tensor of maps lies in memory channel by channel, and not the usual way too."""
    last = tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return last and not tensor.is_contiguous()


def is_complete(metadata: Any) -> bool:
    """Whether a checkpoint says all that a run needs to go on."""
    kinds = {"done": int, "epochs": int, "groups": list, "rows": list}
    return isinstance(metadata, dict) and all(isinstance(metadata.get(key), kind) for key, kind in kinds.items())


class Checkpoints:
    """The two generations of one run's checkpoint, `<key>.0.checkpoint` and `<key>.1.checkpoint` in a folder.

    `keep` is called after every epoch and writes at most every `SECONDS`; `flush` writes what it held back.
    """

    def __init__(self, folder: Path, key: str):
        self.paths = tuple(folder / f"{key}.{generation}.checkpoint" for generation in (0, 1))
        named = surroundings.number("NETPRESS_CHECKPOINT_SECONDS")
        self.every = SECONDS if named is None else named
        self.next = 0  # the generation that is written over next
        self.held: Checkpoint | None = None
        self.wrote, self.cost = time.monotonic(), 0.0

    def keep(self, checkpoint: Checkpoint) -> None:
        """Hold the state of the last epoch, and write it if it is time."""
        self.held = checkpoint
        if not self.every or time.monotonic() - self.wrote >= max(self.every, SHARE * self.cost):
            self.flush()

    def flush(self) -> None:
        """Write what was held back. Raises CannotWrite where the disk is full; both old files stay then."""
        if self.held is None:
            return
        began = time.monotonic()
        write_atomic(self.paths[self.next], encode(self.held))
        self.held, self.next, self.wrote = None, 1 - self.next, time.monotonic()
        self.cost = self.wrote - began

    def newest(self) -> Checkpoint | None:
        """The newer of the checkpoints that are whole; a damaged one is set aside as `.corrupt`."""
        found = [self.read(path) for path in self.paths]
        whole = [checkpoint for checkpoint in found if checkpoint]
        newest = max(whole, key=lambda checkpoint: checkpoint.order, default=None)
        self.next = 1 if newest and newest is found[0] else 0
        return newest

    def read(self, path: Path) -> Checkpoint | None:
        """The checkpoint in a file, if it is whole."""
        try:
            checkpoint = decode(path.read_bytes()) if path.is_file() or not path.exists() else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, SafetensorError):
            checkpoint = None
        if checkpoint is None or not is_complete(checkpoint.metadata):
            set_aside(path)
        return checkpoint

    def set_aside(self) -> None:
        """Keep what cannot be gone on from where nothing finds it."""
        self.held = None
        for path in self.paths:
            set_aside(path)

    def remove(self) -> None:
        """The run has ended: its checkpoints are of no more use."""
        self.held = None
        for path in self.paths:
            path.unlink(missing_ok=True)
