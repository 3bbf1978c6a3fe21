"""Weights of finished runs and of shared beginnings: safetensors files named by fingerprint, checked when read."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from threading import Thread
from typing import Any

from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from netpress import paths, sealed
from netpress.atomic import set_aside, write_atomic


class MissingWeights(LookupError):
    """The weights of a finished run are gone or were damaged."""

    def __init__(self, fingerprint: str):
        self.fingerprint = fingerprint
        super().__init__(f"the weights {fingerprint[:12]} are missing or damaged: run again, they are remade")


class WeightStore:
    """A folder of `<fingerprint>.safetensors`, each with its SHA-256 and its metadata in a sealed `.json` beside it.

    One file at a time is written while the next run trains. `wait`, and every look at the store by this process, waits
    until it is written and raises CannotWrite where that failed.
    """

    def __init__(self, folder: Path | None = None):
        self.folder = folder or paths.weights_dir()
        self.writer: Thread | None = None
        self.trouble: BaseException | None = None

    def save(self, fingerprint: str, state: dict[str, Tensor], metadata: dict[str, Any], behind: bool = False) -> str:
        """Keep a state; returns the SHA-256 of the file. The file is whole or absent at every moment.

        `behind`: write it while other work goes on.
        """
        content = packed(state)
        digest = sealed.digest(content)
        self.wait()
        if behind:
            self.begin(fingerprint, content, note(digest, metadata))
        else:
            self.put(fingerprint, content, note(digest, metadata))
        return digest

    def begin(self, fingerprint: str, weights: bytes, beside: bytes) -> None:
        """Begin to write in a thread of its own."""

        def write() -> None:
            try:
                self.put(fingerprint, weights, beside)
            except BaseException as error:  # told by `wait`, in the thread that asked
                self.trouble = error

        self.writer = Thread(target=write, name="weights")
        self.writer.start()

    def wait(self) -> None:
        """Wait until all is written. Raises what went wrong, once."""
        if self.writer:
            self.writer.join()
            self.writer = None
        if self.trouble:
            error, self.trouble = self.trouble, None
            raise error

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
        self.wait()
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
        self.wait()
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
        super().__init__()
        self.held, self.made = dict(given), dict[str, tuple[bytes, bytes]]()

    def put(self, fingerprint: str, weights: bytes, beside: bytes) -> None:
        self.held[fingerprint] = self.made[fingerprint] = weights, beside

    def begin(self, fingerprint: str, weights: bytes, beside: bytes) -> None:
        self.put(fingerprint, weights, beside)

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
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    places = [tensor.untyped_storage().data_ptr() for tensor in tensors.values() if tensor.numel()]
    if len(set(places)) < len(places):  # safetensors refuses tensors that share memory
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    return save(tensors)


def digest_of(state: dict[str, Tensor]) -> str:
    """The SHA-256 that a state's file has or would have."""
    return sealed.digest(packed(state))


def note(digest: str, metadata: dict[str, Any]) -> bytes:
    """What lies beside the weights: their SHA-256, and what there is to know about them."""
    return sealed.seal_json({"weights": digest, "metadata": metadata})


def opened(weights: bytes, beside: bytes) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """State and metadata; None where either is cut or altered."""
    found = sealed.unseal_json(beside)
    if found is None or sealed.digest(weights) != found["weights"]:
        return None
    return load(weights), found["metadata"]
