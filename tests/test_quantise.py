"""Weight sharing against scikit-learn and hand sums; integer inference on the integer kernels."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from netpress import nets
from netpress.compress.edits import Prune, ShareWeights
from netpress.compress.integers import IntegerNetwork, int8
from netpress.compress.prune import finished, sparsity, weight_layers
from netpress.compress.share import BINS, k_means, points, share
from netpress.errors import UserError
from netpress.nets.network import Network


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return nets.build("six-layer", 32, 10, 0.25)


def test_lloyd_by_hand() -> None:
    """Begun at 0, 5 and 10: {0, 1} {4} {9, 10}; means 0.5, 4, 9.5; nothing moves any more."""
    index, centroids = share(np.array([9, 0.5, 4, 10, 0, 1.5], dtype=np.float32), bits=2)
    assert index[4] == 0  # a zero has no centroid
    assert len(centroids) == 4  # four centroids for the five values left: two values share one
    places = np.array([0.0, 1, 4, 9, 10])
    np.testing.assert_allclose(k_means(places, np.ones(5), 3), [0.5, 4, 9.5])
    np.testing.assert_allclose(k_means(places, np.array([3, 1, 1, 1, 4]), 3), [0.25, 4, 9.8])


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_shared_values_are_the_means_of_the_nearest(bits: int) -> None:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal(5000).astype(np.float32)
    weights[rng.random(5000) < 0.5] = 0
    index, centroids = share(weights, bits)
    assert len(centroids) == 2**bits
    np.testing.assert_array_equal(index == 0, weights == 0)
    for i, centroid in enumerate(centroids):
        assert centroid == np.float32(weights[index == i + 1].astype(np.float64).mean())
    alive = weights[index > 0]
    distance = np.abs(alive - centroids[index[index > 0] - 1])
    nearest = np.abs(alive[:, None] - centroids[None, :]).min(axis=1)
    assert np.mean(distance - nearest) < 1e-3 * alive.std()  # k-means has come to rest


def test_large_layers_are_summed_up_with_little_loss() -> None:
    """Squared error on 200,000 weights within 3 % of k-means on all of them."""
    from sklearn.cluster import KMeans

    weights = (0.02 * np.random.default_rng(0).standard_t(5, 200_000)).astype(np.float32)
    assert len(points(weights.astype(np.float64))[0]) <= BINS
    index, centroids = share(weights, bits=4)
    ours = float(np.mean((weights - centroids[index - 1]) ** 2))
    begin = np.linspace(weights.min(), weights.max(), 16)[:, None]
    whole = KMeans(16, init=begin.astype(np.float64), n_init=1).fit(weights[:, None].astype(np.float64))
    assert ours < 1.03 * whole.inertia_ / len(weights)


def test_degenerate_layers() -> None:
    index, centroids = share(np.zeros(7, dtype=np.float32), bits=4)
    assert not index.any() and not len(centroids)
    index, centroids = share(np.full(7, -0.5, dtype=np.float32), bits=4)
    assert (index == 1).all() and centroids.tolist() == [-0.5]


def test_network_takes_few_values_and_zeros_stay(network) -> None:
    Prune(5.0).apply(network, {})
    zeros = {name: layer.weight == 0 for name, layer in weight_layers(network).items()}
    ShareWeights(3).apply(network, {})
    for name, layer in weight_layers(network).items():
        assert torch.equal(layer.weight == 0, zeros[name])
        assert len(layer.weight.unique()) <= 2**3 + 1
    x = torch.randn(2, 3, 32, 32)
    before = network.eval()(x)
    assert torch.equal(finished(network)(x), before)
    assert type(next(iter(weight_layers(network).values()))) is nn.Conv2d


def test_gradient_of_a_centroid_is_the_sum_over_its_weights(network) -> None:
    """Deep Compression, equation 3, in float64 with a loop over centroids."""
    ShareWeights(2).apply(Prune(2.0).apply(network, {}), {})
    plain = finished(copy.deepcopy(network))
    network, plain = network.double(), plain.double()
    x = torch.randn(3, 3, 32, 32, dtype=torch.float64)
    network.eval()(x).square().sum().backward()
    plain.eval()(x).square().sum().backward()
    for name, layer in weight_layers(plain).items():
        held = network.get_submodule(name).parametrizations.weight
        index = held[0].index.view(layer.weight.shape)
        by_hand = torch.stack([layer.weight.grad[index == i + 1].sum() for i in range(4)])
        torch.testing.assert_close(held.original.grad, by_hand)


def test_centroids_train_and_weights_go_on_sharing(network) -> None:
    ShareWeights(4).apply(Prune(5.0, "layer").apply(network, {}), {})
    before = {name: layer.weight.detach().clone() for name, layer in weight_layers(network).items()}
    optimiser = torch.optim.SGD(network.parameters(), 0.001, momentum=0.9, weight_decay=5e-4)
    x, y = torch.randn(16, 3, 32, 32), torch.randint(0, 10, (16,))
    losses = []
    for _ in range(10):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network.train()(x), y)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert sparsity(network) == pytest.approx(0.8, abs=1e-3)
    for name, layer in weight_layers(network).items():
        assert len(layer.weight.unique()) <= 2**4 + 1
        assert not torch.equal(layer.weight, before[name])


def test_states_fit_whatever_k_means_found(network) -> None:
    """A stopped run goes on from the saved state: code books must have the same shape on other weights."""
    ShareWeights(6).apply(Prune(20.0).apply(network, {}), {})
    torch.manual_seed(9)
    other = nets.build("six-layer", 32, 10, 0.25)
    ShareWeights(6).apply(Prune(20.0).apply(other, {}), {})
    other.load_state_dict(copy.deepcopy(network.state_dict()))
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(other.eval()(x), network.eval()(x))


def test_wrong_input(network) -> None:
    for bits in (0, 9, 2.5):
        with pytest.raises(UserError, match="1 to 8 bits"):
            ShareWeights(bits)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="Prune before ShareWeights"):
        Prune(5.0).apply(ShareWeights(2).apply(network, {}), {})


@pytest.fixture(scope="module")
def trained() -> tuple[Network, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The six-layer network, trained on scikit-learn's digits for a few seconds; calibration and test images."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = torch.from_numpy(x).float().reshape(-1, 1, 8, 8).repeat(1, 3, 4, 4) / 8 - 1
    y = torch.from_numpy(y)
    torch.manual_seed(0)
    network = nets.build("six-layer", 32, 10, 0.25)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    for epoch in range(3):
        for index in torch.randperm(1400, generator=torch.Generator().manual_seed(epoch)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x[index]), y[index]).backward()
            optimiser.step()
    return network.eval(), x[:256], x[1400:], y[1400:]


@pytest.fixture(scope="module")
def integers(trained) -> IntegerNetwork:
    pytest.importorskip("torchao", reason="8-bit inference needs torchao")
    if not torch.backends.mkldnn.is_available():
        pytest.skip("8-bit inference needs oneDNN, which this PyTorch has not")
    return int8(trained[0], trained[1])


def test_every_layer_runs_an_integer_kernel(trained, integers: IntegerNetwork) -> None:
    assert len(integers.kernels) == len(weight_layers(trained[0]))
    assert all(name.startswith(("onednn.qconv", "onednn.qlinear")) for name in integers.kernels)
    with torch.profiler.profile() as watched:
        integers(trained[1][:64])
    calls = {event.key: event.count for event in watched.key_averages()}
    integer = sum(n for name, n in calls.items() if name.startswith(("onednn::qconv", "onednn::qlinear")))
    assert integer == len(integers.kernels)
    assert not {"aten::conv2d", "aten::convolution", "aten::linear", "aten::addmm", "aten::mm"} & calls.keys()


def test_integer_accuracy_is_near_the_float_one(trained, integers: IntegerNetwork) -> None:
    network, _, x, y = trained
    with torch.no_grad():
        float_accuracy = (network(x).argmax(1) == y).float().mean().item()
    accuracy = (integers(x).argmax(1) == y).float().mean().item()
    assert float_accuracy > 0.8
    assert abs(accuracy - float_accuracy) < 0.02


def test_integer_logits_do_not_depend_on_the_batch(trained, integers: IntegerNetwork) -> None:
    x = trained[2][:70]
    whole = integers(x)
    assert whole.dtype == torch.float32 and whole.shape == (70, 10)
    assert torch.equal(torch.cat([integers(x[i : i + 1]) for i in range(3)]), whole[:3])
    assert torch.equal(integers(x[64:]), whole[64:])


def test_integer_weights_are_the_folded_ones_rounded(trained, integers: IntegerNetwork) -> None:
    """BatchNorm folded by hand in float64, each output channel divided by max|w| / 127.5 or / 127, and rounded."""
    conv, bn = next((m.conv, m.bn) for m in trained[0].modules() if hasattr(m, "conv"))
    factor = bn.weight.double() / (bn.running_var.double() + bn.eps).sqrt()
    folded = conv.weight.double() * factor[:, None, None, None]
    scale, weight = integers.tensors["_scale_0"].double(), integers.tensors["_frozen_param0"]
    largest = folded.abs().amax((1, 2, 3))
    assert weight.dtype == torch.int8
    assert ((scale > largest / 128) & (scale < largest / 126.9)).all()
    error = (weight * scale[:, None, None, None] - folded).abs() / scale[:, None, None, None]
    assert error.max() < 0.51


def test_int8_leaves_the_network_alone(trained) -> None:
    network, calibration, *_ = trained
    before = copy.deepcopy(network.state_dict())
    pruned = Prune(5.0).apply(copy.deepcopy(network), {})
    int8(pruned, calibration[:64])
    assert sparsity(pruned) == pytest.approx(0.8, abs=1e-3)
    assert all(torch.equal(t, network.state_dict()[name]) for name, t in before.items())


def test_int8_refuses_what_it_cannot_do(network, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="float32"):
        int8(network, torch.zeros(4, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(UserError, match="float32"):
        int8(network, torch.zeros(0, 3, 32, 32))
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    with pytest.raises(UserError, match="oneDNN"):
        int8(network, torch.zeros(4, 3, 32, 32))
