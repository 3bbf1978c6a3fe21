"""Huffman codes against Huffman's own example and the entropy; whole networks packed and unpacked, bit for bit."""

import copy

import numpy as np
import pytest
import torch
import unpacked
from hypothesis import given, settings
from hypothesis import strategies as st

from netpress import nets
from netpress.compress import stored_size
from netpress.compress.edits import Prune, ShareWeights
from netpress.compress.integers import int8
from netpress.compress.prune import finished, weight_layers
from netpress.compress.stored_size import FORMS, stored
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
    lengths = stored_size.code_lengths(counts)
    assert lengths.tolist() == [1, 3, 3, 3, 4, 4]
    codes = [f"{code:0{length}b}" for code, length in zip(stored_size.canonical_codes(lengths), lengths, strict=True)]
    assert codes == ["0", "100", "101", "110", "1110", "1111"]
    symbols = [0, 5, 1, 0, 4, 2, 3]
    coded = stored_size.huffman(np.array(symbols), lengths)
    assert coded == by_hand(symbols, dict(enumerate(codes)))
    assert unpacked.without_huffman(coded, lengths, len(symbols)).tolist() == symbols


def test_absent_symbols_have_no_code_and_a_lone_one_has_a_bit() -> None:
    assert stored_size.code_lengths(np.array([0, 7, 0, 1, 1])).tolist() == [0, 1, 0, 2, 2]
    assert stored_size.code_lengths(np.array([0, 9])).tolist() == [0, 1]
    assert stored_size.code_lengths(np.zeros(4, dtype=int)).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("spread", [0.5, 3.0, 20.0])
def test_length_lies_between_the_entropy_and_one_bit_more(spread: float) -> None:
    symbols = np.clip(np.random.default_rng(0).normal(128, spread, 50_000), 0, 255).astype(np.int64)
    counts = np.bincount(symbols)
    p = counts[counts > 0] / len(symbols)
    entropy = float(-(p * np.log2(p)).sum())
    length = 8 * len(stored_size.huffman(symbols, stored_size.code_lengths(counts))) / len(symbols)
    assert entropy <= length < entropy + 1


def test_very_long_codes() -> None:
    """Fibonacci's numbers as counts make the longest codes: 1, 2, 3, ... 15, 15 bits."""
    counts = np.array([1, 1])
    while len(counts) < 16:
        counts = np.append(counts, counts[-1] + counts[-2])
    lengths = stored_size.code_lengths(counts)
    assert sorted(lengths.tolist()) == [*range(1, 16), 15]
    symbols = np.random.default_rng(0).permutation(np.repeat(np.arange(16), counts))
    coded = stored_size.huffman(symbols, lengths)
    assert np.array_equal(unpacked.without_huffman(coded, lengths, len(symbols)), symbols)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 300)), st.integers(0, 300))
def test_huffman_round_trip(symbols: list[int], alphabet: int) -> None:
    array = np.array(symbols, dtype=np.int64)
    lengths = stored_size.code_lengths(np.bincount(array, minlength=alphabet))
    coded = stored_size.huffman(array, lengths)
    assert unpacked.without_huffman(coded, lengths, len(symbols)).tolist() == symbols
    assert len(coded) == (int(lengths[array].sum()) + 7) // 8


def test_gaps_by_hand() -> None:
    """Width 2: 0..2 places and a weight, 3 = three places and none. Before 0, 1, 5 and 12 lie 0, 0, 3 and 6 places."""
    positions = np.array([0, 1, 5, 12])
    assert stored_size.to_gaps(positions, 2).tolist() == [0, 0, 3, 0, 3, 3, 0]
    assert unpacked.positions(np.array([0, 0, 3, 0, 3, 3, 0]), 2).tolist() == [0, 1, 5, 12]


@settings(max_examples=200, deadline=None)
@given(st.sets(st.integers(0, 3000)), st.integers(2, 8), st.booleans())
def test_positions_round_trip(positions: set[int], width: int, with_huffman: bool) -> None:
    array = np.array(sorted(positions), dtype=np.int64)
    stream = stored_size.to_stream(stored_size.to_gaps(array, width), width, with_huffman)
    assert unpacked.positions(unpacked.stream(stream), width).tolist() == sorted(positions)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 9), st.data())
def test_fixed_width_round_trip(width: int, data: st.DataObject) -> None:
    symbols = data.draw(st.lists(st.integers(0, 2**width - 1)))
    packed = stored_size.to_stream(np.array(symbols, dtype=np.int64), width, with_huffman=False)
    assert len(packed) == 5 + (width * len(symbols) + 7) // 8
    assert unpacked.stream(packed).tolist() == symbols


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([0.0, -0.0, 1.0, -2.5, 3e-39, float("inf"), float("nan")])), st.sampled_from([2, 4]))
def test_every_way_holds_every_bit(values: list[float], dimensions: int) -> None:
    raw = np.array(values, dtype="<f4").tobytes()
    shape = [len(values)] + [1] * (dimensions - 1)
    for form in FORMS[1:4]:
        assert all(unpacked.raw_bytes(p, shape) == raw for p in stored_size.codings("w", raw, dimensions, form))


def network_of(seed: int) -> Network:
    torch.manual_seed(seed)
    network = nets.build("six-layer", 32, 10, 0.25)
    network(torch.randn(8, 3, 32, 32))  # BatchNorm's statistics are no round numbers
    return network.eval()


@pytest.fixture(scope="module")
def shared() -> Network:
    return ShareWeights(4).apply(Prune(5.0, "layer").apply(network_of(0), {}), {})


def assert_equal_bits(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype and found[name].shape == tensor.shape
        assert found[name].numpy().tobytes() == tensor.numpy().tobytes(), name


@pytest.mark.parametrize("form", FORMS[:4])
def test_network_round_trip(shared: Network, form: str) -> None:
    """Special values too."""
    special = network_of(3)
    for layer in weight_layers(special).values():
        layer.weight.data.zero_()
        layer.weight.data.flatten()[:4] = torch.tensor([-0.0, float("nan"), float("-inf"), 1e-42])
    for network in (shared, special):
        packed = stored(network, form)
        assert packed.bytes == sum(packed.parts.values())
        told, tensors = unpacked.tensors_of(packed.content)
        assert told == form
        assert_equal_bits(tensors, finished(copy.deepcopy(network)).state_dict())


def test_sizes_against_hand_counts(shared: Network) -> None:
    """80 % zeros, 4 bits: 32 bits a weight; then 32 bits a weight left and its gaps; then 4 bits instead of 32."""
    weights = sum(layer.weight.numel() for layer in weight_layers(shared).values())
    left = sum(int((layer.weight != 0).sum()) for layer in weight_layers(shared).values())
    packed = {form: stored(shared, form) for form in FORMS[:4]}
    sizes = {form: each.parts for form, each in packed.items()}
    assert sizes["dense32"]["values"] == 4 * weights
    assert sizes["sparse32"]["values"] == 4 * left
    assert 5 / 8 * left < sizes["sparse32"]["gaps"] < 1.5 * left
    assert sizes["shared"]["codebook"] == 6 * 4 * 16
    assert left / 2 <= sizes["shared"]["indices"] < left / 2 + 100
    assert sizes["shared+huffman"]["gaps"] < sizes["shared"]["gaps"]
    assert sizes["shared+huffman"]["indices"] < sizes["shared"]["indices"]
    assert len({size["other"] for size in sizes.values()}) == 1
    totals = [each.bytes for each in packed.values()]
    assert totals == sorted(totals, reverse=True) and totals[0] > 3.5 * totals[1] > 7 * totals[3]


def test_gaps_are_left_out_where_they_cost_more() -> None:
    network = network_of(2)
    sparse, dense = stored(network, "sparse32").parts, stored(network, "dense32").parts
    assert sparse | {"frame": 0} == dense | {"frame": 0}
    with pytest.raises(UserError, match="apply ShareWeights"):
        stored(network, "shared")
    with pytest.raises(UserError, match="form"):
        stored(network, "zip")


def test_integer_network_round_trip() -> None:
    pytest.importorskip("torchao", reason="8-bit inference needs torchao")
    network = network_of(4)
    integers = int8(network, torch.randn(100, 3, 32, 32))
    packed = stored(integers, "int8")
    weights = sum(layer.weight.numel() for layer in weight_layers(network).values())
    assert packed.parts["values"] == weights  # one byte each
    assert packed.bytes < 0.3 * stored(network, "dense32").bytes
    assert_equal_bits(unpacked.tensors_of(packed.content)[1], integers.tensors)
    for one, form in ((integers, "dense32"), (network, "int8")):
        with pytest.raises(UserError, match="int8"):
            stored(one, form)
