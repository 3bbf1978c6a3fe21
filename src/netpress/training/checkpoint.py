"""Checkpoints: all that the next epoch of a stage depends on, so that an interrupted run ends with the same bits.

A checkpoint is what `torch.save` writes, sealed. Two generations are kept in turn, so that a damaged file costs one of
them and a full disk none.
"""

import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from netpress import sealed, surroundings
from netpress.atomic import set_aside, write_atomic
from netpress.nets.network import Network
from netpress.training.loop import TrainState

SECONDS = 5.0  # at least so long between two checkpoints on disk (`NETPRESS_CHECKPOINT_SECONDS` overrides)
SHARE = 20  # and so many times what writing the last one took: never more than a twentieth of the time
BYTES_A_SECOND = 100e6  # at which the first is expected to be written: a short run ends before it


@dataclass(frozen=True)
class Checkpoint:
    """States of the network, the optimiser and torch's generators (by device), and plain values.

    `order` says which of two is newer.
    """

    network: dict[str, Tensor]
    optimiser: dict[str, Any]
    random: dict[str, Tensor]
    metadata: dict[str, Any]

    @property
    def order(self) -> tuple[int, int]:
        """Steps of the run that were done, and epochs of the stage that follows them."""
        return self.metadata["done"], self.metadata["epochs"]

    @property
    def nbytes(self) -> int:
        """Bytes of the network's and the optimiser's tensors."""
        held = [self.network, *self.optimiser["state"].values()]
        return sum(t.nbytes for tensors in held for t in tensors.values() if isinstance(t, Tensor))

    def train_state(self, history: list[dict[str, Any]]) -> TrainState:
        """Where the stage goes on; `history` are its rows."""
        return TrainState(self.metadata["epochs"], history, self.optimiser)

    def restore_random(self) -> None:
        """Set torch's global generators as they were."""
        torch.set_rng_state(self.random["cpu"])
        if "cuda" in self.random:
            torch.cuda.set_rng_state(self.random["cuda"])


def capture(network: Network, state: TrainState, metadata: dict[str, Any]) -> Checkpoint:
    """A copy of the state at the end of an epoch, left on the device: writing it may wait, or never be needed."""
    random = {"cpu": torch.get_rng_state()}
    if next(network.parameters()).is_cuda:
        random["cuda"] = torch.cuda.get_rng_state()
    optimiser = {
        "state": {index: copied(held) for index, held in state.optimiser["state"].items()},
        "param_groups": [
            {key: value.item() if isinstance(value, Tensor) else value for key, value in group.items()}
            for group in state.optimiser["param_groups"]
        ],
    }
    return Checkpoint(copied(network.state_dict()), optimiser, random, metadata | {"epochs": state.epochs})


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies in the same layout: it decides in which order elements are summed."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def encode(checkpoint: Checkpoint) -> bytes:
    """A checkpoint as the bytes of its file."""
    buffer = io.BytesIO()
    torch.save(vars(checkpoint), buffer)
    return sealed.seal(buffer.getvalue())


def decode(content: bytes) -> Checkpoint | None:
    """The checkpoint in a file's bytes, on the CPU; None where they are cut or altered."""
    body = sealed.unseal(content)
    if body is None:
        return None
    return Checkpoint(**torch.load(io.BytesIO(body), map_location="cpu", weights_only=True))


def is_complete(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint says all that a run needs to go on."""
    kinds = {"done": int, "epochs": int, "rows": list}
    noted = checkpoint.metadata
    whole = isinstance(noted, dict) and all(isinstance(noted.get(key), kind) for key, kind in kinds.items())
    states = (checkpoint.network, checkpoint.optimiser, checkpoint.random)
    return whole and all(isinstance(state, dict) for state in states)


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
        cost = self.cost or checkpoint.nbytes / BYTES_A_SECOND
        if not self.every or time.monotonic() - self.wrote >= max(self.every, SHARE * cost):
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
        except Exception:  # whatever torch says of bytes that are no checkpoint
            checkpoint = None
        if checkpoint is None or not is_complete(checkpoint):
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
