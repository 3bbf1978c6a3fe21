"""Weights of finished runs and of shared beginnings: safetensors files named by fingerprint, checked when read."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from netpress import env
from netpress.files import digest, set_aside, write_atomic


class MissingWeights(LookupError):
    """The weights of a finished run are gone or were damaged."""

    def __str__(self) -> str:
        return f"the weights {self.args[0][:12]} are missing or damaged: run again, they are remade"


class WeightStore:
    """A folder of `<fingerprint>.safetensors`, each with its SHA-256 and its metadata in a `.json` beside it."""

    def __init__(self, folder: Path | None = None):
        self.folder = folder or env.weights_dir()

    def save(self, fingerprint: str, state: dict[str, Tensor], metadata: dict[str, Any] | None = None) -> str:
        """Keep a state; returns the SHA-256 of its file, which is whole or absent at every moment."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        places = [tensor.untyped_storage().data_ptr() for tensor in tensors.values() if tensor.numel()]
        if len(set(places)) < len(places):  # safetensors refuses tensors that share memory
            tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        content = save(tensors)
        found = digest(content)
        self.put(fingerprint, content, json.dumps({"weights": found, "metadata": metadata or {}}).encode())
        return found

    def put(self, fingerprint: str, weights: bytes, note: bytes) -> None:
        """Keep weights and their note, as `files` gives them."""
        for path, content in zip(self.paths(fingerprint), (weights, note), strict=True):
            write_atomic(path, content)

    def files(self, fingerprint: str) -> tuple[bytes, bytes]:
        """Weights and note as bytes. Raises KeyError or OSError where they are not here."""
        weights, note = self.paths(fingerprint)
        return weights.read_bytes(), note.read_bytes()

    def find(self, fingerprint: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """State and metadata; None where they are not here or do not match their SHA-256 (set aside then)."""
        try:
            weights, note = self.files(fingerprint)
            noted = json.loads(note)
            if noted["weights"] == digest(weights):
                return load(weights), noted["metadata"]
        except FileNotFoundError:
            return None
        except (OSError, LookupError, TypeError, ValueError, SafetensorError):
            pass  # a folder in its place, no right to read, no tensors
        self.set_aside(fingerprint)
        return None

    def paths(self, fingerprint: str) -> tuple[Path, Path]:
        """Where weights and note lie."""
        return self.folder / f"{fingerprint}.safetensors", self.folder / f"{fingerprint}.json"

    def set_aside(self, fingerprint: str) -> None:
        """Keep what is damaged where nothing finds it."""
        for path in self.paths(fingerprint):
            set_aside(path)

    def has(self, fingerprint: str) -> bool:
        """Whether both files are here (they are checked when they are read)."""
        return all(path.exists() for path in self.paths(fingerprint))

    def load(self, fingerprint: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Like `find`, where it must be here. Raises MissingWeights."""
        if found := self.find(fingerprint):
            return found
        raise MissingWeights(fingerprint)


class MemoryStore(WeightStore):
    """A store in memory, for a worker that shares no folder with others. `made`: what was put there since."""

    def __init__(self, given: dict[str, tuple[bytes, bytes]]):
        self.held, self.made = dict(given), dict[str, tuple[bytes, bytes]]()

    def put(self, fingerprint: str, weights: bytes, note: bytes) -> None:
        self.held[fingerprint] = self.made[fingerprint] = weights, note

    def files(self, fingerprint: str) -> tuple[bytes, bytes]:
        return self.held[fingerprint]

    def set_aside(self, fingerprint: str) -> None:
        self.held.pop(fingerprint, None)

    def has(self, fingerprint: str) -> bool:
        return fingerprint in self.held
