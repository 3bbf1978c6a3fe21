"""Pruning against numpy's sort, and what is pruned against real steps of the optimiser."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from netpress import nets
from netpress.compress.edits import Prune, gradual
from netpress.compress.prune import finished, sparsity, weight_layers
from netpress.errors import UserError
from netpress.nets.network import Network


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return nets.build("vgg16", 32, 10, 1 / 16)


def weights(network: nn.Module) -> dict[str, np.ndarray]:
    return {name: layer.weight.detach().numpy().copy() for name, layer in weight_layers(network).items()}


def train(network: Network, steps: int = 8) -> None:
    torch.manual_seed(1)
    x, y = torch.randn(16, 3, 32, 32), torch.randint(0, 10, (16,))
    optimiser = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    for _ in range(steps):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(x), y).backward()
        optimiser.step()


def test_global_keeps_the_largest_of_all_weights(network: Network) -> None:
    before = weights(network)
    everything = np.sort(np.concatenate([np.abs(w).ravel() for w in before.values()]))
    threshold = everything[round(len(everything) * 0.8)]  # the smallest that stays
    after = weights(Prune(5.0).apply(network, {}))
    for name, w in before.items():
        np.testing.assert_array_equal(after[name], np.where(np.abs(w) >= threshold, w, 0))
    shares = [float((w == 0).mean()) for w in after.values()]
    assert max(shares) - min(shares) > 0.1  # layers differ: it is not the same as layer by layer


def test_layer_keeps_the_largest_of_each_layer(network: Network) -> None:
    before = weights(network)
    after = weights(Prune(5.0, "layer").apply(network, {}))
    for name, w in before.items():
        pruned = round(w.size * 0.8)
        threshold = np.sort(np.abs(w).ravel())[pruned]
        np.testing.assert_array_equal(after[name], np.where(np.abs(w) >= threshold, w, 0))
        assert (after[name] == 0).sum() == pruned


@pytest.mark.parametrize("ratio", [1.0, 2.0, 5.0, 20.0])
def test_ratio_is_all_weights_by_weights_left(network: Network, ratio: float) -> None:
    assert sparsity(Prune(ratio).apply(network, {})) == pytest.approx(1 - 1 / ratio, abs=1e-5)


def test_biases_and_batchnorm_are_left_alone(network: Network) -> None:
    before = copy.deepcopy(network.state_dict())
    after = finished(Prune(20.0).apply(network, {})).state_dict()
    layers = {f"{name}.weight" for name in weight_layers(network)}
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before.keys() - layers)


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_zeros_stay_zero_and_the_rest_trains(network: Network, scope: str) -> None:
    Prune(5.0, scope).apply(network, {})
    before = weights(network)
    train(network)
    for name, w in weights(network).items():
        pruned = before[name] == 0
        assert not w[pruned].view(np.uint32).any()  # +0.0 in every bit
        assert (w[~pruned] != before[name][~pruned]).all()


def test_no_gradient_where_pruned_and_the_plain_one_elsewhere(network: Network) -> None:
    plain = finished(copy.deepcopy(Prune(5.0).apply(network, {})))
    x = torch.randn(4, 3, 32, 32)
    network.eval()(x).square().sum().backward()
    plain.eval()(x).square().sum().backward()
    for name, layer in weight_layers(plain).items():
        kept = layer.weight != 0
        gradient = network.get_submodule(name).parametrizations.weight.original.grad
        assert not gradient[~kept].any()
        torch.testing.assert_close(gradient[kept], layer.weight.grad[kept])


def test_pruning_goes_on(network: Network) -> None:
    Prune(2.0).apply(network, {})
    first = {name: w == 0 for name, w in weights(network).items()}
    train(network, steps=2)
    Prune(5.0).apply(network, {})
    assert sparsity(network) == pytest.approx(0.8, abs=1e-5)
    assert all((w[first[name]] == 0).all() for name, w in weights(network).items())
    with pytest.raises(UserError, match="larger"):
        Prune(2.0).apply(network, {})


def test_finishing_gives_a_plain_network_with_the_same_outputs(network: Network) -> None:
    names = network.state_dict().keys()
    Prune(5.0).apply(network, {}).eval()
    x = torch.randn(2, 3, 32, 32)
    before = network(x)
    plain = finished(network)
    assert plain.state_dict().keys() == names
    assert torch.equal(plain(x), before)
    assert type(plain["block1"].conv1_1.conv) is nn.Conv2d
    train(plain, steps=2)  # nothing is held any more
    assert sparsity(plain) < 0.5  # what is left of it are layers that get no gradient


def test_masks_survive_copies_states_autocast_and_channels_last(network: Network) -> None:
    Prune(5.0).apply(network, {})
    train(network, steps=1)
    network(torch.randn(2, 3, 32, 32))  # an unfinished graph must not hinder the copy
    other = copy.deepcopy(network).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        train(other, steps=2)
    assert sparsity(other) == pytest.approx(0.8, abs=1e-5)
    torch.manual_seed(5)
    again = Prune(5.0).apply(nets.build("vgg16", 32, 10, 1 / 16), {})  # other weights, so another mask
    again.load_state_dict(network.state_dict())
    assert all(np.array_equal(w, weights(again)[name]) for name, w in weights(network).items())


def test_gradual_is_cubic_and_ends_at_the_ratio() -> None:
    ratios = gradual(5.0, 4)
    assert [1 - 1 / r for r in ratios] == pytest.approx([0.8 * (1 - (1 - t / 4) ** 3) for t in (1, 2, 3, 4)])
    assert ratios[-1] == 5.0
    assert gradual(5.0, 1) == (5.0,)


@pytest.mark.parametrize("ratio", [0.5, 0.0, -1.0, float("inf"), float("nan")])
def test_impossible_ratios(ratio: float) -> None:
    with pytest.raises(UserError, match="at least 1"):
        Prune(ratio)


def test_other_wrong_input() -> None:
    with pytest.raises(UserError, match="global or layer"):
        Prune(5.0, "block")
    with pytest.raises(UserError, match="step"):
        gradual(5.0, 0)
    with pytest.raises(UserError, match="nothing to prune"):
        Prune(5.0).apply(nn.Sequential(nn.ReLU()), {})
