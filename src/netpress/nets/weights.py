"""Weights of the user's own, from a file, and the normalisation that they were trained with."""

import hashlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as parse
from safetensors.torch import save
from torch import Tensor, nn

from netpress.atomic import write_atomic
from netpress.errors import UserError
from netpress.nets.slicing import SlicedNetwork
from netpress.nets.tracing import first_line
from netpress.paths import cache_dir

NAMED = 8  # tensors that do not fit, and are named in a message
AROUND = ("state_dict", "model_state_dict", "model", "net", "weights")  # keys under which checkpoints keep weights
WRAPPERS = ("module.", "_orig_mod.")  # what data parallelism and compilation put before names

# How images may have been normalised, as (mean, std) per channel in units of 255 grey levels; "data": as they are here
NORMALISATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


def read_state(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a `state_dict` that `torch.save` has written, by name.

    Nothing in the file is run (`weights_only=True`). UserError where it cannot be read, or holds anything else.
    """
    try:
        content = file.expanduser().read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}): give a file of weights.") from error
    if file.suffix == ".safetensors":
        try:
            return parse(content)
        except Exception as error:  # the parser has an error of its own, which it does not export everywhere
            raise UserError(f"{file} is no whole safetensors file ({first_line(error)}): save it again.") from error
    try:
        held = torch.load(file.expanduser(), map_location="cpu", weights_only=True)
    except Exception as error:  # pickle's errors, zip's, and torch's own, whose texts are about torch.load
        raise UserError(
            f"{file} cannot be loaded as weights alone ({type(error).__name__}): save the network's state_dict() with "
            "torch.save, or as safetensors."
        ) from error
    return named_tensors(held, file)


def named_tensors(held: object, file: Path) -> dict[str, Tensor]:
    """The state_dict in what a file held, without what trainers put around it."""
    for key in AROUND:
        if isinstance(held, dict) and isinstance(held.get(key), dict):
            held = held[key]
    if not isinstance(held, dict) or not held or not all(isinstance(v, Tensor) for v in held.values()):
        raise UserError(f"{file} holds no state_dict, which is tensors by name: save network.state_dict().")
    return {str(name): tensor for name, tensor in held.items()}


def keep(network: nn.Module) -> str:
    """Keep a network's tensors in the cache; returns the SHA-256 of the file, under which `kept` finds them."""
    content = save({name: tensor.detach().contiguous().clone() for name, tensor in network.state_dict().items()})
    digest = hashlib.sha256(content).hexdigest()
    write_atomic(place_of(digest), content)
    return digest


def kept(sha256: str) -> dict[str, Tensor]:
    """The tensors that `keep` has kept. UserError where they are gone or damaged."""
    try:
        content = place_of(sha256).read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UserError(f"The weights {sha256[:12]} are not in the cache: give their file again, with --weights FILE.")
    return parse(content)


def place_of(sha256: str) -> Path:
    """Where weights of the user's own lie."""
    return cache_dir() / "yours" / f"{sha256[:24]}.safetensors"


def load_into(net: nn.Module, file: Path, what: str) -> None:
    """Load a file's weights into a network. UserError naming, tensor by tensor, what does not fit."""
    state, own = read_state(file), net.state_dict()
    for wrapper in WRAPPERS:
        if all(name.startswith(wrapper) for name in state):
            state = {name.removeprefix(wrapper): tensor for name, tensor in state.items()}
    state |= {n: own[n] for n in own if n.endswith("num_batches_tracked") and n not in state}  # older files lack it
    wrong = [
        *(f"{name} is missing" for name in own if name not in state),
        *(f"{name} is not in the network" for name in state if name not in own),
        *(
            f"{name} has shape {shown(state[name])} and {shown(own[name])} is needed"
            for name in own
            if name in state and state[name].shape != own[name].shape
        ),
        *(f"{n} is not finite" for n in own if n in state and not torch.isfinite(state[n].float()).all()),
    ]
    if wrong:
        more = f"; and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise UserError(f"{file} does not fit {what}: {'; '.join(wrong[:NAMED])}{more}.")
    net.load_state_dict(state)


def shown(tensor: Tensor) -> str:
    """A shape as 64x3x7x7."""
    return "x".join(map(str, tensor.shape)) or "()"


class Rescale(nn.Module):
    """Each channel times `scale` plus `shift`, (3,) each: from one normalisation of images to another."""

    scale: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(3))
        self.register_buffer("shift", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale.view(1, 3, 1, 1) + self.shift.view(1, 3, 1, 1)

    def set(self, given: tuple[Any, Any], expected: tuple[Any, Any]) -> None:
        """From images normalised by `given` (mean, std) to those that `expected` would give."""
        (mean, std), (wanted_mean, wanted_std) = (
            (torch.tensor(m, dtype=torch.float64), torch.tensor(s, dtype=torch.float64)) for m, s in (given, expected)
        )
        self.scale.copy_(std / wanted_std)
        self.shift.copy_((mean - wanted_mean) / wanted_std)


def rescale(network: SlicedNetwork) -> Rescale:
    """Put a `Rescale` before the first block, as a part of it; returns it."""
    first, layer = network.names[0], Rescale()
    network.put(first, nn.Sequential(OrderedDict(rescale=layer, block=network[first])))
    return layer
