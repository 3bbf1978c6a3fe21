"""Decoded arrays kept on disk, so that 50,000 images are decoded once. Always safe to delete."""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as parse
from safetensors.torch import save as serialise

from netpress import files
from netpress.env import cache_dir
from netpress.errors import UserError
from netpress.files import write_atomic

FORMAT = 1  # raised when decoding, splitting or resizing changes
LARGEST = 2**31  # bytes; beyond that decoding again is the smaller evil

Entry = tuple[torch.Tensor, torch.Tensor, dict[str, Any]]


def place(settings: dict) -> Path:
    """Where the arrays made with these settings lie."""
    text = json.dumps({"format": FORMAT, **settings}, sort_keys=True)
    name = f"{settings['dataset']}-{settings['split']}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"
    return cache_dir() / "data" / f"{name}.images"


def read(path: Path) -> Entry | None:
    """Images, labels and what was noted with them; None if there is no entry. A damaged entry is set aside."""
    try:
        if not path.exists():
            return None
        content = files.read_sealed(path)
    except OSError:
        return None
    if content is None:
        warnings.warn(f"{path} was corrupt: it is made again from the data.", stacklevel=2)
        return None
    tensors = parse(content)
    return tensors["x"], tensors["y"], json.loads(bytes(tensors["about"].tolist()))


def write(path: Path, x: torch.Tensor, y: torch.Tensor, about: dict[str, Any]) -> None:
    """Keep an entry. A full disk costs time later, not the run now: it only warns."""
    if x.numel() > LARGEST:
        return
    note = torch.tensor(list(json.dumps(about).encode()), dtype=torch.uint8)
    try:
        write_atomic(path, files.seal(serialise({"x": x, "y": y, "about": note})))
    except UserError as error:
        warnings.warn(f"Decoded images are not kept: {error}", stacklevel=2)
