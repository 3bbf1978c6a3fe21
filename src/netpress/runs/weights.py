"""Weights of finished runs and of shared beginnings: safetensors files named by fingerprint, checked when read."""

import hashlib
import json
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from netpress import paths
from netpress.atomic import set_aside, write_atomic


class MissingWeights(LookupError):
    """The weights of a finished run are gone or were damaged."""

    def __init__(self, fingerprint: str):
        self.fingerprint = fingerprint
        super().__init__(f"the weights {fingerprint[:12]} are missing or damaged: run again, they are remade")


class WeightStore:
    """A folder of `<fingerprint>.safetensors`, each with its SHA-256 and its metadata in a `.json` beside it."""

    def __init__(self, folder: Path | None = None):
        self.folder = folder or paths.weights_dir()

    def save(self, fingerprint: str, state: dict[str, Tensor], metadata: dict[str, Any]) -> str:
        """Keep a state; returns the SHA-256 of the file. The file is whole or absent at every moment."""
        content = packed(state)
        digest = hashlib.sha256(content).hexdigest()
        self.put(fingerprint, content, note(digest, metadata))
        return digest

    def put(self, fingerprint: str, weights: bytes, beside: bytes) -> None:
        """Keep weights as `packed`, and their note."""
        for path, content in zip(self.paths(fingerprint), (weights, beside), strict=True):
            write_atomic(path, content)

    def files(self, fingerprint: str) -> tuple[bytes, bytes]:
        """Weights and note as `put` had them."""
        weights, beside = self.paths(fingerprint)
        return weights.read_bytes(), beside.read_bytes()

    def find(self, fingerprint: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """State and metadata; None where it is not here or does not match its SHA-256 (set aside then)."""
        try:
            found = opened(*self.files(fingerprint))
        except (FileNotFoundError, KeyError):
            return None
        except (OSError, ValueError, SafetensorError):  # a folder in its place, no right to read, no tensors
            found = None
        if found is None:
            self.set_aside(fingerprint)
        return found

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
        found = self.find(fingerprint)
        if found is None:
            raise MissingWeights(fingerprint)
        return found

    def lock(self, fingerprint: str) -> AbstractContextManager:
        """Held by the one process that makes this state now; it ends with the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / f"{fingerprint}.lock")


class MemoryStore(WeightStore):
    """A store in memory, for a worker that shares no folder with others. `made`: what was put there since."""

    def __init__(self, given: dict[str, tuple[bytes, bytes]]):
        self.held, self.made = dict(given), dict[str, tuple[bytes, bytes]]()

    def put(self, fingerprint: str, weights: bytes, beside: bytes) -> None:
        self.held[fingerprint] = self.made[fingerprint] = weights, beside

    def files(self, fingerprint: str) -> tuple[bytes, bytes]:
        return self.held[fingerprint]

    def set_aside(self, fingerprint: str) -> None:
        del self.held[fingerprint]

    def has(self, fingerprint: str) -> bool:
        return fingerprint in self.held

    def lock(self, fingerprint: str) -> AbstractContextManager:
        return nullcontext()


def packed(state: dict[str, Tensor]) -> bytes:
    """A state as the bytes of its file."""
    return save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()})


def note(digest: str, metadata: dict[str, Any]) -> bytes:
    """What lies beside the weights: a line of JSON, and a line with its SHA-256."""
    text = json.dumps({"note": 2, "sha256": digest, "said": metadata}).encode()
    return text + b"\n" + hashlib.sha256(text).hexdigest().encode() + b"\n"


def opened(weights: bytes, beside: bytes) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """State and metadata; None where either is cut or altered."""
    found = noted(beside)
    if found is None or hashlib.sha256(weights).hexdigest() != found["sha256"]:
        return None
    return load(weights), found["said"]


def noted(content: bytes) -> dict[str, Any] | None:
    """What a note says; None where it is cut or altered. Notes of the first form had no checksum of their own."""
    text, _, check = content.partition(b"\n")
    if check == hashlib.sha256(text).hexdigest().encode() + b"\n":
        return json.loads(text)
    with suppress(ValueError):
        found = json.loads(content)
        if list(found) == ["sha256", "said"] and not found["said"]:
            return found
    return None
