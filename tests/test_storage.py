"""Huffman codes against Huffman's own example and the entropy; whole networks written and read back, bit for bit."""

import copy
import hashlib
import json
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from netpress import nets
from netpress.compress import coding, huffman, storage
from netpress.compress.finish import finished
from netpress.compress.integer import int8
from netpress.compress.masks import weight_layers
from netpress.compress.prune import Prune
from netpress.compress.quantise import ShareWeights
from netpress.errors import UserError
from netpress.nets.network import Network


def by_hand(symbols: list[int], codes: dict[int, str]) -> bytes:
    """The bits written out as text, and the text cut into bytes."""
    text = "".join(codes[s] for s in symbols)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))


def test_code_built_by_hand() -> None:
    """Counts 45 13 12 16 9 5: joined 5+9, 12+13, 14+16, 25+30, 45+55. Canonical codes from the lengths 1 3 3 3 4 4."""
    counts = np.array([45, 13, 12, 16, 9, 5])
    lengths = huffman.code_lengths(counts)
    assert lengths.tolist() == [1, 3, 3, 3, 4, 4]
    codes = [f"{code:0{length}b}" for code, length in zip(huffman.canonical_codes(lengths), lengths, strict=True)]
    assert codes == ["0", "100", "101", "110", "1110", "1111"]
    symbols = [0, 5, 1, 0, 4, 2, 3]
    coded = huffman.encode(np.array(symbols), lengths)
    assert coded == by_hand(symbols, dict(enumerate(codes)))
    assert huffman.decode(coded, lengths, len(symbols)).tolist() == symbols


def test_absent_symbols_have_no_code_and_a_lone_one_has_a_bit() -> None:
    assert huffman.code_lengths(np.array([0, 7, 0, 1, 1])).tolist() == [0, 1, 0, 2, 2]
    assert huffman.code_lengths(np.array([0, 9])).tolist() == [0, 1]
    assert huffman.code_lengths(np.zeros(4, dtype=int)).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("spread", [0.5, 3.0, 20.0])
def test_length_lies_between_the_entropy_and_one_bit_more(spread: float) -> None:
    symbols = np.clip(np.random.default_rng(0).normal(128, spread, 50_000), 0, 255).astype(np.int64)
    counts = np.bincount(symbols)
    p = counts[counts > 0] / len(symbols)
    entropy = float(-(p * np.log2(p)).sum())
    length = 8 * len(huffman.encode(symbols, huffman.code_lengths(counts))) / len(symbols)
    assert entropy <= length < entropy + 1


def test_very_long_codes() -> None:
    """Fibonacci's numbers as counts make the longest codes: 1, 2, 3, ... 24, 24 bits."""
    counts = np.array([1, 1])
    while len(counts) < 25:
        counts = np.append(counts, counts[-1] + counts[-2])
    lengths = huffman.code_lengths(counts)
    assert sorted(lengths.tolist()) == [*range(1, 25), 24]
    symbols = np.random.default_rng(0).permutation(np.repeat(np.arange(25), counts))
    assert np.array_equal(huffman.decode(huffman.encode(symbols, lengths), lengths, len(symbols)), symbols)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 300)), st.integers(0, 300))
def test_huffman_round_trip(symbols: list[int], alphabet: int) -> None:
    array = np.array(symbols, dtype=np.int64)
    lengths = huffman.code_lengths(np.bincount(array, minlength=alphabet))
    coded = huffman.encode(array, lengths)
    assert huffman.decode(coded, lengths, len(symbols)).tolist() == symbols
    assert len(coded) == (int(lengths[array].sum()) + 7) // 8


def test_chunks_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes that cross the edges of the pieces in which a stream is decoded."""
    symbols = np.random.default_rng(0).geometric(0.2, 5000) - 1
    lengths = huffman.code_lengths(np.bincount(symbols))
    coded = huffman.encode(symbols, lengths)
    for chunk in (1, 3, 64):
        monkeypatch.setattr(huffman, "CHUNK", chunk)
        assert np.array_equal(huffman.decode(coded, lengths, len(symbols)), symbols)


def test_damaged_streams() -> None:
    symbols = np.random.default_rng(0).integers(0, 5, 100)
    lengths = huffman.code_lengths(np.bincount(symbols))
    coded = huffman.encode(symbols, lengths)
    for wrong in (coded[:-1], coded + b"\0"):
        with pytest.raises(UserError, match="damaged"):
            huffman.decode(wrong, lengths, 100)
    with pytest.raises(UserError, match="damaged"):
        huffman.canonical_codes(np.array([1, 1, 1]))  # three codes of one bit
    with pytest.raises(UserError, match="no code"):
        huffman.decode(b"\xff", np.array([1], dtype=np.uint8), 8)  # a lone symbol is the bit 0
    with pytest.raises(UserError, match="no code"):
        huffman.decode(b"\xff", np.array([0], dtype=np.uint8), 8)


def test_two_million_symbols_in_seconds() -> None:
    symbols = np.clip(np.random.default_rng(0).normal(128, 20, 2_000_000), 0, 255).astype(np.int64)
    lengths = huffman.code_lengths(np.bincount(symbols))
    coded = huffman.encode(symbols, lengths)
    began = time.perf_counter()
    assert np.array_equal(huffman.decode(coded, lengths, len(symbols)), symbols)
    assert time.perf_counter() - began < 5


def test_gaps_by_hand() -> None:
    """Width 2: 0..2 places and a weight, 3 = three places and none. Before 0, 1, 5 and 12 lie 0, 0, 3 and 6 places."""
    positions = np.array([0, 1, 5, 12])
    assert coding.to_gaps(positions, 2).tolist() == [0, 0, 3, 0, 3, 3, 0]
    assert coding.from_gaps(np.array([0, 0, 3, 0, 3, 3, 0]), 2).tolist() == [0, 1, 5, 12]


@settings(max_examples=200, deadline=None)
@given(st.sets(st.integers(0, 3000)), st.integers(2, 8), st.booleans())
def test_positions_round_trip(positions: set[int], width: int, with_huffman: bool) -> None:
    array = np.array(sorted(positions), dtype=np.int64)
    stream = coding.to_stream(coding.to_gaps(array, width), width, with_huffman)
    assert coding.from_gaps(coding.from_stream(stream), width).tolist() == sorted(positions)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 9), st.data())
def test_fixed_width_round_trip(width: int, data: st.DataObject) -> None:
    symbols = data.draw(st.lists(st.integers(0, 2**width - 1)))
    packed = coding.pack(np.array(symbols, dtype=np.int64), width)
    assert len(packed) == (width * len(symbols) + 7) // 8
    assert coding.unpack(packed, width, len(symbols)).tolist() == symbols


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([0.0, -0.0, 1.0, -2.5, 3e-39, float("inf"), float("nan")])), st.sampled_from([2, 4]))
def test_every_way_holds_every_bit(values: list[float], dimensions: int) -> None:
    raw = np.array(values, dtype="<f4").tobytes()
    shape = [len(values)] + [1] * (dimensions - 1)
    for codings in (coding.sparse_codings, coding.shared_codings, coding.huffman_codings):
        assert all(coding.raw_bytes(parts, shape) == raw for parts in codings(raw, dimensions))


def network_of(seed: int) -> Network:
    torch.manual_seed(seed)
    network = nets.build("six-layer", 32, 10, 0.25)
    network(torch.randn(8, 3, 32, 32))  # BatchNorm's statistics are no round numbers
    return network.eval()


@pytest.fixture(scope="module")
def shared() -> Network:
    return ShareWeights(4).apply(Prune(5.0, "layer").apply(network_of(0), {}), {})


def assert_equal_bits(one: nn.Module, other: nn.Module) -> None:
    a, b = one.state_dict(), other.state_dict()
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype
        assert a[name].numpy().tobytes() == b[name].numpy().tobytes(), name


@pytest.mark.parametrize("form", ["dense32", "sparse32", "shared", "shared+huffman"])
def test_network_round_trip(shared: Network, tmp_path: Path, form: str) -> None:
    stored = storage.write(shared, tmp_path / "network", form)
    content = (tmp_path / "network").read_bytes()
    assert stored.bytes == len(content) == sum(size for _, size in stored.parts)
    assert stored.sha256 == hashlib.sha256(content[:-32]).hexdigest()
    back = storage.read(tmp_path / "network", network_of(1))
    plain = finished(copy.deepcopy(shared))
    assert_equal_bits(back, plain)
    x = torch.randn(4, 3, 32, 32)
    assert torch.equal(back(x), shared(x))


def test_sizes_against_hand_counts(shared: Network) -> None:
    """80 % zeros, 4 bits: 32 bits a weight; then 32 bits a weight left and its gaps; then 4 bits instead of 32."""
    weights = sum(layer.weight.numel() for layer in weight_layers(shared).values())
    left = sum(int((layer.weight != 0).sum()) for layer in weight_layers(shared).values())
    sizes = {form: dict(storage.weigh(shared, form).parts) for form in storage.FORMS[:4]}
    assert sizes["dense32"]["values"] == 4 * weights
    assert sizes["sparse32"]["values"] == 4 * left
    assert 5 / 8 * left < sizes["sparse32"]["gaps"] < 1.5 * left
    assert sizes["shared"]["codebook"] == 6 * 4 * 16
    assert left / 2 <= sizes["shared"]["indices"] < left / 2 + 100
    assert sizes["shared+huffman"]["gaps"] < sizes["shared"]["gaps"]
    assert sizes["shared+huffman"]["indices"] < sizes["shared"]["indices"]
    assert len({size["other"] for size in sizes.values()}) == 1


def test_each_form_is_smaller_than_the_one_before(shared: Network) -> None:
    sizes = [storage.weigh(shared, form).bytes for form in storage.FORMS[:4]]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 3.5 * sizes[1] > 7 * sizes[3]


def test_gaps_are_left_out_where_they_cost_more() -> None:
    network = network_of(2)
    assert storage.weigh(network, "sparse32").parts[:-1] == storage.weigh(network, "dense32").parts[:-1]
    with pytest.raises(UserError, match="apply ShareWeights"):
        storage.weigh(network, "shared")


def test_special_values_survive(tmp_path: Path) -> None:
    network = network_of(3)
    for layer in weight_layers(network).values():
        layer.weight.data.zero_()
        layer.weight.data.flatten()[:4] = torch.tensor([-0.0, float("nan"), float("-inf"), 1e-42])
    for form in storage.FORMS[:4]:
        storage.write(network, tmp_path / "network", form)
        assert_equal_bits(storage.read(tmp_path / "network", network_of(1)), network)


def test_integer_network_round_trip(tmp_path: Path) -> None:
    pytest.importorskip("torchao", reason="8-bit inference needs torchao")
    network = network_of(4)
    integers = int8(network, torch.randn(100, 3, 32, 32))
    stored = storage.write(integers, tmp_path / "network", "int8")
    weights = sum(layer.weight.numel() for layer in weight_layers(network).values())
    assert dict(stored.parts)["values"] == weights  # one byte each
    assert stored.bytes < 0.3 * storage.weigh(network, "dense32").bytes
    other = network_of(1)
    back = storage.read(tmp_path / "network", other)
    x = torch.randn(70, 3, 32, 32)
    assert torch.equal(back(x), integers(x))
    assert_equal_bits(other, network_of(1))
    with pytest.raises(UserError, match="architecture"):
        storage.read(tmp_path / "network", nets.build("six-layer", 32, 5, 0.25))
    for wrong in (lambda: storage.weigh(integers, "dense32"), lambda: storage.weigh(network, "int8")):
        with pytest.raises(UserError, match="int8"):
            wrong()


def with_header(content: bytes, change: Callable[[dict], object]) -> bytes:
    """The file with its header changed, and a checksum that agrees again."""
    begin = len(storage.MAGIC) + 4
    (size,) = struct.unpack_from("<I", content, len(storage.MAGIC))
    header = json.loads(zlib.decompress(content[begin : begin + size]))
    change(header)
    packed = zlib.compress(json.dumps(header).encode())
    body = storage.MAGIC + struct.pack("<I", len(packed)) + packed + content[begin + size : -32]
    return body + hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content[:500] + bytes([content[500] ^ 1]) + content[501:],
        lambda content: b"PK" + content[2:],
    ],
)
def test_damaged_files(shared: Network, tmp_path: Path, damage) -> None:
    storage.write(shared, tmp_path / "network")
    (tmp_path / "network").write_bytes(damage((tmp_path / "network").read_bytes()))
    with pytest.raises(UserError, match="damaged"):
        storage.read(tmp_path / "network", network_of(1))


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.pop("tensors"),
        lambda header: header["tensors"][0].__setitem__(1, "float99"),
        lambda header: header["tensors"][0].__setitem__(2, [1, 2, 3]),
        lambda header: header["tensors"][0][3].update(values=10**9),
    ],
)
def test_wrong_headers_with_a_right_checksum(shared: Network, tmp_path: Path, change) -> None:
    storage.write(shared, tmp_path / "network")
    (tmp_path / "network").write_bytes(with_header((tmp_path / "network").read_bytes(), change))
    with pytest.raises(UserError):
        storage.read(tmp_path / "network", network_of(1))


def test_wrong_input(shared: Network, tmp_path: Path) -> None:
    storage.write(shared, tmp_path / "network")
    with pytest.raises(UserError, match="architecture"):
        storage.read(tmp_path / "network", nets.build("cnn-16-32", 32, 10))
    with pytest.raises(UserError, match="cannot be read"):
        storage.read(tmp_path / "absent", network_of(1))
    with pytest.raises(UserError, match="form"):
        storage.write(shared, tmp_path / "network", "zip")
