"""A network as a file, as small as its form allows, and back bit for bit.

Source: Han et al., "Deep Compression", ICLR 2016 (relative index, code book, Huffman code).

The forms, by how they write the weights of a convolution or linear layer:

- dense32: all, in 32 bits
- sparse32: those that are not zero, in 32 bits, and the gaps between them: 8 bits (convolution), 5 (linear)
- shared: a code book in 32 bits, indices in as few bits as it needs, and gaps where that is smaller
- shared+huffman: the same, with indices and gaps in a Huffman code each
- int8: 8-bit weights, and a scale per output channel (of an IntegerNetwork)

All else (biases, BatchNorm) is written as it is. A layer is written without gaps where that is smaller.
The file: "NETPRES1", the header's length (uint32), the header (JSON, deflated), the parts of every tensor in
order, and the SHA-256 of all that. Numbers are little-endian.
"""

import copy
import json
import os
import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from netpress import files
from netpress.compress import coding
from netpress.compress.coding import Parts
from netpress.compress.finish import finished
from netpress.compress.integer import IntegerNetwork, rebuild
from netpress.compress.masks import weight_layers
from netpress.errors import UserError
from netpress.files import write_atomic

MAGIC = b"NETPRES1"
FORMS = ("dense32", "sparse32", "shared", "shared+huffman", "int8")
CODINGS = {"sparse32": coding.sparse_codings, "shared": coding.shared_codings, "shared+huffman": coding.huffman_codings}
DAMAGE = (ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError, struct.error, zlib.error)


@dataclass(frozen=True)
class Stored:
    """A written file. bytes: its size on disk. parts: of these, bytes by use.

    Uses: values, codebook, indices and gaps of the layers' weights; other (biases, BatchNorm); frame (header, hash).
    """

    path: Path
    form: str
    bytes: int
    sha256: str
    parts: tuple[tuple[str, int], ...]


def write(network: nn.Module, path: str | os.PathLike[str], form: str = "shared+huffman") -> Stored:
    """Write the network in one of FORMS. Masks and code books are written as the weights they stand for.

    UserError for an unknown form, for "shared" where a layer has more than 256 values, for "int8" where the
    network is no IntegerNetwork, and where the file cannot be written.
    """
    if form not in FORMS:
        raise UserError(f"There is no form of storage {form!r}: choose one of {', '.join(FORMS)}.")
    if isinstance(network, IntegerNetwork) != (form == "int8"):
        raise UserError('The form "int8" is for networks that `int8` has made, and is their only one.')
    extra, tensors, weights = _content(network)
    encoded = {name: _encode(name, t, form if name in weights else "dense32") for name, t in tensors.items()}
    header = json.dumps({"form": form, "tensors": _rows(tensors, encoded), **extra}, separators=(",", ":"))
    packed = zlib.compress(header.encode(), 9)
    payload = b"".join(part for parts in encoded.values() for part in parts.values())
    body = MAGIC + struct.pack("<I", len(packed)) + packed + payload
    write_atomic(path, files.seal(body))
    parts = _sizes(encoded, weights) | {"frame": len(body) - len(payload) + files.SEAL}
    return Stored(Path(path), form, Path(path).stat().st_size, files.digest(body), tuple(parts.items()))


def weigh(network: nn.Module, form: str = "shared+huffman") -> Stored:
    """What `write` says of the network, written to a temporary folder that is then thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        return write(network, Path(folder, "network"), form)


def read(path: str | os.PathLike[str], network: nn.Module) -> nn.Module:
    """The network in the file. `network` gives the architecture: it is filled, in place, and returned.

    From the form "int8" comes a new IntegerNetwork, and `network` stays as it is. UserError for a file that
    cannot be read, is damaged, or holds another architecture.
    """
    body = _checked(Path(path))
    try:
        header, tensors = _decoded(body)
    except DAMAGE as error:
        raise UserError(f"{path} is damaged and cannot be decoded: write it again.") from error
    if header["form"] == "int8":
        return rebuild(network, tensors, tuple(header["image_shape"]), header["batch"])
    plain = finished(network)
    own, given = ({name: (t.shape, t.dtype) for name, t in d.items()} for d in (plain.state_dict(), tensors))
    if own != given:
        raise UserError(f"{path} holds a network of another architecture: build the one that was written.")
    plain.load_state_dict(tensors)
    return plain


def _content(network: nn.Module) -> tuple[dict[str, Any], dict[str, Tensor], set[str]]:
    """What the header says besides, the tensors by name, and the names of those that are weights of layers."""
    if isinstance(network, IntegerNetwork):
        weights = {name for name, t in network.tensors.items() if t.dtype == torch.int8}
        return {"image_shape": network.image_shape, "batch": network.batch}, network.tensors, weights
    plain = finished(copy.deepcopy(network))
    return {}, plain.state_dict(), {f"{name}.weight" for name in weight_layers(plain)}


def _encode(name: str, tensor: Tensor, form: str) -> Parts:
    """The smallest coding of the tensor that this form has."""
    raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    if form not in CODINGS or tensor.dtype != torch.float32:
        return {"values": raw}
    try:
        return min(CODINGS[form](raw, tensor.dim()), key=lambda parts: sum(map(len, parts.values())))
    except coding.TooManyValues as error:
        raise UserError(f"{name} has {error}: apply ShareWeights before storing it as {form!r}.") from error


def _decode(dtype: str, shape: list[int], parts: Parts) -> Tensor:
    raw = bytearray(coding.raw_bytes(parts, shape))
    if not raw:
        return torch.empty(shape, dtype=getattr(torch, dtype))
    return torch.frombuffer(raw, dtype=getattr(torch, dtype)).reshape(shape)


def _rows(tensors: dict[str, Tensor], encoded: dict[str, Parts]) -> list[list[Any]]:
    """For the header: name, type and shape of every tensor, and the length of each of its parts."""
    return [
        [name, str(t.dtype).removeprefix("torch."), list(t.shape), {k: len(v) for k, v in encoded[name].items()}]
        for name, t in tensors.items()
    ]


def _checked(path: Path) -> bytes:
    """The file without its SHA-256, which agrees."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): give a file that `write` has made.") from error
    body = files.unseal(content)
    if body is None or not body.startswith(MAGIC):
        raise UserError(f"{path} is damaged, or no stored network: its checksum does not agree. Write it again.")
    return body


def _decoded(body: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and the tensors by name."""
    begin = len(MAGIC) + 4
    (size,) = struct.unpack_from("<I", body, len(MAGIC))
    header = json.loads(zlib.decompress(body[begin : begin + size]))
    at, tensors = begin + size, {}
    for name, dtype, shape, lengths in header["tensors"]:
        parts: Parts = {}
        for part, length in lengths.items():
            parts[part] = body[at : at + length]
            at += length
        tensors[name] = _decode(dtype, shape, parts)
    return header, tensors


def _sizes(encoded: dict[str, Parts], weights: set[str]) -> dict[str, int]:
    """Bytes by use; what belongs to no layer's weights counts as "other"."""
    sizes = dict.fromkeys(("values", "codebook", "indices", "gaps", "other"), 0)
    for name, parts in encoded.items():
        for part, data in parts.items():
            sizes[part if name in weights else "other"] += len(data)
    return sizes
