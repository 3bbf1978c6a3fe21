"""Decoded arrays kept on disk, so that 50,000 images are decoded once. Always safe to delete."""

import contextlib
import hashlib
import json
import warnings
from pathlib import Path

import torch
from safetensors.torch import load as parse
from safetensors.torch import save as serialise

from netpress.atomic import set_aside, write_atomic
from netpress.errors import UserError
from netpress.paths import cache_dir

FORMAT = 1  # raised when decoding, splitting or resizing changes
LARGEST = 2**31  # bytes; beyond that decoding again is the smaller evil

Entry = tuple[torch.Tensor, torch.Tensor, dict]


def place(settings: dict) -> Path:
    """Where the arrays made with these settings lie."""
    text = json.dumps({"format": FORMAT, **settings}, sort_keys=True)
    name = f"{settings['dataset']}-{settings['split']}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"
    return cache_dir() / "data" / f"{name}.safetensors"


def _beside(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _sum(path: Path, content: bytes) -> bytes:
    """The line that `sha256sum` would print."""
    return f"{hashlib.sha256(content).hexdigest()}  {path.name}\n".encode()


def forget(path: Path) -> None:
    """Remove an entry, whatever is left of it."""
    for leftover in (path, _beside(path)):
        with contextlib.suppress(OSError):
            leftover.unlink(missing_ok=True)


def read(path: Path) -> Entry | None:
    """Images, labels and what was noted with them; None if there is no entry. A corrupt entry is set aside."""
    try:
        expected, content = _beside(path).read_bytes(), path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError:
        forget(path)
        return None
    if _sum(path, content) != expected:
        warnings.warn(f"{path} was corrupt: it is made again from the data.", stacklevel=2)
        set_aside(path)
        forget(path)
        return None
    tensors = parse(content)
    return tensors["x"], tensors["y"], json.loads(bytes(tensors["about"].tolist()))


def write(path: Path, x: torch.Tensor, y: torch.Tensor, about: dict) -> None:
    """Keep an entry. A full disk costs time later, not the run now: it only warns."""
    if x.numel() > LARGEST:
        return
    note = torch.tensor(list(json.dumps(about).encode()), dtype=torch.uint8)
    content = serialise({"x": x, "y": y, "about": note})
    try:
        write_atomic(path, content)
        write_atomic(_beside(path), _sum(path, content))
    except UserError as error:
        forget(path)
        warnings.warn(f"Decoded images are not kept: {error}", stacklevel=2)
