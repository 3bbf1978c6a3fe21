"""How many bytes a network takes as a file, as small as its form allows, from which it can be had back bit for bit.

Sources: Han et al., "Deep Compression", ICLR 2016, section 2 (relative index), 3 (code book) and 4 (Huffman code);
Huffman, "A method for the construction of minimum-redundancy codes", 1952.

The forms, by how they hold the weights of a convolution or linear layer:

- dense32: all, in 32 bits
- sparse32: those that are not zero, in 32 bits, and the gaps between them: 8 bits (convolution), 5 (linear)
- shared: a code book in 32 bits, indices in as few bits as it needs, and gaps where that is smaller
- shared+huffman: the same, with indices and gaps in a Huffman code each
- int8: 8-bit weights, and a scale per output channel (of an IntegerNetwork)

All else (biases, BatchNorm) is held as it is. A layer is held without gaps where that is smaller. Weights are treated
as bit patterns of 32 bits: -0.0 is not 0.
The file: "NETPRES1", the header's length (uint32), the header (JSON, deflated), the parts of every tensor in
order, and the SHA-256 of all that. Numbers are little-endian. `tests/unpacked.py` decodes it.
"""

import copy
import hashlib
import heapq
import json
import struct
import zlib
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from netpress.compress.integers import IntegerNetwork
from netpress.compress.prune import finished, weight_layers
from netpress.errors import UserError

MAGIC = b"NETPRES1"
FORMS = ("dense32", "sparse32", "shared", "shared+huffman", "int8")
GAP_BITS = {4: 8, 2: 5}  # by the dimensions of the weights: convolution, linear (Deep Compression, section 2)
MOST_VALUES = 256
HUFFMAN = 255  # in a stream's first byte, in place of a width

Parts = dict[str, bytes]  # any of values, codebook, indices, gaps


@dataclass(frozen=True)
class Stored:
    """A network as the content of a file. parts: of its bytes those of each use.

    Uses: values, codebook, indices and gaps of the layers' weights; other (biases, BatchNorm); frame (header, hash).
    """

    content: bytes
    parts: dict[str, int]

    @property
    def bytes(self) -> int:
        """Its size."""
        return len(self.content)


def stored(network: nn.Module, form: str = "shared+huffman") -> Stored:
    """The network in one of FORMS. Masks and code books are held as the weights they stand for.

    UserError for an unknown form, for "shared" where a layer has more than 256 values, and for "int8" where the
    network is no IntegerNetwork.
    """
    if form not in FORMS:
        raise UserError(f"There is no form of storage {form!r}: choose one of {', '.join(FORMS)}.")
    if isinstance(network, IntegerNetwork) != (form == "int8"):
        raise UserError('The form "int8" is for networks that `int8` has made, and is their only one.')
    if isinstance(network, IntegerNetwork):
        extra: dict[str, Any] = {"image_shape": network.image_shape, "batch": network.batch}
        tensors = network.tensors
        weights = {name for name, t in tensors.items() if t.dtype == torch.int8}
    else:
        plain = finished(copy.deepcopy(network))
        extra, tensors, weights = {}, plain.state_dict(), {f"{name}.weight" for name in weight_layers(plain)}
    encoded = {name: smallest(name, t, form if name in weights else "dense32") for name, t in tensors.items()}
    rows = [
        [name, str(t.dtype).removeprefix("torch."), list(t.shape), {k: len(v) for k, v in encoded[name].items()}]
        for name, t in tensors.items()
    ]
    header = json.dumps({"form": form, "tensors": rows, **extra}, separators=(",", ":"))
    packed = zlib.compress(header.encode(), 9)
    payload = b"".join(part for parts in encoded.values() for part in parts.values())
    body = MAGIC + struct.pack("<I", len(packed)) + packed + payload
    content = body + hashlib.sha256(body).digest()
    sizes = dict.fromkeys(("values", "codebook", "indices", "gaps", "other"), 0)
    for name, parts in encoded.items():
        for part, held in parts.items():
            sizes[part if name in weights else "other"] += len(held)
    return Stored(content, sizes | {"frame": len(content) - len(payload)})


def smallest(name: str, tensor: Tensor, form: str) -> Parts:
    """The smallest coding of a tensor that a form has. `name`: of the tensor, for a message."""
    raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    if form in ("dense32", "int8") or tensor.dtype != torch.float32:
        return {"values": raw}
    return min(codings(name, raw, tensor.dim(), form), key=lambda parts: sum(map(len, parts.values())))


def codings(name: str, raw: bytes, dimensions: int, form: str) -> list[Parts]:
    """The two codings of float32 weights: all of them, zero being a value like others, or those that are not zero and
    the gaps between them."""
    bits = np.frombuffer(raw, dtype="<u4")
    kept = np.flatnonzero(bits)
    width = GAP_BITS.get(dimensions, 8)
    gaps = {"gaps": to_stream(to_gaps(kept, width), width, form == "shared+huffman")}
    if form == "sparse32":
        return [{"values": raw}, {"values": bits[kept].tobytes()} | gaps]
    return [indexed(name, bits, form), indexed(name, bits[kept], form) | gaps]


def indexed(name: str, bits: np.ndarray, form: str) -> Parts:
    """Code book and indices. A pruned layer may have zero besides its 256 values."""
    book, index = np.unique(bits, return_inverse=True)
    if len(book) - (0 in book) > MOST_VALUES:
        raise UserError(
            f"{name} has {len(book)} values, and a code book holds {MOST_VALUES}: apply ShareWeights before storing it "
            f"as {form!r}."
        )
    width = max(0, len(book) - 1).bit_length()
    return {"codebook": book.tobytes(), "indices": to_stream(index, width, form == "shared+huffman")}


def to_gaps(positions: np.ndarray, width: int) -> np.ndarray:
    """Ascending positions as gaps: how many places are passed over before each, in symbols of `width` bits.

    The largest symbol means "so many places, and nothing here", as often as needed. (Ours: Deep Compression puts
    a filler zero among the weights, which costs an index besides.) What follows the last position is not coded.
    """
    jump = 2**width - 1
    gaps = np.diff(positions, prepend=-1) - 1
    jumps = gaps // jump
    symbols = np.full(len(positions) + int(jumps.sum()), jump, dtype=np.int64)
    symbols[np.cumsum(jumps + 1) - 1] = gaps % jump
    return symbols


def to_stream(symbols: np.ndarray, width: int, with_huffman: bool) -> bytes:
    """A stream that tells how it is to be read: first byte, number of symbols (uint32), symbols.

    The first byte is their width in bits, or 255 for a Huffman code: its table then comes first, a uint16 size
    and one length a byte. `with_huffman` takes the shorter of the two: a short stream is not worth a table.
    """
    fixed = struct.pack("<BI", width, len(symbols)) + pack(symbols, width)
    if not with_huffman or not len(symbols):
        return fixed
    lengths = code_lengths(np.bincount(symbols))
    head = struct.pack("<BIH", HUFFMAN, len(symbols), len(lengths)) + lengths.tobytes()
    return min(fixed, head + huffman(symbols, lengths), key=len)


def pack(symbols: np.ndarray, width: int) -> bytes:
    """Each symbol in `width` bits, highest bit first; the last byte is filled up with zero bits."""
    bits = np.empty((len(symbols), width), dtype=np.uint8)
    for column in range(width):
        bits[:, column] = symbols >> (width - 1 - column) & 1
    return np.packbits(bits).tobytes()


def code_lengths(counts: np.ndarray) -> np.ndarray:
    """The length in bits (uint8) of each symbol's code, from how often it occurs; 0 where it does not.

    A lone symbol gets one bit. Ties go by age, and first by symbol: equal counts give equal codes.
    """
    lengths = np.zeros(len(counts), dtype=np.uint8)
    order = count()
    heap = [(int(n), next(order), [symbol]) for symbol, n in enumerate(counts) if n]
    heapq.heapify(heap)
    if len(heap) == 1:
        lengths[heap[0][2]] = 1
    while len(heap) > 1:
        few, _, low = heapq.heappop(heap)
        more, _, high = heapq.heappop(heap)
        lengths[low + high] += 1
        heapq.heappush(heap, (few + more, next(order), low + high))
    return lengths


def canonical_codes(lengths: np.ndarray) -> np.ndarray:
    """The code (uint64, in the low bits) of each symbol. Codes of equal length are consecutive
    numbers in the order of their symbols, shorter codes come first: the lengths alone define the code."""
    order = np.lexsort((np.arange(len(lengths)), lengths))
    codes = np.zeros(len(lengths), dtype=np.uint64)
    code, length = 0, 0
    for symbol in order[lengths[order] > 0]:
        code <<= int(lengths[symbol]) - length
        length = int(lengths[symbol])
        codes[symbol] = code
        code += 1
    return codes


def huffman(symbols: np.ndarray, lengths: np.ndarray) -> bytes:
    """The symbols' codes one after the other; the last byte is filled up with zero bits."""
    codes, of_each = canonical_codes(lengths), lengths[symbols].astype(np.int64)
    ends = np.cumsum(of_each)
    bits = np.zeros(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
    for place in range(int(lengths.max(initial=0))):  # the bits of all codes from the last to the first
        longer = of_each > place
        bits[ends[longer] - 1 - place] = codes[symbols[longer]] >> np.uint64(place) & np.uint64(1)
    return np.packbits(bits).tobytes()
