"""A layer's weights as bytes: code book and indices, gaps between the few that are left, Huffman code.

Source: Han et al., "Deep Compression", ICLR 2016, section 2 (relative index), 3 (code book) and 4 (Huffman).
Weights are treated as bit patterns of 32 bits: -0.0 is not 0, and what is decoded is equal in every bit.
"""

import math
import struct

import numpy as np

from netpress.compress import huffman
from netpress.errors import UserError

Parts = dict[str, bytes]  # any of values, codebook, indices, gaps

GAP_BITS = {4: 8, 2: 5}  # by the dimensions of the weights: convolution, linear (Deep Compression, section 2)
MOST_VALUES = 256
HUFFMAN = 255  # in a stream's first byte, in place of a width


class TooManyValues(ValueError):
    """A layer has more values than a code book holds."""


def sparse_codings(raw: bytes, dimensions: int) -> list[Parts]:
    """All weights, or those that are not zero and the gaps between them."""
    bits = np.frombuffer(raw, dtype="<u4")
    kept = np.flatnonzero(bits)
    width = GAP_BITS.get(dimensions, 8)
    gaps = to_stream(to_gaps(kept, width), width, with_huffman=False)
    return [{"values": raw}, {"values": bits[kept].tobytes(), "gaps": gaps}]


def shared_codings(raw: bytes, dimensions: int, with_huffman: bool = False) -> list[Parts]:
    """Indices of all weights, zero being a value like others, or of those that are not zero, and gaps."""
    bits = np.frombuffer(raw, dtype="<u4")
    kept = np.flatnonzero(bits)
    width = GAP_BITS.get(dimensions, 8)
    gaps = to_stream(to_gaps(kept, width), width, with_huffman)
    return [_indexed(bits, with_huffman), _indexed(bits[kept], with_huffman) | {"gaps": gaps}]


def huffman_codings(raw: bytes, dimensions: int) -> list[Parts]:
    """As `shared_codings`, with a Huffman code each for indices and gaps."""
    return shared_codings(raw, dimensions, with_huffman=True)


def raw_bytes(parts: Parts, shape: list[int]) -> bytes:
    """The tensor's bytes, whichever way it was coded."""
    raw = parts.get("values", b"")
    if "codebook" in parts:
        raw = np.frombuffer(parts["codebook"], dtype="<u4")[from_stream(parts["indices"])].tobytes()
    if "gaps" not in parts:
        return raw
    bits = np.zeros(math.prod(shape), dtype="<u4")
    bits[from_gaps(from_stream(parts["gaps"]), GAP_BITS.get(len(shape), 8))] = np.frombuffer(raw, dtype="<u4")
    return bits.tobytes()


def _indexed(bits: np.ndarray, with_huffman: bool) -> Parts:
    """Code book and indices. A pruned layer may have zero besides its 256 values."""
    book, index = np.unique(bits, return_inverse=True)
    if len(book) - (0 in book) > MOST_VALUES:
        raise TooManyValues(f"{len(book)} values, and a code book holds {MOST_VALUES}")
    width = max(0, len(book) - 1).bit_length()
    return {"codebook": book.tobytes(), "indices": to_stream(index, width, with_huffman)}


def pack(symbols: np.ndarray, width: int) -> bytes:
    """Each symbol in `width` bits, highest bit first; the last byte is filled up with zero bits."""
    bits = np.empty((len(symbols), width), dtype=np.uint8)
    for column in range(width):
        bits[:, column] = symbols >> (width - 1 - column) & 1
    return np.packbits(bits).tobytes()


def unpack(packed: bytes, width: int, number: int) -> np.ndarray:
    """The `number` symbols (int64) that `pack` has packed. UserError where there are not so many."""
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8))
    if not 0 <= len(bits) - number * width < 8:
        raise UserError("A stream of the file is damaged: it is too long or too short. Write the file again.")
    symbols = np.zeros(number, dtype=np.int64)
    for column in bits[: number * width].reshape(number, width).T:
        symbols = symbols << 1 | column
    return symbols


def to_stream(symbols: np.ndarray, width: int, with_huffman: bool) -> bytes:
    """A stream that tells how it is to be read: first byte, number of symbols (uint32), symbols.

    The first byte is their width in bits, or 255 for a Huffman code: its table then comes first, a uint16 size
    and one length a byte. `with_huffman` takes the shorter of the two: a short stream is not worth a table.
    """
    fixed = struct.pack("<BI", width, len(symbols)) + pack(symbols, width)
    if not with_huffman or not len(symbols):
        return fixed
    lengths = huffman.code_lengths(np.bincount(symbols))
    head = struct.pack("<BIH", HUFFMAN, len(symbols), len(lengths)) + lengths.tobytes()
    return min(fixed, head + huffman.encode(symbols, lengths), key=len)


def from_stream(stream: bytes) -> np.ndarray:
    """The symbols (int64) of what `to_stream` has made."""
    width, number = struct.unpack_from("<BI", stream)
    if width != HUFFMAN:
        return unpack(stream[5:], width, number)
    (size,) = struct.unpack_from("<H", stream, 5)
    lengths = np.frombuffer(stream, dtype=np.uint8, count=size, offset=7)
    return huffman.decode(stream[7 + size :], lengths, number)


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


def from_gaps(symbols: np.ndarray, width: int) -> np.ndarray:
    """The positions that `to_gaps` has coded."""
    jumps = symbols == 2**width - 1
    return (np.cumsum(symbols + ~jumps) - 1)[~jumps]
