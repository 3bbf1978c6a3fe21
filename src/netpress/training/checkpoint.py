"""Checkpoints: all that the next epoch of a stage depends on, so that an interrupted run ends with the same bits."""

import io
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from netpress import env
from netpress.files import set_aside, write_atomic
from netpress.nets.network import Network
from netpress.training.loop import TrainState

SECONDS = 5.0  # at least so long between two checkpoints on disk (`NETPRESS_CHECKPOINT_SECONDS` overrides)
SHARE = 20  # and so many times what writing the last one took: never more than a twentieth of the time


@dataclass(frozen=True)
class Checkpoint:
    """States of the network, the optimiser and torch's generators (by device), and plain values.

    `metadata`: "done", steps of the run before this stage; "epochs" of the stage; "rows" of its history; and what the
    caller noted.
    """

    network: dict[str, Tensor]
    optimiser: dict[str, Any]
    random: dict[str, Tensor]
    metadata: dict[str, Any]

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


class CheckpointFile:
    """The newest checkpoint of one run: the file `<key>.checkpoint` in a folder, as `torch.save` writes it.

    `keep` is called after every epoch and writes at most every `SECONDS`; `flush` writes what it held back.
    """

    def __init__(self, folder: Path, key: str):
        self.path = folder / f"{key}.checkpoint"
        named = env.get("NETPRESS_CHECKPOINT_SECONDS")
        self.every = SECONDS if named is None else named
        self.held: Checkpoint | None = None
        self.wrote, self.cost = time.monotonic(), 0.0

    def keep(self, checkpoint: Checkpoint) -> None:
        """Hold the state of the last epoch, and write it if it is time."""
        self.held = checkpoint
        if not self.every or time.monotonic() - self.wrote >= max(self.every, SHARE * self.cost):
            self.flush()

    def flush(self) -> None:
        """Write what was held back. Raises CannotWrite where the disk is full; the file before it stays then."""
        if self.held is None:
            return
        began, buffer = time.monotonic(), io.BytesIO()
        torch.save(vars(self.held), buffer)
        write_atomic(self.path, buffer.getvalue())
        self.held, self.wrote = None, time.monotonic()
        self.cost = self.wrote - began

    def read(self) -> Checkpoint | None:
        """The checkpoint in the file, on the CPU. One that cannot be used is set aside as `.corrupt`."""
        if not self.path.exists():
            return None
        try:
            if zipfile.ZipFile(self.path).testzip() is None:
                found = Checkpoint(**torch.load(self.path, map_location="cpu", weights_only=True))
                if {"done", "epochs", "rows"} <= found.metadata.keys():
                    return found
        except Exception:  # whatever zipfile and torch say of a file that is cut, altered or no checkpoint
            pass
        set_aside(self.path)
        return None
