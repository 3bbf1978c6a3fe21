"""Decodes what netpress.compress.stored_size encodes, slowly and plainly: the other half of its tests."""

import hashlib
import json
import math
import struct
import zlib

import numpy as np
import torch
from torch import Tensor

from netpress.compress.stored_size import GAP_BITS, HUFFMAN, MAGIC, canonical_codes


def tensors_of(content: bytes) -> tuple[str, dict[str, Tensor]]:
    """The form and the tensors of a file."""
    body = content[:-32]
    assert hashlib.sha256(body).digest() == content[-32:] and body.startswith(MAGIC)
    (size,) = struct.unpack_from("<I", body, len(MAGIC))
    at = len(MAGIC) + 4 + size
    header = json.loads(zlib.decompress(body[len(MAGIC) + 4 : at]))
    found = {}
    for name, dtype, shape, lengths in header["tensors"]:
        parts = {}
        for part, length in lengths.items():
            parts[part] = body[at : at + length]
            at += length
        raw = bytearray(raw_bytes(parts, shape))
        empty = torch.empty(shape, dtype=getattr(torch, dtype))
        found[name] = torch.frombuffer(raw, dtype=empty.dtype).reshape(shape) if raw else empty
    assert at == len(body)
    return header["form"], found


def raw_bytes(parts: dict[str, bytes], shape: list[int]) -> bytes:
    """A tensor's bytes."""
    raw = parts.get("values", b"")
    if "codebook" in parts:
        raw = np.frombuffer(parts["codebook"], dtype="<u4")[stream(parts["indices"])].tobytes()
    if "gaps" not in parts:
        return raw
    bits = np.zeros(math.prod(shape), dtype="<u4")
    bits[positions(stream(parts["gaps"]), GAP_BITS.get(len(shape), 8))] = np.frombuffer(raw, dtype="<u4")
    return bits.tobytes()


def stream(coded: bytes) -> np.ndarray:
    """The symbols of a stream."""
    width, number = struct.unpack_from("<BI", coded)
    if width != HUFFMAN:
        bits = np.unpackbits(np.frombuffer(coded[5:], dtype=np.uint8))
        return bits[: number * width].reshape(number, width).astype(np.int64) @ (1 << np.arange(width)[::-1])
    (size,) = struct.unpack_from("<H", coded, 5)
    return without_huffman(coded[7 + size :], np.frombuffer(coded[7 : 7 + size], dtype=np.uint8), number)


def without_huffman(coded: bytes, lengths: np.ndarray, number: int) -> np.ndarray:
    """The symbols of a Huffman code, bit by bit."""
    codes = canonical_codes(lengths)
    book = {(int(n), int(codes[symbol])): symbol for symbol, n in enumerate(lengths) if n}
    symbols, code, length = [], 0, 0
    for bit in np.unpackbits(np.frombuffer(coded, dtype=np.uint8)).tolist():
        code, length = code << 1 | bit, length + 1
        if (length, code) in book and len(symbols) < number:
            symbols.append(book[length, code])
            code = length = 0
    assert len(symbols) == number and length < 8 and code == 0
    return np.array(symbols, dtype=np.int64)


def positions(symbols: np.ndarray, width: int) -> np.ndarray:
    """The positions between the gaps."""
    jumps = symbols == 2**width - 1
    return (np.cumsum(symbols + ~jumps) - 1)[~jumps]
