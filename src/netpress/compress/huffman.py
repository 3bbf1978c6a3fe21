"""Canonical Huffman code of small integers, coded and decoded without a Python loop over bits.

Sources: Huffman, "A method for the construction of minimum-redundancy codes", 1952; Deep Compression, section 4.
Canonical: codes of equal length are consecutive numbers in the order of their symbols, shorter codes come first;
so the lengths alone define the code. No code is longer than 56 bits, which only 10^11 symbols could exceed.
"""

import heapq
from itertools import count

import numpy as np

from netpress.errors import UserError

WINDOW = 56  # bits looked at from each position: what 8 bytes hold wherever in a byte they begin
CHUNK = 2**17  # bytes decoded at a time, which bounds the memory


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
    """The code (uint64, in the low bits) of each symbol. UserError where no prefix code has these lengths."""
    codes = np.zeros(len(lengths), dtype=np.uint64)
    code, length = 0, 0
    for symbol in _by_length(lengths):
        code <<= int(lengths[symbol]) - length
        length = int(lengths[symbol])
        if length > WINDOW or code >> length:
            raise UserError("The Huffman table is damaged: no code has these lengths. Write the file again.")
        codes[symbol] = code
        code += 1
    return codes


def encode(symbols: np.ndarray, lengths: np.ndarray) -> bytes:
    """The symbols' codes one after the other; the last byte is filled up with zero bits."""
    codes, of_each = canonical_codes(lengths), lengths[symbols].astype(np.int64)
    ends = np.cumsum(of_each)
    bits = np.zeros(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
    for place in range(int(lengths.max(initial=0))):  # the bits of all codes from the last to the first
        longer = of_each > place
        bits[ends[longer] - 1 - place] = codes[symbols[longer]] >> np.uint64(place) & np.uint64(1)
    return np.packbits(bits).tobytes()


def decode(coded: bytes, lengths: np.ndarray, number: int) -> np.ndarray:
    """The `number` symbols (int64) of a stream. UserError where it ends before, goes on after, or holds no code.

    For every bit position of a chunk, the code that would begin there is looked up at once: of all codes moved
    to the left end of the window, the last that is not larger. A walk along the lengths finds where codes begin.
    """
    table = _by_length(lengths)
    if number and not len(table):
        raise UserError("The Huffman table is damaged: it holds no code. Write the file again.")
    shifts = (WINDOW - lengths[table].astype(np.int64)).astype(np.uint64)
    starts = canonical_codes(lengths)[table] << shifts
    data = np.frombuffer(coded + bytes(8), dtype=np.uint8)
    parts = [np.zeros(0, dtype=np.int64)]
    left, at = number, 0  # symbols to come, and the bit where the next one begins
    while left and at < 8 * len(coded):
        first = at // 8
        windows = _windows(data, first, min(CHUNK, len(coded) - first))
        rows = np.searchsorted(starts, windows, side="right") - 1
        steps = lengths[table[rows]].tolist()
        places = _walk(steps, at - 8 * first, left)
        _check_codes(windows[places], rows[places], starts, shifts)
        parts.append(table[rows[places]])
        left -= len(places)
        at = 8 * first + places[-1] + steps[places[-1]]
    if left or (at + 7) // 8 != len(coded):
        raise UserError("The Huffman stream is damaged: it is too long or too short. Write the file again.")
    return np.concatenate(parts)


def _by_length(lengths: np.ndarray) -> np.ndarray:
    """The symbols that occur, in canonical order."""
    order = np.lexsort((np.arange(len(lengths)), lengths))
    return order[lengths[order] > 0]


def _windows(data: np.ndarray, first: int, size: int) -> np.ndarray:
    """The WINDOW bits that begin at each bit of `size` bytes, as uint64."""
    words = np.zeros(size, dtype=np.uint64)
    for byte in range(8):
        words = words << np.uint64(8) | data[first + byte : first + byte + size]
    shifts = np.arange(8, 0, -1, dtype=np.uint64)
    return (words[:, None] >> shifts & np.uint64(2**WINDOW - 1)).ravel()


def _walk(steps: list[int], at: int, most: int) -> list[int]:
    """Where codes begin, from `at` on, each a step after the one before: at most `most`, within the list."""
    places: list[int] = []
    end = len(steps)
    while at < end and len(places) < most:
        places.append(at)
        at += steps[at]
    return places


def _check_codes(windows: np.ndarray, rows: np.ndarray, starts: np.ndarray, shifts: np.ndarray) -> None:
    """Bits beyond the range of the last code are no code (a lone symbol's code leaves half of all free)."""
    if np.any((windows - starts[rows]) >> shifts[rows]):
        raise UserError("The Huffman stream is damaged: it holds bits that are no code. Write the file again.")
